package instance

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

func TestTargetRevision(t *testing.T) {
	with := func(revision string, state v1alpha1.RolloutState) *v1alpha1.MarketplaceProduct {
		return salestest.Product(func(p *v1alpha1.MarketplaceProduct) { p.Status.Revision, p.Spec.Rollout.State = revision, state })
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

func TestApplyFailed(t *testing.T) {
	transient := &apply.ObjectError{Kind: "Deployment", Name: "web", Reason: apply.ReasonTransient, Message: "away"}
	final := &apply.ObjectError{Kind: "Service", Name: "web", Reason: apply.ReasonInvalid, Message: "no", Remedy: "change it"}
	blocker := v1alpha1.Blocker{Object: "Service/web", Reason: "Invalid", Message: "no", Remedy: "change it"}
	tests := map[string]struct {
		err     error
		reason  string
		retried bool
		want    []v1alpha1.Blocker
	}{
		"what passes is only tried again":     {&apply.SetError{Objects: []*apply.ObjectError{transient}}, "", true, nil},
		"what stays is reported and waits":    {&apply.SetError{Objects: []*apply.ObjectError{final}}, "ApplyFailed", false, []v1alpha1.Blocker{blocker}},
		"both":                                {&apply.SetError{Objects: []*apply.ObjectError{final, transient}}, "ApplyFailed", true, []v1alpha1.Blocker{blocker}},
		"one object's error":                  {final, "ApplyFailed", false, []v1alpha1.Blocker{blocker}},
		"an error of no object":               {errors.New("the cluster is away"), "", true, nil},
		"a namespace that belongs to another": {&apply.NamespaceConflictError{Namespace: "t", Message: "m", Remedy: "r"}, "NamespaceConflict", false, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := applyFailed(tc.err)
			reason := ""
			if got.problem != nil {
				reason = got.problem.Reason
			}
			if reason != tc.reason || (got.err != nil) != tc.retried {
				t.Errorf("reason %q, error %v; want %q, retried %t", reason, got.err, tc.reason, tc.retried)
			}
			if diff := cmp.Diff(tc.want, got.blockers); diff != "" {
				t.Errorf("blockers (-want +got):\n%s", diff)
			}
		})
	}
}
