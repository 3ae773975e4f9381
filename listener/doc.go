// Package listener is the HTTP server of the Internet-facing processes, the callback server and the sign-on bridge. It bounds the cost of
// connections by unauthenticated callers, so that they neither crash the process nor starve authenticated ones.
//
//	accept → is there room? → no: shed a stranger's connection → TLS → HTTP/1.1 → handler → Hold, Vouch
//
// What it promises:
//
//   - Never are more connections open than Options.MaxConnections, and of one address no more than Options.MaxPerAddress. A connection
//     counts until its goroutine has ended, so that a burst can't run ahead of the bound.
//   - When there is no room for a new connection, another one is shed: a stranger's, of the address that has most of them, the oldest of
//     those; a caller's that was vouched for only where there is no stranger. Eight strangers of one IPv6 /48 count as one of an address. A
//     connection whose vouched or held request is at work is never shed. Refused is a new one only while all others are at work; and while
//     the one that had to make room is younger than a second, unless somebody of the same address was vouched for before, or the address
//     still has fewer connections than the one that makes room: strangers that come as fast as that take each other's turn, and neither the
//     callers' nor that of somebody who comes for the first time.
//
// The addresses are those of the connections. Behind an ingress or a load balancer that does not pass them on they are its own, few, and
// shared by everybody: MaxPerAddress then has to be as high as MaxConnections, and the ingress has to tell its clients apart.
package listener
