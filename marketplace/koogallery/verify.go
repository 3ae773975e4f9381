package koogallery

import (
	"crypto/hmac"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

const (
	// MaxBody is the size in bytes above which a body is refused unread. The longest real one, a query for 100 instances,
	// has under 7 KiB.
	MaxBody = 64 << 10
	// MaxQuery is the size in bytes above which a query string is refused unread.
	MaxQuery = 4 << 10

	// maxSkew is how far the time of a call may be from ours, in both directions (protocol page 3.1).
	maxSkew = 60 * time.Second
	// maxNonce keeps the cache of nonces small. Real ones have 64 characters.
	maxNonce = 256
)

// parameters are the query parameters of every call (protocol page 3.1), as text.
type parameters struct{ signature, timestamp, nonce string }

// Verify checks the signature, over the raw bytes first and over the canonical form if they don't fit (protocol page 3.1),
// and then the time. It tries every key that the call may be signed with. Which errors it returns when:
//
//   - ErrUnauthenticated: the signature is missing or wrong.
//   - ErrStale, with the Proof: the signature holds, and the call is more than 60 s before or after now.
//   - ErrTooLarge: above MaxBody or MaxQuery.
//   - ErrMalformed: another method than POST, a path below the callback URL, a query that can't be read, a timestamp or nonce
//     that is missing, given twice, or (with the Proof) not of its form.
//
// The signature joins nonce and timestamp without a mark between them. Only 10 and 13 digits are taken as a timestamp, so
// moving the border makes a timestamp that is refused.
func (c *Callbacks) Verify(req marketplace.Request, now time.Time) (marketplace.Proof, error) {
	if err := checkEnvelope(req); err != nil {
		return marketplace.Proof{}, err
	}
	params, err := parseParameters(req.Query)
	if err != nil {
		return marketplace.Proof{}, err
	}
	name, ok := c.verifyingKey(params, req.Body)
	if !ok {
		return marketplace.Proof{}, fmt.Errorf("%w: the signature is wrong", marketplace.ErrUnauthenticated)
	}
	proof := marketplace.Proof{KeyName: name, Nonce: params.nonce}
	proof.SentAt, ok = parseTimestamp(params.timestamp)
	if !ok {
		return proof, malformed("timestamp must be UNIX time, 13 digits of milliseconds or 10 of seconds")
	}
	if skew := now.Sub(proof.SentAt); skew.Abs() > maxSkew {
		return proof, fmt.Errorf("%w: %s", marketplace.ErrStale, describeSkew(skew))
	}
	return proof, nil
}

// checkEnvelope refuses what can't carry a signature, or costs too much to look at.
func checkEnvelope(req marketplace.Request) error {
	switch {
	case len(req.Body) > MaxBody:
		return fmt.Errorf("%w: the body has more than %d bytes", marketplace.ErrTooLarge, MaxBody)
	case len(req.Query) > MaxQuery:
		return fmt.Errorf("%w: the query string has more than %d bytes", marketplace.ErrTooLarge, MaxQuery)
	case req.Method != http.MethodPost:
		return malformed("the method must be POST: SaaS V2.0 is spoken here, and no other generation of the protocol")
	case req.Path != "" && req.Path != "/":
		return malformed("no interface has a path below the callback URL")
	}
	return nil
}

func parseParameters(query string) (parameters, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		// The parser's own text quotes the query.
		return parameters{}, malformed("the query string can't be read")
	}
	for _, name := range []string{"signature", "timestamp", "nonce"} {
		if len(values[name]) > 1 {
			return parameters{}, malformed("the query parameter %s is given twice", name)
		}
	}
	params := parameters{values.Get("signature"), values.Get("timestamp"), values.Get("nonce")}
	switch {
	case params.signature == "":
		return params, fmt.Errorf("%w: the query parameter signature is missing", marketplace.ErrUnauthenticated)
	case params.timestamp == "":
		return params, malformed("the query parameter timestamp is missing")
	case params.nonce == "":
		return params, malformed("the query parameter nonce is missing")
	case len(params.nonce) > maxNonce:
		return params, malformed("the query parameter nonce has more than %d characters", maxNonce)
	}
	return params, nil
}

// verifyingKey finds the key that made the signature.
func (c *Callbacks) verifyingKey(params parameters, body []byte) (name string, ok bool) {
	// Both cases of hex are in use, and decoding folds them. What is no hex matches no signature.
	given, err := hex.DecodeString(params.signature)
	if err != nil {
		return "", false
	}
	if name, ok := c.keyFor(params, given, body); ok {
		return name, true
	}
	for _, form := range signedForms(body) {
		if name, ok := c.keyFor(params, given, form); ok {
			return name, true
		}
	}
	return "", false
}

func (c *Callbacks) keyFor(params parameters, given, payload []byte) (name string, ok bool) {
	for _, key := range c.signature {
		if hmac.Equal(given, signature(key.value, params.nonce, params.timestamp, payload)) {
			return key.name, true
		}
	}
	return "", false
}

// parseTimestamp reads seconds or milliseconds, told apart by the number of digits.
func parseTimestamp(text string) (time.Time, bool) {
	if strings.Trim(text, "0123456789") != "" {
		return time.Time{}, false
	}
	number, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err == nil && len(text) == 13:
		return time.UnixMilli(number).UTC(), true
	case err == nil && len(text) == 10:
		return time.Unix(number, 0).UTC(), true
	}
	return time.Time{}, false
}

func describeSkew(skew time.Duration) string {
	direction := "before"
	if skew < 0 {
		direction = "after"
	}
	return fmt.Sprintf("it was sent %s %s our time, at most %s are allowed", skew.Abs().Round(time.Second), direction, maxSkew)
}
