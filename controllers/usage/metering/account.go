package metering

import (
	"cmp"
	"slices"
	"time"
)

// Verdict is what a record counts for.
type Verdict string

// The verdicts. Those from Closed on are refusals: such a record is not pushed and does not count.
const (
	// Done: the marketplace has accepted it.
	Done Verdict = "Done"
	// Due: it is to be pushed.
	Due Verdict = "Due"
	// NotOver: it is to be pushed when its interval is over.
	NotOver Verdict = "NotOver"
	// Uncertain: it may have been accepted, and must not be pushed again.
	Uncertain Verdict = "Uncertain"
	// Unused: there is nothing to push.
	Unused Verdict = "Unused"
	// Kept: its meter is not pushed.
	Kept Verdict = "Kept"
	// Withdrawn: a person has found that the marketplace knows nothing of it.
	Withdrawn Verdict = "Withdrawn"
	// Base: it stands for older records.
	Base Verdict = "Base"
	// Closed: it begins before the checkpoint.
	Closed Verdict = "Closed"
	// TooOld: it began longer ago than the marketplace accepts.
	TooOld Verdict = "TooOld"
	// Overlaps: another record stands for a part of its time.
	Overlaps Verdict = "Overlaps"
	// BeforeSale: it begins before the sale.
	BeforeSale Verdict = "BeforeSale"
	// Foreign: it was written by hand for a meter that has a source.
	Foreign Verdict = "Foreign"
)

// Refused says whether a record neither counts nor is pushed.
func (v Verdict) Refused() bool {
	return slices.Contains([]Verdict{Closed, TooOld, Overlaps, BeforeSale, Foreign}, v)
}

// counts says whether a record is a part of the total.
func (v Verdict) counts() bool { return v != Base && v != Withdrawn && !v.Refused() }

// settled says whether nothing more will become of a record.
func (v Verdict) settled() bool {
	return v == Done || v == Unused || v == Kept || v == Withdrawn || v == Base || v.Refused()
}

// Sale is what an account has to know of the sale.
type Sale struct {
	// Instance is the instance's name, InstanceID the marketplace's id of it.
	Instance, InstanceID string
	// Begins is when the sale began: nothing was used before.
	Begins time.Time
	// PackageBegins is when the present package was bought; zero for the first.
	PackageBegins time.Time
	// MaxAge is how long ago the interval of a record may begin that is pushed.
	MaxAge time.Duration
}

// Judged is a record with its verdict.
type Judged struct {
	Record
	Verdict Verdict
}

// Account is what one meter has counted.
type Account struct {
	Meter Meter
	Sale  Sale
	// Opened is true once the meter has begun; Since is when.
	Opened bool
	Since  time.Time
	// Until is the end of the last interval; Stopped says that the tenant was stopped then.
	Until   time.Time
	Stopped bool
	// Total is all that was used; PackageUsed what was used of the present package, and PackageAccepted the part of it that the
	// marketplace has accepted.
	Total, PackageUsed, PackageAccepted Amount
	// Packages are those of Meter, with what was used of each. Deducted says from which one each record is, by the record's name.
	Packages []Deduction
	Deducted map[string]string
	// Exhausted is true if a package is used up that stops the tenant then, and no other one has anything left.
	Exhausted bool
	// Records are all of them, by their beginning.
	Records []Judged
	// base is the present checkpoint; nil when there is none.
	base *Record
}

// Read judges the records of one meter at an instant, and sums up. Records are refused by what stands in them and when they were
// written, never by an earlier verdict.
func Read(meter Meter, sale Sale, records []Record, now time.Time) Account {
	a := Account{Meter: meter, Sale: sale}
	for i := range records {
		if r := &records[i]; r.Checkpoint != nil && (a.base == nil || a.base.Ends.Before(r.Ends)) {
			a.base = r
		}
	}
	// What was accepted stands, and what may have been: one that is older and fits only now, as when the plan gets its meter, would be charged
	// beside it. Of the others the first one to come does.
	order := slices.Clone(records)
	slices.SortFunc(order, func(x, y Record) int {
		return cmp.Or(cmp.Compare(x.rank(), y.rank()), x.Created.Compare(y.Created), x.Begins.Compare(y.Begins), cmp.Compare(x.Name, y.Name))
	})
	for _, record := range order {
		a.Records = append(a.Records, Judged{record, a.judge(record, now)})
	}
	slices.SortFunc(a.Records, func(x, y Judged) int {
		return cmp.Or(x.Begins.Compare(y.Begins), x.Ends.Compare(y.Ends), cmp.Compare(x.Name, y.Name))
	})
	a.sum()
	a.Exhausted = exhausted(a.Packages, now)
	return a
}

// judge judges one record, when those that go before it are judged.
func (a *Account) judge(r Record, now time.Time) Verdict {
	switch {
	case r.Checkpoint != nil:
		return Base
	case r.Pushed:
		return Done
	case r.Withdrawn:
		return Withdrawn
	}
	// What the checkpoint stands for was judged when that was written: a record of which nothing was to become is not refused for its time
	// because it is still there.
	refused := a.refusal(r)
	if refused != "" && (refused != Closed || !a.stoodFor(r)) {
		return refused
	}
	switch {
	case r.Value == 0:
		return Unused
	case a.Meter.Former && r.Kept, !a.Meter.Former && a.Meter.Kept:
		return Kept
	case refused != "":
		return refused
	case r.Attempted:
		return Uncertain
	case now.Sub(r.Begins) > a.Sale.MaxAge:
		return TooOld
	case now.Before(a.pushableFrom(r)):
		return NotOver
	}
	return Due
}

// stoodFor says whether the checkpoint was written when the record was there, and has what it says.
func (a *Account) stoodFor(r Record) bool {
	return a.base != nil && !r.Ends.After(a.base.Ends) && !r.Created.After(a.base.Created)
}

// refusal is why a record can't stand beside the others, whatever time it is; empty when it can.
func (a *Account) refusal(r Record) Verdict {
	switch {
	// What the marketplace may have been told is pushed until that is known, whatever the meter has become.
	case !a.Meter.Written && !r.mayBeKnown() && r.Name != RecordName(a.Sale.Instance, a.Sale.InstanceID, a.Meter.Name, r.Begins):
		return Foreign
	case a.base != nil && r.Begins.Before(a.base.Ends):
		return Closed
	case slices.ContainsFunc(a.Records, func(j Judged) bool {
		// Too old to be pushed again, what may be known is charged all the same.
		return (j.Verdict.counts() || j.mayBeKnown()) && j.Begins.Before(r.Ends) && r.Begins.Before(j.Ends)
	}):
		return Overlaps
	case a.Meter.Written && r.Begins.Before(a.Sale.Begins):
		return BeforeSale
	}
	return ""
}

// young is how long a record that was written by hand waits for others of the same moment: which of two that overlap came first
// is known to the second only, and must not turn round while one of them is on its way.
const young = 5 * time.Second

// pushableFrom is when a record's interval is over.
func (a *Account) pushableFrom(r Record) time.Time {
	if settled := r.Created.Add(young); a.Meter.Written && settled.After(r.Ends) {
		return settled
	}
	return r.Ends
}

// NextDue is when the next record has to be pushed whose interval is not over; zero when there is none.
func (a Account) NextDue() time.Time {
	var next time.Time
	for _, j := range a.with(NotOver) {
		if at := a.pushableFrom(j.Record); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

func (a *Account) sum() {
	a.openPackages()
	a.Since, a.Opened = a.Sale.Begins, a.Meter.Written
	if a.Meter.Written {
		a.Until = a.Sale.Begins
	}
	if a.base != nil {
		a.Opened, a.Since, a.Until, a.Stopped = true, a.base.Begins, a.base.Ends, a.base.Stopped
		a.Total = a.base.Checkpoint.Total
		// A package that is not the one that was counted has used nothing then: it began later, or an older one came back, of
		// which less is known than would be fair to hold against the buyer.
		if a.base.Checkpoint.PackageBegins.Equal(a.Sale.PackageBegins) {
			a.PackageUsed, a.PackageAccepted = a.base.Checkpoint.PackageUsed, a.base.Checkpoint.PackageUsed
		}
	}
	for _, j := range a.Records {
		if j.Verdict == Base || j.Verdict.Refused() && j.Verdict != TooOld {
			continue
		}
		if a.base != nil && !j.Ends.After(a.base.Ends) {
			// The checkpoint has it.
			continue
		}
		// A record that is too old to be charged, or was withdrawn, still says until when was counted.
		if !j.Ends.Before(a.Until) {
			a.Opened, a.Until, a.Stopped = true, j.Ends, j.Stopped
		}
		if !j.Verdict.counts() {
			continue
		}
		a.Total += j.Value
		a.deduct(j)
		if !j.Begins.Before(a.Sale.PackageBegins) {
			a.PackageUsed += j.Value
			if j.Verdict == Done {
				a.PackageAccepted += j.Value
			}
		}
	}
}

// Due are the records to push, the oldest first.
func (a Account) Due() []Judged { return a.with(Due) }

// Open are the records of which something is still to become.
func (a Account) Open() []Judged { return a.with(Due, NotOver, Uncertain) }

func (a Account) with(verdicts ...Verdict) []Judged {
	var found []Judged
	for _, j := range a.Records {
		if slices.Contains(verdicts, j.Verdict) {
			found = append(found, j)
		}
	}
	return found
}

// Lost are the intervals of which nobody knows what was used, and those that are too old to be charged.
func (a Account) Lost() []Judged {
	var found []Judged
	for _, j := range a.Records {
		if j.Lost || j.Verdict == TooOld {
			found = append(found, j)
		}
	}
	return found
}
