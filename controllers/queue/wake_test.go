package queue

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

func TestWake(t *testing.T) {
	now := salestest.Day(0)
	normal := func(after time.Duration) ctrl.Result {
		return ctrl.Result{RequeueAfter: after, Priority: ptr.To(PriorityNormal)}
	}
	tests := map[string]struct {
		instants []time.Time
		want     ctrl.Result
	}{
		"never":                               {[]time.Time{{}, {}}, normal(0)},
		"the first of two":                    {[]time.Time{now.Add(2 * time.Hour), now.Add(time.Hour)}, normal(time.Hour)},
		"a deadline that is due is not never": {[]time.Time{now.Add(-time.Second), {}}, normal(time.Millisecond)},
		"a deadline at this very moment":      {[]time.Time{now, now.Add(time.Hour)}, normal(time.Millisecond)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Wake(now, tc.instants...)); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}
