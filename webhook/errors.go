package webhook

import (
	"errors"
	"fmt"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// Special cases of marketplace.ErrUnavailable, told apart for the metrics.
var (
	errKeys            = fmt.Errorf("%w: the callback keys could not be read", marketplace.ErrUnavailable)
	errKeyShared       = fmt.Errorf("%w: another Marketplace has the same key", marketplace.ErrUnavailable)
	errBusy            = fmt.Errorf("%w: too many concurrent callbacks", marketplace.ErrUnavailable)
	errBodyLate        = fmt.Errorf("%w: the body did not arrive in time", marketplace.ErrUnavailable)
	errPanic           = fmt.Errorf("%w: internal error in the callback server", marketplace.ErrUnavailable)
	errOldKinds        = fmt.Errorf("%w: the installed MarketplaceInstance CRD is older than this binary; upgrade the CRDs", marketplace.ErrUnavailable)
	errCredentialsGone = fmt.Errorf("%w: the Secret with the credentials no longer exists", marketplace.ErrUnavailable)
)

// errUnknownMarketplace is answered as any other call with a wrong signature, and counted apart.
var errUnknownMarketplace = fmt.Errorf("%w: no such Marketplace", marketplace.ErrUnauthenticated)

// errNoLicense is answered as any other unknown instance, but for a release: to call it done would lose one of a license that is not known as
// one.
var errNoLicense = fmt.Errorf("%w: the call is signed with the key for licenses, and the sale is not known to be one", marketplace.ErrUnknownInstance)

// unavailable is a failure of the API server. Its text may stand in logs, and an answer never quotes it.
func unavailable(attempt string, err error) error {
	return fmt.Errorf("%w: %s: %w", marketplace.ErrUnavailable, attempt, err)
}

// reasons name errors in metrics and logs; the first that fits counts, the special before the general.
var reasons = []struct {
	err  error
	name string
}{
	{errPanic, "Panic"},
	{errBusy, "Busy"},
	{errKeys, "NoKeys"},
	{errKeyShared, "KeyShared"},
	{errBodyLate, "BodyLate"},
	{errUnknownMarketplace, "UnknownMarketplace"},
	{marketplace.ErrStale, "Stale"},
	{marketplace.ErrReplayed, "Replayed"},
	{marketplace.ErrUnauthenticated, "Unauthenticated"},
	{marketplace.ErrTooLarge, "TooLarge"},
	{marketplace.ErrUndecipherable, "Undecipherable"},
	{marketplace.ErrMalformed, "Malformed"},
	{marketplace.ErrUnknownInstance, "UnknownInstance"},
	{marketplace.ErrConflict, "Conflict"},
}

// reasonOf is one of a fixed set of words for why a call was not answered with success; "Unavailable" for the rest.
func reasonOf(err error) string {
	for _, reason := range reasons {
		if errors.Is(err, reason.err) {
			return reason.name
		}
	}
	return "Unavailable"
}

// isFinal reports whether a call was answered for good: made again it would be answered the same.
func isFinal(err error) bool {
	return err == nil || reasonOf(err) != "Unavailable" && !errors.Is(err, marketplace.ErrUnavailable)
}
