package login

// For tests.
var (
	SafeReturn = safeReturn
	CookieName = cookieName
)
