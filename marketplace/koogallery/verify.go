package koogallery

import (
	"crypto/hmac"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

const (
	// MaxBody is the size in bytes above which a body is refused unread, of every interface but the Kit. The longest real one, a
	// query for 100 instances, has under 7 KiB.
	MaxBody = 64 << 10
	// MaxQuery is the size in bytes above which a query string is refused unread. SaaS V1.0 puts everything there: extension
	// parameters of up to 2048 characters, and two names of 64 characters of nine bytes each.
	MaxQuery = 12 << 10

	// maxRewritten is the size in bytes above which a body is verified as it came only, and no other form of it is tried: anyone
	// may send one, and each form costs a parse and a hash for every key. The longest real bodies, a query for 100 instances and a
	// fingerprint of 1024 escaped characters, have under 8 KiB.
	maxRewritten = 16 << 10

	// maxSkew is how far the time of a call may be from ours, in both directions (protocol page 3.1).
	maxSkew = 60 * time.Second
	// maxNonce keeps the cache of nonces small. Real ones have 64 characters.
	maxNonce = 256
)

// parameters are the query parameters of every call with a body (protocol page 3.1), as text.
type parameters struct{ signature, timestamp, nonce string }

// Verify tells the generations apart by the request alone (protocol page 1), and checks what each is signed with, by every key
// that it may be signed with. A GET with an authToken is of SaaS V1.0 or License 1.0: see verifyToken for what it promises. A
// POST is of one of the others: the signature is checked over the raw bytes first and over the canonical form if they don't
// fit (protocol page 3.1), and then the time. At last the key has to be one for the activity. Which errors it returns when:
//
//   - ErrUnauthenticated: the signature is missing or wrong, or (with the Proof) made by a key of another kind of interface.
//   - ErrStale, with the Proof: the signature holds, and the call is more than 60 s before or after now, or with an authToken more than
//     24 hours; of these the Proof has no time, because it says nothing about anyone's clock.
//   - ErrTooLarge: above MaxBody, MaxKitBody or MaxQuery.
//   - ErrMalformed: another method, another path below the callback URL, a query that can't be read, a parameter given twice, a
//     timestamp or nonce that is missing, or (with the Proof) a time that is not of its form.
//
// The signature joins nonce and timestamp without a mark between them: see readOneWay. A version that is not taken is ErrMalformed
// with the Proof: see WithVersions.
func (c *Callbacks) Verify(req marketplace.Request, now time.Time) (marketplace.Proof, error) {
	if err := checkSize(req); err != nil {
		return marketplace.Proof{}, err
	}
	if isKit(req.Path) {
		return c.verifyKit(req, now)
	}
	if err := checkEnvelope(req); err != nil {
		return marketplace.Proof{}, err
	}
	if req.Method == http.MethodGet {
		return c.verifyToken(req.Query, now)
	}
	return c.verifySignature(req, now)
}

func (c *Callbacks) verifySignature(req marketplace.Request, now time.Time) (marketplace.Proof, error) {
	params, err := parseParameters(req.Query)
	if err != nil {
		return marketplace.Proof{}, err
	}
	name, ok := c.verifyingKey(params, req.Body)
	if !ok {
		return marketplace.Proof{}, fmt.Errorf("%w: the signature is wrong", marketplace.ErrUnauthenticated)
	}
	proof := marketplace.Proof{KeyName: name, Nonce: params.nonce, LicensesOnly: licensesOnly(name)}
	activity := activityName(req.Body)
	if !mayMake(bodyPurposes, name, activity) {
		return proof, errOtherFamily(name)
	}
	if err := checkTime(&proof, params, now, "timestamp"); err != nil {
		return proof, err
	}
	return proof, c.checkVersion(bodyVersions, activity, SaaSV2)
}

// checkTime puts the time of a call of SaaS V2.0 or the Kit's V2 into its proof. name is the timestamp's, for the error.
func checkTime(proof *marketplace.Proof, params parameters, now time.Time, name string) error {
	sentAt, refusal := readOneWay(params.nonce, params.timestamp)
	if refusal != "" {
		return malformed("%s %s", name, refusal)
	}
	proof.SentAt = sentAt
	if skew := now.Sub(sentAt); skew.Abs() > maxSkew {
		return fmt.Errorf("%w: %s", marketplace.ErrStale, describeSkew(skew))
	}
	return nil
}

// MaxBodyOf is the size in bytes above which a body is refused unread, by its path below the callback URL.
func MaxBodyOf(path string) int64 {
	if isKit(path) {
		return MaxKitBody
	}
	return MaxBody
}

// checkSize refuses what costs too much to look at.
func checkSize(req marketplace.Request) error {
	switch maxBody := MaxBodyOf(req.Path); {
	case int64(len(req.Body)) > maxBody:
		return fmt.Errorf("%w: the body has more than %d bytes", marketplace.ErrTooLarge, maxBody)
	case len(req.Query) > MaxQuery:
		return fmt.Errorf("%w: the query string has more than %d bytes", marketplace.ErrTooLarge, MaxQuery)
	}
	return nil
}

// checkEnvelope refuses what can't carry a signature.
func checkEnvelope(req marketplace.Request) error {
	switch {
	case req.Method != http.MethodPost && (req.Method != http.MethodGet || !hasToken(req.Query)):
		return malformed("the method must be POST, or GET with an authToken (SaaS V1.0)")
	case req.Path != "" && req.Path != "/":
		return malformed("the path below the callback URL belongs to no interface")
	}
	return nil
}

// hasToken looks for an authToken, whether it can be read or not.
func hasToken(query string) bool {
	return strings.HasPrefix(query, tokenParameter+"=") || strings.Contains(query, "&"+tokenParameter+"=")
}

func parseParameters(query string) (parameters, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return parameters{}, errQuery
	}
	for _, name := range []string{"signature", "timestamp", "nonce"} {
		if len(values[name]) > 1 {
			return parameters{}, malformed("the query parameter %s is repeated", name)
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
	if len(body) > maxRewritten {
		return "", false
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
		if hmac.Equal(given, signature(key.value, params.nonce, params.timestamp, payload)) && key.held {
			return key.name, true
		}
	}
	return "", false
}

func describeSkew(skew time.Duration) string {
	direction := "before"
	if skew < 0 {
		direction = "after"
	}
	return fmt.Sprintf("it was sent %s %s the server's time, at most %s are allowed", skew.Abs().Round(time.Second), direction, maxSkew)
}
