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
	askAdministrator = "Contact the administrator of your enterprise."
	askSeller        = "Contact the seller of this application and quote the code below."
	waitAMoment      = "Wait a moment and try again."
)

// The refusals. docs/login.md explains each by its reason.
var (
	errNotFound = &refusal{"NotFound", http.StatusNotFound, "There is no sign-on at this address",
		"Open the application the way you usually do, or ask its seller for the address.", false}
	errMethod = &refusal{"Method", http.StatusMethodNotAllowed, "This address can't be used this way", "Open the address in a browser.", false}

	errNonce = &refusal{"Nonce", http.StatusBadRequest, "The application sent an invalid sign-on request", askSeller, false}

	errSuspended = &refusal{"Suspended", http.StatusServiceUnavailable, "The application is suspended",
		"Its paid period may have ended. " + askAdministrator, false}
	errNotRunning = &refusal{"NotRunning", http.StatusServiceUnavailable, "The application is not running yet", waitAMoment, true}
	errFrontEnd   = &refusal{"FrontEnd", http.StatusServiceUnavailable, "The application can't be reached", askSeller, false}
	errNoClient   = &refusal{"NoClient", http.StatusForbidden, "Your enterprise is not connected to this application",
		"The marketplace has not connected it yet, or has ended the connection. " + askAdministrator, false}
	errDomain = &refusal{"Domain", http.StatusServiceUnavailable, "The address of your enterprise's sign-on is invalid",
		askAdministrator + " " + askSeller, false}

	errNoAttempt = &refusal{"NoAttempt", http.StatusBadRequest, "The sign-on took too long, or was started in another browser",
		"Sign in again in this browser, with cookies enabled.", true}
	errState  = &refusal{"State", http.StatusBadRequest, "This response belongs to another sign-on", "Sign in again, using a single window.", true}
	errDenied = &refusal{"Denied", http.StatusForbidden, "You were not signed in", "Sign in again and give your consent.", true}
	errCode   = &refusal{"Code", http.StatusBadRequest, "The sign-on took too long, or was already used", "Sign in again.", true}

	errClientRefused = &refusal{"ClientRefused", http.StatusBadGateway, "The marketplace refuses this application",
		askAdministrator + " " + askSeller, false}
	errSignOn = &refusal{"SignOn", http.StatusBadGateway, "The marketplace's sign-on returned an unexpected response",
		askSeller, true}
	errSignOnUnavailable = &refusal{"SignOnUnavailable", http.StatusBadGateway, "The marketplace's sign-on is not responding", waitAMoment, true}

	errOtherEnterprise = &refusal{"OtherEnterprise", http.StatusForbidden, "This application belongs to another enterprise",
		"Sign out at the marketplace, then sign in with an account of the enterprise that bought it.", false}
	errUnknownUser = &refusal{"UnknownUser", http.StatusForbidden, "You are not authorized to use this application",
		askAdministrator + " They can assign the application to you.", false}
	errAmbiguousUser = &refusal{"AmbiguousUser", http.StatusForbidden, "Your account can't be uniquely identified",
		askAdministrator + " " + askSeller, false}
	errWithdrawn = &refusal{"Withdrawn", http.StatusForbidden, "You are no longer authorized to use this application",
		askAdministrator + " Your access was withdrawn.", false}
	errDisabled = &refusal{"Disabled", http.StatusForbidden, "Your account is disabled", askAdministrator, false}

	errBusy        = &refusal{"Busy", http.StatusServiceUnavailable, "Too many users are signing in right now", waitAMoment, true}
	errUnavailable = &refusal{"Unavailable", http.StatusServiceUnavailable, "The sign-on is temporarily unavailable", waitAMoment, true}
	errPanic       = &refusal{"Panic", http.StatusInternalServerError, "The sign-on failed", askSeller, true}
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
