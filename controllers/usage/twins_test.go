package usage

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

func TestOneOfTwoInstancesWithOneIDIsCharged(t *testing.T) {
	made := func(name string, day int, state v1alpha1.EntitlementState) *v1alpha1.MarketplaceInstance {
		mpi := byUse()
		mpi.Name, mpi.UID, mpi.CreationTimestamp = name, types.UID(name), salestest.At(day)
		mpi.Spec.Subscription.Entitlement.State = state
		return mpi
	}
	tests := map[string]struct {
		mine, other *v1alpha1.MarketplaceInstance
		want        bool
	}{
		"the one that was made first":                           {made("b", 0, "Active"), made("a", 1, "Active"), true},
		"not the one that came later":                           {made("a", 1, "Active"), made("b", 0, "Active"), false},
		"of two of the same second the one whose name is first": {made("a", 0, "Active"), made("b", 0, "Active"), true},
		"not one that is released, if the other is not":         {made("a", 0, "Released"), made("b", 1, "Active"), false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for _, pair := range [][2]*v1alpha1.MarketplaceInstance{{tc.mine, tc.other}, {tc.other, tc.mine}} {
				charged := duplicate(pair[0], []v1alpha1.MarketplaceInstance{*pair[1]}) == nil
				if want := tc.want == (pair[0] == tc.mine); charged != want {
					t.Errorf("%s is charged: %t, want %t", pair[0].Name, charged, want)
				}
			}
		})
	}
}

func TestAnotherAmountOfTheSameIntervalIsNotTakenForAccepted(t *testing.T) {
	now := salestest.Day(1)
	tries := (&PushReconciler{Clock: testingclock.NewFakePassiveClock(now)}).newTries()
	push := func(uid types.UID, value string) duePush {
		record := &v1alpha1.UsageRecord{}
		record.UID = uid
		return duePush{object: record, record: marketplace.UsageRecord{ID: "sk1", Value: value}}
	}
	differs := func(p duePush) bool {
		_, differ := tries.differing([]duePush{p}, now)
		return len(differ) > 0
	}
	tries.sending([]duePush{push("first", "5")}, now)
	if differs(push("first", "5")) || differs(push("anew", "5")) {
		t.Error("the same amount may be pushed again")
	}
	if !differs(push("anew", "7")) {
		t.Error("another amount is pushed under the id of the first")
	}
	tries.unsent(push("first", "5"))
	if differs(push("anew", "7")) {
		t.Error("what was refused stands in the way")
	}
	tries.sending([]duePush{push("first", "5")}, now)
	now = now.Add(rememberSent + 1)
	if differs(push("anew", "7")) || len(tries.sent) > 0 {
		t.Error("it is remembered for ever")
	}
}

// The marketplace takes one amount for an id and an interval, whatever the meter is called and whether its record is there still.
func TestWhatATwinHasToldIsNotToldAgain(t *testing.T) {
	spec := func(meter string, day int, value string) v1alpha1.UsageRecordSpec {
		return v1alpha1.UsageRecordSpec{Meter: meter, StartTime: salestest.At(day), EndTime: salestest.At(day + 1), Value: value}
	}
	base := spec("requests", 0, "0")
	base.Checkpoint.Total = "5"
	tests := map[string]struct {
		theirs v1alpha1.UsageRecordSpec
		want   bool
	}{
		"the same":                     {spec("requests", 0, "5"), false},
		"another amount":               {spec("requests", 0, "7"), true},
		"the same of another meter":    {spec("calls", 0, "5"), true},
		"another time":                 {spec("calls", 1, "7"), false},
		"what a checkpoint stands for": {base, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			mine := duePush{object: &v1alpha1.UsageRecord{Spec: spec("requests", 0, "5")}}
			if conflict := conflictOf(mine, []*v1alpha1.UsageRecord{{Spec: tc.theirs}}); (conflict != nil) != tc.want {
				t.Errorf("it differs: %v, want %t", conflict, tc.want)
			}
		})
	}
	if kept := base; !standsForTold(kept) {
		t.Error("a checkpoint of what was pushed stands for nothing")
	}
	base.Push = v1alpha1.MeterPushNone
	if standsForTold(base) {
		t.Error("a checkpoint of what is only counted stands for what was told")
	}
}
