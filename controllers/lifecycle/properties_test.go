package lifecycle_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
)

// anInstant draws an instant of the sale's first days, now and then one that is not known or at an end of the calendar.
// Few different ones are drawn, so that they often meet.
func anInstant(t *rapid.T, name string) time.Time {
	switch rapid.IntRange(0, 19).Draw(t, name+" kind") {
	case 0:
		return never
	case 1:
		return time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, name), 0).UTC()
	}
	return day(rapid.IntRange(0, 10).Draw(t, name)).Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, name+" nanoseconds")))
}

func aDuration(t *rapid.T, name string) time.Duration {
	switch rapid.IntRange(0, 9).Draw(t, name+" kind") {
	case 0:
		return time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, name))
	case 1:
		return tenYears
	}
	return time.Duration(rapid.IntRange(0, 5).Draw(t, name)) * aDay
}

func anyFacts(t *rapid.T) lifecycle.Facts {
	rarely := func(name string) bool { return rapid.IntRange(0, 9).Draw(t, name) == 0 }
	unacknowledged := time.Time{}
	if rarely("unacknowledged") {
		unacknowledged = anInstant(t, "unacknowledged at")
	}
	return lifecycle.Facts{
		Now: anInstant(t, "now"), UnacknowledgedAt: unacknowledged, Deleting: rarely("deleting"), Resolved: !rarely("unresolved"), Held: rarely("held"),
		Entitlement: rapid.SampledFrom([]lifecycle.Entitlement{
			lifecycle.Active, lifecycle.Active, lifecycle.Frozen, lifecycle.Released,
		}).Draw(t, "entitlement"),
		EntitlementSince: anInstant(t, "since"), ExpiresAt: anInstant(t, "expires"), StopWanted: rarely("used up"),
		UnfinishedSince: map[bool]time.Time{true: anInstant(t, "unread since")}[rarely("unread")],
	}
}

func anyPolicy(t *rapid.T) lifecycle.Policy {
	return lifecycle.Policy{
		Grace: aDuration(t, "grace"), Retention: aDuration(t, "retention"), DeleteUnpaid: rapid.Bool().Draw(t, "delete unpaid"),
	}
}

// at is the decision about the same facts at another instant.
func at(now time.Time, f lifecycle.Facts, p lifecycle.Policy) lifecycle.Decision {
	f.Now = now
	return lifecycle.Decide(f, p)
}

func TestADecisionHoldsUntilItsEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, p := anyFacts(t), anyPolicy(t)
		d := lifecycle.Decide(f, p)
		if !d.Until.IsZero() && !d.Until.After(f.Now) {
			t.Fatalf("at %s it ends at %s", f.Now, d.Until)
		}
		end := d.Until
		if end.IsZero() {
			end = time.Date(11000, 1, 1, 0, 0, 0, 0, time.UTC)
		}
		between := end
		// The middle, the middle of the first half, and so on: near now is where the near deadlines are.
		for range rapid.IntRange(1, 64).Draw(t, "halves") {
			between = f.Now.Add(between.Sub(f.Now) / 2)
		}
		for _, instant := range []time.Time{between, end.Add(-1)} {
			if diff := cmp.Diff(d, at(instant, f, p)); diff != "" {
				t.Fatalf("from %s until %s it changed at %s:\n%s", f.Now, d.Until, instant, diff)
			}
		}
	})
}

func TestADecisionEndsWithAnotherOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, p := anyFacts(t), anyPolicy(t)
		d := lifecycle.Decide(f, p)
		// These also end when what has been paid changes, which is reported beside the answer.
		reported := []lifecycle.Rule{lifecycle.RuleUnacknowledged, lifecycle.RuleHeld, lifecycle.RuleUnresolved, lifecycle.RuleStopWanted}
		if d.Until.IsZero() || slices.Contains(reported, d.Rule) {
			return
		}
		if next := at(d.Until, f, p); next.Phase == d.Phase && next.Rule == d.Rule && next.Finishing == d.Finishing {
			t.Fatalf("%s %s until %s, and then the same", d.Phase, d.Rule, d.Until)
		}
	})
}

func TestTheTimetableComesTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, p := anyFacts(t), anyPolicy(t)
		d := lifecycle.Decide(f, p)
		if when := d.SuspendAt; !when.IsZero() {
			if was := at(when.Add(-1), f, p).Phase; was != lifecycle.Run {
				t.Errorf("just before it is suspended at %s the answer is %s", when, was)
			}
			if is := at(when, f, p).Phase; is == lifecycle.Run {
				t.Errorf("at %s it is not suspended", when)
			}
		} else if later := at(f.Now.Add(200*365*aDay), f, p).Phase; d.Phase == lifecycle.Run && later != lifecycle.Run {
			t.Errorf("nothing says when it is stopped, and later it is %s", later)
		}
		if when := d.DeleteAt; !when.IsZero() {
			if was := at(when.Add(-1), f, p).Phase; was == lifecycle.Remove {
				t.Errorf("it is removed before %s", when)
			}
			if is := at(when, f, p).Phase; is != lifecycle.Remove {
				t.Errorf("at %s it is not removed but %s", when, is)
			}
		}
		for _, when := range []time.Time{d.SuspendAt, d.DeleteAt} {
			if when.Year() > 9999 {
				t.Errorf("%s can't be written", when)
			}
		}
	})
}

func TestNothingIsRemovedWithoutARelease(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, p := anyFacts(t), anyPolicy(t)
		allowed := f.Deleting || f.Entitlement == lifecycle.Released || p.DeleteUnpaid
		if d := lifecycle.Decide(f, p); d.Phase == lifecycle.Remove && !allowed {
			t.Fatalf("removed by %s", d.Rule)
		} else if !d.DeleteAt.IsZero() && !allowed {
			t.Fatalf("will be removed by %s", d.Rule)
		}
	})
}

func TestAMissingAcknowledgementOnlyStopsWhatRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, p := anyFacts(t), anyPolicy(t)
		known := f
		known.UnacknowledgedAt = time.Time{}
		without, with := lifecycle.Decide(known, p), lifecycle.Decide(f, p)
		if with.DeleteAt != without.DeleteAt {
			t.Fatalf("deleted at %s, without it at %s", with.DeleteAt, without.DeleteAt)
		}
		if with.Phase != without.Phase && (without.Phase != lifecycle.Run || with.Phase != lifecycle.Suspend) {
			t.Fatalf("%s instead of %s", with.Phase, without.Phase)
		}
	})
}

func TestARenewalBringsATenantBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, p := anyFacts(t), anyPolicy(t)
		f.ExpiresAt = f.Now.Add(time.Duration(rapid.Int64Range(1, math.MaxInt64).Draw(t, "ahead")))
		d := lifecycle.Decide(f, p)
		// The call of a renewal names the instance, so the marketplace knows of it.
		unacknowledged := !f.UnacknowledgedAt.IsZero() && !f.Now.Before(f.UnacknowledgedAt)
		stopped := f.Deleting || f.Held || f.StopWanted || !f.Resolved || f.Entitlement != lifecycle.Active || unacknowledged
		if !stopped && (d.Phase != lifecycle.Run || d.Rule != lifecycle.RulePaid) {
			t.Fatalf("%s %s", d.Phase, d.Rule)
		}
		if stopped && d.Phase == lifecycle.Run {
			t.Fatalf("it runs by %s", d.Rule)
		}
	})
}
