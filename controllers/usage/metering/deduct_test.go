package metering_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/controllers/usage/metering"
)

// packageOf is a package of ten that stops the tenant, sold at a time.
func packageOf(name, sold string, changes ...func(*metering.Deduction)) metering.Deduction {
	d := metering.Deduction{Name: name, Sold: at(sold), Package: metering.Package{Size: 10 * metering.One, Quantity: 1}, Suspends: true}
	for _, change := range changes {
		change(&d)
	}
	return d
}

func runsOn(d *metering.Deduction) { d.Suspends = false }
func isOver(d *metering.Deduction) { d.Over = true }
func until(when string) func(*metering.Deduction) {
	return func(d *metering.Deduction) { d.Ends = at(when) }
}
func anew(when string) func(*metering.Deduction) {
	return func(d *metering.Deduction) { d.Begins = at(when) }
}
func of(name string) func(*metering.Record) { return func(r *metering.Record) { r.Package = name } }

func TestFromWhichPackageUseIsDeducted(t *testing.T) {
	type records = []metering.Record
	type packages = []metering.Deduction
	tests := map[string]struct {
		packages packages
		records  records
		// want is the package of each record by its beginning, then each package with what is used and accepted.
		want      string
		exhausted bool
	}{
		"no packages": {nil, records{used("09:00", "10:00", 4)}, "-", false},
		"the only one": {
			packages{packageOf("p", "08:00")}, records{used("09:00", "10:00", 4), used("10:00", "11:00", 5, pushed, of("p"))}, "p p: p 9 5", false,
		},
		"nothing that was used before it was sold": {
			packages{packageOf("p", "09:30")}, records{used("09:00", "10:00", 4), used("10:00", "11:00", 5)}, "- p: p 5 0", false,
		},
		"nothing that was used after its end": {
			packages{packageOf("p", "08:00", until("10:00"))}, records{used("09:00", "10:00", 4), used("10:00", "11:00", 5)}, "p -: p 4 0", false,
		},
		"nothing that was pushed before it was linked": {
			packages{packageOf("p", "08:00")}, records{used("09:00", "10:00", 4, pushed), used("10:00", "11:00", 5)}, "- p: p 5 0", false,
		},
		"the oldest one that has something left": {
			packages{packageOf("new", "08:30"), packageOf("old", "08:00")},
			records{used("09:00", "10:00", 9), used("10:00", "11:00", 3), used("11:00", "12:00", 5)}, "old old new: old 12 0 new 5 0", false,
		},
		"the one that it was pushed with, whatever was bought since": {
			packages{packageOf("new", "08:30"), packageOf("old", "08:00")}, records{used("09:00", "10:00", 4, of("new"))}, "new: old 0 0 new 4 0", false,
		},
		"what was used until the tenant stood": {
			packages{packageOf("p", "08:00")}, records{used("09:00", "10:00", 10, pushed, of("p")), used("10:00", "11:00", 1)}, "p p: p 11 10", true,
		},
		"used up by our word only": {
			packages{packageOf("p", "08:00")}, records{used("09:00", "10:00", 11)}, "p: p 11 0", false,
		},
		"one that stops nobody lets the rest be billed by usage": {
			packages{packageOf("p", "08:00", runsOn)}, records{used("09:00", "10:00", 10, pushed, of("p")), used("10:00", "11:00", 1)}, "p -: p 10 10", false,
		},
		"used up, but another one is left": {
			packages{packageOf("p", "08:00"), packageOf("q", "09:00")}, records{used("09:00", "10:00", 10, pushed, of("p"))}, "p: p 10 10 q 0 0", false,
		},
		"used up, and the other one can't be used any more": {
			packages{packageOf("p", "08:00"), packageOf("q", "08:00", until("19:00"))},
			records{used("09:00", "10:00", 10, pushed, of("p"))}, "p: p 10 10 q 0 0", true,
		},
		"used up, and its sale has ended": {
			packages{packageOf("p", "08:00", isOver, until("10:30"))}, records{used("09:00", "10:00", 10, pushed, of("p"))}, "p: p 10 10", false,
		},
		"used up and renewed": {
			packages{packageOf("p", "08:00", anew("10:00"))},
			records{used("09:00", "10:00", 10, pushed, of("p")), used("10:00", "11:00", 2)}, "p p: p 2 0", false,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			meter := hourly
			meter.Packages = tc.packages
			account := metering.Read(meter, sale, append(records{opened("08:00")}, tc.records...), at("20:00"))
			var names []string
			for _, r := range tc.records {
				name := account.Deducted[r.Name]
				if name == "" {
					name = "-"
				}
				names = append(names, name)
			}
			got := strings.Join(names, " ")
			if len(account.Packages) > 0 {
				got += ":"
			}
			for _, p := range account.Packages {
				got += fmt.Sprintf(" %s %s %s", p.Name, p.Used, p.Accepted)
			}
			if got != tc.want || account.Exhausted != tc.exhausted {
				t.Errorf("%q and exhausted %t, want %q and %t", got, account.Exhausted, tc.want, tc.exhausted)
			}
		})
	}
}

// Whatever is bought, used up and pushed in which order: a record that was pushed stays with its package, none is deducted from two,
// and what was used of a package stays when its records are gone.
func TestWhatIsUsedOfPackagesOutlivesTheRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		meter, records, now := hourly, map[string]metering.Record{}, at("08:00")
		first := opened("08:00")
		records[first.Name] = first
		stood, used := map[string]string{}, map[string]metering.Amount{}
		read := func() metering.Account {
			return metering.Read(meter, sale, slices.Collect(maps.Values(records)), now)
		}
		for hour := range rapid.IntRange(1, 120).Draw(t, "hours") {
			if len(meter.Packages) < 4 && rapid.IntRange(0, 9).Draw(t, "buys") == 0 {
				d := packageOf(fmt.Sprintf("p%d", len(meter.Packages)), "08:00", func(d *metering.Deduction) { d.Sold = now })
				d.Suspends = rapid.Bool().Draw(t, "suspends")
				meter.Packages = append(meter.Packages, d)
			}
			begins := now
			now = now.Add(time.Hour)
			name := metering.RecordName(sale.Instance, sale.InstanceID, meter.Name, begins)
			records[name] = metering.Record{Name: name, Begins: begins, Ends: now, Created: now,
				Value: metering.Amount(rapid.IntRange(0, 4).Draw(t, "used")) * metering.One}
			account := read()
			for name, of := range account.Deducted {
				if stood[name] != "" && stood[name] != of {
					t.Fatalf("hour %d: %s moved from %s to %s", hour, name, stood[name], of)
				}
			}
			for _, due := range account.Due() {
				if rapid.IntRange(0, 3).Draw(t, "push") == 0 {
					break
				}
				r := records[due.Name]
				r.Pushed, r.Package = true, account.Deducted[due.Name]
				records[due.Name] = r
				stood[due.Name] = r.Package
				used[r.Package] += r.Value
			}
			settlement := read().Settle(now, 24*time.Hour)
			if c := settlement.Checkpoint; c != nil {
				c.Created = now
				records[c.Name] = *c
			}
			for _, name := range settlement.Remove {
				delete(records, name)
			}
			got, want := map[string]metering.Amount{}, map[string]metering.Amount{}
			for _, p := range read().Packages {
				got[p.Name], want[p.Name] = p.Accepted, used[p.Name]
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("hour %d (-want +got):\n%s", hour, diff)
			}
		}
	})
}
