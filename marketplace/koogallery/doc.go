// Package koogallery speaks the seller's side of KooGallery, the marketplace of Huawei Cloud, for calls that arrive: it
// verifies, decodes and answers the callbacks of SaaS V2.0. It needs no Kubernetes, no network and no clock, so a Go service
// of any kind can use it alone:
//
//	callbacks, err := koogallery.NewCallbacks(map[string][]byte{"accessKey": key})
//	proof, err := callbacks.Verify(request, time.Now()) // nothing in the request may be believed before
//	event, err := callbacks.Decode(request)
//	answer := callbacks.Encode(proof, event, outcome)   // also for the errors of the steps before
//
// What it promises:
//
//   - Nothing of a body is believed, and no error tells anything about it, before its signature holds.
//   - Every answer is HTTP 200 with a result code, ASCII JSON within the documented lengths, and signed in Body-Sign. A
//     status other than 200 would hide the code: KooGallery counts it as a failed call and reads no further.
//   - No input panics, and the work per request is bounded by MaxBody and MaxQuery.
//   - No error, answer or formatted value contains a key.
//
// Which code is answered to what stands in one place, in codes.go. Section numbers in comments are those of the protocol page.
package koogallery
