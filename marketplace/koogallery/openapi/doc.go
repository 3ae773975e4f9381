// Package openapi asks KooGallery's open API what a buyer has ordered. Callbacks carry ids only, so this is how plan,
// quantity, buyer and period become known.
//
//	client := &openapi.Client{BaseURL: base, FallbackURL: fallback, AK: ak, SK: sk}
//	order, raw, err := client.QueryOrder(ctx, orderID, orderLineID)
//	if errors.Is(err, openapi.ErrOrderNotFound) { ... }
//
// What it promises:
//
//   - A call ends: it makes a bounded number of attempts, each bounded in time and size, and stops when its context does.
//   - Only what may pass by itself is tried again. Everything else is an *Error with a remedy for a person.
//   - The server's certificate is verified, plain http is for loopback only, and no redirect is followed.
//   - No error text holds a key, a signature or a word of an answer but its code. Printing an Order shows nothing personal.
//   - Decoding is lenient in form (protocol page 4.2) and guesses no quantity.
//
// It is signed with the AK and SK of the seller's account (protocol page 4.1), which are not the access keys of callbacks.
package openapi
