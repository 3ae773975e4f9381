package connection

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// restores looks at a Lease and one Marketplace, which was made two days before now.
func restores(t *testing.T, now time.Time, leases ...client.Object) (Restores, client.Client) {
	t.Helper()
	scheme, err := salestest.BothSchemes()
	if err != nil {
		t.Fatal(err)
	}
	mp := &v1alpha1.Marketplace{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "koogallery", CreationTimestamp: metav1.NewTime(now.AddDate(0, 0, -2))}}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(append(leases, mp)...).WithStatusSubresource(mp).Build()
	return Restores{
		Client: c, APIReader: c, Lease: types.NamespacedName{Namespace: "system", Name: "leader"}, Namespaces: []string{"sales"},
		Now: func() (time.Time, bool) { return now, true },
	}, c
}

// heldUntil is until when the Marketplace holds its sales.
func heldUntil(t *testing.T, c client.Client) time.Time {
	t.Helper()
	mp := &v1alpha1.Marketplace{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "sales", Name: "koogallery"}, mp); err != nil {
		t.Fatal(err)
	}
	return mp.HeldUntil()
}

func leaseOf(renewed time.Time) *coordinationv1.Lease {
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: "leader"}}
	if !renewed.IsZero() {
		lease.Spec.RenewTime = &metav1.MicroTime{Time: renewed}
	}
	return lease
}

func TestAnOldLeaseHoldsTheSales(t *testing.T) {
	now := salestest.Day(10)
	for name, tc := range map[string]struct {
		leases []client.Object
		held   bool
	}{
		"a first start has no Lease":                   {},
		"a Lease that nobody has held":                 {leases: []client.Object{leaseOf(time.Time{})}},
		"an upgrade":                                   {leases: []client.Object{leaseOf(now.Add(-14 * time.Minute))}},
		"a clock that was ahead":                       {leases: []client.Object{leaseOf(now.Add(time.Hour))}},
		"no leader for a quarter of an hour":           {leases: []client.Object{leaseOf(now.Add(-15 * time.Minute))}, held: true},
		"a backup of yesterday":                        {leases: []client.Object{leaseOf(now.AddDate(0, 0, -1))}, held: true},
		"a Marketplace that is younger than the doubt": {leases: []client.Object{leaseOf(now.AddDate(0, 0, -3))}},
	} {
		t.Run(name, func(t *testing.T) {
			r, c := restores(t, now, tc.leases...)
			if err := r.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := time.Time{}
			if tc.held {
				want = now.Add(holdFor)
			}
			if got := heldUntil(t, c); !got.Equal(want) {
				t.Errorf("held until %v, want %v", got, want)
			}
		})
	}
}

func TestAStoreThatIsPutBackUnderARunningControllerEndsIt(t *testing.T) {
	for name, tc := range map[string]struct {
		revisions []int
		noticed   bool
	}{
		"the same and later revisions":       {revisions: []int{100, 100, 140, 100_000}},
		"an earlier revision":                {revisions: []int{100, 140, 139}, noticed: true},
		"a revision that a restore has made": {revisions: []int{100, 140, 1_000_000_139}, noticed: true},
	} {
		t.Run(name, func(t *testing.T) {
			now := salestest.Day(10)
			r, c := restores(t, now, leaseOf(now))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			looks := 0
			r.Every, r.APIReader = time.Millisecond, interceptor.NewClient(r.Client.(client.WithWatch), interceptor.Funcs{
				Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
					err := c.Get(ctx, key, obj, opts...)
					if looks++; looks > len(tc.revisions) {
						cancel()
					}
					obj.SetResourceVersion(strconv.Itoa(tc.revisions[min(looks, len(tc.revisions))-1]))
					return err
				},
			})
			if err := r.Start(ctx); errors.Is(err, ErrRestored) != tc.noticed || err != nil && !tc.noticed {
				t.Errorf("it ended with %v", err)
			}
			if held := heldUntil(t, c); held.Equal(now.Add(holdFor)) != tc.noticed {
				t.Errorf("held until %v", held)
			}
		})
	}
}
