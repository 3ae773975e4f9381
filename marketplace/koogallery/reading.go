package koogallery

import (
	"strconv"
	"strings"
	"time"
)

const (
	// secondsDigits and millisDigits are the lengths of the two forms of a timestamp (protocol page 3.1).
	secondsDigits, millisDigits = 10, 13
)

// usualNonces are the lengths of the nonces that KooGallery's pages and samples show: 64 and 32 characters, and those of a UUID. No
// two of them differ by three, which is what a timestamp in milliseconds has more than one in seconds.
var usualNonces = map[int]bool{64: true, 36: true, 32: true}

// readOneWay reads the time of a call whose signature holds. Nonce and timestamp are signed with no mark between them, so whoever
// has captured a call can move digits over the border and has the signature of another time. Of the at most two readings of what
// was signed therefore only one is accepted, whatever the time is: the one with a nonce of a usual length, else the one in
// milliseconds. The text is not empty when it is refused.
func readOneWay(nonce, timestamp string) (at time.Time, refusal string) {
	at, ok := parseTimestamp(timestamp)
	if !ok {
		return time.Time{}, "must be UNIX time, 13 digits of milliseconds or 10 of seconds"
	}
	if len(timestamp) != timestampDigits(nonce+timestamp) {
		return time.Time{}, "and nonce can be split in two ways, and this is not the usual one"
	}
	return at, ""
}

// timestampDigits says how many of the last characters are the timestamp of a nonce and a timestamp that are joined.
func timestampDigits(joined string) int {
	nonceOfMillis, nonceOfSeconds := len(joined)-millisDigits, len(joined)-secondsDigits
	millis, seconds := isTime(joined, nonceOfMillis), isTime(joined, nonceOfSeconds)
	if millis && (!seconds || usualNonces[nonceOfMillis] || !usualNonces[nonceOfSeconds]) {
		return millisDigits
	}
	return secondsDigits
}

// isTime reports whether what begins at start could be the time of a call: digits, from the year 2001 to 2096.
func isTime(joined string, start int) bool {
	return start > 0 && '1' <= joined[start] && joined[start] <= '3' && strings.Trim(joined[start:], "0123456789") == ""
}

// parseTimestamp reads seconds or milliseconds, told apart by the number of digits.
func parseTimestamp(text string) (time.Time, bool) {
	if strings.Trim(text, "0123456789") != "" {
		return time.Time{}, false
	}
	number, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err == nil && len(text) == millisDigits:
		return time.UnixMilli(number).UTC(), true
	case err == nil && len(text) == secondsDigits:
		return time.Unix(number, 0).UTC(), true
	}
	return time.Time{}, false
}
