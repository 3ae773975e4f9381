// Package webhook is the callback server: it accepts the marketplace's calls and stores them as MarketplaceInstances.
//
// A callback comes to /v1/{namespace}/{marketplace}. The path picks the Marketplace and with it the Secret of its keys,
// because nothing in a request may be trusted before its signature holds. Handler.process then takes five steps:
//
//	limit → verify the raw bytes → decode → record → answer
//
// Where the marketplace does not come back to ask, the answer to a purchase waits for what it has to carry (supply.go), for some
// seconds, on the cache and without a place among the calls at work.
//
// What the package promises:
//
//   - Success is said when the API server has stored the call. If it can't be stored, or not within the time for an answer,
//     the marketplace is told to call again. Nothing is kept in memory for later. A call that brings its order is stored in two
//     writes, and acknowledged after the second; its repeat makes whichever is missing.
//   - Repeated and late calls are harmless. subscription.Merge is a pure function, and what it decides is written only if nobody has
//     written in between. A call that changes nothing is acknowledged only after a look at the API server itself.
//   - Only spec.subscription of an instance is ever written, and beside it the Secrets that keep what calls have brought.
//   - A debug call reads nothing but the Marketplace and its keys, and changes nothing.
//   - An unknown Marketplace is answered as a wrong signature is, with the same work, and unsigned: who proves nothing learns nothing. Only
//     what may be a real call to a Marketplace whose keys are missing is told to come again, because no sale may be lost.
//   - A call that is signed by a token alone, and so can be made again by whoever has it, is at work once however many make it at a time, and
//     its repeats pass for a stranger's.
//   - The same bytes again get the same answer as long as the marketplace may send them; another call with the same nonce is refused.
//   - Bodies, query strings, signatures, keys, and what a buyer is told stand in no log, metric or error.
//
// The package knows no marketplace: their implementations of marketplace.Callbacks are given to it in Options.Protocols.
package webhook
