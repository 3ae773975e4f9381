package marketplace

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// SyncAction is what a Sync does to what it names.
type SyncAction string

const (
	// SyncPut adds it, or replaces all that was known of it.
	SyncPut SyncAction = "Put"
	// SyncRemove takes it away. It succeeds for what is not there.
	SyncRemove SyncAction = "Remove"
	// SyncWithdraw keeps users and takes their right to use the application away.
	SyncWithdraw SyncAction = "Withdraw"
)

// Limits of one Sync. What is longer is malformed.
const (
	// MaxSyncUsers is how many users one Sync names.
	MaxSyncUsers = 500
	// MaxSyncDepartments is how many departments one Sync names.
	MaxSyncDepartments = 10_000
)

// Sync is what a marketplace's user management says of one enterprise: a buyer's organization, whose users a marketplace signs
// in. Exactly one of Enterprise, Application, Users and Departments is set; Departments may be empty with AllDepartments. Later
// ones win by At, in whatever order they arrive. It holds personal data and a secret: it belongs in a Secret and nowhere else.
// Printing, logging or marshalling it shows the action and the numbers; EncodeSync writes all of it.
type Sync struct {
	// EnterpriseID names the enterprise, 1 to 64 characters.
	EnterpriseID string
	// At is the time of what it says by the marketplace's clock, to the millisecond.
	At     time.Time
	Action SyncAction
	// Enterprise is about the enterprise itself.
	Enterprise *Enterprise
	// Application is about the enterprise's account with the application that was sold.
	Application *Application
	// Users are who may use an application, up to MaxSyncUsers, each name once.
	Users []User
	// Departments are the enterprise's, up to MaxSyncDepartments, each code once.
	Departments []Department
	// AllDepartments says that the enterprise has no departments but these.
	AllDepartments bool
}

// Enterprise is a buyer's organization. With SyncRemove all but its id may be empty.
type Enterprise struct {
	// Code is the enterprise's short name, up to 64 characters; Name its full one, up to 255.
	Code string `json:"code,omitempty"`
	Name string `json:"name,omitempty"`
	// DomainName is where its users sign in, up to 255 characters: a host, or a URL.
	DomainName string `json:"domainName,omitempty"`
	// OrderID is the order that the sale began with, up to 64 characters; empty before there is one.
	OrderID string `json:"orderId,omitempty"`
}

// Application is an OAuth2 client. With SyncRemove all but its id may be empty.
type Application struct {
	// ID names the application within the enterprise, up to 64 characters.
	ID string `json:"id"`
	// ClientID has up to 64 characters, ClientSecret up to 512, in plain.
	ClientID     string `json:"clientId,omitempty"`
	ClientSecret string `json:"clientSecret,omitempty"`
}

// Role is what a user may do in an application. A role that this package does not name stands as the marketplace wrote it, up
// to 32 characters, and gives no administrator's rights.
type Role string

const (
	// RoleUser may use the application.
	RoleUser Role = "User"
	// RoleAdmin must be given an administrator's rights.
	RoleAdmin Role = "Admin"
)

// Employment is how a user works for the enterprise. One that this package does not name stands as the marketplace wrote it,
// up to 32 characters.
type Employment string

// The known kinds of Employment.
const (
	EmploymentRegular    Employment = "Regular"
	EmploymentIntern     Employment = "Intern"
	EmploymentDispatched Employment = "Dispatched"
	EmploymentOutsourced Employment = "Outsourced"
)

// User is a person of an enterprise who was given an application. What is unknown is empty; with SyncRemove and SyncWithdraw all
// but ApplicationID and UserName may be.
type User struct {
	// ApplicationID is the application that the user was given, up to 64 characters.
	ApplicationID string `json:"applicationId,omitempty"`
	// UserName is the account's name, 1 to 64 characters; Name the person's, up to 64.
	UserName string `json:"userName"`
	Name     string `json:"name,omitempty"`
	// DepartmentCode names the user's department, up to 64 characters.
	DepartmentCode string `json:"departmentCode,omitempty"`
	Role           Role   `json:"role,omitempty"`
	// Disabled is true for an account that the enterprise has switched off.
	Disabled bool `json:"disabled,omitempty"`
	// Position and EmployeeCode have up to 64 characters.
	Position     string     `json:"position,omitempty"`
	EmployeeCode string     `json:"employeeCode,omitempty"`
	Employment   Employment `json:"employment,omitempty"`
	// Mobile has up to 32 characters, Email up to 128.
	Mobile string `json:"mobile,omitempty"`
	Email  string `json:"email,omitempty"`
	// WorkPlace has up to 255 characters; EntryDate, the first working day, up to 32, such as 2024-05-01.
	WorkPlace string `json:"workPlace,omitempty"`
	EntryDate string `json:"entryDate,omitempty"`
}

// Department is a part of an enterprise.
type Department struct {
	// Code names it within the enterprise, 1 to 64 characters.
	Code string `json:"code"`
	// Name has up to 128 characters.
	Name string `json:"name,omitempty"`
	// ParentCode is the department above, up to 64 characters; empty at the top.
	ParentCode string `json:"parentCode,omitempty"`
}

// String shows what kind of thing it is about, and how many.
func (s Sync) String() string {
	return fmt.Sprintf("Sync{Action:%s, Enterprise:%t, Application:%t, Users:%d, Departments:%d}",
		s.Action, s.Enterprise != nil, s.Application != nil, len(s.Users), len(s.Departments))
}

// Format shows what String does, whatever the verb.
func (s Sync) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, s.String()) }

// MarshalLog shows loggers what String does.
func (s Sync) MarshalLog() any { return s.String() }

// MarshalJSON writes what String does.
func (s Sync) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// Format shows nothing, whatever the verb.
func (e Enterprise) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, "Enterprise{}") }

// MarshalLog shows loggers nothing.
func (e Enterprise) MarshalLog() any { return struct{}{} }

// MarshalJSON writes an empty object.
func (e Enterprise) MarshalJSON() ([]byte, error) { return []byte("{}"), nil }

// Format shows nothing of the secret, whatever the verb.
func (a Application) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, "Application{}") }

// MarshalLog shows loggers nothing.
func (a Application) MarshalLog() any { return struct{}{} }

// MarshalJSON writes an empty object.
func (a Application) MarshalJSON() ([]byte, error) { return []byte("{}"), nil }

// Format shows nothing personal, whatever the verb.
func (u User) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, "User{}") }

// MarshalLog shows loggers nothing.
func (u User) MarshalLog() any { return struct{}{} }

// MarshalJSON writes an empty object.
func (u User) MarshalJSON() ([]byte, error) { return []byte("{}"), nil }

// Format shows nothing, whatever the verb.
func (d Department) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, "Department{}") }

// MarshalLog shows loggers nothing.
func (d Department) MarshalLog() any { return struct{}{} }

// MarshalJSON writes an empty object.
func (d Department) MarshalJSON() ([]byte, error) { return []byte("{}"), nil }
