package openapi

import (
	"context"
	"slices"
)

// maxSplits bounds the calls that PushUsageEach makes to find refused records: 10 among 1000 can be told apart with it.
const maxSplits = 100

// PushUsageEach pushes any number of records and finds those that are refused, so that the record of one instance does not
// hold up the others. Error i is nil when record i was accepted, else an *Error.
//
// Records that are wrong by themselves are not sent. A batch that the API refuses because of its records is halved until the
// refused ones stand alone; that pushes records again, which is harmless by their MeteringSN. Where too many are refused to
// tell them apart, and where a call fails for another reason, all the records that were not accepted yet have that error.
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
	batches := slices.Collect(slices.Chunk(sound, MaxUsageRecords))
	for splits := 0; len(batches) > 0; {
		batch := batches[0]
		failed := c.pushUsage(ctx, pick(records, batch))
		switch {
		case failed == nil:
			batches = batches[1:]
		case !failed.aboutRecords():
			// It would be the same for every other batch.
			setAll(errs, failed, slices.Concat(batches...))
			return errs
		case len(batch) > 1 && splits < maxSplits:
			splits++
			half := len(batch) / 2
			batches = slices.Concat([][]int{batch[:half], batch[half:]}, batches[1:])
		default:
			failed.Entries = nil
			if len(batch) == 1 {
				failed.Entries = batch
			}
			setAll(errs, failed, batch)
			batches = batches[1:]
		}
	}
	return errs
}

// aboutRecords reports whether the error may be that of some records of a batch only.
func (e *Error) aboutRecords() bool {
	return slices.Contains([]error{ErrInvalid, ErrNotPermitted, ErrInstanceNotFound, ErrMeteredItem, ErrTooOld}, e.Kind)
}

func pick(records []UsageRecord, indices []int) []UsageRecord {
	picked := make([]UsageRecord, 0, len(indices))
	for _, i := range indices {
		picked = append(picked, records[i])
	}
	return picked
}

func setAll(errs []error, err error, indices []int) {
	for _, i := range indices {
		errs[i] = err
	}
}
