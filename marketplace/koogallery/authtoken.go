package koogallery

import (
	"crypto/hmac"
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// GenerationV1 is the Proof's Generation of a verified call of SaaS V1.0 or License 1.0. The other generations leave it empty.
const GenerationV1 = "V1"

const (
	// tokenParameter carries the signature of a call of SaaS V1.0, timeParameter its time.
	tokenParameter = "authToken"
	timeParameter  = "timeStamp"
)

// AuthToken is the signature of a call of SaaS V1.0 and License 1.0 (protocol page 5.1): params are the query's parameters,
// decoded, among them timeStamp; an authToken among them is left out.
func AuthToken(accessKey []byte, params map[string]string) string {
	return base64.StdEncoding.EncodeToString(authToken(accessKey, params))
}

func authToken(accessKey []byte, params map[string]string) []byte {
	pairs := make([]string, 0, len(params))
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if name != tokenParameter {
			pairs = append(pairs, name+"="+params[name])
		}
	}
	return hmacSHA256(slices.Concat(accessKey, []byte(params[timeParameter])), []byte(strings.Join(pairs, "&")))
}

// tokenCall is a call of SaaS V1.0 whose token holds: the key that made it, the parameters as its sender meant them, and the token.
type tokenCall struct {
	key    key
	params map[string]string
	token  string
}

// plusReadings are the ways in which the plus signs of a query may be meant, as the parameters in which one is a plus sign; in
// the others it is a blank. A sender or proxy that leaves the plus signs of base64 bare breaks the first reading, which is
// the standard (protocol page 5.1).
var plusReadings = []func(parameter string) bool{
	func(string) bool { return false },
	func(parameter string) bool { return slices.Contains(base64Parameters, parameter) },
	func(string) bool { return true },
}

// base64Parameters have values in which a blank can only be a plus sign that was decoded once too often.
var base64Parameters = []string{paramMobilePhone, paramEmail, paramExtend}

// openToken finds the key that made a call's authToken, and the reading of its plus signs under which it did. Errors wrap
// ErrMalformed for a query that can't carry a token, and ErrUnauthenticated.
func (c *Callbacks) openToken(query string) (tokenCall, error) {
	for _, isPlus := range plusReadings {
		params, err := parseQuery(query, isPlus)
		if err != nil {
			return tokenCall{}, err
		}
		// A blank is no character of base64, so it was a plus sign.
		given, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(params[tokenParameter], " ", "+"))
		if err != nil {
			break
		}
		for _, key := range c.token {
			if hmac.Equal(given, authToken(key.value, params)) && key.held {
				return tokenCall{key, params, string(given)}, nil
			}
		}
		if !strings.Contains(query, "+") {
			break
		}
	}
	return tokenCall{}, fmt.Errorf("%w: the authToken is wrong", marketplace.ErrUnauthenticated)
}

// parseQuery reads a query of SaaS V1.0. It refuses a parameter that is given twice: a token over the one and a decision over
// the other would not fit together.
func parseQuery(query string, isPlus func(parameter string) bool) (map[string]string, error) {
	params := map[string]string{}
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil {
			return nil, errQuery
		}
		unescape := url.QueryUnescape
		if isPlus(name) {
			unescape = url.PathUnescape
		}
		value, err := unescape(rawValue)
		if err != nil || !utf8.ValidString(name) || !utf8.ValidString(value) {
			return nil, errQuery
		}
		if _, repeated := params[name]; repeated {
			return nil, malformed("the query parameter %s is repeated", printable(name))
		}
		params[name] = value
		if len(params) > maxMembers {
			return nil, malformed("the query string has more than %d parameters", maxMembers)
		}
	}
	return params, nil
}

// errQuery leaves out the parser's own text, which quotes the query.
var errQuery = malformed("the query string can't be parsed")

// verifyToken checks a call of SaaS V1.0 or License 1.0. No window is documented, and KooGallery repeats a call for hours, so a real
// call may be as old as maxTokenAge, and a debug call, which changes and reads nothing, of any age. The Proof has neither time nor
// nonce: within that time whoever got hold of a call's URL can make that call again. What it does then is harmless, because every
// activity is recorded once by its order or ordered by its timeStamp; what it is told is what the call was told before, with
// credentials encrypted. How often it is made can be told by the Proof's Token. Which other call the token fits as well is in checkSplits.
func (c *Callbacks) verifyToken(query string, now time.Time) (marketplace.Proof, error) {
	call, err := c.openToken(query)
	if err != nil {
		return marketplace.Proof{}, err
	}
	proof := marketplace.Proof{KeyName: call.key.name, Token: call.token, Generation: GenerationV1, LicensesOnly: licensesOnly(call.key.name)}
	activity := call.params["activity"]
	if !mayMake(queryPurposes, call.key.name, activity) {
		return proof, errOtherFamily(call.key.name)
	}
	if err := c.checkVersion(queryVersions, activity, SaaSV1); err != nil {
		return proof, err
	}
	if err := checkSplits(call.params, queryParameters); err != nil {
		return proof, err
	}
	at, ok := parseUTC(call.params[timeParameter])
	if !ok {
		return proof, malformed("timeStamp must be a UTC time of 17 digits (yyyyMMddHHmmssSSS)")
	}
	return proof, checkAge(at, call.params["testFlag"], now)
}

// maxTokenAge is how far the timeStamp of a call that is signed by a token may be from our time: several times as long as KooGallery
// repeats one, and longer than the eight hours by which a sender may mean its own time zone.
const maxTokenAge = 24 * time.Hour

// errOldToken is a call whose token holds and which is too old; see verifyToken. It tells nothing about anyone's clock.
var errOldToken = fmt.Errorf("%w: timeStamp must be within %d h of now", marketplace.ErrStale, int(maxTokenAge.Hours()))

func checkAge(at time.Time, testFlag string, now time.Time) error {
	if testFlag != "1" && now.Sub(at).Abs() > maxTokenAge {
		return errOldToken
	}
	return nil
}

// parameterName is what the names of parameters consist of. One with a mark of the joined form in it could hold a whole parameter.
const parameterName = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

// typed are the parameters of both generations with a text that people type.
var typed = map[string]bool{
	"customerName": true, "userName": true, "name": true, "tenantCode": true, "orgName": true, "userList": true, "orgInfoList": true, "orgInfo": true,
}

// checkSplits refuses what a token fits in another way as well. A token is over "k=v&k=v" with nothing escaped (protocol page 5.1), so
// the same text may be a parameter, or the end of the value or name before it: testFlag hides in an orderId, and what a buyer has
// typed becomes an activity. Of all readings only the one is taken in which each parameter that anything is done with stands by
// itself, and none of them but a text that people type has anything in it that could be a parameter. A name that a buyer has typed is
// refused only with one that anything is done with.
func checkSplits(params map[string]string, known map[string]bool) error {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if name == "" || strings.Trim(name, parameterName) != "" {
			return malformed("the name of the parameter %s is ambiguous", printable(name))
		}
		for _, rest := range strings.Split(params[name], "&")[1:] {
			hidden, _, ok := strings.Cut(rest, "=")
			if ok && (known[hidden] || known[name] && !typed[name]) {
				return malformed("the value of %s contains a parameter, which makes the token ambiguous", printable(name))
			}
		}
	}
	return nil
}
