// Package salestest builds the objects that the tests of the controllers share: products, instances, calls of a marketplace, and stand-ins
// for what the controllers talk to. Builders return new objects, so that a test may change what it got.
package salestest
