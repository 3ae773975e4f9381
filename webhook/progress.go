package webhook

import (
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// patience is how long a purchase that needs a person is called "in progress". The marketplace judges an order failed after
// three hours; until half an hour before, a person can still put it right without the marketplace noticing.
const patience = 2*time.Hour + 30*time.Minute

// progress says how far an instance is, in the words that a marketplace may hear.
func progress(instance *v1alpha1.MarketplaceInstance, now time.Time) marketplace.State {
	sub := instance.Spec.Subscription
	conditions := instance.Status.Conditions
	switch {
	case sub.Entitlement.State == v1alpha1.EntitlementReleased:
		return marketplace.StateReleased
	case !instance.DeletionTimestamp.IsZero():
		// Its objects may still look healthy while they are taken away.
		return marketplace.StateInProgress
	case meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionProvisioned),
		meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionReady):
		// Suspended or not: the buyer may always see what was told at the beginning.
		return marketplace.StateReady
	case meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionSuspended) &&
		instance.Status.Revision != "" && instance.Status.Revision != instance.Status.TargetRevision:
		// It stands on its own revision, whatever keeps it from the next one. Only Ready would say so, and not while it is suspended.
		return marketplace.StateReady
	case meta.IsStatusConditionFalse(conditions, v1alpha1.ConditionOrderResolved) &&
		!now.Before(sub.PurchaseTime.Add(patience)):
		return marketplace.StateFailed
	}
	return marketplace.StateInProgress
}

// publicAccess is what the buyer is told, but for the credentials.
func publicAccess(instance *v1alpha1.MarketplaceInstance) *marketplace.Access {
	access := instance.Status.Access
	return &marketplace.Access{FrontEndURL: access.FrontEndURL, AdminURL: access.AdminURL, Memo: access.Memo}
}

// usageOf is what was used so far, for a sale that is billed by usage: of a package what was used of it, else all. Before the
// controller has counted there is nothing to tell, which is not the same as 0.
func usageOf(instance *v1alpha1.MarketplaceInstance) []marketplace.Usage {
	var used []marketplace.Usage
	for _, meter := range instance.Status.Usage {
		text := meter.Total
		if meter.PackageUsed != "" {
			text = meter.PackageUsed
		}
		value, err := strconv.ParseFloat(text, 64)
		if err != nil || meter.CountedUntilTime.IsZero() {
			continue
		}
		used = append(used, marketplace.Usage{InstanceID: meter.RelatedInstanceID, Value: value, At: meter.CountedUntilTime.Time})
	}
	return used
}

// addCredentials puts the initial credentials into access, the password only where the Marketplace discloses it.
func addCredentials(access *marketplace.Access, secret map[string][]byte, disclosure v1alpha1.MarketplaceDisclosure) {
	access.UserName = string(secret[v1alpha1.AccessUserNameKey])
	if disclosure.InitialPassword != v1alpha1.DisclosureHide {
		access.Password = string(secret[v1alpha1.AccessPasswordKey])
	}
}
