// Package login is the sign-on bridge. It signs the users of a buyer's enterprise in at the marketplace, for applications without their own
// OAuth2 support, and redirects them to the tenant's front end with a short-lived signed token.
//
// One path for each product, and three for each instance:
//
//	/enter/NAMESPACE/PRODUCT             find the instance of the enterprise that the marketplace names → to the next
//	/login/NAMESPACE/INSTANCE            find → read the client → seal an attempt into a cookie → to the marketplace
//	/login/NAMESPACE/INSTANCE/callback   find → open the cookie → exchange the code → admit by the directory → hand over
//	/login/NAMESPACE/INSTANCE/logout     find → to the marketplace's logout, and from there to the front end
//
// What the package promises:
//
//   - It changes nothing, and nothing is kept: replicas know each other's attempts because the browser brings them, encrypted and
//     authenticated with a key of that instance, for some minutes and for one question to the marketplace. Only which of them were used is
//     remembered, within bounds.
//   - A code is taken only with the state that this browser was given. What the marketplace sends unasked is dropped, and a sign-on of
//     our own begun in its place.
//   - Let in is only who the instance's directory, read anew each time, shows as authorized and enabled, in the enterprise and
//     application that the sign-on was begun for.
//   - The token carries the nonce that the application has begun with, and binds it to the application's browser.
//   - The token is posted to the front end of that tenant and goes nowhere else; it stands in no URL. No answer leads to an address
//     that a request has named.
//   - An instance that does not exist is answered as one that has no login.
//   - Codes, tokens, secrets, cookies, query strings and personal data stand in no log, metric, error or page.
//
// The package knows no marketplace: implementations of marketplace.SignOn are given to it in Options.Protocols. It is served
// as the callbacks are, by package listener, in a process of its own, so that nothing here can cost a callback.
package login
