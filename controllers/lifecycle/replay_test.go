package lifecycle_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
)

// said is a fact that becomes known on a day.
type said struct {
	day  int
	what string
	fact func(*lifecycle.Facts)
}

// replay plays a sale the way the reconciler does: decide, sleep until the decision ends or a fact comes, decide again. It
// writes a line for each fact and for each change of the answer. Nothing looks at the sale in between, so a deadline that
// is too late or missing shows.
func replay(t *testing.T, facts lifecycle.Facts, policy lifecycle.Policy, script []said) string {
	t.Helper()
	var timeline strings.Builder
	var last lifecycle.Decision
	facts.Now = day(0)
	for range 50 {
		var news []string
		for len(script) > 0 && !facts.Now.Before(day(script[0].day)) {
			script[0].fact(&facts)
			news, script = append(news, script[0].what), script[1:]
		}
		d := lifecycle.Decide(facts, policy)
		if len(news) > 0 || d.Phase != last.Phase || d.Rule != last.Rule {
			line := fmt.Sprintf("day %3d  %-7s  %-10s %s", int(facts.Now.Sub(day(0))/aDay), d.Phase, d.Rule, strings.Join(news, ", "))
			fmt.Fprintln(&timeline, strings.TrimRight(line, " "))
		}
		last = d
		wake := []time.Time{d.Until}
		if len(script) > 0 {
			wake = append(wake, day(script[0].day))
		}
		wake = slices.DeleteFunc(wake, time.Time.IsZero)
		if len(wake) == 0 {
			return timeline.String()
		}
		facts.Now = slices.MinFunc(wake, time.Time.Compare)
	}
	t.Fatalf("the sale does not come to rest:\n%s", timeline.String())
	return ""
}

func TestAWholeSale(t *testing.T) {
	month := lifecycle.Facts{Resolved: true, EntitlementSince: day(0), ExpiresAt: day(30)}
	freeze := func(on int) said { return said{on, "freeze", frozen(day(on))} }
	unfreeze := func(on int) said { return said{on, "unfreeze", unfrozen(day(on))} }
	release := func(on int) said { return said{on, "release", released(day(on))} }
	renewal := func(on, until int) said {
		return said{on, fmt.Sprintf("renewal until day %d", until), expires(day(until))}
	}

	tests := map[string]struct {
		facts  lifecycle.Facts
		policy lifecycle.Policy
		script []said
		want   string
	}{
		"the order is read, renewals come in time, and the sale is unsubscribed": {
			policy: keep,
			script: []said{
				{1, "order", func(f *lifecycle.Facts) { f.Resolved, f.ExpiresAt = true, day(30) }},
				renewal(28, 60), renewal(59, 90), release(70),
			},
			want: `
day   0  Nothing  Unresolved
day   1  Run      Paid       order
day  28  Run      Paid       renewal until day 60
day  59  Run      Paid       renewal until day 90
day  70  Suspend  Released   release
day  85  Remove   Released
`,
		},
		"the freeze never comes, and nobody pays": {
			facts: month, policy: keep,
			want: `
day   0  Run      Paid
day  30  Run      InGrace
day  45  Suspend  Overdue
`,
		},
		"the freeze never comes, and a renewal comes late": {
			facts: month, policy: keep, script: []said{renewal(50, 60)},
			want: `
day   0  Run      Paid
day  30  Run      InGrace
day  45  Suspend  Overdue
day  50  Run      Paid       renewal until day 60
day  60  Run      InGrace
day  75  Suspend  Overdue
`,
		},
		"a renewal within the grace goes unnoticed by the buyer": {
			facts: month, policy: keep, script: []said{renewal(44, 60)},
			want: `
day   0  Run      Paid
day  30  Run      InGrace
day  44  Run      Paid       renewal until day 60
day  60  Run      InGrace
day  75  Suspend  Overdue
`,
		},
		"a freeze at the expiry, a renewal and an unfreeze": {
			facts: month, policy: keep, script: []said{freeze(30), renewal(40, 60), unfreeze(41)},
			want: `
day   0  Run      Paid
day  30  Suspend  Frozen     freeze
day  40  Suspend  Frozen     renewal until day 60
day  41  Run      Paid       unfreeze
day  60  Run      InGrace
day  75  Suspend  Overdue
`,
		},
		"an unfreeze without a renewal comes too late": {
			facts: month, policy: keep, script: []said{freeze(30), unfreeze(50)},
			want: `
day   0  Run      Paid
day  30  Suspend  Frozen     freeze
day  50  Suspend  Overdue    unfreeze
`,
		},
		"the marketplace freezes early, for a violation": {
			facts: month, policy: keep, script: []said{freeze(10), unfreeze(12)},
			want: `
day   0  Run      Paid
day  10  Suspend  Frozen     freeze
day  12  Run      Paid       unfreeze
day  30  Run      InGrace
day  45  Suspend  Overdue
`,
		},
		"frozen at its expiry and released by the marketplace": {
			facts: month, policy: keep, script: []said{freeze(30), release(45)},
			want: `
day   0  Run      Paid
day  30  Suspend  Frozen     freeze
day  45  Suspend  Released   release
day  60  Remove   Released
`,
		},
		"a person takes a release back within its retention": {
			facts: month, policy: keep, script: []said{release(10), {20, "a person sets Active", unfrozen(day(20))}},
			want: `
day   0  Run      Paid
day  10  Suspend  Released   release
day  20  Run      Paid       a person sets Active
day  30  Run      InGrace
day  45  Suspend  Overdue
`,
		},
		"a product that deletes, and nobody pays": {
			facts: month, policy: deletes,
			want: `
day   0  Run      Paid
day  30  Run      InGrace
day  45  Suspend  Overdue
day  60  Remove   Overdue
`,
		},
		"a product that deletes, and a freeze that is never lifted": {
			facts: month, policy: deletes, script: []said{freeze(30)},
			want: `
day   0  Run      Paid
day  30  Suspend  Frozen     freeze
day  60  Remove   Frozen
`,
		},
		"a product that deletes, and a renewal on the last day": {
			facts: month, policy: deletes, script: []said{renewal(59, 90)},
			want: `
day   0  Run      Paid
day  30  Run      InGrace
day  45  Suspend  Overdue
day  59  Run      Paid       renewal until day 90
day  90  Run      InGrace
day 105  Suspend  Overdue
day 120  Remove   Overdue
`,
		},
		"a person holds the tenant beyond its paid time": {
			facts: month, policy: keep, script: []said{{10, "a person holds it", held}, {50, "and lets go", letGo}, renewal(51, 60)},
			want: `
day   0  Run      Paid
day  10  Suspend  Held       a person holds it
day  45  Suspend  Overdue
day  50  Suspend  Overdue    and lets go
day  51  Run      Paid       renewal until day 60
day  60  Run      InGrace
day  75  Suspend  Overdue
`,
		},
		"a person holds the tenant for a while": {
			facts: month, policy: keep, script: []said{{10, "a person holds it", held}, {31, "and lets go", letGo}},
			want: `
day   0  Run      Paid
day  10  Suspend  Held       a person holds it
day  31  Run      InGrace    and lets go
day  45  Suspend  Overdue
`,
		},
		"a sale without an expiry runs until its release": {
			facts: lifecycle.Facts{Resolved: true, EntitlementSince: day(0)}, policy: deletes, script: []said{release(400)},
			want: `
day   0  Run      Paid
day 400  Suspend  Released   release
day 415  Remove   Released
`,
		},
		"without grace the clock suspends at the expiry": {
			facts: month, policy: graceless, script: []said{renewal(31, 60)},
			want: `
day   0  Run      Paid
day  30  Suspend  Overdue
day  31  Run      Paid       renewal until day 60
day  60  Suspend  Overdue
`,
		},
		"a trial becomes a sale": {
			facts: lifecycle.Facts{Resolved: true, ExpiresAt: day(7)}, policy: keep,
			script: []said{{6, "trial to formal until day 36", expires(day(36))}},
			want: `
day   0  Run      Paid
day   6  Run      Paid       trial to formal until day 36
day  36  Run      InGrace
day  51  Suspend  Overdue
`,
		},
		"a trial that ends is released without a freeze": {
			facts: lifecycle.Facts{Resolved: true, ExpiresAt: day(7)}, policy: lifecycle.Policy{Grace: aDay, Retention: 2 * aDay},
			script: []said{release(9)},
			want: `
day   0  Run      Paid
day   7  Run      InGrace
day   8  Suspend  Overdue
day   9  Suspend  Released   release
day  11  Remove   Released
`,
		},
		"a renewal that is given back ends the paid time earlier": {
			facts: month, policy: keep, script: []said{renewal(20, 60), {40, "given back", expires(day(30))}},
			want: `
day   0  Run      Paid
day  20  Run      Paid       renewal until day 60
day  40  Run      InGrace    given back
day  45  Suspend  Overdue
`,
		},
		"the marketplace never heard of the sale, and a person releases it": {
			facts: month, policy: keep,
			script: []said{{1, "another sale is asked for", unknown(day(2))}, {5, "a person releases it", released(day(5))}},
			want: `
day   0  Run      Paid
day   1  Run      Paid       another sale is asked for
day   2  Suspend  Unacknowledged
day   5  Suspend  Released   a person releases it
day  20  Remove   Released
`,
		},
		"the first call comes late, and the tenant is back": {
			facts: month, policy: keep,
			script: []said{{1, "another sale is asked for", unknown(day(2))}, {3, "query", unknown(never)}, renewal(28, 60)},
			want: `
day   0  Run      Paid
day   1  Run      Paid       another sale is asked for
day   2  Suspend  Unacknowledged
day   3  Run      Paid       query
day  28  Run      Paid       renewal until day 60
day  60  Run      InGrace
day  75  Suspend  Overdue
`,
		},
		"nobody looks after a sale that the marketplace never heard of": {
			facts: month, policy: deletes, script: []said{{1, "another sale is asked for", unknown(day(2))}},
			want: `
day   0  Run      Paid
day   1  Run      Paid       another sale is asked for
day   2  Suspend  Unacknowledged
day  45  Suspend  Overdue
day  60  Remove   Overdue
`,
		},
		"a person deletes the instance": {
			facts: month, policy: keep, script: []said{{3, "kubectl delete", deleting}},
			want: `
day   0  Run      Paid
day   3  Remove   Removing   kubectl delete
`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := replay(t, tc.facts, tc.policy, tc.script)
			if diff := cmp.Diff(strings.TrimPrefix(tc.want, "\n"), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
