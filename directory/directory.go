package directory

import (
	"errors"
	"hash/fnv"
	"maps"
	"slices"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

const (
	// MaxShards is the most Secrets that a directory is spread over. 64 hold about 100,000 users.
	MaxShards = 64
	// MaxShardBytes is the most that one shard may show: a Secret holds 1 MiB, with what a label or a name takes.
	MaxShardBytes = 700_000
	// maxShardRecords bounds what one shard keeps, removed things too, which show nothing.
	maxShardRecords = 10_000
	// maxHeadThings bounds the enterprises and applications, which all stand in the head.
	maxHeadThings = 256
)

// ErrFull says that a directory has no room for what was said.
var ErrFull = errors.New("the directory is full")

// Shard is what the head knows of a shard without reading it.
type Shard struct {
	// Users and Departments are how many are shown.
	Users       int `json:"users"`
	Departments int `json:"departments"`
	// Records is how many things are kept, removed ones too.
	Records int `json:"records"`
	// Shown is the digest of what is shown, and Bytes its size.
	Shown string `json:"shown"`
	Bytes int    `json:"bytes"`
	// Newest is the highest Sequence of its records.
	Newest int64 `json:"newest"`
}

// Head is the part of a directory that is always read.
type Head struct {
	// Generation rises with every change that can be seen.
	Generation int64 `json:"generation"`
	// Shards has an element for each shard; their number is a power of two.
	Shards []Shard `json:"shards"`
	// Records are the enterprises and applications, sorted by key.
	Records []Record `json:"records"`
	// Enterprises are the ids of those of which something is known, sorted.
	Enterprises []string `json:"enterprises"`
	// DepartmentsSince is, by enterprise, the time before which no department is known any more.
	DepartmentsSince map[string]int64 `json:"departmentsSince,omitempty"`
	// Joined are the Secrets of calls about no instance that are in it, sorted.
	Joined []string `json:"joined,omitempty"`
}

// Directory is a head with some of its shards.
type Directory struct {
	Head
	// loaded are the shards that were read; changed those that have to be written.
	loaded  map[int]map[Key]Record
	changed map[int]bool
	// headChanged says that the head has to be written.
	headChanged bool
}

// New is an empty directory.
func New() *Directory {
	d, _ := Recover(make([][]byte, 1)) // no data is an empty shard
	return d
}

// Recover makes a directory out of its shards, without the head: the enterprises and applications are lost, and the users and
// departments are not. Their number must be a power of two, up to MaxShards.
func Recover(shards [][]byte) (*Directory, error) {
	d := &Directory{
		Head:   Head{Shards: make([]Shard, len(shards)), DepartmentsSince: map[string]int64{}},
		loaded: map[int]map[Key]Record{}, changed: map[int]bool{},
	}
	for shard, data := range shards {
		if err := d.Load(shard, data); err != nil {
			return nil, err
		}
		for key := range d.loaded[shard] {
			d.know(key.Enterprise)
		}
	}
	d.recount()
	d.headChanged = len(d.Enterprises) > 0
	return d, nil
}

// know notes an enterprise.
func (d *Directory) know(enterprise string) {
	if at, found := slices.BinarySearch(d.Enterprises, enterprise); !found {
		d.Enterprises, d.headChanged = slices.Insert(d.Enterprises, at, enterprise), true
	}
}

// shardOf is the shard of a thing among a number of them that is a power of two. The hash must never change.
func shardOf(key Key, shards int) int {
	hash := fnv.New32a()
	for _, part := range []string{string(key.Kind), key.Enterprise, key.Application, key.ID} {
		_, _ = hash.Write([]byte(part))
		_, _ = hash.Write([]byte{0})
	}
	return int(hash.Sum32() & uint32(shards-1)) //nolint:gosec // at most MaxShards
}

func inHead(kind Kind) bool { return kind == KindEnterprise || kind == KindApplication }

// Missing are the shards that have to be loaded before calls can be folded, sorted.
func (d *Directory) Missing(calls []marketplace.Sync) []int {
	needed := map[int]bool{}
	for _, call := range calls {
		// What hides or shows others changes what every shard shows.
		if call.AllDepartments || (call.Enterprise != nil || call.Application != nil) && d.reveals(call) {
			return d.unloaded(nil)
		}
		for _, user := range call.Users {
			needed[shardOf(Key{KindUser, call.EnterpriseID, user.ApplicationID, user.UserName}, len(d.Shards))] = true
		}
		for _, department := range call.Departments {
			needed[shardOf(Key{KindDepartment, call.EnterpriseID, "", department.Code}, len(d.Shards))] = true
		}
	}
	return d.unloaded(needed)
}

// reveals says whether a call may change whether other things are shown.
func (d *Directory) reveals(call marketplace.Sync) bool {
	if call.Action != marketplace.SyncPut {
		return true
	}
	return slices.ContainsFunc(d.Records, func(r Record) bool {
		return r.Key.Enterprise == call.EnterpriseID && r.State == StateRemoved
	})
}

// unloaded are the shards among some that are not loaded; nil stands for all.
func (d *Directory) unloaded(among map[int]bool) []int {
	var missing []int
	for shard := range d.Shards {
		if _, ok := d.loaded[shard]; !ok && (among == nil || among[shard]) {
			missing = append(missing, shard)
		}
	}
	return missing
}

// Fold takes calls into the directory. Every shard in Missing must be loaded. It fails with ErrFull, and then the directory is
// not to be used any more.
func (d *Directory) Fold(calls []marketplace.Sync) error {
	next := d.Generation + 1
	seen := false
	note := func(visible bool) int64 {
		if !visible {
			return 0
		}
		seen = true
		return next
	}
	for _, call := range calls {
		all, err := sayings(call)
		if err != nil {
			return err
		}
		d.know(call.EnterpriseID)
		if call.AllDepartments {
			d.forgetDepartments(call.EnterpriseID, call.At.UnixMilli()-1, note)
		}
		for _, one := range all {
			d.say(one, note)
		}
	}
	if len(d.Records) > maxHeadThings || len(d.Enterprises) > maxHeadThings {
		return ErrFull
	}
	if seen {
		d.Generation, d.headChanged = next, true
	}
	d.recount()
	return nil
}

// say merges one saying into its record.
func (d *Directory) say(one saying, note func(seen bool) int64) {
	if one.key.Kind == KindDepartment && one.at <= d.DepartmentsSince[one.key.Enterprise] {
		// All departments were told later, and whether this is one of them.
		return
	}
	record, store := d.record(one.key)
	known := record.State != ""
	if !known && one.state == StateRemoved && !inHead(one.key.Kind) {
		// Nobody has seen it, so nobody has to be told; only the time is kept. An enterprise or application hides others.
		record.State = StateRemoved
	}
	changed, seen := record.merge(one)
	if !changed {
		return
	}
	if sequence := note(seen); sequence > 0 {
		record.Sequence = sequence
	}
	store(record)
}

// record finds a record, or makes one, and says how to put it back.
func (d *Directory) record(key Key) (Record, func(Record)) {
	if inHead(key.Kind) {
		at, found := slices.BinarySearchFunc(d.Records, key, func(r Record, key Key) int { return compareKeys(r.Key, key) })
		record := Record{Key: key}
		if found {
			record = d.Records[at]
		}
		return record, func(changed Record) {
			d.headChanged = true
			if found {
				d.Records[at] = changed
				return
			}
			d.Records = slices.Insert(d.Records, at, changed)
		}
	}
	shard := shardOf(key, len(d.Shards))
	record, found := d.loaded[shard][key]
	if !found {
		record = Record{Key: key}
	}
	return record, func(changed Record) {
		d.changed[shard] = true
		d.loaded[shard][key] = changed
	}
}

// forgetDepartments removes all departments of an enterprise that were told up to an instant.
func (d *Directory) forgetDepartments(enterprise string, until int64, note func(seen bool) int64) {
	if until <= d.DepartmentsSince[enterprise] {
		return
	}
	for _, records := range d.loaded {
		for key := range records {
			if key.Kind == KindDepartment && key.Enterprise == enterprise {
				d.say(saying{key: key, state: StateRemoved, at: until}, note)
			}
		}
	}
	d.DepartmentsSince[enterprise], d.headChanged = until, true
}

// recount brings what the head knows of the loaded shards up to date. A pass that ended between the shards and the head has left
// records that are newer than the head: its generation counts, or nobody would be told of them.
func (d *Directory) recount() {
	hidden := d.hidden()
	for shard, records := range d.loaded {
		is := measure(records, hidden)
		if d.Shards[shard] != is {
			d.Shards[shard], d.headChanged = is, true
		}
		if is.Newest > d.Generation {
			d.Generation, d.headChanged = is.Newest, true
		}
	}
}

// TooLarge says whether a shard shows or keeps more than a Secret holds, so that the directory has to Grow.
func (d *Directory) TooLarge() bool {
	return slices.ContainsFunc(d.Shards, func(s Shard) bool { return s.Bytes > MaxShardBytes || s.Records > maxShardRecords })
}

// All are the shards that have to be loaded before the directory can Grow, sorted.
func (d *Directory) All() []int { return d.unloaded(nil) }

// Grow doubles the shards until none is too large. Every shard must be loaded. It fails with ErrFull.
func (d *Directory) Grow() error {
	for d.TooLarge() {
		if len(d.Shards) >= MaxShards {
			return ErrFull
		}
		doubled := 2 * len(d.Shards)
		spread := make(map[int]map[Key]Record, doubled)
		for shard := range doubled {
			spread[shard] = map[Key]Record{}
			d.changed[shard] = true
		}
		for _, records := range d.loaded {
			for key, record := range records {
				spread[shardOf(key, doubled)][key] = record
			}
		}
		d.loaded, d.Shards, d.headChanged = spread, make([]Shard, doubled), true
		d.recount()
	}
	return nil
}

// Loaded says whether a shard was loaded.
func (d *Directory) Loaded(shard int) bool {
	_, ok := d.loaded[shard]
	return ok
}

// ChangedShards are those that have to be written, sorted; HeadChanged says whether the head has to be, after them.
func (d *Directory) ChangedShards() []int { return slices.Sorted(maps.Keys(d.changed)) }

// HeadChanged says whether the head has to be written.
func (d *Directory) HeadChanged() bool { return d.headChanged }

// Join notes that a call about no instance is in the directory; false if it was already.
func (d *Directory) Join(secret string) bool {
	at, found := slices.BinarySearch(d.Joined, secret)
	if found {
		return false
	}
	d.Joined, d.headChanged = slices.Insert(d.Joined, at, secret), true
	return true
}
