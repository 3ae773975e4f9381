// Package marketplace is what every marketplace has in common: a callback as it arrived (Request), what it means (Event),
// what was done about it (Outcome), and what goes back over the wire (Answer).
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
