package lifecycle

import "time"

// Entitlement is what the buyer is entitled to, as the marketplace or a person said last.
type Entitlement int

const (
	// Active entitles to use.
	Active Entitlement = iota
	// Frozen entitles to the keeping of the data.
	Frozen
	// Released ends the sale.
	Released
)

// Facts is everything that a decision may look at. Times are absolute; a zero time is not known or does not apply.
type Facts struct {
	// Now is the moment of the decision.
	Now time.Time
	// Deleting is true once the instance's deletion was asked for.
	Deleting bool
	// Resolved is true once it is known what was sold, or for an instance that was made by hand.
	Resolved bool
	// Entitlement is what the buyer is entitled to.
	Entitlement Entitlement
	// EntitlementSince is when the entitlement was set; it starts the retention of a released sale.
	EntitlementSince time.Time
	// ExpiresAt is the end of the paid time; zero when the sale has none.
	ExpiresAt time.Time
	// RunUntil is until when the tenant may run without payment, and RetainUntil until when its data are kept, as people have said; zero for
	// no longer than the policy says. They only lengthen.
	RunUntil, RetainUntil time.Time
	// UnacknowledgedAt is when a sale of which the marketplace does not seem to know is stopped; zero when there is nothing to
	// say so.
	UnacknowledgedAt time.Time
	// Held is true while a person wants the tenant stopped.
	Held bool
	// StopWanted is true while a feature of the product wants the tenant stopped.
	StopWanted bool
	// UnfinishedSince is since when it is known that the tenant has to stop while something still needs it running, such as a last
	// reading of a meter; zero when nothing does.
	UnfinishedSince time.Time
}

// FinishTime is how long a tenant that has to stop is left as it is, so that what needs it running can be finished.
const FinishTime = 15 * time.Minute

// Policy is what the product says.
type Policy struct {
	// Grace is how long a tenant runs on after its paid time. Not negative.
	Grace time.Duration
	// Retention is how long the data of a stopped tenant are kept. Not negative.
	Retention time.Duration
	// DeleteUnpaid deletes an unpaid tenant after its retention. Otherwise it is kept until somebody ends it.
	DeleteUnpaid bool
}

// Phase is what shall be true of the tenant.
type Phase string

const (
	// Nothing: no tenant is made, and one that exists is left as it is.
	Nothing Phase = "Nothing"
	// Run: the workload runs.
	Run Phase = "Run"
	// Suspend: the workload is stopped and the data are kept.
	Suspend Phase = "Suspend"
	// Remove: the tenant is deleted with its data.
	Remove Phase = "Remove"
)

// Rule names the rule that decided.
type Rule string

// The rules, in the order in which they are asked.
const (
	RuleRemoving       Rule = "Removing"
	RuleReleased       Rule = "Released"
	RuleFrozen         Rule = "Frozen"
	RuleOverdue        Rule = "Overdue"
	RuleUnresolved     Rule = "Unresolved"
	RuleUnacknowledged Rule = "Unacknowledged"
	RuleStopWanted     Rule = "StopWanted"
	RuleHeld           Rule = "Held"
	RuleInGrace        Rule = "InGrace"
	RulePaid           Rule = "Paid"
)

// Decision is the answer for one moment.
type Decision struct {
	// Phase is what shall be true of the tenant.
	Phase Phase
	// Rule explains Phase.
	Rule Rule
	// Until is when the answer changes by itself; zero means never. It is always after Facts.Now. Where nothing runs, it is
	// also when what the buyer has paid changes, because that is reported beside the answer.
	Until time.Time
	// SuspendAt is when a running tenant is stopped if nothing else happens; zero means never.
	SuspendAt time.Time
	// DeleteAt is when the tenant is deleted if nothing else happens; zero means never.
	DeleteAt time.Time
	// Finishing leaves the tenant as it is for the moment, whatever Phase says, because something still needs it running.
	Finishing bool
}

// rules are asked in order; the first that answers decides.
var rules = []func(Facts, Policy) (Decision, bool){
	removing, released, frozen, overdue, unresolved, unacknowledged, stopWanted, held, inGrace, paid,
}

// Decide says what shall be true of a tenant at f.Now, and until when. It is pure and total.
func Decide(f Facts, p Policy) Decision {
	for _, rule := range rules {
		if d, ok := rule(f, p); ok {
			return finishing(f, d)
		}
	}
	return Decision{Phase: Nothing, Rule: RuleUnresolved}
}

// finishing puts the end of a tenant off until what needs it running is finished, for a while: what never finishes must not keep it
// running for ever.
func finishing(f Facts, d Decision) Decision {
	end := f.UnfinishedSince.Add(FinishTime)
	if f.UnfinishedSince.IsZero() || !f.Now.Before(end) || (d.Phase != Suspend && d.Phase != Remove) {
		return d
	}
	d.Finishing = true
	if d.Until.IsZero() || end.Before(d.Until) {
		d.Until = end
	}
	return d
}

func removing(f Facts, _ Policy) (Decision, bool) {
	return Decision{Phase: Remove, Rule: RuleRemoving}, f.Deleting
}

func released(f Facts, p Policy) (Decision, bool) {
	if f.Entitlement != Released {
		return Decision{}, false
	}
	if f.EntitlementSince.IsZero() {
		// Nobody knows since when: deleting would be a guess.
		return Decision{Phase: Suspend, Rule: RuleReleased}, true
	}
	return retained(f.Now, last(later(f.EntitlementSince, p.Retention), f.RetainUntil), RuleReleased), true
}

func unresolved(f Facts, p Policy) (Decision, bool) {
	return Decision{Phase: Nothing, Rule: RuleUnresolved, Until: nextPayment(f, p)}, !f.Resolved
}

func frozen(f Facts, p Policy) (Decision, bool) {
	if f.Entitlement != Frozen {
		return Decision{}, false
	}
	return unpaid(f, p, RuleFrozen), true
}

func overdue(f Facts, p Policy) (Decision, bool) {
	if f.ExpiresAt.IsZero() || f.Now.Before(suspension(f, p)) {
		return Decision{}, false
	}
	return unpaid(f, p, RuleOverdue), true
}

// unacknowledged is suspended like one that a person holds: nothing is deleted but what nobody pays for.
func unacknowledged(f Facts, p Policy) (Decision, bool) {
	if f.UnacknowledgedAt.IsZero() || f.Now.Before(f.UnacknowledgedAt) {
		return Decision{}, false
	}
	return Decision{Phase: Suspend, Rule: RuleUnacknowledged, Until: nextPayment(f, p), DeleteAt: unpaidDeletion(f, p)}, true
}

func stopWanted(f Facts, p Policy) (Decision, bool) {
	if !f.StopWanted {
		return Decision{}, false
	}
	return Decision{Phase: Suspend, Rule: RuleStopWanted, Until: first(nextPayment(f, p), f.UnacknowledgedAt), DeleteAt: unpaidDeletion(f, p)}, true
}

func held(f Facts, p Policy) (Decision, bool) {
	if !f.Held {
		return Decision{}, false
	}
	return Decision{
		Phase: Suspend, Rule: RuleHeld, Until: first(nextPayment(f, p), f.UnacknowledgedAt), DeleteAt: unpaidDeletion(f, p),
	}, true
}

func inGrace(f Facts, p Policy) (Decision, bool) {
	if f.ExpiresAt.IsZero() || f.Now.Before(f.ExpiresAt) {
		return Decision{}, false
	}
	end := first(suspension(f, p), f.UnacknowledgedAt)
	return Decision{Phase: Run, Rule: RuleInGrace, Until: end, SuspendAt: end, DeleteAt: unpaidDeletion(f, p)}, true
}

func paid(f Facts, p Policy) (Decision, bool) {
	return Decision{
		Phase: Run, Rule: RulePaid, Until: first(f.ExpiresAt, f.UnacknowledgedAt),
		SuspendAt: first(suspension(f, p), f.UnacknowledgedAt), DeleteAt: unpaidDeletion(f, p),
	}, true
}

// unpaid is suspended, and removed only where the product says so, the paid time has an end, and it is known what was sold.
func unpaid(f Facts, p Policy, rule Rule) Decision {
	deleteAt := unpaidDeletion(f, p)
	if deleteAt.IsZero() || !f.Resolved {
		return Decision{Phase: Suspend, Rule: rule}
	}
	return retained(f.Now, deleteAt, rule)
}

// retained is suspended until deleteAt and removed from then on.
func retained(now, deleteAt time.Time, rule Rule) Decision {
	if !deleteAt.Before(lastInstant) {
		return Decision{Phase: Suspend, Rule: rule}
	}
	if now.Before(deleteAt) {
		return Decision{Phase: Suspend, Rule: rule, Until: deleteAt, DeleteAt: deleteAt}
	}
	return Decision{Phase: Remove, Rule: rule}
}

// suspension is when the paid time, its grace and what a person has added are over; zero means never.
func suspension(f Facts, p Policy) time.Time {
	if f.ExpiresAt.IsZero() {
		return time.Time{}
	}
	return last(later(f.ExpiresAt, p.Grace), f.RunUntil)
}

// unpaidDeletion is when an unpaid tenant is deleted; zero means never.
func unpaidDeletion(f Facts, p Policy) time.Time {
	if !p.DeleteUnpaid || f.ExpiresAt.IsZero() {
		return time.Time{}
	}
	return last(later(suspension(f, p), p.Retention), f.RetainUntil)
}

// nextPayment is when the paid time ends or, after that, its grace; zero if both are over or there is no end.
func nextPayment(f Facts, p Policy) time.Time {
	for _, instant := range []time.Time{f.ExpiresAt, suspension(f, p)} {
		if f.Now.Before(instant) {
			return instant
		}
	}
	return time.Time{}
}

// first is the earlier of two instants, of which a zero one is never.
func first(one, other time.Time) time.Time {
	if one.IsZero() || !other.IsZero() && other.Before(one) {
		return other
	}
	return one
}

// last is the later of two instants.
func last(one, other time.Time) time.Time {
	if other.After(one) {
		return other
	}
	return one
}

// lastInstant is the last one that the Kubernetes API can write. Marketplaces sell "for ever" as the year 9999, and a
// timetable with a date behind that would be refused with the whole status.
var lastInstant = time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)

// later adds a time to an instant and stays within what can be written.
func later(instant time.Time, by time.Duration) time.Time {
	if room := max(0, lastInstant.Sub(instant)); by > room {
		by = room
	}
	return instant.Add(by)
}
