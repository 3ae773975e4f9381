// Package protocol maps each marketplace protocol to its callback verification and its API clients, and translates failed API calls
// into conditions.
//
// The command gives [Protocols]: a protocol of each kind. [Clients] reads the credentials that a Marketplace names and makes a client
// of the API for orders, licenses or usage. A call that fails becomes a condition by the API's [Failure].
//
// Promises:
//
//   - Credentials are read live for each client, so that new ones are used at once. They never reach an error, a condition or a log.
//   - A problem that a person has to solve is told as one, with what to do; everything else is repeated after a pause that grows, or that
//     the marketplace names.
//
// The package knows no marketplace by name.
package protocol
