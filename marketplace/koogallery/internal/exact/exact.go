// Package exact decodes JSON unambiguously: member names are case-sensitive, and duplicate members are rejected. encoding/json accepts
// "UserName" for "userName" and takes the last of two members, so that a caller who can append a member to another's JSON could
// impersonate a different user.
package exact

import (
	"errors"

	"sigs.k8s.io/json"
)

// ErrTwice is a member that stands twice in its object.
var ErrTwice = errors.New("duplicate member")

// Unmarshal is encoding/json's, exact. It looks into an object only as far as into is filled from it: what is kept as a RawMessage, or
// left to an UnmarshalJSON, has to be read by Unmarshal itself. Errors may quote the data.
func Unmarshal(data []byte, into any) error {
	doubled, err := json.UnmarshalStrict(data, into, json.DisallowDuplicateFields)
	switch {
	case err != nil:
		return err
	case len(doubled) > 0:
		return ErrTwice
	}
	return nil
}
