// Package signon signs an enterprise's users in at KooGallery (protocol page 9): the OAuth2 authorization code flow, the query of the
// user's identity, and logging out.
//
//	var signOn marketplace.SignOn = &signon.SignOn{}
//	address, err := signOn.AuthorizeURL(attempt)              // the browser goes there and comes back
//	returned := signOn.ReadReturn(request.URL.Query())
//	user, err := signOn.SignedOn(ctx, attempt, returned.Code)
//
// What it promises:
//
//   - Calls go to the domain of the enterprise's tenantSync, over HTTPS with a verified certificate, and follow no redirect. Each
//     is bounded in time and size, and a code is sent once.
//   - No error text holds a code, a token, a secret or a word of an answer but the codes that OAuth2 defines.
//   - Tokens are used for the one question who the user is, and then forgotten.
//   - The state and PKCE are the caller's; with an empty verifier nothing of PKCE is sent.
package signon
