package directory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/directory"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

func at(millis int64) time.Time { return time.UnixMilli(millis).UTC() }

func users(millis int64, action marketplace.SyncAction, list ...marketplace.User) marketplace.Sync {
	for i := range list {
		list[i].ApplicationID = "a1"
	}
	return marketplace.Sync{EnterpriseID: "t1", At: at(millis), Action: action, Users: list}
}

func named(name string) marketplace.User {
	return marketplace.User{UserName: name, Name: strings.ToUpper(name), Role: marketplace.RoleUser}
}

func departments(millis int64, action marketplace.SyncAction, codes ...string) marketplace.Sync {
	s := marketplace.Sync{EnterpriseID: "t1", At: at(millis), Action: action}
	for _, code := range codes {
		s.Departments = append(s.Departments, marketplace.Department{Code: code, Name: strings.ToUpper(code)})
	}
	return s
}

func allDepartments(millis int64, codes ...string) marketplace.Sync {
	s := departments(millis, marketplace.SyncPut, codes...)
	s.AllDepartments = true
	return s
}

func enterprise(millis int64, action marketplace.SyncAction) marketplace.Sync {
	return marketplace.Sync{EnterpriseID: "t1", At: at(millis), Action: action, Enterprise: &marketplace.Enterprise{
		Code: "c", Name: "N", DomainName: "https://login.example.com",
	}}
}

func application(millis int64, action marketplace.SyncAction, secret string) marketplace.Sync {
	return marketplace.Sync{EnterpriseID: "t1", At: at(millis), Action: action, Application: &marketplace.Application{
		ID: "a1", ClientID: "client", ClientSecret: secret,
	}}
}

const (
	put      = marketplace.SyncPut
	remove   = marketplace.SyncRemove
	withdraw = marketplace.SyncWithdraw
)

// stored is a directory as the Secrets have it.
type stored struct {
	head   []byte
	shards map[int][]byte
}

// fold takes calls in as the controller does, reading and writing only what is needed.
func (s *stored) fold(t testing.TB, calls ...marketplace.Sync) *directory.Directory {
	t.Helper()
	d := directory.New()
	if s.head != nil {
		d = s.open(t)
	}
	s.load(t, d, d.Missing(calls))
	if err := d.Fold(calls); err != nil {
		t.Fatal(err)
	}
	if d.TooLarge() {
		s.load(t, d, d.All())
		if err := d.Grow(); err != nil {
			t.Fatal(err)
		}
	}
	for _, shard := range d.ChangedShards() {
		data, err := d.EncodeShard(shard)
		if err != nil {
			t.Fatal(err)
		}
		s.shards[shard] = data
	}
	if d.HeadChanged() {
		head, err := d.EncodeHead()
		if err != nil {
			t.Fatal(err)
		}
		s.head = head
	}
	return d
}

func (s *stored) open(t testing.TB) *directory.Directory {
	t.Helper()
	d, err := directory.Decode(s.head)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (s *stored) load(t testing.TB, d *directory.Directory, shards []int) {
	t.Helper()
	for _, shard := range shards {
		if err := d.Load(shard, s.shards[shard]); err != nil {
			t.Fatal(err)
		}
	}
}

// shown is all that a workload reads.
func (s *stored) shown(t testing.TB) string {
	t.Helper()
	d := s.open(t)
	s.load(t, d, d.All())
	var lines []string
	for shard := range d.Shards {
		lines = append(lines, strings.Split(string(d.Users(shard))+string(d.Departments(shard)), "\n")...)
	}
	lines = slices.DeleteFunc(lines, func(line string) bool { return line == "" })
	slices.Sort(lines)
	index := d.Index()
	if index.Users+index.Departments != len(lines) {
		t.Errorf("the index counts %d users and %d departments, and %d lines are shown", index.Users, index.Departments, len(lines))
	}
	index.Generation, index.Shards = 0, 0
	return fmt.Sprintf("%+v\n%s\n%s", index, strings.Join(lines, "\n"), fmt.Sprint(d.Clients()))
}

func newStored() *stored { return &stored{shards: map[int][]byte{}} }

func TestFold(t *testing.T) {
	user := func(name string, more string) string {
		return `{"tenantId":"t1","appId":"a1","userName":"` + name + `","authorized":` + more + `}`
	}
	const whole = `true,"enabled":true,"role":"User"`
	tests := map[string]struct {
		calls []marketplace.Sync
		want  []string
	}{
		"a user":                                 {[]marketplace.Sync{users(1, put, named("u"))}, []string{user("u", whole+`,"name":"U"`)}},
		"a user that was removed":                {[]marketplace.Sync{users(1, put, named("u")), users(2, remove, named("u"))}, nil},
		"an older addition that comes late":      {[]marketplace.Sync{users(2, remove, named("u")), users(1, put, named("u"))}, nil},
		"removed and added at the same instant":  {[]marketplace.Sync{users(1, remove, named("u")), users(1, put, named("u"))}, nil},
		"removed and added again":                {[]marketplace.Sync{users(1, put, named("u")), users(2, remove, named("u")), users(3, put, named("u"))}, []string{user("u", whole+`,"name":"U"`)}},
		"withdrawn by name only":                 {[]marketplace.Sync{users(1, put, named("u")), users(2, withdraw, marketplace.User{UserName: "u"})}, []string{user("u", `false,"enabled":true,"role":"User","name":"U"`)}},
		"withdrawn before it was known":          {[]marketplace.Sync{users(2, withdraw, marketplace.User{UserName: "u"}), users(1, put, named("u"))}, []string{user("u", `false,"enabled":true,"role":"User","name":"U"`)}},
		"withdrawn and authorized again":         {[]marketplace.Sync{users(1, withdraw, named("u")), users(2, put, named("u"))}, []string{user("u", whole+`,"name":"U"`)}},
		"an account that is switched off":        {[]marketplace.Sync{users(1, put, marketplace.User{UserName: "u", Role: marketplace.RoleAdmin, Disabled: true})}, []string{user("u", `true,"enabled":false,"role":"Admin"`)}},
		"a department that a full list lacks":    {[]marketplace.Sync{departments(1, put, "d1"), allDepartments(2, "d2")}, []string{`{"tenantId":"t1","code":"d2","name":"D2"}`}},
		"a full list that comes late":            {[]marketplace.Sync{departments(3, put, "d1"), allDepartments(2, "d2")}, []string{`{"tenantId":"t1","code":"d1","name":"D1"}`, `{"tenantId":"t1","code":"d2","name":"D2"}`}},
		"a department that is older than a list": {[]marketplace.Sync{allDepartments(2, "d2"), departments(1, put, "d1")}, []string{`{"tenantId":"t1","code":"d2","name":"D2"}`}},
		"users of an enterprise that is gone":    {[]marketplace.Sync{enterprise(1, put), users(2, put, named("u")), enterprise(3, remove)}, nil},
		"users of one that came back":            {[]marketplace.Sync{users(2, put, named("u")), enterprise(3, remove), enterprise(4, put)}, []string{user("u", whole+`,"name":"U"`)}},
		"users of an application that is gone":   {[]marketplace.Sync{application(1, put, "s"), users(2, put, named("u")), application(3, remove, "")}, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStored()
			for _, call := range tc.calls {
				s.fold(t, call)
			}
			lines := strings.Split(s.shown(t), "\n")
			if diff := cmp.Diff(strings.Join(tc.want, "\n"), strings.Join(lines[1:len(lines)-1], "\n")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestARemovedUserLeavesNothingBehind(t *testing.T) {
	s := newStored()
	s.fold(t, users(1, put, marketplace.User{UserName: "u", Name: "Real Name", Mobile: "138"}))
	s.fold(t, users(2, remove, named("u")))
	d := s.open(t)
	s.load(t, d, d.All())
	data, err := d.EncodeShard(0)
	if err != nil {
		t.Fatal(err)
	}
	if again := string(data); len(again) > 250 {
		t.Errorf("%d bytes are kept of a user who is gone", len(again))
	}
	if changes, _ := d.Changes(directory.Cursor{}, 10, 1000); len(changes) != 1 || changes[0].User.Name != "" || changes[0].Change != "Removed" {
		t.Errorf("changes = %+v", changes)
	}
}

func TestAClientFollowsItsApplication(t *testing.T) {
	s := newStored()
	s.fold(t, application(2, put, "second"), enterprise(1, put), application(1, put, "first"))
	want := "t1 a1 https://login.example.com client second"
	clients := s.open(t).Clients()
	if len(clients) != 1 || strings.Join([]string{clients[0].TenantID, clients[0].AppID, clients[0].DomainName, clients[0].ClientID, clients[0].ClientSecret}, " ") != want {
		t.Errorf("clients = %v", clients)
	}
	s.fold(t, application(3, remove, ""))
	if clients := s.open(t).Clients(); len(clients) != 0 || strings.Contains(string(s.head), "second") {
		t.Errorf("clients = %v", clients)
	}
}

func TestWhatChangesNothingIsNotWritten(t *testing.T) {
	s := newStored()
	d := s.fold(t, users(1, put, named("u")))
	generation, shown := d.Generation, d.Shards[0].Shown
	// The same again: nothing at all. The same at a later time: the time, and nothing that is shown.
	if again := s.fold(t, users(1, put, named("u"))); again.HeadChanged() || len(again.ChangedShards()) > 0 {
		t.Error("a repeat was written")
	}
	if later := s.fold(t, users(2, put, named("u"))); later.Generation != generation || later.Shards[0].Shown != shown || len(later.ChangedShards()) != 1 {
		t.Errorf("generation %d, shards %v", later.Generation, later.ChangedShards())
	}
}

// call draws one call of a small world, in which calls meet often.
func call(t *rapid.T) marketplace.Sync {
	millis := rapid.Int64Range(1, 6).Draw(t, "at")
	action := rapid.SampledFrom([]marketplace.SyncAction{put, put, remove, withdraw}).Draw(t, "action")
	user := marketplace.User{
		UserName: rapid.SampledFrom([]string{"u1", "u2"}).Draw(t, "user"), Name: rapid.SampledFrom([]string{"", "A", "B"}).Draw(t, "name"),
	}
	code := rapid.SampledFrom([]string{"d1", "d2"}).Draw(t, "code")
	kind := rapid.IntRange(0, 4).Draw(t, "kind")
	if action == withdraw {
		kind = 0
	}
	switch kind {
	case 1:
		return departments(millis, action, code)
	case 2:
		return allDepartments(millis, code)
	case 3:
		return enterprise(millis, action)
	case 4:
		return application(millis, action, user.Name)
	}
	return users(millis, action, user)
}

// Whatever the order in which calls arrive, how they are batched, and how often each comes: the same is shown as in the order of
// their times.
func TestTheOrderOfArrivalDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		calls := rapid.SliceOfN(rapid.Custom(call), 1, 12).Draw(rt, "calls")
		inTime := slices.Clone(calls)
		slices.SortStableFunc(inTime, func(a, b marketplace.Sync) int { return a.At.Compare(b.At) })
		want := newStored()
		for _, c := range inTime {
			want.fold(t, c)
		}
		arrived := rapid.Permutation(append(slices.Clone(calls), calls[:rapid.IntRange(0, len(calls)).Draw(rt, "repeated")]...)).Draw(rt, "arrived")
		got := newStored()
		for len(arrived) > 0 {
			batch := rapid.IntRange(1, len(arrived)).Draw(rt, "batch")
			got.fold(t, arrived[:batch]...)
			arrived = arrived[batch:]
		}
		if diff := cmp.Diff(want.shown(t), got.shown(t)); diff != "" {
			rt.Fatalf("-in the order of time +as they came:\n%s", diff)
		}
	})
}

// A workload that takes the changes in, page by page and with repeats, knows what the files show.
func TestChangesLeadToWhatIsShown(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s, known, cursor := newStored(), map[string]directory.Change{}, directory.Cursor{}
		for range rapid.IntRange(1, 6).Draw(rt, "rounds") {
			s.fold(t, rapid.SliceOfN(rapid.Custom(call), 1, 4).Draw(rt, "calls")...)
			for range rapid.IntRange(0, 4).Draw(rt, "pages") {
				cursor = take(t, s, known, cursor, rapid.IntRange(1, 3).Draw(rt, "most"))
			}
		}
		for d := s.open(t); !d.Told(cursor); {
			cursor = take(t, s, known, cursor, 2)
		}
		shown := s.shown(t)
		for name, change := range known {
			// What a removed enterprise or application takes along is not told.
			if change.User == nil || change.Change == directory.ChangeRemoved {
				continue
			}
			gone := known["Enterprise"].Change == directory.ChangeRemoved || known["Application"].Change == directory.ChangeRemoved
			line := fmt.Sprintf(`"userName":%q,"authorized":%t`, change.User.UserName, change.User.Authorized)
			if strings.Contains(shown, line) == gone {
				rt.Fatalf("%s: told %+v, shown:\n%s", name, change, shown)
			}
		}
	})
}

func take(t *testing.T, s *stored, known map[string]directory.Change, cursor directory.Cursor, most int) directory.Cursor {
	t.Helper()
	d := s.open(t)
	s.load(t, d, d.Untold(cursor))
	changes, next := d.Changes(cursor, most, 1<<20)
	for _, change := range changes {
		name := string(change.Kind)
		if change.User != nil {
			name += change.User.UserName
		}
		if change.Department != nil {
			name += change.Department.Code
		}
		known[name] = change
	}
	return next
}

func manyUsers(from, count int) marketplace.Sync {
	list := make([]marketplace.User, count)
	for i := range list {
		list[i] = marketplace.User{
			UserName: fmt.Sprintf("user-%06d@example.com", from+i), Name: fmt.Sprintf("姓名 %d", from+i), DepartmentCode: fmt.Sprintf("d%03d", (from+i)%300),
			Role: marketplace.RoleUser, Position: "工程师", EmployeeCode: fmt.Sprint(from + i), Employment: marketplace.EmploymentRegular,
			Mobile: fmt.Sprintf("138%08d", from+i), Email: fmt.Sprintf("user-%06d@example.com", from+i), WorkPlace: "深圳",
		}
	}
	return users(int64(from+1), put, list...)
}

func TestFiftyThousandUsers(t *testing.T) {
	s := newStored()
	const most = 32
	for from := 0; from < 50_000; from += most * 500 {
		var batch []marketplace.Sync
		for call := from; call < min(from+most*500, 50_000); call += 500 {
			batch = append(batch, manyUsers(call, 500))
		}
		s.fold(t, batch...)
	}
	d := s.open(t)
	if index := d.Index(); index.Users != 50_000 {
		t.Errorf("%d users", index.Users)
	}
	s.load(t, d, d.All())
	total := 0
	for shard := range d.Shards {
		if size := len(d.Users(shard)); size > directory.MaxShardBytes {
			t.Errorf("shard %d shows %d bytes", shard, size)
		}
		total += len(s.shards[shard])
	}
	// One more user changes one shard.
	if one := s.fold(t, manyUsers(60_000, 1)); len(one.ChangedShards()) != 1 {
		t.Errorf("%d shards changed for one user", len(one.ChangedShards()))
	}
	t.Logf("50,000 users: %d shards, %d bytes stored", len(d.Shards), total)
}

func TestAnUnreadableDirectoryIsRefusedWithoutAnEcho(t *testing.T) {
	for _, head := range []string{"", "Real Name", `{"shards":[]}`, `{"shards":[{},{},{}]}`} {
		if _, err := directory.Decode([]byte(head)); err == nil || strings.Contains(err.Error(), "Real") {
			t.Errorf("Decode(%q) = %v", head, err)
		}
	}
	if err := directory.New().Load(0, []byte("Real Name")); err == nil || strings.Contains(err.Error(), "Real") {
		t.Errorf("Load() = %v", err)
	}
}

// BenchmarkFold folds 50,000 users in 100 calls of 500, 32 calls at a time as the controller does, and one user more into them.
func BenchmarkFold(b *testing.B) {
	full := newStored()
	b.Run("50,000 users", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			full = newStored()
			for from := 0; from < 50_000; from += 16_000 {
				var batch []marketplace.Sync
				for call := from; call < min(from+16_000, 50_000); call += 500 {
					batch = append(batch, manyUsers(call, 500))
				}
				full.fold(b, batch...)
			}
		}
		kept, shown := 0, 0
		for shard, is := range full.open(b).Shards {
			kept, shown = kept+len(full.shards[shard]), shown+is.Bytes
		}
		b.ReportMetric(float64(kept)/float64(shown), "stored-B/shown-B")
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/50_000, "µs/user")
	})
	b.Run("one more", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			full.fold(b, manyUsers(60_000+i, 1))
		}
	})
}

// A pass that wrote the shards and not the head is repeated: its changes are still told.
func TestChangesOfAPassThatEndedAreTold(t *testing.T) {
	s := newStored()
	s.fold(t, users(1, put, named("u1")))
	d := s.open(t)
	s.load(t, d, d.All())
	_, cursor := d.Changes(directory.Cursor{}, 10, 1<<20)
	head := s.head
	s.fold(t, users(2, put, named("u2")))
	s.head = head
	again := s.fold(t, users(2, put, named("u2")))
	if again.Told(cursor) {
		t.Fatal("nobody would be told")
	}
	if changes, _ := again.Changes(cursor, 10, 1<<20); len(changes) != 1 || changes[0].User.UserName != "u2" {
		t.Errorf("changes = %+v", changes)
	}
}
