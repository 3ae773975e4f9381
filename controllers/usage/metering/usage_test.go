package metering_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/controllers/usage/metering"
)

// at is an instant of the day of the purchase, such as "10:17"; a day's number may stand before it: "3 00:00".
func at(text string) time.Time {
	day, clock, ok := strings.Cut(text, " ")
	if !ok {
		day, clock = "0", text
	}
	if strings.Count(clock, ":") == 1 {
		clock += ":00"
	}
	parsed, err := time.Parse("15:04:05", clock)
	if err != nil {
		panic(err)
	}
	var days int
	if _, err := fmt.Sscan(day, &days); err != nil {
		panic(err)
	}
	return time.Date(2026, 1, 1, parsed.Hour(), parsed.Minute(), parsed.Second(), 0, time.UTC).AddDate(0, 0, days)
}

var (
	hourly   = metering.Meter{Name: "requests"}
	daily    = metering.Meter{Name: "requests", Daily: true}
	inTenant = metering.Meter{Name: "requests", InTenant: true}
	written  = metering.Meter{Name: "requests", Written: true}
	sale     = metering.Sale{Instance: "acme", InstanceID: "s-acme", Begins: at("08:00"), MaxAge: 21 * 24 * time.Hour}
)

// opened is the record with which a meter begins.
func opened(when string) metering.Record {
	return metering.Record{
		Name: metering.CheckpointName(sale.Instance, sale.InstanceID, "requests", at(when)), Begins: at(when), Ends: at(when),
		Checkpoint: &metering.Checkpoint{}, Created: at(when),
	}
}

// used is a record of a meter with a source.
func used(begins, ends string, value metering.Amount, changes ...func(*metering.Record)) metering.Record {
	r := metering.Record{
		Name: metering.RecordName(sale.Instance, sale.InstanceID, "requests", at(begins)), Begins: at(begins), Ends: at(ends),
		Value: value * metering.One, Created: at(ends),
	}
	for _, change := range changes {
		change(&r)
	}
	return r
}

func pushed(r *metering.Record)    { r.Pushed = true }
func attempted(r *metering.Record) { r.Attempted = true }
func isLost(r *metering.Record)    { r.Lost, r.Unasked = true, true }
func stops(r *metering.Record)     { r.Stopped = true }
func byHand(r *metering.Record)    { r.Name = "by-hand-" + r.Name }
func later(r *metering.Record)     { r.Created = r.Created.Add(time.Hour) }

func TestNext(t *testing.T) {
	running := func(now string) metering.Moment { return metering.Moment{Now: at(now), Running: true, Usable: true} }
	stopped := func(now, since string) metering.Moment { return metering.Moment{Now: at(now), StopAt: at(since)} }
	measure := func(begins, ends string) string { return "measure " + begins + " " + ends }
	tests := map[string]struct {
		meter   metering.Meter
		records []metering.Record
		moment  metering.Moment
		want    string
	}{
		"a meter that is new begins now": {
			meter: hourly, moment: running("10:17"), want: "open 10:17 10:17",
		},
		"a meter that is new waits until the buyer can use the tenant": {
			meter: hourly, moment: metering.Moment{Now: at("10:17"), Running: true}, want: "",
		},
		"a tenant that is not usable for a while is counted on": {
			meter: hourly, records: []metering.Record{opened("10:17")}, moment: metering.Moment{Now: at("11:05"), Running: true},
			want: measure("10:17", "11:00"),
		},
		"a meter that is new waits while the tenant does not run": {
			meter: hourly, moment: stopped("10:17", "10:00"), want: "",
		},
		"the first interval ends with the hour": {
			meter: hourly, records: []metering.Record{opened("10:17")}, moment: running("11:05"), want: measure("10:17", "11:00"),
		},
		"nothing is asked before the hour is over": {
			meter: hourly, records: []metering.Record{opened("10:17")}, moment: running("10:59:59"), want: "",
		},
		"nothing is asked in the minute after it, in which the last of it is still on its way": {
			meter: hourly, records: []metering.Record{opened("10:17")}, moment: running("11:00:59"), want: "",
		},
		"an interval follows the one before": {
			meter: hourly, records: []metering.Record{opened("10:17"), used("10:17", "11:00", 5)}, moment: running("12:05"),
			want: measure("11:00", "12:00"),
		},
		"what was missed is made up for one by one": {
			meter: hourly, records: []metering.Record{opened("10:17"), used("10:17", "11:00", 5)}, moment: running("2 07:30"),
			want: measure("11:00", "12:00"),
		},
		"a day ends at midnight UTC": {
			meter: daily, records: []metering.Record{opened("10:17")}, moment: running("1 00:05"), want: measure("10:17", "1 00:00"),
		},
		"a tenant that stops is asked at once until then": {
			meter: inTenant, records: []metering.Record{opened("10:17")}, moment: stopped("10:30", "10:30"),
			want: measure("10:17", "10:30") + " stopped",
		},
		"a Prometheus is given a minute for it": {
			meter: hourly, records: []metering.Record{opened("10:17")}, moment: stopped("10:30:30", "10:30"), want: "",
		},
		"whole hours come before the last part": {
			meter: hourly, records: []metering.Record{opened("10:17")}, moment: stopped("15:00", "12:30"), want: measure("10:17", "11:00"),
		},
		"what was counted before the stop was known is not counted back": {
			meter: hourly, records: []metering.Record{opened("10:17"), used("10:17", "11:00", 5)}, moment: stopped("11:10", "10:58"),
			want: "close 11:00 11:00:01 stopped",
		},
		"a stopped tenant uses nothing": {
			meter: hourly, records: []metering.Record{opened("10:17"), used("10:17", "10:30", 5, stops)}, moment: stopped("2 00:00", "10:30"),
			want: "",
		},
		"a tenant that runs again is counted from then on": {
			meter: hourly, records: []metering.Record{opened("10:17"), used("10:17", "10:30", 5, stops)}, moment: running("15:20"),
			want: "close 10:30 15:20",
		},
		"a tenant that was let run again earlier is counted from that call on": {
			meter: hourly, records: []metering.Record{opened("10:17"), used("10:17", "10:30", 5, stops)},
			moment: metering.Moment{Now: at("15:20"), Running: true, ResumedAt: at("14:00")}, want: "close 10:30 14:00",
		},
		"an older unfreeze says nothing about this stop": {
			meter: hourly, records: []metering.Record{opened("10:17"), used("10:17", "10:30", 5, stops)},
			moment: metering.Moment{Now: at("15:20"), Running: true, ResumedAt: at("10:20")}, want: "close 10:30 15:20",
		},
		"a tenant that never answered and is gone is given up": {
			meter: inTenant, records: []metering.Record{opened("10:17")},
			moment: metering.Moment{Now: at("12:00"), StopAt: at("11:30"), GoneSilent: true}, want: "close 10:17 11:30 lost",
		},
		"its stop is a step of its own": {
			meter: inTenant, records: []metering.Record{opened("10:17"), used("10:17", "11:30", 0, isLost)},
			moment: metering.Moment{Now: at("12:00"), StopAt: at("11:30"), GoneSilent: true}, want: "close 11:30 11:30:01 stopped",
		},
		"a lost interval that was settled and deleted does not come back": {
			meter: inTenant, records: []metering.Record{opened("10:17"), used("11:30", "11:30:01", 0, stops)},
			moment: metering.Moment{Now: at("12:00"), StopAt: at("11:30"), GoneSilent: true}, want: "",
		},
		"a Prometheus can still be asked when the tenant is gone": {
			meter: hourly, records: []metering.Record{opened("10:17")},
			moment: metering.Moment{Now: at("12:00"), StopAt: at("11:30"), GoneSilent: true}, want: measure("10:17", "11:00"),
		},
		"what can't be charged any more is not asked about": {
			meter: hourly, records: []metering.Record{opened("10:17")}, moment: running("21 12:05"), want: "close 10:17 14:00 lost",
		},
		"the rest is": {
			meter: hourly, records: []metering.Record{opened("10:17"), used("10:17", "14:00", 0)}, moment: running("21 12:05"),
			want: measure("14:00", "15:00"),
		},
		"what is too old ends with the stop": {
			meter: hourly, records: []metering.Record{opened("10:17")}, moment: stopped("40 12:00", "3 12:30"), want: "close 10:17 3 12:30 lost",
		},
		"a meter that is written by hand is asked nothing": {
			meter: written, records: []metering.Record{used("10:00", "11:00", 5)}, moment: running("20:00"), want: "",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			account := metering.Read(tc.meter, sale, tc.records, tc.moment.Now)
			step, again, ok := account.Next(tc.moment)
			got := ""
			if ok {
				got = describe(step)
			}
			if got != tc.want {
				t.Errorf("Next() = %q, want %q", got, tc.want)
			}
			if !ok && !again.IsZero() && !again.After(tc.moment.Now) {
				t.Errorf("at %s it is asked again at %s", tc.moment.Now, again)
			}
		})
	}
}

func describe(step metering.Step) string {
	kind := "close"
	switch {
	case step.Open:
		kind = "open"
	case step.Measure:
		kind = "measure"
	}
	words := []string{kind, clock(step.Begins), clock(step.Ends)}
	if step.Lost {
		words = append(words, "lost")
	}
	if step.Stopped {
		words = append(words, "stopped")
	}
	return strings.Join(words, " ")
}

// clock writes an instant as at reads it.
func clock(t time.Time) string {
	text := t.Format("15:04:05")
	text = strings.TrimSuffix(text, ":00")
	if days := int(t.Sub(at("00:00")) / (24 * time.Hour)); days > 0 {
		text = fmt.Sprintf("%d %s", days, text)
	}
	return text
}

func told(r *metering.Record) { r.Told = true }

func TestVerdicts(t *testing.T) {
	tests := map[string]struct {
		meter   metering.Meter
		records []metering.Record
		now     string
		want    []metering.Verdict
		total   metering.Amount
	}{
		"an interval that is over is due": {
			meter: hourly, records: []metering.Record{used("10:00", "11:00", 5)}, now: "11:01", want: []metering.Verdict{metering.Due}, total: 5,
		},
		"one that was accepted is done": {
			meter: hourly, records: []metering.Record{used("10:00", "11:00", 5, pushed)}, now: "40 00:00", want: []metering.Verdict{metering.Done}, total: 5,
		},
		"one whose answer was lost is uncertain, and counts": {
			meter: hourly, records: []metering.Record{used("10:00", "11:00", 5, attempted)}, now: "11:01", want: []metering.Verdict{metering.Uncertain}, total: 5,
		},
		"what may be known stands before one that was written earlier and fits only now": {
			meter: written, records: []metering.Record{
				used("10:00", "11:00", 7, byHand), used("10:30", "11:00", 5, byHand, told, func(r *metering.Record) { r.Created = r.Created.Add(time.Minute) }),
			}, now: "11:30", want: []metering.Verdict{metering.Overlaps, metering.Due}, total: 5,
		},
		"it stands when it is too old to be pushed again": {
			meter: written, records: []metering.Record{used("10:00", "11:00", 5, byHand, told), used("10:30", "11:00", 7, byHand)}, now: "21 10:15",
			want: []metering.Verdict{metering.TooOld, metering.Overlaps},
		},
		"it is pushed until that is known, also when the meter has got a source": {
			meter: hourly, records: []metering.Record{used("10:00", "11:00", 5, byHand, told), used("10:30", "11:00", 7)}, now: "11:01",
			want: []metering.Verdict{metering.Due, metering.Overlaps}, total: 5,
		},
		"nothing used is nothing to push": {
			meter: hourly, records: []metering.Record{used("10:00", "11:00", 0)}, now: "11:01", want: []metering.Verdict{metering.Unused},
		},
		"a meter that is not pushed only counts": {
			meter: metering.Meter{Name: "requests", Kept: true}, records: []metering.Record{used("10:00", "11:00", 5)}, now: "40 00:00",
			want: []metering.Verdict{metering.Kept}, total: 5,
		},
		"exactly 21 days are not too old": {
			meter: hourly, records: []metering.Record{used("10:00", "11:00", 5)}, now: "21 10:00", want: []metering.Verdict{metering.Due}, total: 5,
		},
		"a second more is, and is not charged": {
			meter: hourly, records: []metering.Record{used("10:00", "11:00", 5)}, now: "21 10:00:01", want: []metering.Verdict{metering.TooOld},
		},
		"a record by hand for a meter with a source is refused": {
			meter: hourly, records: []metering.Record{used("10:00", "11:00", 5, byHand)}, now: "11:01", want: []metering.Verdict{metering.Foreign},
		},
		"a record by hand is due when its interval is over": {
			meter: written, records: []metering.Record{used("10:00", "11:00", 5, byHand)}, now: "11:01", want: []metering.Verdict{metering.Due}, total: 5,
		},
		"but not in the seconds in which another could have come first": {
			meter: written, records: []metering.Record{used("10:00", "11:00", 5, byHand)}, now: "11:00:04", want: []metering.Verdict{metering.NotOver}, total: 5,
		},
		"and not before": {
			meter: written, records: []metering.Record{used("10:00", "12:00", 5, byHand)}, now: "11:59:59", want: []metering.Verdict{metering.NotOver}, total: 5,
		},
		"of two that overlap the first one stands": {
			meter: written, now: "20:00", total: 5, want: []metering.Verdict{metering.Overlaps, metering.Due},
			records: []metering.Record{used("10:00", "11:30", 7, byHand, later, later), used("11:00", "12:00", 5, byHand)},
		},
		"unless the other was accepted": {
			meter: written, now: "20:00", total: 7, want: []metering.Verdict{metering.Done, metering.Overlaps},
			records: []metering.Record{used("10:00", "11:30", 7, byHand, later, pushed), used("11:00", "12:00", 5, byHand)},
		},
		"neighbors do not overlap": {
			meter: written, now: "20:00", total: 12, want: []metering.Verdict{metering.Due, metering.Due},
			records: []metering.Record{used("10:00", "11:00", 7, byHand), used("11:00", "12:00", 5, byHand)},
		},
		"nothing was used before the sale": {
			meter: written, records: []metering.Record{used("07:59:59", "09:00", 5, byHand)}, now: "11:01", want: []metering.Verdict{metering.BeforeSale},
		},
		"the time before a checkpoint is settled": {
			meter: written, now: "20:00", want: []metering.Verdict{metering.Closed, metering.Base},
			records: []metering.Record{used("10:00", "11:00", 5, byHand), opened("10:30")},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			account := metering.Read(tc.meter, sale, tc.records, at(tc.now))
			var got []metering.Verdict
			for _, j := range account.Records {
				got = append(got, j.Verdict)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
			}
			if account.Total != tc.total*metering.One {
				t.Errorf("total %s, want %s", account.Total, tc.total*metering.One)
			}
		})
	}
}

func TestAPackageBeginsAnewWithARenewal(t *testing.T) {
	records := []metering.Record{
		opened("08:00"), used("08:00", "09:00", 3, pushed), used("09:00", "10:00", 4, pushed), used("10:00", "11:00", 5),
	}
	first := metering.Read(hourly, sale, records, at("11:01"))
	if first.PackageUsed != 12*metering.One || first.PackageAccepted != 7*metering.One {
		t.Errorf("used %s, accepted %s, want 12 and 7", first.PackageUsed, first.PackageAccepted)
	}
	renewed := sale
	renewed.PackageBegins = at("09:30")
	second := metering.Read(hourly, renewed, records, at("11:01"))
	if second.PackageUsed != 5*metering.One || second.PackageAccepted != 0 || second.Total != 12*metering.One {
		t.Errorf("used %s, accepted %s, total %s, want 5, 0 and 12", second.PackageUsed, second.PackageAccepted, second.Total)
	}
}

func TestPackage(t *testing.T) {
	p := metering.Package{Size: 100 * metering.One, Quantity: 3, WarnAtPercent: []int32{95, 50, 80}}
	for used, want := range map[metering.Amount]int32{0: 0, 149: 0, 150: 50, 239: 50, 240: 80, 285: 95, 300: 95, 900: 95} {
		if got := p.Passed(used * metering.One); got != want {
			t.Errorf("with %d of 300 used %d %% are passed, want %d", used, got, want)
		}
	}
	if p.UsedUp(300*metering.One-1) || !p.UsedUp(300*metering.One) {
		t.Error("300 are used up at 300")
	}
	unknown := metering.Package{Size: metering.One}
	if unknown.UsedUp(1 << 60) {
		t.Error("a package of which nobody knows how much it holds was used up")
	}
}

// world plays a meter, its source and its record keeper over time.
type world struct {
	meter   metering.Meter
	sale    metering.Sale
	now     time.Time
	records map[string]metering.Record
	// expected is what was used, by the total of everything that was ever recorded.
	expected metering.Amount
}

// pass does what a reconciler does. It ends early where the world draws that it does: after a record was written, or between a
// checkpoint and what it stands for.
func (w *world) pass(t *rapid.T, m metering.Moment, silent bool) {
	for range 1000 {
		step, _, ok := w.account().Next(m)
		if !ok || (step.Measure && silent) {
			return
		}
		record := metering.Record{
			Name:   metering.RecordName(w.sale.Instance, w.sale.InstanceID, w.meter.Name, step.Begins),
			Begins: step.Begins, Ends: step.Ends, Stopped: step.Stopped, Lost: step.Lost, Created: w.now,
		}
		if step.Open {
			record.Name = metering.CheckpointName(w.sale.Instance, w.sale.InstanceID, w.meter.Name, step.Ends)
			record.Checkpoint = &metering.Checkpoint{}
		}
		if step.Measure {
			// One for each second: a hole or an overlap would be seen in the total.
			record.Value = metering.Amount(step.Ends.Sub(step.Begins) / time.Second)
		}
		if _, twice := w.records[record.Name]; twice {
			t.Fatalf("%s is recorded twice", record.Name)
		}
		w.records[record.Name] = record
		w.expected += record.Value
		if rapid.IntRange(0, 9).Draw(t, "crash") == 0 {
			return
		}
	}
	t.Fatal("it does not come to an end")
}

func (w *world) account() metering.Account {
	var list []metering.Record
	for _, record := range w.records {
		list = append(list, record)
	}
	return metering.Read(w.meter, w.sale, list, w.now)
}

func (w *world) settle(t *rapid.T) {
	settlement := w.account().Settle(w.now, 3*24*time.Hour)
	if c := settlement.Checkpoint; c != nil {
		c.Created = w.now
		w.records[c.Name] = *c
	}
	for _, name := range settlement.Remove {
		if rapid.IntRange(0, 9).Draw(t, "crash") == 0 {
			return
		}
		if record := w.records[name]; record.Value > 0 && !record.Pushed && record.Checkpoint == nil {
			t.Fatalf("%s is removed and was never pushed", name)
		}
		delete(w.records, name)
	}
}

// However the controller and the source fail, and whenever the tenant is stopped: intervals never overlap, leave no hole, and what
// was recorded stays in the total when the records are gone.
func TestIntervalsNeverOverlapAndLeaveNoHole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{meter: rapid.SampledFrom([]metering.Meter{hourly, daily, inTenant}).Draw(t, "meter"), sale: sale, now: at("10:17"),
			records: map[string]metering.Record{}}
		running, stopAt := true, time.Time{}
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			w.now = w.now.Add(time.Duration(rapid.IntRange(1, 60*60*20).Draw(t, "seconds")) * time.Second)
			switch rapid.IntRange(0, 9).Draw(t, "event") {
			case 0:
				if running {
					stopAt = w.now.Add(-time.Duration(rapid.IntRange(0, 7200).Draw(t, "known late")) * time.Second)
				}
				running = !running
			case 1:
				for name, record := range w.records {
					if record.Value > 0 && !record.Ends.After(w.now) {
						record.Pushed = true
						w.records[name] = record
					}
				}
			}
			m := metering.Moment{Now: w.now, Running: running, Usable: running, StopAt: stopAt, GoneSilent: !running && w.now.Sub(stopAt) > time.Hour}
			w.pass(t, m, rapid.IntRange(0, 4).Draw(t, "silent") == 0)
			w.settle(t)
			w.check(t)
		}
	})
}

func (w *world) check(t *rapid.T) {
	account := w.account()
	var spans []metering.Judged
	tooOld := metering.Amount(0)
	for _, j := range account.Records {
		if j.Verdict.Refused() && j.Verdict != metering.TooOld && (j.Verdict != metering.Closed || j.Value == 0) {
			t.Fatalf("%s is refused: %s", j.Name, j.Verdict)
		}
		if j.Verdict == metering.TooOld {
			tooOld += j.Value
		}
		if j.Verdict != metering.Base {
			spans = append(spans, j)
		}
	}
	for i := 1; i < len(spans); i++ {
		if !spans[i].Begins.Equal(spans[i-1].Ends) {
			t.Fatalf("%s is not followed by %s", spans[i-1].Name, spans[i].Name)
		}
	}
	if len(spans) > 0 && !spans[len(spans)-1].Ends.Equal(account.Until) {
		t.Fatalf("it is counted until %s, and the last record ends at %s", account.Until, spans[len(spans)-1].Ends)
	}
	if account.Total+tooOld > w.expected {
		t.Fatalf("total %s, and only %s was used", account.Total, w.expected)
	}
	if tooOld == 0 && !slices.ContainsFunc(spans, func(j metering.Judged) bool { return j.Verdict == metering.TooOld }) && !w.everTooOld(account) &&
		account.Total != w.expected {
		t.Fatalf("total %s, want %s", account.Total, w.expected)
	}
}

// everTooOld says whether something that was used may have become too old to be charged.
func (w *world) everTooOld(account metering.Account) bool {
	return w.now.Sub(account.Since) > w.sale.MaxAge
}

// Where the retention is shorter than usage can be charged, what became too old is seen for as long as any other record.
func TestWhatIsTooOldIsSeenForTheRetention(t *testing.T) {
	records := []metering.Record{used("10:00", "11:00", 5)}
	for now, want := range map[string]bool{"21 12:00": false, "23 12:00": false, "24 12:00": true} {
		settlement := metering.Read(hourly, sale, records, at(now)).Settle(at(now), 3*24*time.Hour)
		if gone := settlement.Checkpoint != nil; gone != want {
			t.Errorf("at %s a checkpoint takes its place: %t, want %t", now, gone, want)
		}
	}
}

// The id under which the marketplace knows a record follows from what is recorded and from nothing else.
func TestTheSerialNumberIsStable(t *testing.T) {
	got := metering.SerialNumber("s-acme", "requests", at("10:00"))
	if got != metering.SerialNumber("s-acme", "requests", at("10:00").In(time.FixedZone("CST", 8*3600))) {
		t.Error("it depends on the time's zone")
	}
	if len(got) > 64 {
		t.Errorf("%q has more than 64 characters", got)
	}
	seen := map[string]bool{got: true}
	for _, other := range []string{
		metering.SerialNumber("s-other", "requests", at("10:00")), metering.SerialNumber("s-acme", "other", at("10:00")),
		metering.SerialNumber("s-acme", "requests", at("10:00:01")),
	} {
		if seen[other] {
			t.Errorf("%s stands for two records", other)
		}
		seen[other] = true
	}
}

func TestAmounts(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "12.5": "12.5", "12.50": "12.5", "99999999.9999": "99999999.9999", "1.5e3": "1500", "0.00005": "0.0001", "0.00004": "0",
		"12.34567": "12.3457", "0.30000000000000004": "0.3",
		"-1": "", "NaN": "", "+Inf": "", "100000000": "", "x": "", "": "",
	} {
		got, err := metering.Measured(text)
		if (err == nil) != (want != "") || (err == nil && got.String() != want) {
			t.Errorf("Measured(%q) = %s, %v, want %q", text, got, err, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		amount := metering.Amount(rapid.Int64Range(0, 1<<60).Draw(t, "amount"))
		read, err := metering.ParseAmount(amount.String())
		if err != nil || read != amount {
			t.Fatalf("%d is written as %s and read as %d, %v", amount, amount, read, err)
		}
	})
}

// What a source answers never panics, and is an amount that a record can hold or an error.
func FuzzMeasured(f *testing.F) {
	for _, text := range []string{"1", "1e9", "-0", "0x1p-2", "1_000", "9e99", "99999999.99999"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if amount, err := metering.Measured(text); err == nil && (amount < 0 || amount > metering.MaxAmount) {
			t.Errorf("%q is %d", text, amount)
		}
	})
}
