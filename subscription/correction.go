package subscription

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// IsCorrected says whether a correction with that id stands among a sale's calls: it is not applied again.
func IsCorrected(sub *v1alpha1.Subscription, id string) bool {
	_, ok := correctionOf(sub, id)
	return ok
}

// correctionOf is the entry of the correction with that id among a sale's calls.
func correctionOf(sub *v1alpha1.Subscription, id string) (v1alpha1.Call, bool) {
	if sub == nil {
		return v1alpha1.Call{}, false
	}
	i := slices.IndexFunc(sub.Calls, func(call v1alpha1.Call) bool {
		return call.Operation == v1alpha1.OperationCorrection && call.ID == id
	})
	if i < 0 {
		return v1alpha1.Call{}, false
	}
	return sub.Calls[i], true
}

// checkRepeat tells a repeat from another correction under an id that was used before.
func checkRepeat(c v1alpha1.Correction, before v1alpha1.Call) error {
	if before.Digest == "" || before.Digest == correctionDigest(c) {
		return nil
	}
	return fmt.Errorf("id %q was used at %s by %s for another correction, which was applied: give this one another id", c.ID,
		before.Time.UTC().Format(time.RFC3339), before.By)
}

// correctionDigest is the SHA-256 of all that a correction says.
func correctionDigest(c v1alpha1.Correction) string {
	raw, err := json.Marshal(c)
	if err != nil {
		return "" // of strings and times: it can't fail
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// notAwaited are those of the orders that a sale does not wait for.
func notAwaited(sub *v1alpha1.Subscription, orderIDs []string) []string {
	return slices.DeleteFunc(slices.Clone(orderIDs), func(id string) bool {
		return sub.PendingChange.OrderID == id || slices.ContainsFunc(sub.Calls, func(call v1alpha1.Call) bool {
			return call.OrderID == id && call.Pending != ""
		})
	})
}

// isCorrected says whether a correction was applied at an instant.
func isCorrected(sub *v1alpha1.Subscription, at metav1.Time) bool {
	return slices.ContainsFunc(sub.Calls, func(call v1alpha1.Call) bool {
		return call.Operation == v1alpha1.OperationCorrection && call.Time.Equal(&at)
	})
}

// CheckCorrection says why spec.correction can't be what it says, by the instance alone; nil when there is none or it was applied. The
// error's text names field and remedy.
func CheckCorrection(spec v1alpha1.MarketplaceInstanceSpec) error {
	c, sub := spec.Correction, spec.Subscription
	if c.ID == "" {
		return nil
	}
	if before, ok := correctionOf(sub, c.ID); ok {
		return checkRepeat(c, before)
	}
	switch {
	case sub == nil:
		return fmt.Errorf("this instance is not a sale, so there is nothing to correct: remove spec.correction")
	case c.OrderID != "" && sub.OrderID != "" && c.OrderID != sub.OrderID:
		return fmt.Errorf("the order of the purchase is %s, and orderID can only add one that the marketplace did not name: leave it"+
			" out, and correct items, expiryTime or entitlement", sub.OrderID)
	case c.PackageConsumerRef.Name != "" && sub.PackageConsumerRef.Name == "" && len(sub.Items) > 0:
		return fmt.Errorf("the package has had its own tenant since its order was read, so packageConsumerRef can't be added")
	case len(notAwaited(sub, c.AbandonedOrderIDs)) > 0:
		return fmt.Errorf("abandonedOrderIDs names %s, which is not waited for: name an order that subscription.calls shows with pending, or the"+
			" one of pendingChange", strings.Join(notAwaited(sub, c.AbandonedOrderIDs), ", "))
	case !c.ExpiryTime.IsZero() && !sub.StartTime.IsZero() && c.ExpiryTime.Before(&sub.StartTime):
		return fmt.Errorf("expiryTime is before %s, when the paid period began: set it to that or later", sub.StartTime.UTC().Format(time.RFC3339))
	}
	return nil
}

// ApplyCorrection folds spec.correction into what is known of the sale, with the entry in calls that keeps it from being applied
// again. It returns a new value and never changes spec; changed is false, and sub is spec.subscription itself, when there is no
// correction, when its id stands in calls, and when CheckCorrection refuses it. now is the controller's clock: a call of the marketplace
// that is sent later goes over it.
//
// What items mean is left to orders.Correct, which knows the products.
func ApplyCorrection(spec v1alpha1.MarketplaceInstanceSpec, now time.Time) (sub *v1alpha1.Subscription, changed bool) {
	c := spec.Correction
	if c.ID == "" || IsCorrected(spec.Subscription, c.ID) || CheckCorrection(spec) != nil {
		return spec.Subscription, false
	}
	sub = spec.Subscription.DeepCopy()
	at := WholeSecond(now)
	entry := v1alpha1.Call{
		Operation: v1alpha1.OperationCorrection, ID: c.ID, By: c.By, Reason: c.Reason, Time: at, Digest: correctionDigest(c),
	}
	if sub.Entitlement.State == v1alpha1.EntitlementReleased && c.Entitlement != "" && c.Entitlement != v1alpha1.EntitlementReleased {
		entry.Variant = v1alpha1.VariantReleaseTakenBack
	}
	abandon(sub, c.AbandonedOrderIDs)
	correctEntitlement(sub, c.Entitlement, at)
	if !c.ExpiryTime.IsZero() {
		entry.PreviousExpiryTime = sub.ExpiryTime
		sub.ExpiryTime, sub.ExpirySource = WholeSecond(c.ExpiryTime.Time), v1alpha1.ExpiryFromPerson
	}
	if c.Acknowledgement == v1alpha1.AcknowledgementReceived && sub.Acknowledgement.State != v1alpha1.AcknowledgementReceived {
		sub.Acknowledgement = v1alpha1.Acknowledgement{State: v1alpha1.AcknowledgementReceived, By: v1alpha1.AcknowledgedByPerson, Time: at}
	}
	if c.OrderID != "" && sub.OrderID == "" {
		sub.OrderID, entry.OrderID, entry.Pending = c.OrderID, c.OrderID, v1alpha1.CallPendingPurchase
	}
	if len(c.Items) > 0 {
		sub.Items, sub.ItemsOrderTime, sub.PendingChange = c.DeepCopy().Items, at, v1alpha1.PendingChange{}
		entry.Pending = ""
		// What a person says was bought is not waited for.
		abandon(sub, []string{sub.OrderID})
	}
	if c.PackageConsumerRef.Name != "" {
		sub.PackageConsumerRef = c.PackageConsumerRef
	}
	appendCall(sub, entry)
	return sub, true
}

func correctEntitlement(sub *v1alpha1.Subscription, state v1alpha1.EntitlementState, at metav1.Time) {
	if state == "" {
		return
	}
	sub.Entitlement = v1alpha1.Entitlement{State: state, Time: at}
	if state != v1alpha1.EntitlementActive {
		sub.Entitlement.Reason = v1alpha1.EntitlementByPerson
	}
	if state == v1alpha1.EntitlementReleased {
		sub.PendingChange = v1alpha1.PendingChange{}
	}
}

// abandon ends the waiting for orders. A change that one of them has bought for a later date goes too.
func abandon(sub *v1alpha1.Subscription, orderIDs []string) {
	for i := range sub.Calls {
		if slices.Contains(orderIDs, sub.Calls[i].OrderID) && sub.Calls[i].OrderID != "" {
			sub.Calls[i].Pending = ""
		}
	}
	if sub.PendingChange.OrderID != "" && slices.Contains(orderIDs, sub.PendingChange.OrderID) {
		sub.PendingChange = v1alpha1.PendingChange{}
	}
}
