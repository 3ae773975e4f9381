package login

import (
	"errors"
	"net/http"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// refusal is a way in which a request ends without what it came for. Errors on the way wrap one; their own text is for logs.
type refusal struct {
	// reason is one of a fixed set of words, for metrics, logs and the page.
	reason string
	status int
	// title and text are what the user sees.
	title, text string
	// again offers to begin the sign-on once more.
	again bool
}

func (r *refusal) Error() string { return r.title }

const (
	askAdministrator = "Ask the administrator of your enterprise."
	askSeller        = "Tell the seller of this application the word below."
	waitAMoment      = "Wait a moment, then try again."
)

// The refusals. docs/login.md explains each by its reason.
var (
	errNotFound = &refusal{"NotFound", http.StatusNotFound, "There is no sign-on at this address",
		"Open the application as you usually do, or ask its seller for the address.", false}
	errMethod = &refusal{"Method", http.StatusMethodNotAllowed, "This is not how this address is used", "Open it in a browser.", false}

	errNonce = &refusal{"Nonce", http.StatusBadRequest, "The application has begun the sign-on in a way that can't be used", askSeller, false}

	errSuspended = &refusal{"Suspended", http.StatusServiceUnavailable, "The application is suspended",
		"Its paid time may be over. " + askAdministrator, false}
	errNotRunning = &refusal{"NotRunning", http.StatusServiceUnavailable, "The application does not run yet", waitAMoment, true}
	errFrontEnd   = &refusal{"FrontEnd", http.StatusServiceUnavailable, "The application can't be reached", askSeller, false}
	errNoClient   = &refusal{"NoClient", http.StatusForbidden, "Your enterprise is not connected with this application",
		"The marketplace has not connected it, or has ended that. " + askAdministrator, false}
	errDomain = &refusal{"Domain", http.StatusServiceUnavailable, "The address of your enterprise's sign-on can't be used",
		askAdministrator + " " + askSeller, false}

	errNoAttempt = &refusal{"NoAttempt", http.StatusBadRequest, "The sign-on took too long, or was begun elsewhere",
		"Sign in again, in this browser, with cookies allowed.", true}
	errState  = &refusal{"State", http.StatusBadRequest, "This is the answer to another sign-on", "Sign in again, in one window.", true}
	errDenied = &refusal{"Denied", http.StatusForbidden, "You were not signed in", "Sign in again, and agree.", true}
	errCode   = &refusal{"Code", http.StatusBadRequest, "The sign-on took too long, or was used already", "Sign in again.", true}

	errClientRefused = &refusal{"ClientRefused", http.StatusBadGateway, "The marketplace refuses this application",
		askAdministrator + " " + askSeller, false}
	errSignOn = &refusal{"SignOn", http.StatusBadGateway, "The marketplace's sign-on answered something unexpected",
		askSeller, true}
	errSignOnUnavailable = &refusal{"SignOnUnavailable", http.StatusBadGateway, "The marketplace's sign-on does not answer", waitAMoment, true}

	errOtherEnterprise = &refusal{"OtherEnterprise", http.StatusForbidden, "This application belongs to another enterprise",
		"Sign out at the marketplace, and sign in with the account of the enterprise that bought it.", false}
	errUnknownUser = &refusal{"UnknownUser", http.StatusForbidden, "You may not use this application",
		askAdministrator + " The application has to be given to you.", false}
	errAmbiguousUser = &refusal{"AmbiguousUser", http.StatusForbidden, "Your account can't be told from another",
		askAdministrator + " " + askSeller, false}
	errWithdrawn = &refusal{"Withdrawn", http.StatusForbidden, "You may no longer use this application",
		askAdministrator + " The application was taken back from you.", false}
	errDisabled = &refusal{"Disabled", http.StatusForbidden, "Your account is switched off", askAdministrator, false}

	errBusy        = &refusal{"Busy", http.StatusServiceUnavailable, "Too many users sign in at once", waitAMoment, true}
	errUnavailable = &refusal{"Unavailable", http.StatusServiceUnavailable, "The sign-on can't be used just now", waitAMoment, true}
	errPanic       = &refusal{"Panic", http.StatusInternalServerError, "The sign-on has failed", askSeller, true}
)

// refusalOf is the refusal that an error wraps.
func refusalOf(err error) *refusal {
	var found *refusal
	if errors.As(err, &found) {
		return found
	}
	return errUnavailable
}

// ofSignOn puts what a marketplace's sign-on says into a refusal.
func ofSignOn(err error) *refusal {
	for _, known := range []struct {
		err error
		is  *refusal
	}{
		{marketplace.ErrSignOnDomain, errDomain}, {marketplace.ErrSignOnCode, errCode}, {marketplace.ErrSignOnClient, errClientRefused},
		{marketplace.ErrSignOnAnswer, errSignOn},
	} {
		if errors.Is(err, known.err) {
			return known.is
		}
	}
	return errSignOnUnavailable
}
