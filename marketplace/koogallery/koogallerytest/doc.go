// Package koogallerytest is KooGallery's side of the protocol, for tests and for the simulator.
//
// A Caller makes the calls of SaaS V2.0 and checks the answers as KooGallery and its debug console do:
//
//	caller := koogallerytest.Caller{URL: callbackURL, AccessKey: accessKey}
//	exchange, err := caller.NewInstance(ctx, "CS2211181819B4LVS", "CS2211181819B4LVS-000001")
//	// err: there was no HTTP answer at all. exchange.Problems: what KooGallery would object to.
//	debug, err := caller.With(koogallerytest.Options{Debug: true}).QueryInstance(ctx, exchange.InstanceID)
//
// It talks HTTP/1.1 over a connection of its own, because what it checks, the case of a header's name above all, is lost in
// net/http's client.
//
// An OpenAPI fakes the open API that a seller asks for orders, with KooGallery's mock orders and its signature check.
package koogallerytest
