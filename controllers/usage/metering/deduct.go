package metering

import (
	"cmp"
	"slices"
	"time"
)

// Deduction is a package of use that is an instance of its own, as the account of the instance that uses it sees it.
type Deduction struct {
	// Name is the package's instance.
	Name string
	// Sold is when the package was first bought; nothing is deducted from it that was used before.
	Sold time.Time
	// Begins is when the present package was bought; zero for the first.
	Begins time.Time
	// Ends is when it can't be used any more; zero for never.
	Ends time.Time
	// Over is true once its sale has ended for good.
	Over bool
	// Package is what it holds.
	Package Package
	// Suspends is true if the tenant stops when it is used up.
	Suspends bool
	// Used is what was used of it, Accepted the part that the marketplace has accepted.
	Used, Accepted Amount
}

// begins is when the present package can first be used.
func (d Deduction) begins() time.Time {
	if d.Begins.After(d.Sold) {
		return d.Begins
	}
	return d.Sold
}

// usable says whether a package could be used at an instant, used up or not.
func (d Deduction) usable(at time.Time) bool {
	return !at.Before(d.begins()) && (d.Ends.IsZero() || at.Before(d.Ends))
}

// openPackages begins with what the checkpoint knows of the packages. Of a package that is not the one that was counted nothing
// was used then, as of one that has a tenant of its own.
func (a *Account) openPackages() {
	a.Packages, a.Deducted = slices.Clone(a.Meter.Packages), map[string]string{}
	slices.SortStableFunc(a.Packages, func(x, y Deduction) int {
		return cmp.Or(x.begins().Compare(y.begins()), cmp.Compare(x.Name, y.Name))
	})
	if a.base == nil {
		return
	}
	for i := range a.Packages {
		p := &a.Packages[i]
		for _, was := range a.base.Checkpoint.Packages {
			if was.Name == p.Name && was.Begins.Equal(p.Begins) {
				p.Used, p.Accepted = was.Used, was.Used
			}
		}
	}
}

// deduct takes a record that counts from its package: the one that stands in it or, before its push, the one that is chosen now. The
// records come in the order of their beginnings, so that what is left of a package is known by then.
func (a *Account) deduct(j Judged) {
	name := j.Package
	if name == "" && !j.Pushed && !j.Attempted && j.Value > 0 {
		name = choose(a.Packages, j.Begins)
	}
	if name == "" {
		return
	}
	a.Deducted[j.Name] = name
	i := slices.IndexFunc(a.Packages, func(d Deduction) bool { return d.Name == name })
	if i < 0 || j.Begins.Before(a.Packages[i].Begins) {
		return
	}
	a.Packages[i].Used += j.Value
	if j.Verdict == Done {
		a.Packages[i].Accepted += j.Value
	}
}

// choose is the package that a record which begins at an instant is deducted from: the oldest one that has something left. When
// all are used up it is the latest of those that stop the tenant, because the marketplace wants to hear of what was used until the
// tenant stood; the others let the rest be billed by usage.
func choose(packages []Deduction, begins time.Time) string {
	last := ""
	for _, p := range packages {
		switch {
		case !p.usable(begins):
		case !p.Package.UsedUp(p.Used):
			return p.Name
		case p.Suspends:
			last = p.Name
		}
	}
	return last
}

// exhausted says whether the tenant stops at an instant for want of a package. Only what the marketplace has accepted counts. A
// package whose sale has ended stops nobody any more.
func exhausted(packages []Deduction, now time.Time) bool {
	stops := false
	for _, p := range packages {
		switch used := p.Package.UsedUp(p.Accepted); {
		case p.Over:
		case used:
			stops = stops || p.Suspends
		case p.usable(now):
			return false
		}
	}
	return stops
}
