package signon

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// decodeUserInfo reads who the user is (protocol page 9). One version of the answer names the account in userName, another in
// loginName as well; which of them authSync uses then is not told, so both count. Everything else of a user is known from the Kit.
func decodeUserInfo(body []byte) (marketplace.SignedOn, error) {
	var info struct {
		UserName  text `json:"userName"`
		LoginName text `json:"loginName"`
		Tenant    text `json:"tenant"`
	}
	if json.Unmarshal(body, &info) != nil {
		return marketplace.SignedOn{}, fmt.Errorf("%w: userinfo is no JSON object, or has more than %d bytes", marketplace.ErrSignOnAnswer, maxAnswer)
	}
	user := marketplace.SignedOn{EnterpriseID: string(info.Tenant)}
	for _, name := range []text{info.UserName, info.LoginName} {
		if name != "" && (len(user.UserNames) == 0 || user.UserNames[0] != string(name)) {
			user.UserNames = append(user.UserNames, string(name))
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

// text is a string, or a number that some versions may write for an id. Anything else, and what is longer than it can be, is empty.
type text string

// UnmarshalJSON never fails: what is no text is as if it were not there.
func (t *text) UnmarshalJSON(data []byte) error {
	var (
		word   string
		number json.Number
	)
	switch {
	case json.Unmarshal(data, &word) == nil:
	case json.Unmarshal(data, &number) == nil:
		word = number.String()
	}
	if len([]rune(word)) > maxID || strings.ContainsFunc(word, unicode.IsControl) {
		word = ""
	}
	*t = text(word)
	return nil
}
