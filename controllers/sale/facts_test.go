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
		"a sold quantity of 0 means that nothing is counted, and one runs": {
			mpi: salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) {
				mpi.Spec.Subscription.Quantity, mpi.Spec.Subscription.Attributes = ptr.To(int32(0)), nil
			}),
			want: v1alpha1.EffectiveSubscription{Plan: "small", Quantity: ptr.To(int32(1))},
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
			mpi := salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Lifecycle.DeletionProtection = tc.instance })
			if got := deletionProtection(LifecycleOf(salestest.Product(func(p *v1alpha1.MarketplaceProduct) { p.Spec.Lifecycle.DeletionProtection = tc.product }), "small", mpi.Spec.Lifecycle)); got != tc.want {
				t.Errorf("protection is %q, want %q", got, tc.want)
			}
		})
	}
}

func TestLifecycleOf(t *testing.T) {
	whole := v1alpha1.ProductLifecycle{
		LifecyclePolicy: v1alpha1.LifecyclePolicy{
			GracePeriodSeconds: ptr.To(int64(60)), RetentionPeriodSeconds: ptr.To(int64(120)), AfterRetention: v1alpha1.AfterRetentionDelete,
			DeletionProtection: v1alpha1.DeletionProtectionDisabled, Reductions: v1alpha1.ReductionImmediately,
		},
		DataKinds:         []v1alpha1.GroupKind{{Kind: "Bucket"}},
		SuspensionPatches: []v1alpha1.SuspensionPatch{{Kind: "Cluster", Patch: runtime.RawExtension{Raw: []byte(`{"spec":{"stop":true}}`)}}},
	}
	plan := v1alpha1.LifecyclePolicy{
		GracePeriodSeconds: ptr.To(int64(0)), RetentionPeriodSeconds: ptr.To(int64(0)), AfterRetention: v1alpha1.AfterRetentionKeep,
		DeletionProtection: v1alpha1.DeletionProtectionEnabled, Reductions: v1alpha1.ReductionAtExpiry,
	}
	with := func(change func(*v1alpha1.ProductLifecycle)) v1alpha1.ProductLifecycle {
		changed := *whole.DeepCopy()
		change(&changed)
		return changed
	}
	product := func(plan v1alpha1.LifecyclePolicy) *v1alpha1.MarketplaceProduct {
		return salestest.Product(func(p *v1alpha1.MarketplaceProduct) { p.Spec.Lifecycle, p.Spec.Plans[0].Lifecycle = whole, plan })
	}
	tests := map[string]struct {
		product *v1alpha1.MarketplaceProduct
		plan    string
		own     v1alpha1.InstanceLifecycle
		want    v1alpha1.ProductLifecycle
	}{
		"no product":                    {nil, "small", v1alpha1.InstanceLifecycle{}, v1alpha1.ProductLifecycle{}},
		"the product's":                 {product(v1alpha1.LifecyclePolicy{}), "small", v1alpha1.InstanceLifecycle{}, whole},
		"the plan's over the product's": {product(plan), "small", v1alpha1.InstanceLifecycle{}, with(func(l *v1alpha1.ProductLifecycle) { l.LifecyclePolicy = plan })},
		"one field of the plan, even if zero": {
			product(v1alpha1.LifecyclePolicy{GracePeriodSeconds: ptr.To(int64(0))}), "small", v1alpha1.InstanceLifecycle{},
			with(func(l *v1alpha1.ProductLifecycle) { l.GracePeriodSeconds = ptr.To(int64(0)) }),
		},
		"another plan's does not count": {product(plan), "large", v1alpha1.InstanceLifecycle{}, whole},
		"a plan that does not exist":    {product(plan), "gone", v1alpha1.InstanceLifecycle{}, whole},
		"the instance's over the plan's": {
			product(plan), "small", v1alpha1.InstanceLifecycle{GracePeriodSeconds: ptr.To(int64(7)), DeletionProtection: v1alpha1.DeletionProtectionDisabled},
			with(func(l *v1alpha1.ProductLifecycle) {
				l.LifecyclePolicy = plan
				l.GracePeriodSeconds, l.DeletionProtection = ptr.To(int64(7)), v1alpha1.DeletionProtectionDisabled
			}),
		},
		"the instance's without a product": {
			nil, "", v1alpha1.InstanceLifecycle{RetentionPeriodSeconds: ptr.To(int64(7))},
			v1alpha1.ProductLifecycle{LifecyclePolicy: v1alpha1.LifecyclePolicy{RetentionPeriodSeconds: ptr.To(int64(7))}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, LifecycleOf(tc.product, tc.plan, tc.own)); diff != "" {
				t.Errorf("lifecycle (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLifecyclePolicy(t *testing.T) {
	const marketplaceGrace = 3 * 24 * time.Hour
	tests := map[string]struct {
		lifecycle v1alpha1.ProductLifecycle
		want      lifecycle.Policy
	}{
		"the marketplace's grace, and data are kept": {
			want: lifecycle.Policy{Grace: marketplaceGrace, Retention: defaultRetention},
		},
		"the product's word": {
			lifecycle: v1alpha1.ProductLifecycle{LifecyclePolicy: v1alpha1.LifecyclePolicy{GracePeriodSeconds: ptr.To(int64(60)), RetentionPeriodSeconds: ptr.To(int64(90)),
				AfterRetention: v1alpha1.AfterRetentionDelete}},
			want: lifecycle.Policy{Grace: time.Minute, Retention: 90 * time.Second, DeleteUnpaid: true},
		},
		"no grace at all": {
			lifecycle: v1alpha1.ProductLifecycle{LifecyclePolicy: v1alpha1.LifecyclePolicy{GracePeriodSeconds: ptr.To(int64(0)), RetentionPeriodSeconds: ptr.To(int64(0)),
				AfterRetention: v1alpha1.AfterRetentionKeep}},
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

// A hold only lengthens: what a person or the sale itself says for longer stays.
func TestFactsOfAHeldMarketplace(t *testing.T) {
	mpi := salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription.PurchaseTime, mpi.Spec.Subscription.Acknowledgement.State = salestest.At(0), v1alpha1.AcknowledgementAwaited
		mpi.Spec.Lifecycle.RetainUntilTime = salestest.At(90)
	})
	s := Sale{Instance: mpi, HoldUntil: salestest.Day(40)}
	s.Acknowledgement = s.acknowledgement()
	f := s.facts(salestest.Day(1))
	if !f.RunUntil.Equal(salestest.Day(40)) || !f.RetainUntil.Equal(salestest.Day(90)) || !f.UnacknowledgedAt.Equal(salestest.Day(40)) {
		t.Errorf("it runs until %s, is retained until %s, unacknowledged at %s", f.RunUntil, f.RetainUntil, f.UnacknowledgedAt)
	}
	s.HoldUntil = salestest.Day(0)
	s.Acknowledgement = s.acknowledgement()
	if at := s.facts(salestest.Day(1)).UnacknowledgedAt; !at.Equal(salestest.Day(0).Add(acknowledgementDue)) {
		t.Errorf("a hold that is over moves it to %s", at)
	}
}

func TestFacts(t *testing.T) {
	waiting := func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription.Calls = append(mpi.Spec.Subscription.Calls, v1alpha1.Call{
			Operation: "upgradeInstance", OrderID: "o2", Time: salestest.At(2), Pending: v1alpha1.CallPendingChange,
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
			tc.mpi.Status = v1alpha1.MarketplaceInstanceStatus{State: v1alpha1.StateRemoving, Namespace: "x"}
			salestest.Condition(v1alpha1.ConditionReady, metav1.ConditionFalse, "Whatever")(tc.mpi)
			if diff := cmp.Diff(tc.want, Sale{Instance: tc.mpi}.facts(salestest.Day(1))); diff != "" {
				t.Errorf("the status changed the facts:\n%s", diff)
			}
		})
	}
}
