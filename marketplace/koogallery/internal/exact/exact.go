// Package exact reads JSON in one way only: names of members count as they are written, case included, and a name that stands twice in
// an object is refused. encoding/json takes "UserName" for "userName" and the last of two, so that whoever can add a member to what
// another one has written can become somebody else.
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
