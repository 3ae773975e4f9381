package marketplace

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// What can go wrong when a user is signed in, besides ErrUnavailable, which passes by itself. Texts of errors that wrap them hold no
// code, token or secret, and no word of an answer but the codes that OAuth2 defines.
var (
	// ErrSignOnCode: the code is unknown, used or too old. The user can sign in once more.
	ErrSignOnCode = errors.New("the sign-on server rejects the code")
	// ErrSignOnClient: the sign-on server does not accept the application's client id or secret.
	ErrSignOnClient = errors.New("the sign-on server rejects the OAuth2 client")
	// ErrSignOnDomain: the address where users sign in is none that is called.
	ErrSignOnDomain = errors.New("the address of the sign-on server is invalid")
	// ErrSignOnAnswer: the sign-on server refused for another reason, or answered what is no answer.
	ErrSignOnAnswer = errors.New("the sign-on server returned an unexpected response")
)

// SignOnClient is an application's OAuth2 client, and where its users sign in.
type SignOnClient struct {
	// DomainName is a host, or a URL, as in Enterprise.
	DomainName string
	// ClientID and ClientSecret are as in Application.
	ClientID, ClientSecret string
}

// Format shows nothing of the secret, whatever the verb.
func (c SignOnClient) Format(state fmt.State, _ rune) {
	_, _ = io.WriteString(state, "SignOnClient{}")
}

// SignOnAttempt is one user's way through the sign-on.
type SignOnAttempt struct {
	Client SignOnClient
	// RedirectURI is where the browser comes back to, the same at both ends of the way.
	RedirectURI string
	// State comes back with the browser: letters and digits that nobody can guess.
	State string
	// Verifier is PKCE's, 43 to 128 letters and digits; empty for none.
	Verifier string
}

// Format shows nothing, whatever the verb.
func (a SignOnAttempt) Format(state fmt.State, _ rune) {
	_, _ = io.WriteString(state, "SignOnAttempt{}")
}

// SignOnReturn is what a browser brought back. What it did not bring, or what is longer than it can be, is empty.
type SignOnReturn struct {
	// Code is exchanged for the user; State is that of the attempt.
	Code, State string
	// Refused is a code of OAuth2, such as access_denied, when the user was not signed in.
	Refused string
	// EnterpriseID names the enterprise, where the sign-on was begun by the marketplace.
	EnterpriseID string
}

// Format shows nothing, whatever the verb.
func (r SignOnReturn) Format(state fmt.State, _ rune) {
	_, _ = io.WriteString(state, "SignOnReturn{}")
}

// SignedOn is whom a marketplace has signed in. It holds personal data.
type SignedOn struct {
	// EnterpriseID is the user's enterprise.
	EnterpriseID string
	// UserNames are the account's names, at least one; a User of a Sync has one of them.
	UserNames []string
}

// Format shows nothing personal, whatever the verb.
func (s SignedOn) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, "SignedOn{}") }

// SignOn signs an enterprise's users in, by OAuth2's authorization code flow. It is safe for concurrent use.
type SignOn interface {
	// AuthorizeURL is where the browser is sent to. The error wraps ErrSignOnDomain.
	AuthorizeURL(attempt SignOnAttempt) (string, error)
	// ReadReturn reads the query with which the browser came back.
	ReadReturn(query map[string][]string) SignOnReturn
	// SignedOn exchanges the code and asks who the user is. What it is given for that it forgets. Errors wrap one of the sentinels
	// above, or ErrUnavailable.
	SignedOn(ctx context.Context, attempt SignOnAttempt, code string) (SignedOn, error)
	// LogoutURL is where the browser is sent to end the marketplace's session; from there it comes to redirectURL. The error wraps
	// ErrSignOnDomain.
	LogoutURL(client SignOnClient, redirectURL string) (string, error)
}
