package sale

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
	"github.com/stallkeeper/stallkeeper/subscription/licenses"
	"github.com/stallkeeper/stallkeeper/subscription/orders"
)

const (
	// defaultRetention is how long data are kept unless the product says otherwise.
	defaultRetention = 15 * 24 * time.Hour
	// defaultGrace holds where neither the product nor the marketplace's protocol is known.
	defaultGrace = 15 * 24 * time.Hour
	// DefaultUsageAge holds where the marketplace's protocol is not known.
	DefaultUsageAge = 21 * 24 * time.Hour
)

// LifecycleOf is the product's lifecycle with the plan's fields over it, and the instance's over those. Without a product it is what
// the instance says, and the defaults hold, which stop and delete late.
func LifecycleOf(product *v1alpha1.MarketplaceProduct, planName string, own v1alpha1.InstanceLifecycle) v1alpha1.ProductLifecycle {
	result := v1alpha1.ProductLifecycle{}
	if product != nil {
		result = *product.Spec.Lifecycle.DeepCopy()
		for _, plan := range product.Spec.Plans {
			if plan.Name == planName {
				result.LifecyclePolicy = over(result.LifecyclePolicy, plan.Lifecycle)
			}
		}
	}
	result.LifecyclePolicy = over(result.LifecyclePolicy, v1alpha1.LifecyclePolicy{
		GracePeriodSeconds: own.GracePeriodSeconds, RetentionPeriodSeconds: own.RetentionPeriodSeconds,
		DeletionProtection: own.DeletionProtection,
	})
	return result
}

// over lays the fields that are set over others.
func over(below, above v1alpha1.LifecyclePolicy) v1alpha1.LifecyclePolicy {
	if above.GracePeriodSeconds != nil {
		below.GracePeriodSeconds = above.GracePeriodSeconds
	}
	if above.RetentionPeriodSeconds != nil {
		below.RetentionPeriodSeconds = above.RetentionPeriodSeconds
	}
	below.AfterRetention = cmp.Or(above.AfterRetention, below.AfterRetention)
	below.DeletionProtection = cmp.Or(above.DeletionProtection, below.DeletionProtection)
	below.Reductions = cmp.Or(above.Reductions, below.Reductions)
	return below
}

// PeriodsKnown says whether the product and the plan that decide about the sale's periods are there.
func (s Sale) PeriodsKnown() bool {
	return s.Product != nil && (s.Effective.Plan == "" ||
		slices.ContainsFunc(s.Product.Spec.Plans, func(p v1alpha1.Plan) bool { return p.Name == s.Effective.Plan }))
}

// policyOf is the product's lifecycle in the words of the rules.
func policyOf(l v1alpha1.ProductLifecycle, grace time.Duration) lifecycle.Policy {
	seconds := func(field *int64, otherwise time.Duration) time.Duration {
		if field == nil {
			return otherwise
		}
		return time.Duration(*field) * time.Second
	}
	return lifecycle.Policy{
		Grace:        seconds(l.GracePeriodSeconds, grace),
		Retention:    seconds(l.RetentionPeriodSeconds, defaultRetention),
		DeleteUnpaid: l.AfterRetention == v1alpha1.AfterRetentionDelete,
	}
}

// facts is everything about a sale that the lifecycle's rules may look at. None of it comes from the status.
func (s Sale) facts(now time.Time) lifecycle.Facts {
	mpi := s.Instance
	f := lifecycle.Facts{
		Now: now, Deleting: !mpi.DeletionTimestamp.IsZero(), Resolved: s.Resolved(),
		Held: mpi.Spec.DesiredState == v1alpha1.DesiredStateSuspended, UnacknowledgedAt: s.Acknowledgement.StopAt,
		StopWanted: len(s.Stops) > 0,
	}
	sub := mpi.Spec.Subscription
	if sub == nil {
		return f
	}
	f.RunUntil = later(mpi.Spec.Lifecycle.RunUntilTime.Time, s.HoldUntil)
	f.RetainUntil = later(mpi.Spec.Lifecycle.RetainUntilTime.Time, s.HoldUntil)
	f.ExpiresAt = sub.ExpiryTime.Time
	f.EntitlementSince = sub.Entitlement.Time.Time
	switch sub.Entitlement.State {
	case v1alpha1.EntitlementFrozen:
		f.Entitlement = lifecycle.Frozen
	case v1alpha1.EntitlementReleased:
		f.Entitlement = lifecycle.Released
	}
	return f
}

// later is the later of two instants, of which a zero one is before all others.
func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// Resolved says whether it is known what was sold, or a person has said what shall run.
func (s Sale) Resolved() bool {
	sub := s.Instance.Spec.Subscription
	return s.Unresolved == nil &&
		(sub == nil || s.Instance.Spec.ProductRef.Name != "" && (soldKnown(sub) || s.Instance.Spec.Plan != ""))
}

// Decide says what shall be true of the tenant. It is the one place where that is decided.
func (s Sale) Decide(now time.Time) lifecycle.Decision {
	return lifecycle.Decide(s.facts(now), s.Policy)
}

// DecideUnfinished is Decide for a tenant that still runs although it is known since an instant that it has to stop: what needs it
// running is finished first.
func (s Sale) DecideUnfinished(now, since time.Time) lifecycle.Decision {
	f := s.facts(now)
	f.UnfinishedSince = since
	return lifecycle.Decide(f, s.Policy)
}

// soldKnown says whether it is known what was sold.
func soldKnown(sub *v1alpha1.Subscription) bool {
	return licenses.IsActivated(sub) && licenses.OrderKnown(sub) && orders.Resolved(sub)
}

// EffectiveOf is what shall run: a person's overrides over what was sold. Its deletion protection is left to the caller,
// because the plan decides about it.
func EffectiveOf(mpi *v1alpha1.MarketplaceInstance) v1alpha1.EffectiveSubscription {
	sub := mpi.Spec.Subscription
	if sub == nil {
		sub = &v1alpha1.Subscription{}
	}
	sold := effectiveSold(sub)
	result := v1alpha1.EffectiveSubscription{
		Plan: sold.Plan, Quantity: sold.Quantity, Attributes: slices.Clone(sold.Attributes),
	}
	differ := func(field, was, is string) {
		if mpi.Spec.Subscription != nil && was != is && len(result.Differences) < 80 {
			result.Differences = append(result.Differences, fmt.Sprintf("%s: sold %s, runs %s", field, was, is))
		}
	}
	if plan := mpi.Spec.Plan; plan != "" {
		differ("plan", orNothing(sold.Plan), plan)
		result.Plan = plan
	}
	if quantity := mpi.Spec.Quantity; quantity != nil {
		differ("quantity", quantityText(sold.Quantity), quantityText(quantity))
		result.Quantity = ptr.To(*quantity)
	}
	for _, attribute := range mpi.Spec.Attributes {
		index := slices.IndexFunc(result.Attributes, func(a v1alpha1.Attribute) bool { return a.Name == attribute.Name })
		if index < 0 {
			result.Attributes = append(result.Attributes, attribute)
		} else {
			result.Attributes[index] = attribute
		}
		// The values are left out: they may be long, and they stand in the spec.
		if index < 0 || index >= len(sold.Attributes) || ptr.Deref(sold.Attributes[index].Value, "") != ptr.Deref(attribute.Value, "") {
			differ("attribute "+attribute.Name, "as the buyer said", "as set here")
		}
	}
	return result
}

// effectiveSold is what was sold; a sale without a linear attribute is one of it. Before it is known what was sold, it is
// nothing.
func effectiveSold(sub *v1alpha1.Subscription) v1alpha1.EffectiveSubscription {
	if sub.Marketplace != "" && !soldKnown(sub) {
		return v1alpha1.EffectiveSubscription{}
	}
	return v1alpha1.EffectiveSubscription{
		Plan: sub.Plan, Quantity: ptr.To(max(1, ptr.Deref(sub.Quantity, 1))), Attributes: sub.Attributes,
	}
}

// deletionProtection is whether deleting the tenant's namespace is refused.
func deletionProtection(l v1alpha1.ProductLifecycle) v1alpha1.DeletionProtection {
	return cmp.Or(l.DeletionProtection, v1alpha1.DeletionProtectionEnabled)
}

func quantityText(quantity *int32) string {
	if quantity == nil {
		return orNothing("")
	}
	return strconv.Itoa(int(*quantity))
}

func orNothing(name string) string {
	if name == "" {
		return "nothing known"
	}
	return name
}
