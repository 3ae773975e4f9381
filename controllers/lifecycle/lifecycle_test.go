package lifecycle_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
)

const (
	aDay = 24 * time.Hour
	// tenYears is the longest grace and retention that a product can have.
	tenYears = 315360000 * time.Second
)

// day is midnight of a day after the purchase, which was made on day 0.
func day(n int) time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n) }

// before and after are the neighboring instants.
func before(at time.Time) time.Time { return at.Add(-1) }
func after(at time.Time) time.Time  { return at.Add(1) }

// sold is a sale that is paid until day 30, seen at now and changed as a test wants it.
func sold(now time.Time, changes ...func(*lifecycle.Facts)) lifecycle.Facts {
	f := lifecycle.Facts{Now: now, Resolved: true, EntitlementSince: day(0), ExpiresAt: day(30)}
	for _, change := range changes {
		change(&f)
	}
	return f
}

func expires(at time.Time) func(*lifecycle.Facts) {
	return func(f *lifecycle.Facts) { f.ExpiresAt = at }
}

func frozen(since time.Time) func(*lifecycle.Facts) {
	return func(f *lifecycle.Facts) { f.Entitlement, f.EntitlementSince = lifecycle.Frozen, since }
}

func unfrozen(since time.Time) func(*lifecycle.Facts) {
	return func(f *lifecycle.Facts) { f.Entitlement, f.EntitlementSince = lifecycle.Active, since }
}

func released(since time.Time) func(*lifecycle.Facts) {
	return func(f *lifecycle.Facts) { f.Entitlement, f.EntitlementSince = lifecycle.Released, since }
}

// unknown is a sale of which the marketplace does not seem to know from an instant on.
func unknown(at time.Time) func(*lifecycle.Facts) {
	return func(f *lifecycle.Facts) { f.UnacknowledgedAt = at }
}

func noExpiry(f *lifecycle.Facts)   { f.ExpiresAt = time.Time{} }
func unresolved(f *lifecycle.Facts) { f.Resolved = false }
func held(f *lifecycle.Facts)       { f.Held = true }
func letGo(f *lifecycle.Facts)      { f.Held = false }
func deleting(f *lifecycle.Facts)   { f.Deleting = true }

// Policies of a month's sale: suspended on day 45, and where unpaid tenants are deleted, on day 60.
var (
	keep      = lifecycle.Policy{Grace: 15 * aDay, Retention: 15 * aDay}
	deletes   = lifecycle.Policy{Grace: 15 * aDay, Retention: 15 * aDay, DeleteUnpaid: true}
	graceless = lifecycle.Policy{Retention: 15 * aDay}
)

// decision builds what is wanted.
func decision(phase lifecycle.Phase, rule lifecycle.Rule, until, suspendAt, deleteAt time.Time) lifecycle.Decision {
	return lifecycle.Decision{Phase: phase, Rule: rule, Until: until, SuspendAt: suspendAt, DeleteAt: deleteAt}
}

// never is an instant that does not come.
var never time.Time

type decideCase struct {
	facts  lifecycle.Facts
	policy lifecycle.Policy
	want   lifecycle.Decision
}

func checkDecisions(t *testing.T, tests map[string]decideCase) {
	t.Helper()
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, lifecycle.Decide(tc.facts, tc.policy)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTheClockOfAPaidSale(t *testing.T) {
	paid := decision(lifecycle.Run, lifecycle.RulePaid, day(30), day(45), never)
	grace := decision(lifecycle.Run, lifecycle.RuleInGrace, day(45), day(45), never)
	kept := decision(lifecycle.Suspend, lifecycle.RuleOverdue, never, never, never)
	waits := decision(lifecycle.Suspend, lifecycle.RuleOverdue, day(60), never, day(60))
	gone := decision(lifecycle.Remove, lifecycle.RuleOverdue, never, never, never)
	soon := decision(lifecycle.Run, lifecycle.RulePaid, day(30), day(30), never)
	overdue := lifecycle.RuleOverdue

	checkDecisions(t, map[string]decideCase{
		"at its purchase it runs":                                {sold(day(0)), keep, paid},
		"just before its expiry it runs as paid":                 {sold(before(day(30))), keep, paid},
		"at its expiry its grace begins":                         {sold(day(30)), keep, grace},
		"just after its expiry it runs in grace":                 {sold(after(day(30))), keep, grace},
		"just before the end of its grace it still runs":         {sold(before(day(45))), keep, grace},
		"at the end of its grace it is suspended":                {sold(day(45)), keep, kept},
		"just after its grace it is suspended":                   {sold(after(day(45))), keep, kept},
		"just before the end of a retention that keeps, nothing": {sold(before(day(60))), keep, kept},
		"a retention that keeps never ends":                      {sold(day(60)), keep, kept},
		"years later its data are still there":                   {sold(day(3650)), keep, kept},
		"a product that deletes says so from the start": {
			sold(day(0)), deletes, decision(lifecycle.Run, lifecycle.RulePaid, day(30), day(45), day(60)),
		},
		"a product that deletes says so in the grace": {
			sold(day(30)), deletes, decision(lifecycle.Run, lifecycle.RuleInGrace, day(45), day(45), day(60)),
		},
		"a product that deletes suspends first":              {sold(day(45)), deletes, waits},
		"just before the end of the retention the data stay": {sold(before(day(60))), deletes, waits},
		"at the end of the retention it is removed":          {sold(day(60)), deletes, gone},
		"just after the retention it is removed":             {sold(after(day(60))), deletes, gone},
		"without grace it is paid to the end":                {sold(before(day(30))), graceless, soon},
		"without grace it is suspended at its expiry":        {sold(day(30)), graceless, kept},
		"without grace and retention it is removed at its expiry": {
			sold(day(30)), lifecycle.Policy{DeleteUnpaid: true}, decision(lifecycle.Remove, overdue, never, never, never),
		},
		"without grace and retention it runs to its expiry": {
			sold(before(day(30))), lifecycle.Policy{DeleteUnpaid: true},
			decision(lifecycle.Run, lifecycle.RulePaid, day(30), day(30), day(30)),
		},
		"without an expiry there is no clock": {
			sold(day(3650), noExpiry), deletes, decision(lifecycle.Run, lifecycle.RulePaid, never, never, never),
		},
		"a renewal of an overdue sale makes it run": {
			sold(day(50), expires(day(60))), keep, decision(lifecycle.Run, lifecycle.RulePaid, day(60), day(75), never),
		},
		"a renewal to a date that has passed leaves the rest of its grace": {
			sold(day(50), expires(day(40))), keep, decision(lifecycle.Run, lifecycle.RuleInGrace, day(55), day(55), never),
		},
		"the longest grace and retention that a product can have": {
			sold(day(0)), lifecycle.Policy{Grace: tenYears, Retention: tenYears, DeleteUnpaid: true},
			decision(lifecycle.Run, lifecycle.RulePaid, day(30), day(30).Add(tenYears), day(30).Add(2*tenYears)),
		},
	})
}

func TestWhatTheMarketplaceSays(t *testing.T) {
	checkDecisions(t, map[string]decideCase{
		"frozen at its expiry it is suspended without a deadline": {
			sold(day(30), frozen(day(30))), keep, decision(lifecycle.Suspend, lifecycle.RuleFrozen, never, never, never),
		},
		"frozen early it is suspended while it is paid": {
			sold(day(10), frozen(day(10))), keep, decision(lifecycle.Suspend, lifecycle.RuleFrozen, never, never, never),
		},
		"frozen early its deletion counts from its expiry": {
			sold(day(10), frozen(day(10))), deletes, decision(lifecycle.Suspend, lifecycle.RuleFrozen, day(60), never, day(60)),
		},
		"frozen and unpaid it stays just before the end of the retention": {
			sold(before(day(60)), frozen(day(30))), deletes,
			decision(lifecycle.Suspend, lifecycle.RuleFrozen, day(60), never, day(60)),
		},
		"frozen and unpaid it is removed at the end of the retention": {
			sold(day(60), frozen(day(30))), deletes, decision(lifecycle.Remove, lifecycle.RuleFrozen, never, never, never),
		},
		"frozen and unpaid it is kept where the product does not delete": {
			sold(day(3650), frozen(day(30))), keep, decision(lifecycle.Suspend, lifecycle.RuleFrozen, never, never, never),
		},
		"frozen without an expiry it is never removed": {
			sold(day(3650), noExpiry, frozen(day(30))), deletes,
			decision(lifecycle.Suspend, lifecycle.RuleFrozen, never, never, never),
		},
		"a renewal does not end a freeze by itself": {
			sold(day(50), expires(day(60)), frozen(day(30))), keep,
			decision(lifecycle.Suspend, lifecycle.RuleFrozen, never, never, never),
		},
		"released it is suspended for its retention": {
			sold(day(20), released(day(20))), keep,
			decision(lifecycle.Suspend, lifecycle.RuleReleased, day(35), never, day(35)),
		},
		"released it stays just before the end of its retention": {
			sold(before(day(35)), released(day(20))), keep,
			decision(lifecycle.Suspend, lifecycle.RuleReleased, day(35), never, day(35)),
		},
		"released it is removed at the end of its retention": {
			sold(day(35), released(day(20))), keep, decision(lifecycle.Remove, lifecycle.RuleReleased, never, never, never),
		},
		"released it is removed after its retention": {
			sold(after(day(35)), released(day(20))), keep, decision(lifecycle.Remove, lifecycle.RuleReleased, never, never, never),
		},
		"released without a retention it is removed at once": {
			sold(day(20), released(day(20))), lifecycle.Policy{}, decision(lifecycle.Remove, lifecycle.RuleReleased, never, never, never),
		},
		"released by a clock ahead of ours its retention counts from there": {
			sold(day(20), released(day(21))), lifecycle.Policy{},
			decision(lifecycle.Suspend, lifecycle.RuleReleased, day(21), never, day(21)),
		},
		"released nobody knows when it is kept": {
			sold(day(3650), released(never)), deletes, decision(lifecycle.Suspend, lifecycle.RuleReleased, never, never, never),
		},
		"released for the longest retention": {
			sold(day(20), released(day(20))), lifecycle.Policy{Retention: tenYears},
			decision(lifecycle.Suspend, lifecycle.RuleReleased, day(20).Add(tenYears), never, day(20).Add(tenYears)),
		},
	})
}

func TestWhichRuleComesFirst(t *testing.T) {
	nothing := decision(lifecycle.Nothing, lifecycle.RuleUnresolved, never, never, never)

	checkDecisions(t, map[string]decideCase{
		"deleted while it is paid it is removed": {
			sold(day(1), deleting), keep, decision(lifecycle.Remove, lifecycle.RuleRemoving, never, never, never),
		},
		"deleted beats everything": {
			sold(day(1), deleting, held, unresolved, released(day(1))), keep,
			decision(lifecycle.Remove, lifecycle.RuleRemoving, never, never, never),
		},
		"released before its order was known it is released": {
			sold(day(1), unresolved, released(day(1))), keep,
			decision(lifecycle.Suspend, lifecycle.RuleReleased, day(16), never, day(16)),
		},
		"released beats a hold": {
			sold(day(35), held, released(day(20))), keep, decision(lifecycle.Remove, lifecycle.RuleReleased, never, never, never),
		},
		"released after its expiry it is kept for the release's retention": {
			sold(day(60), released(day(59))), deletes,
			decision(lifecycle.Suspend, lifecycle.RuleReleased, day(74), never, day(74)),
		},
		"unresolved it does not run": {sold(day(1), unresolved, noExpiry), keep, nothing},
		"unresolved it is stopped when frozen": {
			sold(day(1), unresolved, noExpiry, frozen(day(1))), keep, decision(lifecycle.Suspend, lifecycle.RuleFrozen, never, never, never),
		},
		"unresolved it does not run when held": {sold(day(1), unresolved, noExpiry, held), keep, nothing},
		"unresolved it is stopped, and never removed, for debt": {
			sold(day(60), unresolved), deletes, decision(lifecycle.Suspend, lifecycle.RuleOverdue, never, never, never),
		},
		"what a person lets run longer is not overdue": {
			sold(day(60), func(f *lifecycle.Facts) { f.RunUntil = day(90) }), keep,
			decision(lifecycle.Run, lifecycle.RuleInGrace, day(90), day(90), never),
		},
		"a person's word never cuts a paid time short": {
			sold(day(1), func(f *lifecycle.Facts) { f.RunUntil = day(2) }), keep, decision(lifecycle.Run, lifecycle.RulePaid, day(30), day(45), never),
		},
		"what a person keeps is not deleted": {
			sold(day(80), released(day(1)), func(f *lifecycle.Facts) { f.RetainUntil = day(90) }), keep,
			decision(lifecycle.Suspend, lifecycle.RuleReleased, day(90), never, day(90)),
		},
		"unresolved and renewed it reports when its paid time ends": {
			sold(day(1), unresolved), keep, decision(lifecycle.Nothing, lifecycle.RuleUnresolved, day(30), never, never),
		},
		"unresolved in grace it reports when that ends": {
			sold(day(30), unresolved), keep, decision(lifecycle.Nothing, lifecycle.RuleUnresolved, day(45), never, never),
		},
		"frozen is said rather than held": {
			sold(day(1), held, frozen(day(1))), keep, decision(lifecycle.Suspend, lifecycle.RuleFrozen, never, never, never),
		},
		"overdue is said rather than held": {
			sold(day(45), held), keep, decision(lifecycle.Suspend, lifecycle.RuleOverdue, never, never, never),
		},
		"held while it is paid it is suspended and reports when its paid time ends": {
			sold(day(1), held), keep, decision(lifecycle.Suspend, lifecycle.RuleHeld, day(30), never, never),
		},
		"held in its grace it reports when that ends": {
			sold(day(30), held), keep, decision(lifecycle.Suspend, lifecycle.RuleHeld, day(45), never, never),
		},
		"held it still says when it is deleted": {
			sold(day(1), held), deletes, decision(lifecycle.Suspend, lifecycle.RuleHeld, day(30), never, day(60)),
		},
		"held does not save it from its deletion": {
			sold(day(60), held), deletes, decision(lifecycle.Remove, lifecycle.RuleOverdue, never, never, never),
		},
		"held without an expiry it is suspended for good": {
			sold(day(3650), held, noExpiry), deletes, decision(lifecycle.Suspend, lifecycle.RuleHeld, never, never, never),
		},
	})
}

func TestDecideAboutASaleThatTheMarketplaceDoesNotKnow(t *testing.T) {
	lost := unknown(day(2))
	stopped := decision(lifecycle.Suspend, lifecycle.RuleUnacknowledged, day(30), never, never)
	checkDecisions(t, map[string]decideCase{
		"just before it is noticed it runs, and says when it is stopped": {
			sold(before(day(2)), lost), keep, decision(lifecycle.Run, lifecycle.RulePaid, day(2), day(2), never),
		},
		"when it is noticed it is stopped": {sold(day(2), lost), keep, stopped},
		"and stays so":                     {sold(day(20), lost), keep, stopped},
		"it is not deleted, but as unpaid": {sold(day(2), lost), deletes, decision(lifecycle.Suspend, lifecycle.RuleUnacknowledged, day(30), never, day(60))},
		"without an end it is stopped too": {sold(day(2), lost, noExpiry), keep, decision(lifecycle.Suspend, lifecycle.RuleUnacknowledged, never, never, never)},
		"in its grace it reports when that ends": {
			sold(day(30), lost), keep, decision(lifecycle.Suspend, lifecycle.RuleUnacknowledged, day(45), never, never),
		},
		"overdue is said rather": {
			sold(day(45), lost), keep, decision(lifecycle.Suspend, lifecycle.RuleOverdue, never, never, never),
		},
		"frozen is said rather": {
			sold(day(3), lost, frozen(day(1))), keep, decision(lifecycle.Suspend, lifecycle.RuleFrozen, never, never, never),
		},
		"released is said rather": {
			sold(day(3), lost, released(day(3))), keep, decision(lifecycle.Suspend, lifecycle.RuleReleased, day(18), never, day(18)),
		},
		"unresolved nothing runs anyway": {
			sold(day(3), lost, unresolved), keep, decision(lifecycle.Nothing, lifecycle.RuleUnresolved, day(30), never, never),
		},
		"held before it is noticed, the reason changes when it is": {
			sold(day(1), lost, held), keep, decision(lifecycle.Suspend, lifecycle.RuleHeld, day(2), never, never),
		},
		"it is said rather than held": {sold(day(2), lost, held), keep, stopped},
		"noticed after the end of a short trial, in its grace": {
			sold(day(1), unknown(day(2)), expires(day(1))), keep,
			decision(lifecycle.Run, lifecycle.RuleInGrace, day(2), day(2), never),
		},
		"noticed when it is overdue already, nothing changes": {
			sold(day(1), unknown(day(90))), keep, decision(lifecycle.Run, lifecycle.RulePaid, day(30), day(45), never),
		},
	})
}

func TestDatesAtTheEndOfTheCalendar(t *testing.T) {
	// A timetable with a year of five digits can't be written, and would take the whole status with it.
	last := time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)

	checkDecisions(t, map[string]decideCase{
		"sold for ever it has no date behind the year 9999": {
			sold(day(0), expires(last)), deletes, decision(lifecycle.Run, lifecycle.RulePaid, last, last, last),
		},
		"sold for almost ever its grace and retention end with the calendar": {
			sold(day(0), expires(last.Add(-16*aDay))), deletes,
			decision(lifecycle.Run, lifecycle.RulePaid, last.Add(-16*aDay), last.Add(-aDay), last),
		},
		"released on its last day it is never deleted": {
			sold(before(last), released(last.Add(-aDay))), keep,
			decision(lifecycle.Suspend, lifecycle.RuleReleased, never, never, never),
		},
	})
}

func TestAPackageThatIsUsedUp(t *testing.T) {
	stopWanted := func(f *lifecycle.Facts) { f.StopWanted = true }
	tests := map[string]struct {
		facts lifecycle.Facts
		want  lifecycle.Decision
	}{
		"stops the tenant while it is paid": {sold(day(1), stopWanted), lifecycle.Decision{
			Phase: lifecycle.Suspend, Rule: lifecycle.RuleStopWanted, Until: day(30),
		}},
		"is no reason to delete, whoever pays": {sold(day(60), stopWanted, noExpiry), lifecycle.Decision{
			Phase: lifecycle.Suspend, Rule: lifecycle.RuleStopWanted,
		}},
		"says less than a freeze": {sold(day(1), stopWanted, frozen(day(1))), lifecycle.Decision{
			Phase: lifecycle.Suspend, Rule: lifecycle.RuleFrozen,
		}},
		"says more than a person's wish": {sold(day(1), stopWanted, held), lifecycle.Decision{
			Phase: lifecycle.Suspend, Rule: lifecycle.RuleStopWanted, Until: day(30),
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, lifecycle.Decide(tc.facts, keep)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestATenantIsAskedBeforeItStops(t *testing.T) {
	unread := func(f *lifecycle.Facts) { f.UnfinishedSince = day(10) }
	end := day(10).Add(lifecycle.FinishTime)
	tests := map[string]struct {
		facts lifecycle.Facts
		want  lifecycle.Decision
	}{
		"a released one for a while": {sold(day(10), unread, released(day(10))), lifecycle.Decision{
			Phase: lifecycle.Suspend, Rule: lifecycle.RuleReleased, Until: end, DeleteAt: day(25), Finishing: true,
		}},
		"until the last instant": {sold(before(end), unread, released(day(10))), lifecycle.Decision{
			Phase: lifecycle.Suspend, Rule: lifecycle.RuleReleased, Until: end, DeleteAt: day(25), Finishing: true,
		}},
		"and no longer": {sold(end, unread, released(day(10))), lifecycle.Decision{
			Phase: lifecycle.Suspend, Rule: lifecycle.RuleReleased, Until: day(25), DeleteAt: day(25),
		}},
		"one that is deleted as well": {sold(day(10), unread, deleting), lifecycle.Decision{
			Phase: lifecycle.Remove, Rule: lifecycle.RuleRemoving, Until: end, Finishing: true,
		}},
		"one that runs is not waited for": {sold(day(10), unread), lifecycle.Decision{
			Phase: lifecycle.Run, Rule: lifecycle.RulePaid, Until: day(30), SuspendAt: day(45),
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, lifecycle.Decide(tc.facts, keep)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
