package koogallery

import (
	"maps"
	"slices"
	"strconv"
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

// kitActivity is how a call of one name is read.
type kitActivity struct {
	// needs are the fields that it can't do without, or that must be readable where they are there, besides tenantId and timeStamp. Those
	// of an element of a list stand behind the list's name.
	needs []string
	// marks are the fields that tell its bodies from those of other activities. The path names the activity and is not signed, in neither
	// generation, so a body that was signed for one activity could be sent to another one: one with a mark that its path's activity lacks is
	// refused. Of any two activities one needs a mark that the other lacks, so that no body fits both.
	marks []string
	// read fills a Sync.
	read func(c *Callbacks, f *fields, sync *marketplace.Sync)
}

var kitActivities = map[string]kitActivity{
	ActivityTenantSync: {
		[]string{"flag", "domainName"}, []string{"tenantCode", "domainName"}, (*Callbacks).tenantSync,
	},
	ActivityApplicationSync: {
		[]string{"flag", "appId", "clientId", "clientSecret"}, []string{"clientId", "clientSecret", "appId"}, (*Callbacks).applicationSync,
	},
	ActivityAuthSync: {
		[]string{"flag", "appId", "userList", "userList.userName"}, []string{"userList", "appId"}, (*Callbacks).authSync,
	},
	ActivitySingleOrgSync: {
		[]string{"flag", "orgCode"}, []string{"orgCode", "orgName", "parentCode"}, (*Callbacks).singleOrgSync,
	},
	ActivityAllOrgSync: {
		[]string{"orgInfoList", "orgInfo", "orgInfoList.orgCode"}, []string{"orgInfoList", "orgInfo"}, (*Callbacks).allOrgSync,
	},
}

// kitParameters are the members of bodies that anything is done with, which V1 joins as parameters.
var kitParameters = func() map[string]bool {
	known := map[string]bool{"tenantId": true, "instanceId": true, "orderId": true, timeParameter: true, "testFlag": true}
	for _, activity := range kitActivities {
		for _, name := range append(activity.needs, activity.marks...) {
			known[name] = true
		}
	}
	return known
}()

// decodeKit reads a verified call of the Kit, of V2 or V1, which differ in their lists only. Calls without an instance come before there
// is an order, while the seller applies for credentials and tries them (protocol page 16). Its errors name the field, and the place in a
// list, and never quote a value.
func (c *Callbacks) decodeKit(req marketplace.Request) (marketplace.Event, error) {
	name, v2, _ := kitActivityOf(req.Path)
	event := marketplace.Event{Kind: marketplace.Synchronize, Activity: name}
	event.SentAt, _ = parseTimestamp(req.Header.Get(HeaderKitTimestamp))
	if err := checkEncoding(req.Header); err != nil {
		return event, err
	}
	members, err := parseKitBody(req.Body)
	if err != nil {
		return event, err
	}
	if !v2 {
		members = urlDecoded(members)
	}
	f := &fields{members: members}
	event.Test = f.test()
	f.refuseOthers(name)
	sync := &marketplace.Sync{EnterpriseID: f.required("tenantId", maxID), At: f.kitTime("timeStamp")}
	event.InstanceID = f.given("instanceId")
	kitActivities[name].read(c, f, sync)
	if event.Notes = f.notes; f.err != nil {
		return event, f.err
	}
	if event.Sync = sync; sync.Enterprise != nil {
		event.OrderID = sync.Enterprise.OrderID
	}
	return event, nil
}

// refuseOthers refuses a body that was made for another activity than the path names.
func (f *fields) refuseOthers(name string) {
	for _, other := range slices.Sorted(maps.Keys(kitActivities)) {
		for _, mark := range kitActivities[other].marks {
			if !slices.Contains(kitActivities[name].marks, mark) && !isNull(f.members[mark]) {
				f.fail("the body does not belong to the activity %s of the path: %s is a field of %s", name, mark, other)
			}
		}
	}
}

// tenantSync: protocol page 8.2.
func (c *Callbacks) tenantSync(f *fields, sync *marketplace.Sync) {
	sync.Action = f.kitFlag(FlagModify)
	sync.Enterprise = &marketplace.Enterprise{
		Code: f.short("tenantCode", maxID), Name: f.short("name", maxTenantName),
		DomainName: f.whenPut(sync.Action, "domainName", maxTenantName), OrderID: f.id("orderId", maxID),
	}
}

// applicationSync: protocol page 8.2. A modification may leave the secret as it is; a new application can't.
func (c *Callbacks) applicationSync(f *fields, sync *marketplace.Sync) {
	sync.Action = f.kitFlag(FlagModify)
	application := &marketplace.Application{ID: f.required("appId", maxID), ClientID: f.whenPut(sync.Action, "clientId", maxID)}
	encrypted := f.text("clientSecret")
	if sync.Action == marketplace.SyncPut && f.err == nil {
		application.ClientSecret, f.err = c.decryptClientSecret(encrypted)
	}
	sync.Application = application
}

// authSync: protocol page 8.2. Of a user only the account's name has to be there: to refuse 500 for the department that one
// lacks would help nobody. Nothing is done with currentSyncTime: timeStamp, which every call has, is what orders them.
func (c *Callbacks) authSync(f *fields, sync *marketplace.Sync) {
	sync.Action = f.kitFlag(FlagWithdraw)
	application := f.required("appId", maxID)
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
		UserName: f.required("userName", maxID), Name: f.short("name", maxID), DepartmentCode: f.id("orgCode", maxID),
		Role: known(kitRoles, f.short("role", maxShort)), Disabled: f.disabled(),
		Position: f.either(more, "position", maxID), EmployeeCode: f.either(more, "employeeCode", maxID),
		Employment: known(kitEmployments, f.either(more, "employeeType", maxShort)),
		Mobile:     f.short("mobile", maxMobile), Email: f.short("email", maxEmail),
		WorkPlace: f.either(more, "workPlace", maxWorkPlace), EntryDate: f.either(more, "entryDate", maxShort),
	}
	f.notes = append(f.notes, more.notes...)
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
		Code: f.required("orgCode", maxID), Name: f.short(name, maxOrgName), ParentCode: f.id("parentCode", maxID),
	}
}

// kitFlag reads what a call does, up to the highest flag that its activity has. Generations and versions of the pages differ in
// the rest (protocol page 13).
func (f *fields) kitFlag(highest int) marketplace.SyncAction {
	actions := map[string]marketplace.SyncAction{
		"0": marketplace.SyncRemove, "1": marketplace.SyncPut, "2": marketplace.SyncPut, "3": marketplace.SyncWithdraw,
	}
	text := f.text("flag")
	action, ok := actions[text]
	if f.err == nil && (!ok || text > strconv.Itoa(highest)) {
		f.fail("flag must be a number from 0 to %d", highest)
	}
	return action
}

// whenPut reads a text that only what is put has to have.
func (f *fields) whenPut(action marketplace.SyncAction, name string, maxLength int) string {
	if action == marketplace.SyncPut {
		return f.required(name, maxLength)
	}
	return f.short(name, maxLength)
}

// disabled reads enable, which is a text or a bool. Without the member the account is on. Anything else than true says nothing for the
// account: it is off. A word that no page lists must not refuse the call, or it would keep a user in whose right is withdrawn, and 499
// others out.
func (f *fields) disabled() bool {
	if _, there := f.members["enable"]; !there {
		return false
	}
	text, ok := f.scalar("enable")
	switch text = strings.ToLower(strings.TrimSpace(text)); {
	case ok && text == "true":
		return false
	case !ok || text != "false":
		f.note("enable")
	}
	return true
}

// kitTime reads a time of the Kit, which has to be there.
func (f *fields) kitTime(name string) time.Time {
	at, ok := parseUTC(f.text(name))
	switch {
	case f.err != nil:
		return time.Time{}
	case !ok:
		f.fail("%s must be a time of 17 digits in UTC+8 (yyyyMMddHHmmssSSS)", name)
		return time.Time{}
	}
	return at.Add(-kitOffset)
}
