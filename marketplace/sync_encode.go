package marketplace

import (
	"encoding/json"
	"errors"
	"time"
)

// Types of the same fields without the methods that hide them.
type (
	openEnterprise  Enterprise
	openApplication Application
	openUser        User
	openDepartment  Department
)

// storedSync is a Sync in full. Its names are part of what is stored: change none.
type storedSync struct {
	EnterpriseID   string           `json:"enterpriseId"`
	At             int64            `json:"atUnixMilli"`
	Action         SyncAction       `json:"action"`
	Enterprise     *openEnterprise  `json:"enterprise,omitempty"`
	Application    *openApplication `json:"application,omitempty"`
	Users          []openUser       `json:"users,omitempty"`
	Departments    []openDepartment `json:"departments,omitempty"`
	AllDepartments bool             `json:"allDepartments,omitempty"`
}

// EncodeSync writes all of a Sync as JSON, for a Secret. Equal ones are equal in bytes.
func EncodeSync(s Sync) ([]byte, error) {
	stored := storedSync{
		EnterpriseID: s.EnterpriseID, At: s.At.UnixMilli(), Action: s.Action,
		Enterprise: (*openEnterprise)(s.Enterprise), Application: (*openApplication)(s.Application), AllDepartments: s.AllDepartments,
	}
	for _, user := range s.Users {
		stored.Users = append(stored.Users, openUser(user))
	}
	for _, department := range s.Departments {
		stored.Departments = append(stored.Departments, openDepartment(department))
	}
	return json.Marshal(stored)
}

// MaxEncodedSync is the size in bytes above which data are no Sync. The largest that EncodeSync makes of a call of 1 MiB, in which every
// character is one that JSON escapes, has 6 MiB.
const MaxEncodedSync = 8 << 20

// maxSyncThings bounds users and departments together: there are never more.
const maxSyncThings = MaxSyncDepartments + MaxSyncUsers

// maxSyncText is the length in bytes above which no text of a Sync is: 512 characters.
const maxSyncText = 4 * 512

var errNoSync = errors.New("it is not a synchronization in the format of this version")

// DecodeSync reads what EncodeSync wrote, whoever may have changed it: data that would be decoded to more than a Sync can hold are refused
// before there is memory for it. Its error quotes nothing of it.
func DecodeSync(data []byte) (Sync, error) {
	var stored storedSync
	if len(data) > MaxEncodedSync || !flat(data, maxSyncThings) || json.Unmarshal(data, &stored) != nil ||
		stored.EnterpriseID == "" || stored.Action == "" {
		return Sync{}, errNoSync
	}
	s := Sync{
		EnterpriseID: stored.EnterpriseID, At: time.UnixMilli(stored.At).UTC(), Action: stored.Action,
		Enterprise: (*Enterprise)(stored.Enterprise), Application: (*Application)(stored.Application), AllDepartments: stored.AllDepartments,
	}
	for _, user := range stored.Users {
		s.Users = append(s.Users, User(user))
	}
	for _, department := range stored.Departments {
		s.Departments = append(s.Departments, Department(department))
	}
	return s, nil
}

// flat reports whether JSON is an object of lists of objects at most, with no more than so many elements in its lists, and no text longer
// than any of a Sync. JSON that is broken may be called flat.
func flat(data []byte, elements int) bool {
	var lists [4]bool // by depth, whether it is a list
	depth := 0
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			length := textLength(data[i+1:])
			// An escaped character takes six bytes for at least one.
			if length > 6*maxSyncText {
				return false
			}
			i += length + 1
		case c == '{' || c == '[':
			if depth++; depth == len(lists) {
				return false
			}
			lists[depth] = c == '['
		case c == '}' || c == ']':
			depth = max(0, depth-1)
		case c == ',' && lists[depth]:
			if elements--; elements <= 0 {
				return false
			}
		}
	}
	return true
}

// textLength is how many bytes there are before the quotation mark that ends a text, or all.
func textLength(data []byte) int {
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++ // what is escaped ends no text
		case '"':
			return i
		}
	}
	return len(data)
}

// OpenUser writes all of a user as JSON, for a Secret.
func OpenUser(u User) ([]byte, error) { return json.Marshal(openUser(u)) }

// OpenDepartment writes all of a department as JSON, for a Secret.
func OpenDepartment(d Department) ([]byte, error) { return json.Marshal(openDepartment(d)) }

// OpenEnterprise writes all of an enterprise as JSON, for a Secret.
func OpenEnterprise(e Enterprise) ([]byte, error) { return json.Marshal(openEnterprise(e)) }

// OpenApplication writes all of an application as JSON, with its secret, for a Secret.
func OpenApplication(a Application) ([]byte, error) {
	return json.Marshal(openApplication(a)) //nolint:gosec // a Secret is where it belongs
}
