// Package koogallery speaks the seller's side of KooGallery, the marketplace of Huawei Cloud, for calls that arrive: it
// verifies, decodes and answers the callbacks of SaaS V2.0 and V1.0, license codes 2.0, Online License, License 1.0 and order
// notifications, which it tells apart by the request itself. It needs no Kubernetes, no network and no clock, so a Go service
// of any kind can use it alone:
//
//	callbacks, err := koogallery.NewCallbacks(map[string][]byte{"accessKey": key}) // WithVersions for the weak versions too
//	proof, err := callbacks.Verify(request, time.Now()) // nothing in the request may be believed before
//	event, err := callbacks.Decode(request)
//	answer := callbacks.Encode(proof, event, outcome)   // also for the errors of the steps before
//
// What it promises:
//
//   - Nothing of a body is believed, and no error tells anything about it, before its signature holds.
//   - A call is accepted from every key that may make it, so that keys can be rotated, and answered with the one that it was
//     signed with. A key of another kind of interface makes no call.
//   - Calls of V2.0 are accepted within 60 s, at the one time that their signature can be read with, and once by their nonce where the
//     caller remembers it. V1.0 has no nonce, and is accepted within a day: see Callbacks.Verify. It is off unless it is asked for.
//   - Nothing that the sale does not need makes a call malformed: each activity's needs stand beside its name in decode.go.
//   - Names in JSON count as they are written, and none may stand twice.
//   - Every answer is HTTP 200 with a result code, ASCII JSON within the documented lengths, and signed in Body-Sign if the call has proved
//     whose it is. A status other than 200 would hide the code: KooGallery counts it as a failed call and reads no further.
//   - No input panics, and the work per request is bounded by MaxBody and MaxQuery.
//   - No error, answer or formatted value contains a key.
//
// The calls of V1.0 carry the order itself (Event.Order, without a Lookup), with the buyer's data decrypted, and want the access
// data in their answer (Event.Wants). The key of a V1.0 sale is its order alone, so Event.OrderLineID is empty; where it is
// billed by usage it is the order and the product, which then stands in OrderLineID.
//
// Which code is answered to what stands in one place, in codes.go. Section numbers in comments are those of the protocol page.
package koogallery
