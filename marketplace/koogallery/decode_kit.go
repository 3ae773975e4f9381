package koogallery

import (
	"fmt"
	"strings"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// Names of the activities of the joint-operations Kit (protocol page 8.1). A call names its own in the path.
const (
	ActivityTenantSync      = "tenantSync"
	ActivityApplicationSync = "applicationSync"
	ActivityAuthSync        = "authSync"
	ActivitySingleOrgSync   = "singleOrgSync"
	ActivityAllOrgSync      = "allOrgSync"
)

// Values of flag (protocol page 8.2).
const (
	FlagDelete   = 0
	FlagAdd      = 1
	FlagModify   = 2
	FlagWithdraw = 3
)

// Lengths of the Kit's fields in characters (protocol page 8.2). workPlace and entryDate have no documented one.
const (
	maxTenantName = 255
	maxOrgName    = 128
	maxMobile     = 32
	maxEmail      = 128
	maxWorkPlace  = 255
	maxShort      = 32
)

// kitOffset is how far the Kit's times are ahead of UTC.
const kitOffset = 8 * time.Hour

// kitDecoder fills a Sync from the fields of one activity.
type kitDecoder func(c *Callbacks, f *fields, sync *marketplace.Sync)

var kitActivities = map[string]kitDecoder{
	ActivityTenantSync:      (*Callbacks).tenantSync,
	ActivityApplicationSync: (*Callbacks).applicationSync,
	ActivityAuthSync:        (*Callbacks).authSync,
	ActivitySingleOrgSync:   (*Callbacks).singleOrgSync,
	ActivityAllOrgSync:      (*Callbacks).allOrgSync,
}

// beforeOrder are the activities that may come without an instance (protocol page 8.2): while the seller applies for the
// credentials. The others are about users, who can't be kept for nobody.
var beforeOrder = map[string]bool{ActivityTenantSync: true, ActivityApplicationSync: true}

// decodeKit reads a verified call of the Kit, of V2 or V1, which differ in their lists only. Its errors name the field, and the
// place in a list, and never quote a value.
func (c *Callbacks) decodeKit(req marketplace.Request) (marketplace.Event, error) {
	name, _, _ := kitActivity(req.Path)
	event := marketplace.Event{Kind: marketplace.Synchronize, Activity: name}
	event.SentAt, _ = parseTimestamp(req.Header.Get(HeaderKitTimestamp))
	if err := checkEncoding(req.Header); err != nil {
		return event, err
	}
	members, err := parseKitBody(req.Body)
	if err != nil {
		return event, err
	}
	f := &fields{members: members}
	event.Test = f.test()
	sync := &marketplace.Sync{EnterpriseID: f.required("tenantId", maxID), At: f.kitTime("timeStamp")}
	event.InstanceID = f.optional("instanceId", maxID)
	if f.err == nil && event.InstanceID == "" && !event.Test && !beforeOrder[name] {
		f.fail("instanceId is missing: only %s and %s may come before there is an order", ActivityTenantSync, ActivityApplicationSync)
	}
	kitActivities[name](c, f, sync)
	if f.err != nil {
		return event, f.err
	}
	if event.Sync = sync; sync.Enterprise != nil {
		event.OrderID = sync.Enterprise.OrderID
	}
	return event, nil
}

// tenantSync: protocol page 8.2.
func (c *Callbacks) tenantSync(f *fields, sync *marketplace.Sync) {
	sync.Action = f.kitFlag(FlagModify)
	require := f.whenPut(sync.Action)
	sync.Enterprise = &marketplace.Enterprise{
		Code: f.optional("tenantCode", maxID), Name: f.personal("name", maxTenantName),
		DomainName: require("domainName", maxTenantName), OrderID: f.optional("orderId", maxID),
	}
}

// applicationSync: protocol page 8.2. A modification may leave the secret as it is; a new application can't.
func (c *Callbacks) applicationSync(f *fields, sync *marketplace.Sync) {
	sync.Action = f.kitFlag(FlagModify)
	require := f.whenPut(sync.Action)
	application := &marketplace.Application{ID: f.required("appId", maxID), ClientID: require("clientId", maxID)}
	encrypted := f.text("clientSecret")
	if sync.Action == marketplace.SyncPut && f.err == nil {
		application.ClientSecret, f.err = c.decryptClientSecret(encrypted)
	}
	sync.Application = application
}

// authSync: protocol page 8.2. Of a user only the account's name has to be there: to refuse 500 for the department that one
// lacks would help nobody.
func (c *Callbacks) authSync(f *fields, sync *marketplace.Sync) {
	sync.Action = f.kitFlag(FlagWithdraw)
	application := f.required("appId", maxID)
	// Nothing is done with it: timeStamp, which every call has, is what orders them.
	f.looseText("currentSyncTime")
	at := map[string]int{}
	f.list("userList", marketplace.MaxSyncUsers, func(of *fields) {
		user := of.user()
		user.ApplicationID = application
		if i, repeated := at[user.UserName]; repeated {
			sync.Users[i] = user
			return
		}
		at[user.UserName] = len(sync.Users)
		sync.Users = append(sync.Users, user)
	})
	if f.err == nil && len(sync.Users) == 0 {
		f.fail("userList is missing or empty")
	}
}

var (
	kitRoles       = map[string]marketplace.Role{"user": marketplace.RoleUser, "admin": marketplace.RoleAdmin}
	kitEmployments = map[string]marketplace.Employment{
		"1": marketplace.EmploymentRegular, "2": marketplace.EmploymentIntern,
		"3": marketplace.EmploymentDispatched, "4": marketplace.EmploymentOutsourced,
	}
)

// user reads one member of userList. V1 has some of the fields in a nested extension.
func (f *fields) user() marketplace.User {
	more := f.nested("extension")
	user := marketplace.User{
		UserName: f.required("userName", maxID), Name: f.personal("name", maxID), DepartmentCode: f.optional("orgCode", maxID),
		Role: known(kitRoles, f.optional("role", maxShort)), Disabled: f.disabled(),
		Position: f.or(more).personal("position", maxID), EmployeeCode: f.or(more).personal("employeeCode", maxID),
		Employment: known(kitEmployments, f.or(more).looseText("employeeType")),
		Mobile:     f.personal("mobile", maxMobile), Email: f.personal("email", maxEmail),
		WorkPlace: f.or(more).personal("workPlace", maxWorkPlace), EntryDate: f.or(more).personal("entryDate", maxShort),
	}
	return user
}

// known translates a word of KooGallery's, and leaves one that no page lists as it is.
func known[T ~string](words map[string]T, text string) T {
	if word, ok := words[strings.ToLower(text)]; ok {
		return word
	}
	return T(text)
}

// singleOrgSync: protocol page 8.2.
func (c *Callbacks) singleOrgSync(f *fields, sync *marketplace.Sync) {
	sync.Action = f.kitFlag(FlagModify)
	sync.Departments = []marketplace.Department{f.department("orgName")}
}

// allOrgSync: protocol page 8.2. V1 has another name for the list and for a department's name.
func (c *Callbacks) allOrgSync(f *fields, sync *marketplace.Sync) {
	sync.Action, sync.AllDepartments = marketplace.SyncPut, true
	list := "orgInfoList"
	if isNull(f.members[list]) {
		list = "orgInfo"
	}
	if f.err == nil && isNull(f.members[list]) {
		f.fail("orgInfoList is missing")
	}
	at := map[string]int{}
	f.list(list, marketplace.MaxSyncDepartments, func(of *fields) {
		name := "orgName"
		if isNull(of.members[name]) {
			name = "name"
		}
		department := of.department(name)
		if i, repeated := at[department.Code]; repeated {
			sync.Departments[i] = department
			return
		}
		at[department.Code] = len(sync.Departments)
		sync.Departments = append(sync.Departments, department)
	})
}

func (f *fields) department(name string) marketplace.Department {
	return marketplace.Department{
		Code: f.required("orgCode", maxID), Name: f.personal(name, maxOrgName), ParentCode: f.optional("parentCode", maxID),
	}
}

// kitFlag reads what a call does, up to the highest flag that its activity has. Generations and versions of the pages differ in
// the rest (protocol page 13).
func (f *fields) kitFlag(highest int) marketplace.SyncAction {
	actions := map[string]marketplace.SyncAction{
		"0": marketplace.SyncRemove, "1": marketplace.SyncPut, "2": marketplace.SyncPut, "3": marketplace.SyncWithdraw,
	}
	text := f.looseText("flag")
	action, ok := actions[text]
	if f.err == nil && (!ok || text > fmt.Sprint(highest)) {
		f.fail("flag must be a number from 0 to %d", highest)
	}
	return action
}

// whenPut reads a text that only what is put has to have.
func (f *fields) whenPut(action marketplace.SyncAction) func(name string, maxLength int) string {
	if action == marketplace.SyncPut {
		return f.required
	}
	return f.optional
}

// disabled reads enable, which is a text or a bool. Only what says that it is switched on or off is believed; without it the
// account is on.
func (f *fields) disabled() bool {
	switch strings.ToLower(strings.Trim(string(f.members["enable"]), `" `)) {
	case "false":
		return true
	case "true", "null", "":
		return false
	}
	f.fail("enable must be true or false")
	return false
}

// kitTime reads a time of the Kit, which has to be there.
func (f *fields) kitTime(name string) time.Time {
	text := f.looseText(name)
	if f.err != nil {
		return time.Time{}
	}
	at, ok := parseUTC(text)
	if !ok {
		f.fail("%s must be a time of 17 digits in UTC+8 (yyyyMMddHHmmssSSS)", name)
		return time.Time{}
	}
	return at.Add(-kitOffset)
}
