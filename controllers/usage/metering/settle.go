package metering

import (
	"slices"
	"time"
)

// settleEvery is how much older than the retention the oldest record must be before records are replaced by a checkpoint: once a
// day, and not with every interval.
const settleEvery = 24 * time.Hour

// Settlement is what is done about old records.
type Settlement struct {
	// Checkpoint is to be written before anything is removed; nil when none is due.
	Checkpoint *Record
	// Remove are the names of records that are of no use any more: what they say is in the checkpoint, or does not count.
	Remove []string
}

// Settle says which records may go, and what has to be remembered of them. A record whose push is still to come stays, and so do
// all that come after it. Nothing is lost if it is interrupted at any point.
func (a Account) Settle(now time.Time, retention time.Duration) Settlement {
	result := Settlement{Remove: a.leftovers(now, retention)}
	old := now.Add(-retention)
	until, due := time.Time{}, false
	for _, j := range a.counted() {
		if open := !j.Verdict.settled() && j.Verdict != Uncertain; open || a.standsSince(j).After(old) {
			break
		}
		until = j.Ends
		due = due || j.Ends.Before(old.Add(-settleEvery))
	}
	if !due || slices.ContainsFunc(a.counted(), func(j Judged) bool { return j.Begins.Before(until) && until.Before(j.Ends) }) {
		return result
	}
	since := a.Since
	if since.After(until) {
		since = until
	}
	checkpoint := Record{Begins: since, Ends: until, Checkpoint: &Checkpoint{PackageBegins: a.Sale.PackageBegins}}
	before := a
	before.Records = slices.DeleteFunc(slices.Clone(a.Records), func(j Judged) bool { return j.Ends.After(until) })
	before.Total, before.PackageUsed, before.PackageAccepted, before.Until, before.Stopped = 0, 0, 0, time.Time{}, false
	before.sum()
	checkpoint.Stopped = before.Stopped
	checkpoint.Checkpoint.Total, checkpoint.Checkpoint.PackageUsed = before.Total, before.PackageUsed
	checkpoint.Checkpoint.Packages = slices.DeleteFunc(before.Packages, func(d Deduction) bool { return d.Used == 0 })
	checkpoint.Name = CheckpointName(a.Sale.Instance, a.Sale.InstanceID, a.Meter.Name, until)
	result.Checkpoint = &checkpoint
	return result
}

// standsSince is since when a record says what it does. Of usage that is not charged that is long after its end, and where the retention is
// shorter nobody would see it.
func (a Account) standsSince(j Judged) time.Time {
	since := j.Ends
	switch {
	case j.Verdict == TooOld:
		since = j.Begins.Add(a.Sale.MaxAge)
	case j.Lost:
		since = j.Created
	}
	if since.Before(j.Ends) {
		return j.Ends
	}
	return since
}

// counted are the records that the next checkpoint would stand for, by their end.
func (a Account) counted() []Judged {
	found := slices.DeleteFunc(slices.Clone(a.Records), func(j Judged) bool {
		return j.Verdict == Base || j.Verdict.Refused() && j.Verdict != TooOld || a.base != nil && !j.Ends.After(a.base.Ends)
	})
	slices.SortStableFunc(found, func(x, y Judged) int { return x.Ends.Compare(y.Ends) })
	return found
}

// leftovers are what the present checkpoint stands for, earlier checkpoints, and old refusals.
func (a Account) leftovers(now time.Time, retention time.Duration) []string {
	var names []string
	for _, j := range a.Records {
		covered := a.base != nil && !j.Ends.After(a.base.Ends) && j.Name != a.base.Name
		refused := j.Verdict.Refused() && j.Verdict != TooOld
		switch {
		case covered && !refused,
			refused && !now.Before(j.Ends.Add(retention)) && !now.Before(j.Created.Add(retention)):
			names = append(names, j.Name)
		}
	}
	return names
}
