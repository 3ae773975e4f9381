package directory

import (
	"bytes"
	"cmp"
	"encoding/json"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// Kind is what a record is about. Forwarding keeps their order, so that a workload knows a department before its users.
type Kind string

// The kinds.
const (
	KindEnterprise  Kind = "Enterprise"
	KindApplication Kind = "Application"
	KindDepartment  Kind = "Department"
	KindUser        Kind = "User"
)

var kindOrder = map[Kind]int{KindEnterprise: 0, KindApplication: 1, KindDepartment: 2, KindUser: 3}

// State is what was said last of a thing.
type State string

// The states.
const (
	StatePresent   State = "Present"
	StateWithdrawn State = "Withdrawn"
	StateRemoved   State = "Removed"
)

// stateOrder decides between two states of one instant: what takes away wins.
var stateOrder = map[State]int{StatePresent: 0, StateWithdrawn: 1, StateRemoved: 2}

var stateOf = map[marketplace.SyncAction]State{
	marketplace.SyncPut: StatePresent, marketplace.SyncWithdraw: StateWithdrawn, marketplace.SyncRemove: StateRemoved,
}

// Key names a thing.
type Key struct {
	Kind       Kind   `json:"kind"`
	Enterprise string `json:"enterprise"`
	// Application is set for a user only.
	Application string `json:"application,omitempty"`
	// ID is the application's, the department's code or the account's name; empty for an enterprise.
	ID string `json:"id,omitempty"`
}

func compareKeys(a, b Key) int {
	return cmp.Or(
		cmp.Compare(kindOrder[a.Kind], kindOrder[b.Kind]), cmp.Compare(a.Enterprise, b.Enterprise),
		cmp.Compare(a.Application, b.Application), cmp.Compare(a.ID, b.ID),
	)
}

// Record is what is known of a thing. Its times are the marketplace's, in Unix milliseconds. Each of State, RemovedAt and Value
// is the latest of its own kind, which is why their order of arrival does not matter.
type Record struct {
	Key   Key   `json:"key"`
	State State `json:"state"`
	At    int64 `json:"at"`
	// RemovedAt is the latest removal; a Value that is not younger is forgotten.
	RemovedAt int64 `json:"removedAt,omitempty"`
	// Value is what was put last, and ValueAt when. Personal data, and secrets of applications.
	Value   json.RawMessage `json:"value,omitempty"`
	ValueAt int64           `json:"valueAt,omitempty"`
	// Sequence is the directory's generation in which something of it that can be seen changed last.
	Sequence int64 `json:"sequence"`
}

// saying is what one call says of one thing.
type saying struct {
	key   Key
	state State
	at    int64
	value json.RawMessage // nil when the call says nothing but the state
}

// merge takes a saying into a record. seen says whether anything changed that can be seen.
func (r *Record) merge(s saying) (changed, seen bool) {
	before := *r
	if s.at > r.At || s.at == r.At && stateOrder[s.state] >= stateOrder[r.State] {
		r.State, r.At = s.state, s.at
	}
	if s.state == StateRemoved {
		r.RemovedAt = max(r.RemovedAt, s.at)
	}
	if s.value != nil && (s.at > r.ValueAt || s.at == r.ValueAt && bytes.Compare(s.value, r.Value) > 0) {
		r.Value, r.ValueAt = s.value, s.at
	}
	if r.ValueAt <= r.RemovedAt {
		r.Value, r.ValueAt = nil, 0
	}
	seen = before.State != r.State || r.State != StateRemoved && !bytes.Equal(before.Value, r.Value)
	changed = seen || before.At != r.At || before.RemovedAt != r.RemovedAt || before.ValueAt != r.ValueAt
	return changed, seen
}

// sayings are what a call says, thing by thing.
func sayings(s marketplace.Sync) ([]saying, error) {
	at, state := s.At.UnixMilli(), stateOf[s.Action]
	var all []saying
	var failed error
	add := func(key Key, value []byte, err error, told bool) {
		key.Enterprise = s.EnterpriseID
		one := saying{key: key, state: state, at: at}
		if state == StatePresent || state == StateWithdrawn && told {
			one.value = value
		}
		if err != nil {
			failed = err
		}
		all = append(all, one)
	}
	if s.Enterprise != nil {
		value, err := marketplace.OpenEnterprise(*s.Enterprise)
		add(Key{Kind: KindEnterprise}, value, err, true)
	}
	if s.Application != nil {
		value, err := marketplace.OpenApplication(*s.Application)
		add(Key{Kind: KindApplication, ID: s.Application.ID}, value, err, true)
	}
	for _, department := range s.Departments {
		value, err := marketplace.OpenDepartment(department)
		add(Key{Kind: KindDepartment, ID: department.Code}, value, err, true)
	}
	for _, user := range s.Users {
		value, err := marketplace.OpenUser(user)
		// A withdrawal may say nothing but the name: that is no reason to forget the rest.
		add(Key{Kind: KindUser, Application: user.ApplicationID, ID: user.UserName}, value, err, user.Name != "")
	}
	return all, failed
}
