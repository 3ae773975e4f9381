package directory

import (
	"cmp"
	"encoding/json"
	"slices"
)

// What happened to a thing.
const (
	ChangePut     = "Put"
	ChangeRemoved = "Removed"
)

// Change is what a workload is told of one thing: what is true of it now, not what has happened in between. A tenant or an
// application that is removed takes its users along, which are not told one by one.
type Change struct {
	// Sequence is the generation of the change, and Kind says which of the members below is set.
	Sequence int64  `json:"sequence"`
	Kind     Kind   `json:"kind"`
	Change   string `json:"change"`

	Tenant      *EnterpriseLine  `json:"tenant,omitempty"`
	Application *ApplicationLine `json:"application,omitempty"`
	Department  *DepartmentLine  `json:"department,omitempty"`
	User        *UserLine        `json:"user,omitempty"`
}

// Cursor is the last change that was told. The zero value is before the first.
type Cursor struct {
	Sequence int64 `json:"sequence"`
	Key      Key   `json:"key"`
}

func compareCursors(a, b Cursor) int {
	return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), compareKeys(a.Key, b.Key))
}

// Untold are the shards that have to be loaded before Changes, sorted.
func (d *Directory) Untold(after Cursor) []int {
	needed := map[int]bool{}
	for shard, is := range d.Shards {
		if is.Newest >= after.Sequence && is.Newest > 0 {
			needed[shard] = true
		}
	}
	return d.unloaded(needed)
}

// Told says whether nothing is left to tell, without reading a shard.
func (d *Directory) Told(after Cursor) bool {
	return after.Sequence > d.Generation || d.Generation == 0
}

// Changes are the next changes after a cursor in their order, no more than most of them and about maxBytes of JSON, with the cursor
// behind them. Where none is left, the cursor is behind the present generation. Shards in Untold must be loaded.
func (d *Directory) Changes(after Cursor, most, maxBytes int) ([]Change, Cursor) {
	var untold []Record
	add := func(r Record) {
		if r.Sequence > 0 && compareCursors(Cursor{r.Sequence, r.Key}, after) > 0 {
			untold = append(untold, r)
		}
	}
	for _, record := range d.Records {
		add(record)
	}
	for _, records := range d.loaded {
		for _, record := range records {
			add(record)
		}
	}
	slices.SortFunc(untold, func(a, b Record) int {
		return compareCursors(Cursor{a.Sequence, a.Key}, Cursor{b.Sequence, b.Key})
	})
	var changes []Change
	size := 0
	for _, record := range untold {
		told := change(record)
		// A struct of texts and bools can't fail.
		text, _ := json.Marshal(told)
		if size += len(text) + 1; len(changes) == most || size > maxBytes && len(changes) > 0 {
			return changes, after
		}
		changes, after = append(changes, told), Cursor{record.Sequence, record.Key}
	}
	return changes, Cursor{Sequence: d.Generation + 1}
}

func change(r Record) Change {
	told := Change{Sequence: r.Sequence, Kind: r.Key.Kind, Change: ChangePut}
	if r.State == StateRemoved {
		told.Change = ChangeRemoved
	}
	switch shown := line(r).(type) {
	case EnterpriseLine:
		told.Tenant = &shown
	case ApplicationLine:
		told.Application = &shown
	case DepartmentLine:
		told.Department = &shown
	case UserLine:
		told.User = &shown
	}
	return told
}
