package koogallery

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// MaxKitBody is the size in bytes above which a body of the Kit is refused unread: 500 users with all their fields at full
// length, in Chinese and escaped.
const MaxKitBody = 1 << 20

// Headers of the Kit (protocol page 8.1).
const (
	HeaderKitSign      = "X-Sign"
	HeaderKitTimestamp = "X-Timestamp"
	HeaderKitNonce     = "X-Nonce"
	HeaderKitToken     = "Authtoken"
)

// Paths of the Kit below the callback URL (protocol page 8.1): one of them and the name of an activity.
const (
	KitPath   = "/produceAPI/"
	KitV2Path = "/produceAPI/v2/"
)

// kitKeys are the keys of the Kit.
var kitKeys = []string{KeyKit}

// kitActivityOf is the activity that a path below the callback URL names, and whether the Kit's V2 is spoken; ok is false for
// any other path. KooGallery appends its path to the callback URL, also to one that ends with a slash.
func kitActivityOf(path string) (name string, v2, ok bool) {
	path = "/" + strings.TrimLeft(path, "/")
	name, v2 = strings.CutPrefix(path, KitV2Path)
	if !v2 {
		if name, ok = strings.CutPrefix(path, KitPath); !ok {
			return "", false, false
		}
	}
	name = strings.TrimSuffix(name, "/")
	_, ok = kitActivities[name]
	return name, v2, ok
}

// isKit reports whether a path is one of the Kit's.
func isKit(path string) bool {
	_, _, ok := kitActivityOf(path)
	return ok
}

// KitSign is the signature of a call of the Kit's V2 (protocol page 8.1), in lower-case hex. payload is the body in the form
// that is signed, timestamp the exact text of the header.
func KitSign(kitAccessKey []byte, nonce, timestamp string, payload []byte) string {
	return hex.EncodeToString(kitSignature(kitAccessKey, nonce, timestamp, payload))
}

// kitSignature is over the payload itself, where other interfaces sign its hash.
func kitSignature(key []byte, nonce, timestamp string, payload []byte) []byte {
	return hmacSHA256(key, key, []byte(nonce), []byte(timestamp), payload)
}

// verifyKit checks a call of the joint-operations Kit (protocol page 8.1), by the Kit's own keys only.
func (c *Callbacks) verifyKit(req marketplace.Request, now time.Time) (marketplace.Proof, error) {
	switch _, v2, _ := kitActivityOf(req.Path); {
	case req.Method != http.MethodPost:
		return marketplace.Proof{}, malformed("the method must be POST")
	case v2:
		return c.verifyKitSign(req, now)
	}
	return c.verifyKitToken(req, now)
}

// notTheKits is the error of a call that none of the Kit's keys has made. Where there is no key everything else is looked at
// before, so that a stranger can't tell.
func (c *Callbacks) notTheKits(what string) error {
	if !c.hasKit() {
		return fmt.Errorf("%w: the callback Secret has no %s", marketplace.ErrUnauthenticated, KeyKit)
	}
	return fmt.Errorf("%w: the %s is wrong", marketplace.ErrUnauthenticated, what)
}

// verifyKitSign checks a call of V2. The parts of what is signed are joined without a mark, as in verifySignature.
func (c *Callbacks) verifyKitSign(req marketplace.Request, now time.Time) (marketplace.Proof, error) {
	params, err := kitParametersOf(req.Header)
	if err != nil {
		return marketplace.Proof{}, err
	}
	name, ok := c.kitSigningKey(params, req.Body)
	if !ok {
		return marketplace.Proof{}, c.notTheKits("signature")
	}
	proof := marketplace.Proof{KeyName: name, Nonce: params.nonce}
	if err := checkTime(&proof, params, now, HeaderKitTimestamp); err != nil {
		return proof, err
	}
	return proof, c.checkVersion(nil, "", KitV2)
}

// kitParametersOf are the parameters of a call of V2, which it has in its header.
func kitParametersOf(header http.Header) (parameters, error) {
	for _, name := range []string{HeaderKitSign, HeaderKitTimestamp, HeaderKitNonce} {
		if len(header.Values(name)) > 1 {
			return parameters{}, malformed("the header %s is repeated", name)
		}
	}
	params := parameters{header.Get(HeaderKitSign), header.Get(HeaderKitTimestamp), header.Get(HeaderKitNonce)}
	switch {
	case params.signature == "":
		return parameters{}, fmt.Errorf("%w: the header %s is missing", marketplace.ErrUnauthenticated, HeaderKitSign)
	case params.timestamp == "":
		return parameters{}, malformed("the header %s is missing", HeaderKitTimestamp)
	case params.nonce == "":
		return parameters{}, malformed("the header %s is missing", HeaderKitNonce)
	case len(params.nonce) > maxNonce:
		return parameters{}, malformed("the header %s has more than %d characters", HeaderKitNonce, maxNonce)
	}
	return params, nil
}

func (c *Callbacks) kitSigningKey(params parameters, body []byte) (name string, ok bool) {
	given, err := hex.DecodeString(params.signature)
	if err != nil {
		return "", false
	}
	fits := func(payload []byte) bool {
		for _, key := range c.kit {
			if hmac.Equal(given, kitSignature(key.value, params.nonce, params.timestamp, payload)) && key.held {
				name = key.name
				return true
			}
		}
		return false
	}
	// A body that does not begin as an object could begin with the end of the timestamp before it.
	if isObject(body) && fits(body) {
		return name, true
	}
	for _, form := range kitForms(body) {
		if string(form) != string(body) && fits(form) {
			return name, true
		}
	}
	return "", false
}

func isObject(body []byte) bool {
	at := skipBlank(body, 0)
	return at < len(body) && body[at] == '{'
}

// verifyKitToken checks a call of V1. It has neither window nor nonce: what verifyToken says holds here too. An old call that
// somebody makes again is older than all that came after it, and changes nothing.
func (c *Callbacks) verifyKitToken(req marketplace.Request, now time.Time) (marketplace.Proof, error) {
	token := req.Header.Get(HeaderKitToken)
	if token == "" {
		return marketplace.Proof{}, fmt.Errorf("%w: the header authToken is missing", marketplace.ErrUnauthenticated)
	}
	given, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(token, " ", "+"))
	params, ok := kitParams(req.Body)
	if err != nil || !ok {
		return marketplace.Proof{}, c.notTheKits("authToken")
	}
	readings := []map[string]string{params}
	if len(req.Body) <= maxRewrittenKit {
		readings = kitReadings(params)
	}
	for _, reading := range readings {
		for _, key := range c.kit {
			if hmac.Equal(given, authToken(key.value, reading)) && key.held {
				proof := marketplace.Proof{KeyName: key.name, Token: string(given)}
				if !readAsSigned(req.Body, params, reading) {
					return proof, malformed("values are encoded in part, which makes the token ambiguous")
				}
				return c.checkKitToken(proof, params, reading, now)
			}
		}
	}
	return marketplace.Proof{}, c.notTheKits("authToken")
}

// checkKitToken checks what a token that holds does not say.
func (c *Callbacks) checkKitToken(proof marketplace.Proof, params, signed map[string]string, now time.Time) (marketplace.Proof, error) {
	if err := c.checkVersion(nil, "", KitV1); err != nil {
		return proof, err
	}
	if err := checkSplits(signed, kitParameters); err != nil {
		return proof, err
	}
	at, ok := parseUTC(params[timeParameter])
	if !ok {
		return proof, malformed("timeStamp must be a time of 17 digits in UTC+8 (yyyyMMddHHmmssSSS)")
	}
	return proof, checkAge(at.Add(-kitOffset), params["testFlag"], now)
}

// kitReadings are the parameters that a token of V1 may be over: the values as the body has them, and, where one of KooGallery's pages
// says that they are encoded for a URL, decoded or encoded (protocol page 16).
func kitReadings(params map[string]string) []map[string]string {
	readings := []map[string]string{params}
	decoded, encoded := maps.Clone(params), maps.Clone(params)
	for name, value := range params {
		if plain, err := url.QueryUnescape(value); err == nil && utf8.ValidString(plain) {
			decoded[name] = plain
		}
		encoded[name] = urlEncode(value)
	}
	for _, reading := range []map[string]string{decoded, encoded} {
		if !maps.Equal(reading, params) {
			readings = append(readings, reading)
		}
	}
	return readings
}

// readAsSigned refuses values that are other ones when they are decoded, as they are signed, than as decodeKit reads them: else testFlag would be
// 1 for the token and %31 for what is done.
func readAsSigned(body []byte, params, signed map[string]string) bool {
	if maps.Equal(params, signed) {
		return true
	}
	// An encoding can be undone in one way only, so that what is signed says what was sent.
	encoded := true
	for name, value := range params {
		encoded = encoded && signed[name] == urlEncode(value)
	}
	if encoded {
		return true
	}
	members, err := parseKitBody(body)
	if err != nil {
		return false
	}
	for name, raw := range urlDecoded(members) {
		text := string(appendCompact(nil, raw))
		if raw[0] == '"' && json.Unmarshal(raw, &text) != nil || !isNull(raw) && signed[name] != text {
			return false
		}
	}
	return true
}

func urlEncode(value string) string { return javaEscapes.Replace(url.QueryEscape(value)) }

// javaEscapes makes of Go's encoding for a URL the one of Java's URLEncoder.
var javaEscapes = strings.NewReplacer("%2A", "*", "~", "%7E")

// urlDecoded takes the encoding for a URL off the strings of a body of V1. It is done where every string is encoded, and one of them for
// certain: a body that is not has a list, an address or a name that could not stand in a URL.
func urlDecoded(members object) object {
	decoded, certain := object{}, false
	for name, raw := range members {
		var text string
		if isNull(raw) || raw[0] != '"' || json.Unmarshal(raw, &text) != nil {
			decoded[name] = raw
			continue
		}
		plain, err := url.QueryUnescape(text)
		if err != nil || !utf8.ValidString(plain) || strings.Trim(text, urlEncoded) != "" {
			return members
		}
		certain = certain || strings.Contains(text, "%")
		decoded[name] = appendString(nil, plain)
	}
	if !certain {
		return members
	}
	return decoded
}

// urlEncoded is what a text consists of that was encoded for a URL.
const urlEncoded = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-*~+%"

// kitParams are the members of a body of V1 as its token joins them: strings as they are meant, all else as it was written.
func kitParams(body []byte) (map[string]string, bool) {
	members, ok := scanMembers(body)
	if !ok || !utf8.Valid(body) {
		return nil, false
	}
	params := make(map[string]string, len(members))
	for _, found := range members {
		switch {
		case isNull(found.value):
			delete(params, found.name)
		case found.value[0] == '"':
			text := unescape(nil, found.value)
			params[found.name] = strings.TrimSuffix(strings.TrimPrefix(string(text), `"`), `"`)
		default:
			params[found.name] = string(appendCompact(nil, found.value))
		}
	}
	return params, true
}
