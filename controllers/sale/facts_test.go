package sale

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

func TestEffective(t *testing.T) {
	soldDomain := v1alpha1.Attribute{Name: "domain", Value: ptr.To("acme.example.com")}
	tests := map[string]struct {
		mpi  *v1alpha1.MarketplaceInstance
		want v1alpha1.EffectiveSubscription
	}{
		"what was sold": {
			mpi: salestest.Sale(),
			want: v1alpha1.EffectiveSubscription{Plan: "small", Quantity: ptr.To(int32(5)),
				Attributes: []v1alpha1.Attribute{soldDomain}},
		},
		"a person's plan and quantity": {
			mpi: salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Plan, mpi.Spec.Quantity = "large", ptr.To(int32(7)) }),
			want: v1alpha1.EffectiveSubscription{Plan: "large", Quantity: ptr.To(int32(7)),
				Attributes:  []v1alpha1.Attribute{soldDomain},
				Differences: []string{"plan: sold small, runs large", "quantity: sold 5, runs 7"}},
		},
		"overrides that say what was sold are no differences": {
			mpi: salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) {
				mpi.Spec.Plan, mpi.Spec.Quantity, mpi.Spec.Attributes = "small", ptr.To(int32(5)), []v1alpha1.Attribute{soldDomain}
			}),
			want: v1alpha1.EffectiveSubscription{Plan: "small", Quantity: ptr.To(int32(5)),
				Attributes: []v1alpha1.Attribute{soldDomain}},
		},
		"attributes by name, without their values": {
			mpi: salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) {
				mpi.Spec.Attributes = []v1alpha1.Attribute{{Name: "region", Value: ptr.To("eu")}, {Name: "domain", Value: ptr.To("new.example.com")}}
			}),
			want: v1alpha1.EffectiveSubscription{Plan: "small", Quantity: ptr.To(int32(5)),
				Attributes: []v1alpha1.Attribute{{Name: "domain", Value: ptr.To("new.example.com")}, {Name: "region", Value: ptr.To("eu")}},
				Differences: []string{"attribute region: sold as the buyer said, runs as set here",
					"attribute domain: sold as the buyer said, runs as set here"}},
		},
		"a sale without a linear attribute is one of it": {
			mpi: salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) {
				mpi.Spec.Subscription.Quantity, mpi.Spec.Subscription.Attributes = nil, nil
			}),
			want: v1alpha1.EffectiveSubscription{Plan: "small", Quantity: ptr.To(int32(1))},
		},
		"a quantity of nothing is a quantity": {
			mpi: salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) {
				mpi.Spec.Subscription.Quantity, mpi.Spec.Subscription.Attributes = ptr.To(int32(0)), nil
			}),
			want: v1alpha1.EffectiveSubscription{Plan: "small", Quantity: ptr.To(int32(0))},
		},
		"what was made by hand was not sold": {
			mpi:  salestest.HandMade(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Quantity = ptr.To(int32(9)) }),
			want: v1alpha1.EffectiveSubscription{Plan: "small", Quantity: ptr.To(int32(9))},
		},
		"a plan that a person chose before the order was known": {
			mpi:  salestest.Sale(salestest.UnknownOrder, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Plan = "large" }),
			want: v1alpha1.EffectiveSubscription{Plan: "large", Differences: []string{"plan: sold nothing known, runs large"}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			before := tc.mpi.DeepCopy()
			if diff := cmp.Diff(tc.want, EffectiveOf(tc.mpi)); diff != "" {
				t.Errorf("effective (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, tc.mpi); diff != "" {
				t.Errorf("the instance was changed:\n%s", diff)
			}
		})
	}
}

func TestEffectiveTakesTheLastOfTwoAttributesWithOneName(t *testing.T) {
	mpi := salestest.HandMade(func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Attributes = []v1alpha1.Attribute{{Name: "region", Value: ptr.To("eu")}, {Name: "region", Value: ptr.To("us")}}
	})
	want := []v1alpha1.Attribute{{Name: "region", Value: ptr.To("us")}}
	if diff := cmp.Diff(want, EffectiveOf(mpi).Attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
}

func TestDeletionProtection(t *testing.T) {
	const enabled, disabled = v1alpha1.DeletionProtectionEnabled, v1alpha1.DeletionProtectionDisabled
	tests := map[string]struct{ instance, product, want v1alpha1.DeletionProtection }{
		"nobody said anything":                  {"", "", enabled},
		"the product's":                         {"", disabled, disabled},
		"the instance's over the product's":     {enabled, disabled, enabled},
		"the instance may go where others stay": {disabled, enabled, disabled},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			mpi := salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.DeletionProtection = tc.instance })
			if got := deletionProtection(mpi, v1alpha1.Lifecycle{DeletionProtection: tc.product}); got != tc.want {
				t.Errorf("protection is %q, want %q", got, tc.want)
			}
		})
	}
}

func TestLifecycleOf(t *testing.T) {
	whole := v1alpha1.Lifecycle{
		GracePeriodSeconds: ptr.To(int64(60)), RetentionPeriodSeconds: ptr.To(int64(120)), AfterRetention: v1alpha1.AfterRetentionDelete,
		DeletionProtection: v1alpha1.DeletionProtectionDisabled, PendingChange: v1alpha1.PendingChangeImmediately,
		DataKinds:  []v1alpha1.GroupKind{{Kind: "Bucket"}},
		Suspension: []v1alpha1.SuspensionPatch{{Kind: "Cluster", Patch: runtime.RawExtension{Raw: []byte(`{"spec":{"stop":true}}`)}}},
	}
	over := v1alpha1.Lifecycle{
		GracePeriodSeconds: ptr.To(int64(0)), RetentionPeriodSeconds: ptr.To(int64(0)), AfterRetention: v1alpha1.AfterRetentionKeep,
		DeletionProtection: v1alpha1.DeletionProtectionEnabled, PendingChange: v1alpha1.PendingChangeAtExpiry,
		DataKinds:  []v1alpha1.GroupKind{{Kind: "Backup"}},
		Suspension: []v1alpha1.SuspensionPatch{{Kind: "Queue", Patch: runtime.RawExtension{Raw: []byte(`{}`)}}},
	}
	with := func(all, plan v1alpha1.Lifecycle) *v1alpha1.MarketplaceProduct {
		return salestest.Product(func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Lifecycle, p.Spec.Plans[0].Lifecycle = all, plan
		})
	}
	onlyGrace := *whole.DeepCopy()
	onlyGrace.GracePeriodSeconds = ptr.To(int64(0))
	tests := map[string]struct {
		product *v1alpha1.MarketplaceProduct
		plan    string
		want    v1alpha1.Lifecycle
	}{
		"no product":                          {nil, "small", v1alpha1.Lifecycle{}},
		"the product's":                       {with(whole, v1alpha1.Lifecycle{}), "small", whole},
		"the plan's over the product's":       {with(whole, over), "small", over},
		"one field of the plan, even if zero": {with(whole, v1alpha1.Lifecycle{GracePeriodSeconds: ptr.To(int64(0))}), "small", onlyGrace},
		"another plan's does not count":       {with(whole, over), "large", whole},
		"a plan that does not exist":          {with(whole, over), "gone", whole},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := LifecycleOf(tc.product, tc.plan)
			// When smaller plans take effect is the orders' matter, by plan and product.
			got.PendingChange, tc.want.PendingChange = "", ""
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("lifecycle (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLifecyclePolicy(t *testing.T) {
	const marketplaceGrace = 3 * 24 * time.Hour
	tests := map[string]struct {
		lifecycle v1alpha1.Lifecycle
		want      lifecycle.Policy
	}{
		"the marketplace's grace, and data are kept": {
			want: lifecycle.Policy{Grace: marketplaceGrace, Retention: defaultRetention},
		},
		"the product's word": {
			lifecycle: v1alpha1.Lifecycle{GracePeriodSeconds: ptr.To(int64(60)), RetentionPeriodSeconds: ptr.To(int64(90)),
				AfterRetention: v1alpha1.AfterRetentionDelete},
			want: lifecycle.Policy{Grace: time.Minute, Retention: 90 * time.Second, DeleteUnpaid: true},
		},
		"no grace at all": {
			lifecycle: v1alpha1.Lifecycle{GracePeriodSeconds: ptr.To(int64(0)), RetentionPeriodSeconds: ptr.To(int64(0)),
				AfterRetention: v1alpha1.AfterRetentionKeep},
			want: lifecycle.Policy{},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, policyOf(tc.lifecycle, marketplaceGrace)); diff != "" {
				t.Errorf("policy (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFacts(t *testing.T) {
	waiting := func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription.Orders = append(mpi.Spec.Subscription.Orders, v1alpha1.OrderCall{
			Activity: "upgradeInstance", OrderID: "o2", Time: salestest.At(2), Lookup: v1alpha1.LookupChange,
		})
	}
	base := lifecycle.Facts{Now: salestest.Day(1), Resolved: true, ExpiresAt: salestest.Day(30), EntitlementSince: salestest.Day(0)}
	with := func(change func(*lifecycle.Facts)) lifecycle.Facts { f := base; change(&f); return f }
	tests := map[string]struct {
		mpi  *v1alpha1.MarketplaceInstance
		want lifecycle.Facts
	}{
		"a sale":                          {salestest.Sale(), base},
		"a sale with a change to look up": {salestest.Sale(waiting), base},
		"made by hand":                    {salestest.HandMade(), lifecycle.Facts{Now: salestest.Day(1), Resolved: true}},
		"an unknown order":                {salestest.Sale(salestest.UnknownOrder), lifecycle.Facts{Now: salestest.Day(1), EntitlementSince: salestest.Day(0)}},
		"a person stopped it": {
			salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.DesiredState = v1alpha1.DesiredStateSuspended }),
			with(func(f *lifecycle.Facts) { f.Held = true }),
		},
		"a person chose product and plan of an unknown order": {
			salestest.Sale(salestest.UnknownOrder, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.ProductRef.Name, mpi.Spec.Plan = "shop", "small" }),
			lifecycle.Facts{Now: salestest.Day(1), Resolved: true, EntitlementSince: salestest.Day(0)},
		},
		"frozen": {
			salestest.Sale(salestest.Entitled(v1alpha1.EntitlementFrozen, v1alpha1.EntitlementExpired, 5)),
			with(func(f *lifecycle.Facts) { f.Entitlement, f.EntitlementSince = lifecycle.Frozen, salestest.Day(5) }),
		},
		"released": {
			salestest.Sale(salestest.Entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 5)),
			with(func(f *lifecycle.Facts) { f.Entitlement, f.EntitlementSince = lifecycle.Released, salestest.Day(5) }),
		},
		"being deleted": {
			salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) { mpi.DeletionTimestamp = ptr.To(metav1.Now()) }),
			with(func(f *lifecycle.Facts) { f.Deleting = true }),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Sale{Instance: tc.mpi}.facts(salestest.Day(1))); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
			tc.mpi.Status = v1alpha1.MarketplaceInstanceStatus{State: v1alpha1.StateRemoving, InputsDigest: "x"}
			salestest.Condition(v1alpha1.ConditionReady, metav1.ConditionFalse, "Whatever")(tc.mpi)
			if diff := cmp.Diff(tc.want, Sale{Instance: tc.mpi}.facts(salestest.Day(1))); diff != "" {
				t.Errorf("the status changed the facts:\n%s", diff)
			}
		})
	}
}
