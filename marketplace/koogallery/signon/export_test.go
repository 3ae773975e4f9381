package signon

// DecodeUserInfo is for tests.
var DecodeUserInfo = decodeUserInfo
