// Package dns resolves the names of a cluster's Services, so that pods on a real node find each other by name.
//
// It is a small part of what CoreDNS does: A records over UDP of SERVICE.NAMESPACE.svc.DOMAIN, of Services with and without an
// address of their own, and of their pods that have a host name. Every other name is answered as one that does not exist,
// because nothing outside can be reached anyway.
package dns
