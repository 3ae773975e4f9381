package login

// SafeReturn is for tests.
var SafeReturn = safeReturn
