package openapi

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// maxSplits bounds the calls that PushUsageEach makes to find refused records: 10 instances among 1000 can be told apart with it.
const maxSplits = 100

// maxTroubles bounds the calls of one push that end with an internal error of the API: as many as tell one instance among 1000 apart. An API
// that is in trouble itself is not asked more often than that.
const maxTroubles = 12

// PushUsageEach pushes any number of records and finds those that are refused, so that the record of one instance does not
// hold up the others. Error i is nil when record i was accepted, else an *Error.
//
// Records that are wrong by themselves are not sent. A batch that the API refuses because of its records is split: between instances
// until one instance is left, then in halves until one record is. That pushes records again, which is harmless by their MeteringSN. What
// the API says of an instance holds for all its records. Records that were not told apart from refused ones after maxSplits splits
// have ErrNotToldApart: they are not refused, and the next push finds more. An internal error of the API may come from the records of one
// instance too: it is split between instances maxTroubles times. Where a call fails for another reason, all the records that were not
// accepted yet have that error.
func (c *Client) PushUsageEach(ctx context.Context, records []UsageRecord) []error {
	errs := make([]error, len(records))
	_, refused := c.usageForm().encodeAll(usagePush, records)
	var sound []int
	for i := range records {
		if refused[i] != nil {
			errs[i] = refused[i]
			continue
		}
		sound = append(sound, i)
	}
	sound = byInstance(records, sound)
	batches := slices.Collect(slices.Chunk(sound, MaxUsageRecords))
	troubles, maybe := 0, make([]bool, len(records))
	for splits := 0; len(batches) > 0; {
		batch := batches[0]
		failed := c.pushUsage(ctx, pick(records, batch))
		failed.afterWhole(maybe, batch)
		at := splitAt(records, batch)
		switch {
		case failed == nil:
			batches = batches[1:]
		case failed.internal() && troubles < maxTroubles:
			troubles++
			if !sameInstance(records, batch) {
				batches = slices.Concat([][]int{batch[:at], batch[at:]}, batches[1:])
				continue
			}
			setAll(errs, failed, batch)
			batches = batches[1:]
		case !failed.aboutRecords():
			// It would be the same for every other batch.
			setAll(errs, failed, slices.Concat(batches...))
			return errs
		case at == 0, failed.aboutInstance() && sameInstance(records, batch):
			failed.Entries = batch
			setAll(errs, failed, batch)
			batches = batches[1:]
		case splits < maxSplits:
			splits++
			batches = slices.Concat([][]int{batch[:at], batch[at:]}, batches[1:])
		default:
			setAll(errs, notToldApart(failed), batch)
			batches = batches[1:]
		}
	}
	return errs
}

// notToldApart is what is said of records of which some are refused.
func notToldApart(refused *Error) *Error {
	failed := usagePush.refused(ErrNotToldApart, refused)
	failed.Status, failed.Code = refused.Status, refused.Code
	return failed
}

// byInstance puts the records of each instance together, the instance with the first record first.
func byInstance(records []UsageRecord, indices []int) []int {
	first := map[string]int{}
	for place, i := range indices {
		if _, known := first[records[i].InstanceID]; !known {
			first[records[i].InstanceID] = place
		}
	}
	sorted := slices.Clone(indices)
	slices.SortStableFunc(sorted, func(a, b int) int { return first[records[a].InstanceID] - first[records[b].InstanceID] })
	return sorted
}

// splitAt is where a batch is split in two: between instances, as near to the middle as can be, or in the middle of the one instance. 0
// for a single record.
func splitAt(records []UsageRecord, batch []int) int {
	if sameInstance(records, batch) {
		return len(batch) / 2
	}
	best := 0
	for i := 1; i < len(batch); i++ {
		distance := func(at int) int { return max(2*at-len(batch), len(batch)-2*at) }
		if records[batch[i-1]].InstanceID != records[batch[i]].InstanceID && (best == 0 || distance(i) < distance(best)) {
			best = i
		}
	}
	return best
}

func sameInstance(records []UsageRecord, batch []int) bool {
	return !slices.ContainsFunc(batch, func(i int) bool { return records[i].InstanceID != records[batch[0]].InstanceID })
}

// aboutRecords reports whether the error may be that of some records of a batch only.
func (e *Error) aboutRecords() bool {
	return slices.Contains([]error{ErrInvalid, ErrNotPermitted, ErrInstanceNotFound, ErrMeteredItem, ErrTooOld}, e.Kind)
}

// internal reports whether the API itself says that something went wrong inside of it, and not somebody on the way.
func (e *Error) internal() bool {
	return errors.Is(e.Kind, ErrUnavailable) && e.Code != "" && !strings.HasPrefix(e.Code, gatewayPrefix)
}

// aboutInstance reports whether the error is that of every record of an instance.
func (e *Error) aboutInstance() bool {
	return slices.Contains([]error{ErrNotPermitted, ErrInstanceNotFound, ErrMeteredItem}, e.Kind)
}

// ErrNotToldApart: records of the same push are refused, and it is not known which.
var ErrNotToldApart = errors.New("the push contains too many invalid records to isolate them at once")

func pick(records []UsageRecord, indices []int) []UsageRecord {
	picked := make([]UsageRecord, 0, len(indices))
	for _, i := range indices {
		picked = append(picked, records[i])
	}
	return picked
}

// afterWhole notes in maybe which records may have arrived. What a part of a batch is refused for says nothing of what the whole may have done.
func (e *Error) afterWhole(maybe []bool, batch []int) {
	if e == nil {
		return
	}
	e.Uncertain = e.Uncertain || maybe[batch[0]]
	for _, i := range batch {
		maybe[i] = e.Uncertain
	}
}

func setAll(errs []error, err error, indices []int) {
	for _, i := range indices {
		errs[i] = err
	}
}
