package koogallery

import (
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// Names of the activities that SaaS V1.0 has and V2.0 has not (protocol page 5.7 to 5.10), and those of License 1.0 (7.4).
const (
	ActivityExpireInstance = "expireInstance"
	ActivityUpgrade        = "upgrade"
	ActivityInstanceStatus = "instanceStatus"

	ActivityGetLicense     = "getLicense"
	ActivityReleaseLicense = "releaseLicense"
)

// queryActivities are those of calls whose fields stand in the query: SaaS V1.0 and License 1.0. Renewal and expiry of License
// 1.0 exist under names that no page shows.
var queryActivities = map[string]activity{
	ActivityNewInstance:     newInstanceV1,
	ActivityRefreshInstance: refreshInstanceV1,
	ActivityExpireInstance:  expireInstance,
	ActivityReleaseInstance: releaseInstanceV1,
	ActivityUpgrade:         upgrade,
	ActivityInstanceStatus:  instanceStatus,
	ActivityQueryInstance:   queryInstance,

	ActivityGetLicense:     getLicense,
	ActivityReleaseLicense: releaseInstanceV1,
}

// decodeQuery reads a call of SaaS V1.0 or License 1.0. Its parameters are read like the members of a body.
func (c *Callbacks) decodeQuery(query string) (marketplace.Event, error) {
	call, err := c.openToken(query)
	if err != nil {
		return marketplace.Event{}, err
	}
	event := marketplace.Event{}
	event.SentAt, _ = parseUTC(call.params[timeParameter])
	f := &fields{members: object{}, key: call.key.value}
	for name, value := range call.params {
		f.members[name] = appendString(nil, value)
	}
	err = decodeActivity(queryActivities, f, &event)
	return event, err
}

// newInstanceV1: protocol page 5.4. The call is the order. Its key is the order alone, or with the product where that is
// charged by use: such an order makes one call for each of its products (protocol page 2.2).
func newInstanceV1(f *fields, event *marketplace.Event) {
	purchaseV1(f, event)
	event.Wants = marketplace.WantAccess
	if event.Order != nil && event.Order.Charging == marketplace.ChargingOnDemand {
		event.OrderLineID = f.optional("productId", maxID)
	}
}

// getLicense: protocol page 7.4. Its key is the order alone.
func getLicense(f *fields, event *marketplace.Event) {
	purchaseV1(f, event)
	event.Wants = marketplace.WantLicense
}

func purchaseV1(f *fields, event *marketplace.Event) {
	event.Kind = marketplace.Purchase
	event.OrderID = f.required("orderId", maxID)
	f.required("productId", maxID)
	f.optional("businessId", maxID)
	event.AcceptedAt = f.utcTime("acceptanceTime")
	order := f.order(marketplace.OrderPurchase)
	event.Term = marketplace.TermFormal
	if f.flag("trialFlag") {
		event.Term, order.Type = marketplace.TermTrial, marketplace.OrderTrial
	}
	order.CustomerID = f.required("customerId", maxCustomerID)
	order.CustomerName = f.optional("customerName", maxID)
	order.Charging = chargingModes[f.optional("chargingMode", maxChargingMode)]
	order.ExpiresAt = f.estimatedEnd()
	order.Buyer = f.buyer()
	event.Order = f.finished(order)
}

// refreshInstanceV1: protocol page 5.6. It has no scenes: those of V2.0 say the same, so that both generations leave the same
// history on an instance. No page has a cancelled renewal.
func refreshInstanceV1(f *fields, event *marketplace.Event) {
	event.Kind = marketplace.Renew
	event.Scene = SceneRenewal
	if f.flag("trialToFormal") {
		event.Scene, event.Term = SceneTrialToFormal, marketplace.TermFormal
	}
	event.OrderID = f.required("orderId", maxID)
	event.InstanceID = f.required("instanceId", maxID)
	event.ProductID = f.optional("productId", maxID)
	event.ExpiresAt = f.expireTime()
	if event.Term == marketplace.TermFormal && event.ProductID != "" {
		// What was tried and what was bought may be listed as different plans.
		event.Order = f.finished(marketplace.Order{
			Type: marketplace.OrderTrialToFormal, Items: []marketplace.Item{{ProductID: event.ProductID}},
		})
	}
}

// expireInstance: protocol page 5.7. The printed example lacks the order, which nothing needs.
func expireInstance(f *fields, event *marketplace.Event) {
	event.Kind = marketplace.Suspend
	event.Reason = marketplace.ReasonExpired
	event.InstanceID = f.required("instanceId", maxID)
	event.OrderID = f.optional("orderId", maxID)
}

// releaseInstanceV1: protocol page 5.8, and 7.4 for releaseLicense. The order is the one of the purchase.
func releaseInstanceV1(f *fields, event *marketplace.Event) {
	event.Kind = marketplace.Release
	event.InstanceID = f.required("instanceId", maxID)
	event.OrderID = f.optional("orderId", maxID)
}

// upgrade: protocol page 5.9.
func upgrade(f *fields, event *marketplace.Event) {
	event.Kind = marketplace.Change
	event.InstanceID = f.required("instanceId", maxID)
	event.OrderID = f.required("orderId", maxID)
	f.required("skuCode", maxID)
	f.required("productId", maxID)
	event.Order = f.finished(f.order(marketplace.OrderChange))
}

// instanceStatus: protocol page 5.10.
func instanceStatus(f *fields, event *marketplace.Event) {
	freeze(f, event, "instanceStatus")
	event.InstanceID = f.required("instanceId", maxID)
}
