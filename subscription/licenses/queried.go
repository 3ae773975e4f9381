package licenses

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription"
)

// Finding is what a query has found that no call had told.
type Finding string

const (
	// FoundNothing: the calls had told everything.
	FoundNothing Finding = ""
	// FoundRenewal: the paid time ends later, or the sale is no longer frozen.
	FoundRenewal Finding = "Renewal"
	// FoundExpiry: the paid time is over.
	FoundExpiry Finding = "Expiry"
	// FoundRelease: the sale has ended.
	FoundRelease Finding = "Release"
)

// states are the marketplaces' states as a subscription holds them.
var states = map[marketplace.LicenseState]v1alpha1.LicenseState{
	marketplace.LicenseAlive:    v1alpha1.LicenseActive,
	marketplace.LicenseExpired:  v1alpha1.LicenseExpired,
	marketplace.LicenseReleased: v1alpha1.LicenseReleased,
}

// IsNews says whether an answer about several codes has to be asked for again alone before it counts, because it is not good
// and not known: the answer about many is the less documented one.
func IsNews(sub *v1alpha1.Subscription, told marketplace.LicenseCode, asked time.Time, interval time.Duration) bool {
	after, finding := Queried(sub, told, asked, interval)
	return told.State != marketplace.LicenseAlive &&
		(finding != FoundNothing || after.License.State != sub.License.State)
}

// Queried is a subscription after the marketplace was asked about its code at the given time and told its state. It is the
// caller's to be sure that the answer is about this very code. interval is the pause between two queries.
func Queried(sub *v1alpha1.Subscription, told marketplace.LicenseCode, asked time.Time, interval time.Duration,
) (*v1alpha1.Subscription, Finding) {
	after := sub.DeepCopy()
	if sub.Entitlement.State == v1alpha1.EntitlementReleased {
		return after, FoundNothing
	}
	after.License.LastQueryTime = subscription.WholeSecond(asked)
	if !told.ExpiresAt.IsZero() && (sub.ExpirySource == "" || sub.ExpirySource == v1alpha1.ExpiryFromOrder) {
		// The activation's date is an estimate, and the query's is to be trusted, later or not.
		after.ExpiryTime, after.ExpirySource = subscription.WholeSecond(told.ExpiresAt), v1alpha1.ExpiryFromQuery
	}
	settled := asked.Add(-Settled(interval))
	if saidLately(sub, settled) {
		return after, FoundNothing
	}
	state, known := states[told.State]
	if !known {
		state = v1alpha1.LicenseUnknown
	}
	after.License.State = state
	switch state {
	case v1alpha1.LicenseActive:
		return after, alive(after, told, subscription.WholeSecond(asked))
	case v1alpha1.LicenseExpired:
		return after, expired(after, sub.License, subscription.WholeSecond(asked), settled)
	case v1alpha1.LicenseReleased:
		return after, released(after, sub.License, subscription.WholeSecond(asked))
	}
	return after, FoundNothing
}

// saidLately reports whether a call of the marketplace has said something after an instant.
func saidLately(sub *v1alpha1.Subscription, since time.Time) bool {
	if sub.Entitlement.Time.After(since) {
		return true
	}
	for _, call := range sub.Calls {
		if call.Operation != activation && call.Time.After(since) {
			return true
		}
	}
	return false
}

// alive takes a later end like a renewal's, and lifts a freeze caused by expiry. An earlier end is not taken: the freeze
// will come, and a buyer who has paid must not be stopped for an answer that is out of date.
func alive(sub *v1alpha1.Subscription, told marketplace.LicenseCode, asked metav1.Time) Finding {
	finding := FoundNothing
	if told.ExpiresAt.After(sub.ExpiryTime.Add(renewalTolerance)) && !sub.ExpiryTime.IsZero() && sub.ExpirySource != v1alpha1.ExpiryFromPerson {
		sub.ExpiryTime, sub.ExpirySource = subscription.WholeSecond(told.ExpiresAt), v1alpha1.ExpiryFromQuery
		finding = FoundRenewal
	}
	frozen := sub.Entitlement.State == v1alpha1.EntitlementFrozen && sub.Entitlement.Reason == v1alpha1.EntitlementExpired
	if frozen && asked.Before(&sub.ExpiryTime) {
		sub.Entitlement = v1alpha1.Entitlement{State: v1alpha1.EntitlementActive, Time: asked}
		finding = FoundRenewal
	}
	return finding
}

// expired freezes. Where a date ahead is known, the marketplace has to say it in two queries; a date ahead that a person has set
// stands.
func expired(sub *v1alpha1.Subscription, before v1alpha1.License, asked metav1.Time, settled time.Time) Finding {
	ahead := sub.ExpiryTime.After(asked.Add(subscription.ExpiryTolerance))
	again := before.State == v1alpha1.LicenseExpired && !before.LastQueryTime.After(settled)
	// What was set after the marketplace had said it for the first time was set in spite of it.
	lifted := again && !sub.Entitlement.Time.Before(&before.LastQueryTime)
	byPerson := ahead && sub.ExpirySource == v1alpha1.ExpiryFromPerson
	if sub.Entitlement.State != v1alpha1.EntitlementActive || lifted || byPerson || ahead && !again {
		return FoundNothing
	}
	sub.Entitlement = v1alpha1.Entitlement{State: v1alpha1.EntitlementFrozen, Reason: v1alpha1.EntitlementExpired, Time: asked}
	return FoundExpiry
}

// released ends the sale, unless the marketplace had said so before: then a person has taken it back.
func released(sub *v1alpha1.Subscription, before v1alpha1.License, asked metav1.Time) Finding {
	if before.State == v1alpha1.LicenseReleased {
		return FoundNothing
	}
	sub.Entitlement = v1alpha1.Entitlement{
		State: v1alpha1.EntitlementReleased, Reason: v1alpha1.EntitlementByMarketplace, Time: asked,
	}
	sub.PendingChange = v1alpha1.PendingChange{}
	return FoundRelease
}

// EndedByQuery says whether it was a query, and no call, that has ended the sale.
func EndedByQuery(sub *v1alpha1.Subscription) bool {
	return IsCode(sub) && sub.Entitlement.State == v1alpha1.EntitlementReleased && sub.License.State == v1alpha1.LicenseReleased &&
		!sub.License.LastQueryTime.IsZero() && sub.Entitlement.Time.Equal(&sub.License.LastQueryTime)
}
