package subscription

import (
	"slices"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// IsLicense says whether a sale is known to be one of a license by what the marketplace has said: by its license code, by how it was
// bought, or by the licenses that its buyer has asked for. Of another the product may still say so.
func IsLicense(sub *v1alpha1.Subscription) bool {
	if sub.License.Type != "" || len(sub.LicenseRequests) > 0 {
		return true
	}
	return slices.ContainsFunc(sub.Calls, func(call v1alpha1.Call) bool {
		purchase := call.OrderID == sub.OrderID && call.OrderLineID == sub.OrderLineID
		return purchase && (call.Variant == v1alpha1.VariantLicense || marketplace.SellsLicense(call.Operation))
	})
}

// purchaseCall is a purchase as it is recorded. One that a key for licenses has made is marked as a license's, unless its operation says
// so; a call's Secret is found by operation and variant, so that a mark which may go again must not be on a call that has one.
func (c change) purchaseCall() v1alpha1.Call {
	call := c.orderCall()
	if c.LicensesOnly && call.Source == "" && !marketplace.SellsLicense(c.Activity) {
		call.Variant = v1alpha1.VariantLicense
	}
	return call
}

// unmarkLicense takes the mark off a sale whose purchase another key has made too. Else whoever has the license key, and knows of an order
// before its call comes, could make the sale one that he may change.
func unmarkLicense(sub *v1alpha1.Subscription, c change) {
	for i := range sub.Calls {
		if call := &sub.Calls[i]; !c.LicensesOnly && sameOrder(*call, c.Event) && call.Variant == v1alpha1.VariantLicense {
			call.Variant = ""
		}
	}
}
