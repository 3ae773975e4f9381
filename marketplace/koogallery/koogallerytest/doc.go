// Package koogallerytest is KooGallery's side of the protocol, for tests and for the simulator.
//
// A Caller makes the calls of every generation and checks the answers as KooGallery and its debug console do:
//
//	caller := koogallerytest.Caller{URL: callbackURL, AccessKey: accessKey}
//	exchange, err := caller.NewInstance(ctx, "CS2211181819B4LVS", "CS2211181819B4LVS-000001")
//	// err: there was no HTTP answer at all. exchange.Problems: what KooGallery would object to.
//	debug, err := caller.With(koogallerytest.Options{Debug: true}).QueryInstance(ctx, exchange.InstanceID)
//	old, err := caller.V1().NewInstance(ctx, koogallerytest.V1Order{OrderID: "CS2211181819B4LVS", ProductID: "P1"})
//
// A Conformance plays every debug case that KooGallery plays, and calls that have to be refused; its cases are a table, one in
// each row of debugCases.
//
// It talks HTTP/1.1 over a connection of its own, because what it checks, the case of a header's name above all, is lost in
// net/http's client.
//
// An OpenAPI fakes the open API that a seller calls: orders with KooGallery's mock orders, usage, and licenses. It checks
// signatures, keeps what it was told, and fails on demand.
package koogallerytest
