// Package marketplace defines the interface to all marketplaces: a callback as received (Request), its meaning (Event), the result of
// processing it (Outcome), and the response (Answer).
//
// A callback takes the same way for all marketplaces:
//
//	Verify(Request) → Decode(Request) → record (the webhook server) → Encode(Event, Outcome)
//
// What a marketplace is asked for is behind OrderReader and LicenseClient.
//
// A marketplace implements Callbacks in a package of its own below this one; its field names, codes and encryption stay
// there. Nothing here or below imports a Kubernetes package, so that a service that only wants a marketplace's signatures
// can use them alone.
package marketplace
