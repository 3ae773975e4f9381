package instance

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/tenant"
)

func TestTargetRevision(t *testing.T) {
	with := func(revision string, state v1alpha1.RolloutState) *v1alpha1.MarketplaceProduct {
		return salestest.Product(func(p *v1alpha1.MarketplaceProduct) { p.Status.LatestRevision, p.Spec.Rollout.State = revision, state })
	}
	tests := map[string]struct {
		product      *v1alpha1.MarketplaceProduct
		pinned, want string
	}{
		"a new tenant gets the product's":               {with("shop-2", ""), "", "shop-2"},
		"an old tenant moves to it":                     {with("shop-2", v1alpha1.RolloutActive), "shop-1", "shop-2"},
		"a paused rollout leaves an old tenant":         {with("shop-2", v1alpha1.RolloutPaused), "shop-1", "shop-1"},
		"a paused rollout starts new ones with it":      {with("shop-2", v1alpha1.RolloutPaused), "", "shop-2"},
		"a product that never was ready has none":       {with("", ""), "", ""},
		"without a product the tenant keeps its own":    {nil, "shop-1", "shop-1"},
		"a product that was made anew and is not ready": {with("", ""), "shop-1", "shop-1"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := targetRevision(tc.product, tc.pinned); got != tc.want {
				t.Errorf("target is %q, want %q", got, tc.want)
			}
		})
	}
}

func TestWhatIsRefusedBlocksOrIsTriedAgain(t *testing.T) {
	transient := tenant.Refusal{Key: tenant.Key{Kind: "Deployment", Name: "web"}, Reason: "Transient", Message: "away", Retry: true, Err: errors.New("away")}
	final := tenant.Refusal{Key: tenant.Key{Kind: "Service", Name: "web"}, Reason: "Invalid", Message: "no", Remedy: "change it"}
	blocker := v1alpha1.Blocker{Object: "Service/web", Reason: "Invalid", Message: "no", Remedy: "change it"}
	tests := map[string]struct {
		refusals []tenant.Refusal
		retried  bool
		want     []v1alpha1.Blocker
	}{
		"what passes is only tried again":  {[]tenant.Refusal{transient}, true, nil},
		"what stays is reported and waits": {[]tenant.Refusal{final}, false, []v1alpha1.Blocker{blocker}},
		"both":                             {[]tenant.Refusal{final, transient}, true, []v1alpha1.Blocker{blocker}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var o outcome
			o.refuse(tc.refusals)
			if (o.err != nil) != tc.retried {
				t.Errorf("tried again: %v, want %t", o.err, tc.retried)
			}
			if diff := cmp.Diff(tc.want, o.blockers, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("blockers (-want +got):\n%s", diff)
			}
		})
	}
}
