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

// DecodeSync reads what EncodeSync wrote. Its error quotes nothing of it.
func DecodeSync(data []byte) (Sync, error) {
	var stored storedSync
	if json.Unmarshal(data, &stored) != nil || stored.EnterpriseID == "" || stored.Action == "" {
		return Sync{}, errors.New("it is not a synchronisation as this version writes it")
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
