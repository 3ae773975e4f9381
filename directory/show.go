package directory

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// UserLine is a user as the workload reads it. docs/joint-operations.md describes the fields.
type UserLine struct {
	TenantID string `json:"tenantId"`
	AppID    string `json:"appId"`
	UserName string `json:"userName"`
	// Authorized is false when the right to use the application was withdrawn; Enabled, when the account is switched off. Who is
	// not both must not be let in.
	Authorized bool             `json:"authorized"`
	Enabled    bool             `json:"enabled"`
	Role       marketplace.Role `json:"role,omitempty"`

	Name           string                 `json:"name,omitempty"`
	DepartmentCode string                 `json:"departmentCode,omitempty"`
	Position       string                 `json:"position,omitempty"`
	EmployeeCode   string                 `json:"employeeCode,omitempty"`
	Employment     marketplace.Employment `json:"employment,omitempty"`
	Mobile         string                 `json:"mobile,omitempty"`
	Email          string                 `json:"email,omitempty"`
	WorkPlace      string                 `json:"workPlace,omitempty"`
	EntryDate      string                 `json:"entryDate,omitempty"`
}

// DepartmentLine is a department as the workload reads it.
type DepartmentLine struct {
	TenantID   string `json:"tenantId"`
	Code       string `json:"code"`
	Name       string `json:"name,omitempty"`
	ParentCode string `json:"parentCode,omitempty"`
}

// EnterpriseLine is an enterprise as the workload reads it.
type EnterpriseLine struct {
	TenantID   string `json:"tenantId"`
	TenantCode string `json:"tenantCode,omitempty"`
	Name       string `json:"name,omitempty"`
	DomainName string `json:"domainName,omitempty"`
}

// ApplicationLine is an application as the workload reads it; its secret stands elsewhere.
type ApplicationLine struct {
	TenantID string `json:"tenantId"`
	AppID    string `json:"appId"`
	ClientID string `json:"clientId,omitempty"`
}

// Index says what the directory shows.
type Index struct {
	Generation   int64             `json:"generation"`
	Users        int               `json:"users"`
	Departments  int               `json:"departments"`
	Tenants      []EnterpriseLine  `json:"tenants"`
	Applications []ApplicationLine `json:"applications"`
	// Shards is how many Secrets the users and departments are spread over.
	Shards int `json:"shards"`
}

// Client is an OAuth2 client.
type Client struct {
	TenantID     string `json:"tenantId"`
	AppID        string `json:"appId"`
	DomainName   string `json:"domainName"`
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
	at           int64
}

// hidden are the enterprises and applications whose things are not shown, as keys.
func (d *Directory) hidden() map[Key]bool {
	hidden := map[Key]bool{}
	for _, record := range d.Records {
		if record.State == StateRemoved {
			hidden[record.Key] = true
		}
	}
	return hidden
}

// shows says whether a record is shown.
func shows(r Record, hidden map[Key]bool) bool {
	switch {
	case r.State == StateRemoved || hidden[Key{Kind: KindEnterprise, Enterprise: r.Key.Enterprise}]:
		return false
	case r.Key.Kind == KindUser:
		return !hidden[Key{Kind: KindApplication, Enterprise: r.Key.Enterprise, ID: r.Key.Application}]
	}
	return true
}

// line is how a workload reads a record. A value that can't be read is one of another version of this package, and counts as
// not told.
func line(r Record) any {
	switch r.Key.Kind {
	case KindUser:
		var user marketplace.User
		_ = json.Unmarshal(r.Value, &user)
		return UserLine{
			TenantID: r.Key.Enterprise, AppID: r.Key.Application, UserName: r.Key.ID,
			Authorized: r.State == StatePresent, Enabled: r.State != StateRemoved && !user.Disabled, Role: user.Role, Name: user.Name,
			DepartmentCode: user.DepartmentCode, Position: user.Position, EmployeeCode: user.EmployeeCode, Employment: user.Employment,
			Mobile: user.Mobile, Email: user.Email, WorkPlace: user.WorkPlace, EntryDate: user.EntryDate,
		}
	case KindDepartment:
		var department marketplace.Department
		_ = json.Unmarshal(r.Value, &department)
		return DepartmentLine{TenantID: r.Key.Enterprise, Code: r.Key.ID, Name: department.Name, ParentCode: department.ParentCode}
	case KindApplication:
		var application marketplace.Application
		_ = json.Unmarshal(r.Value, &application)
		return ApplicationLine{TenantID: r.Key.Enterprise, AppID: r.Key.ID, ClientID: application.ClientID}
	}
	return enterpriseLine(r)
}

func enterpriseLine(r Record) EnterpriseLine {
	var enterprise marketplace.Enterprise
	_ = json.Unmarshal(r.Value, &enterprise)
	return EnterpriseLine{
		TenantID: r.Key.Enterprise, TenantCode: enterprise.Code, Name: enterprise.Name, DomainName: enterprise.DomainName,
	}
}

// Users are the users that a loaded shard shows, as JSON lines sorted by their key.
func (d *Directory) Users(shard int) []byte { return lines(d.loaded[shard], d.hidden(), KindUser) }

// UserShard is the shard that a user is in, if the directory has the user.
func (d *Directory) UserShard(enterprise, application, userName string) int {
	return shardOf(Key{KindUser, enterprise, application, userName}, len(d.Shards))
}

// User is one user as the workload reads it; not ok for one that is not shown. The user's shard must be loaded.
func (d *Directory) User(enterprise, application, userName string) (user UserLine, ok bool) {
	key := Key{KindUser, enterprise, application, userName}
	record, found := d.loaded[shardOf(key, len(d.Shards))][key]
	if !found || !shows(record, d.hidden()) {
		return UserLine{}, false
	}
	user, ok = line(record).(UserLine)
	return user, ok
}

// Departments are the departments that a loaded shard shows, as JSON lines sorted by their key.
func (d *Directory) Departments(shard int) []byte {
	return lines(d.loaded[shard], d.hidden(), KindDepartment)
}

func lines(records map[Key]Record, hidden map[Key]bool, kind Kind) []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	for _, key := range sortedKeys(records) {
		if record := records[key]; key.Kind == kind && shows(record, hidden) {
			// A struct of texts and bools can't fail.
			_ = encoder.Encode(line(record))
		}
	}
	return text.Bytes()
}

func sortedKeys(records map[Key]Record) []Key {
	return slices.SortedFunc(maps.Keys(records), compareKeys)
}

// measure is what the head notes of a shard.
func measure(records map[Key]Record, hidden map[Key]bool) Shard {
	users, departments := lines(records, hidden, KindUser), lines(records, hidden, KindDepartment)
	is := Shard{
		Records: len(records),
		Users:   bytes.Count(users, []byte("\n")), Departments: bytes.Count(departments, []byte("\n")), Bytes: len(users) + len(departments),
	}
	if is.Bytes > 0 {
		is.Shown = digest(users, departments)
	}
	for _, record := range records {
		is.Newest = max(is.Newest, record.Sequence)
	}
	return is
}

func digest(parts ...[]byte) string {
	hash := sha256.New()
	for _, part := range parts {
		sum := sha256.Sum256(part)
		hash.Write(sum[:])
	}
	return base64.RawURLEncoding.EncodeToString(hash.Sum(nil)[:12])
}

// Index is what the head shows.
func (d *Directory) Index() Index {
	index := Index{
		Generation: d.Generation, Shards: len(d.Shards), Tenants: []EnterpriseLine{}, Applications: []ApplicationLine{},
	}
	for _, shard := range d.Shards {
		index.Users += shard.Users
		index.Departments += shard.Departments
	}
	hidden := d.hidden()
	for _, record := range d.Records {
		if !shows(record, hidden) {
			continue
		}
		switch shown := line(record).(type) {
		case EnterpriseLine:
			index.Tenants = append(index.Tenants, shown)
		case ApplicationLine:
			index.Applications = append(index.Applications, shown)
		}
	}
	return index
}

// Clients are the OAuth2 clients of the applications, the one that was changed last first.
func (d *Directory) Clients() []Client {
	hidden := d.hidden()
	domains := map[string]string{}
	for _, record := range d.Records {
		if record.Key.Kind == KindEnterprise && shows(record, hidden) {
			domains[record.Key.Enterprise] = enterpriseLine(record).DomainName
		}
	}
	var clients []Client
	for _, record := range d.Records {
		if record.Key.Kind != KindApplication || !shows(record, hidden) {
			continue
		}
		var application marketplace.Application
		_ = json.Unmarshal(record.Value, &application)
		clients = append(clients, Client{
			TenantID: record.Key.Enterprise, AppID: record.Key.ID, DomainName: domains[record.Key.Enterprise],
			ClientID: application.ClientID, ClientSecret: application.ClientSecret, at: record.At,
		})
	}
	// Equal times keep the order of the keys, so that the first is the same one on every pass.
	slices.SortStableFunc(clients, func(a, b Client) int { return int(min(max(b.at-a.at, -1), 1)) })
	return clients
}
