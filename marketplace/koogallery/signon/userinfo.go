package signon

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/internal/exact"
)

// decodeUserInfo reads who the user is (protocol page 9). One version of the answer names the account in userName, another in
// loginName as well; which of them authSync uses then is not told, so both count. Everything else of a user is known from the Kit.
func decodeUserInfo(body []byte) (marketplace.SignedOn, error) {
	var info map[string]json.RawMessage
	if exact.Unmarshal(body, &info) != nil || info == nil {
		return marketplace.SignedOn{}, fmt.Errorf("%w: userinfo is not a JSON object, has a duplicate member, or exceeds %d bytes",
			marketplace.ErrSignOnAnswer, maxAnswer)
	}
	user := marketplace.SignedOn{EnterpriseID: textOf(info["tenant"])}
	for _, name := range []string{textOf(info["userName"]), textOf(info["loginName"])} {
		if name != "" && (len(user.UserNames) == 0 || user.UserNames[0] != name) {
			user.UserNames = append(user.UserNames, name)
		}
	}
	switch {
	case user.EnterpriseID == "":
		return marketplace.SignedOn{}, fmt.Errorf("%w: userinfo has no tenant of 1 to %d characters", marketplace.ErrSignOnAnswer, maxID)
	case len(user.UserNames) == 0:
		return marketplace.SignedOn{}, fmt.Errorf("%w: userinfo has no userName of 1 to %d characters", marketplace.ErrSignOnAnswer, maxID)
	}
	return user, nil
}

// textOf is a string, or a number that some versions may write for an id. Anything else, what is longer than it can be, and what has
// characters that are none, for which two names could be the same, is empty.
func textOf(raw json.RawMessage) string {
	var (
		word   string
		number json.Number
	)
	switch {
	case len(raw) == 0:
	case json.Unmarshal(raw, &word) == nil:
	case json.Unmarshal(raw, &number) == nil:
		word = number.String()
	}
	if len([]rune(word)) > maxID || strings.ContainsFunc(word, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }) {
		return ""
	}
	return word
}

// tokenMembers are what counts of an answer with a token (RFC 6749, 5.1 and 5.2). The library takes other spellings of these names for them,
// and refuses a token for what is not used, such as a refresh token that is no text, so it gets nothing else.
var tokenMembers = []string{"access_token", "token_type", "error"}

// exactToken is an answer with a token, without what the library could take for a part of it; the answer as it is if it is no JSON object.
// ok is false if a member stands twice.
func exactToken(body []byte) (cleaned []byte, ok bool) {
	var members map[string]json.RawMessage
	switch err := exact.Unmarshal(body, &members); {
	case errors.Is(err, exact.ErrTwice):
		return nil, false
	case err != nil || members == nil:
		return body, true
	}
	kept := map[string]json.RawMessage{}
	for _, name := range tokenMembers {
		if value, there := members[name]; there {
			kept[name] = value
		}
	}
	cleaned, err := json.Marshal(kept)
	return cleaned, err == nil
}
