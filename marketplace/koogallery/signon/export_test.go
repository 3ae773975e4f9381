package signon

// DecodeUserInfo and ExactToken are for tests.
var (
	DecodeUserInfo = decodeUserInfo
	ExactToken     = exactToken
)
