// Package openapi is a client of KooGallery's open API: it queries orders, pushes usage, and activates, queries and delivers
// licenses.
//
//	client := &openapi.Client{BaseURL: base, FallbackURL: fallback, AK: ak, SK: sk, AccessKey: accessKey}
//	order, raw, err := client.QueryOrder(ctx, orderID, orderLineID)
//	errs := client.PushUsageEach(ctx, records)
//	license, err := client.Activate(ctx, code, deliveredAt)
//	licenses, err := client.QueryLicenses(ctx, codes)
//	err = client.UploadLicense(ctx, eventID, openapi.LicenseUpload{Text: license})
//
//	var failed *openapi.Error
//	if errors.As(err, &failed) && failed.Outlook() == openapi.OutlookPasses { ... }
//
// What it promises for all of them:
//
//   - A call ends: it makes a bounded number of attempts, each bounded in time and size, and stops when its context does.
//   - Only what may pass by itself is tried again, and never what would have its effect twice. Everything else is an *Error
//     with a remedy for a person; it says whether the call can succeed later, whether it may have been carried out, and which
//     records or codes it is about as far as that is known.
//   - The server's certificate is verified, plain http is for loopback only, and no redirect is followed.
//   - No error text holds a key, a signature, a license or a word of an answer but its code. Printing an Order or a License
//     shows nothing personal and no license.
//   - Decoding is lenient in form (protocol page 4.2 and 7.2) and guesses no quantity and no state.
//   - Usage is decimal text from end to end and never rounded.
//
// All calls are signed with the AK and SK of the seller's account (protocol page 4.1), which are not the access keys of
// callbacks. Pushed usage is signed with the access key of the basic interfaces as well (protocol page 4.3).
package openapi
