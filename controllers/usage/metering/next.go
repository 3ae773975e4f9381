package metering

import (
	"encoding/binary"
	"time"
)

const (
	// settle is how long after the end of an interval its source is asked: what was counted at the very end has to reach it.
	settle = time.Minute
	// spread is over how long the sources of all sales are asked, so that the first minute of an hour is not all of the work. With
	// settle it stays well within the 15 minutes that the marketplace calls best (protocol page 4.3).
	spread = 4 * time.Minute
	// margin is what is left of the longest age for asking, recording and pushing.
	margin = time.Hour
)

// Moment is what a step depends on beside the account.
type Moment struct {
	Now time.Time
	// Running is true if the tenant shall run.
	Running bool
	// Usable is true once the buyer can use it: the marketplace's resource starts no earlier, and takes no usage from before.
	Usable bool
	// StopAt is since when it shall not; not after Now.
	StopAt time.Time
	// ResumedAt is when somebody last let it run again, if that is known.
	ResumedAt time.Time
	// GoneSilent is true if the tenant is stopped and can't answer any more.
	GoneSilent bool
}

// Step is the next interval to record.
type Step struct {
	// Open: the meter begins at Ends.
	Open bool
	// Measure: the source is to be asked about the interval. Otherwise it is recorded with 0.
	Measure bool
	// Lost: the amount is not known. The tenant's stop is a step of its own, so that the lost interval does not come back when a
	// person has settled it and deletes its record.
	Lost bool
	// Stopped: the tenant is stopped at Ends.
	Stopped      bool
	Begins, Ends time.Time
}

// Next is the next interval of a meter that has a source. ok is false when there is none yet; at is then when to ask again, zero
// for not before something changes. Each step begins where the one before has ended.
func (a Account) Next(m Moment) (step Step, at time.Time, ok bool) {
	now := m.Now.Truncate(time.Second)
	switch {
	case a.Meter.Written:
		return Step{}, time.Time{}, false
	case !a.Opened || a.Stopped:
		return a.begin(m, now)
	}
	stop := time.Time{}
	if !m.Running {
		stop = m.StopAt.Truncate(time.Second)
		if !stop.After(a.Until) {
			return a.whole(Step{Ends: a.Until.Add(time.Second), Stopped: true}, now)
		}
		if m.GoneSilent && a.Meter.InTenant {
			// The last interval of a former meter that was only shown is no lost money.
			shown := a.Meter.Former && a.Meter.Kept
			return a.whole(Step{Ends: stop, Lost: !shown, Stopped: shown}, now)
		}
	}
	end, last := a.endAfter(a.Until, stop)
	if oldest := now.Add(margin - a.Sale.MaxAge); a.Until.Before(oldest) && !a.Meter.Kept {
		// It could not be charged even if the source answered now.
		for end.Before(oldest) && !last {
			end, last = a.endAfter(end, stop)
		}
		return a.whole(Step{Ends: end, Lost: true}, now)
	}
	if at := end.Add(a.delay(last)); now.Before(at) {
		return Step{}, at, false
	}
	return Step{Measure: true, Begins: a.Until, Ends: end, Stopped: last}, time.Time{}, true
}

// begin is the step with which a meter begins, or begins again.
func (a Account) begin(m Moment, now time.Time) (step Step, at time.Time, ok bool) {
	switch {
	case !m.Running, !a.Opened && !m.Usable:
		return Step{}, time.Time{}, false
	case !a.Opened:
		// What was used before a person has defined the meter may have been charged by other means.
		return Step{Open: true, Begins: now, Ends: now}, time.Time{}, true
	}
	return a.whole(Step{Ends: resumed(a.Until, now, m.ResumedAt)}, now)
}

// endAfter is the end of the interval that begins at an instant: the next full hour or day, or the stop if there is one before.
// last says that it is the stop.
func (a Account) endAfter(begins, stop time.Time) (end time.Time, last bool) {
	end = a.boundaryAfter(begins)
	if !stop.IsZero() && !end.Before(stop) {
		return stop, true
	}
	return end, false
}

// whole completes a step that needs no source, once it is over.
func (a Account) whole(step Step, now time.Time) (Step, time.Time, bool) {
	if step.Ends.After(now) {
		return Step{}, step.Ends, false
	}
	step.Begins = a.Until
	return step, time.Time{}, true
}

// resumed is the end of a suspension: when somebody ended it, or now.
func resumed(stopped, now, known time.Time) time.Time {
	end := now
	if known.After(stopped) && known.Before(now) {
		end = known.Truncate(time.Second)
	}
	if earliest := stopped.Add(time.Second); end.Before(earliest) {
		end = earliest
	}
	return end
}

// boundaryAfter is the next full hour or midnight.
func (a Account) boundaryAfter(t time.Time) time.Time {
	length := time.Hour
	if a.Meter.Daily {
		length = 24 * time.Hour
	}
	return t.UTC().Truncate(length).Add(length)
}

// delay is how long after its end an interval is asked about. The last one of a tenant that waits for it is asked about at once.
func (a Account) delay(last bool) time.Duration {
	if last && a.Meter.InTenant {
		return 0
	}
	if last {
		return settle
	}
	sum := hash(a.Sale.InstanceID, "", "delay", time.Time{})
	return settle + time.Duration(binary.BigEndian.Uint16(sum[:2]))*spread/(1<<16)
}

// Deadline is until when the marketplace wants to know of an interval: two hours after an hour, and one after a day (protocol page
// 4.3).
func (a Account) Deadline(ends time.Time) time.Time {
	boundary := a.boundaryAfter(ends.Add(-time.Second))
	if a.Meter.Daily {
		return boundary.Add(time.Hour)
	}
	return boundary.Add(2 * time.Hour)
}

// Unread says whether the running tenant still has something to tell that is lost when it stops.
func (a Account) Unread() bool { return a.Meter.InTenant && a.Opened && !a.Stopped }
