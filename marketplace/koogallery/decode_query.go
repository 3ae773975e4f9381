package koogallery

import (
	"strconv"
	"strings"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// Names of the activities that SaaS V1.0 has and V2.0 has not (protocol page 5.7 to 5.10), and those of License 1.0 (7.4, 16).
const (
	ActivityExpireInstance = "expireInstance"
	ActivityUpgrade        = "upgrade"
	ActivityInstanceStatus = "instanceStatus"

	ActivityGetLicense     = "getLicense"
	ActivityRefreshLicense = "refreshLicense"
	ActivityExpireLicense  = "expireLicense"
	ActivityReleaseLicense = "releaseLicense"
)

// purchaseNeeds are those of a purchase: productId is needed where it is billed by usage.
var purchaseNeeds = append([]string{"orderId", "productId"}, linearAttributes...)

// queryActivities are those of calls whose fields stand in the query: SaaS V1.0 and License 1.0.
var queryActivities = map[string]activity{
	ActivityNewInstance:     {purchaseNeeds, newInstanceV1},
	ActivityRefreshInstance: {[]string{"orderId", "instanceId", "expireTime"}, refreshInstanceV1},
	ActivityExpireInstance:  {[]string{"instanceId"}, expireInstance},
	ActivityReleaseInstance: {[]string{"instanceId"}, releaseInstanceV1},
	ActivityUpgrade:         {append([]string{"instanceId", "orderId", "skuCode", "productId"}, linearAttributes...), upgrade},
	ActivityInstanceStatus:  {[]string{"instanceId", "instanceStatus"}, instanceStatus},
	ActivityQueryInstance:   {[]string{"instanceId"}, queryInstance},

	ActivityGetLicense:     {append([]string{"orderId"}, linearAttributes...), getLicense},
	ActivityRefreshLicense: {[]string{"orderId", "instanceId", "expireTime"}, refreshInstanceV1},
	ActivityExpireLicense:  {[]string{"instanceId"}, expireInstance},
	ActivityReleaseLicense: {[]string{"instanceId"}, releaseInstanceV1},
}

// queryParameters are all that anything is done with.
var queryParameters = func() map[string]bool {
	known := map[string]bool{tokenParameter: true, timeParameter: true, "activity": true, "testFlag": true}
	for _, name := range []string{
		"orderId", "productId", "skuCode", "instanceId", "instanceStatus", "expireTime", "acceptanceTime", "trialFlag", "trialToFormal",
		"chargingMode", "orderAmount", "customerId", "customerName", "userId", "userName", paramMobilePhone, paramEmail, paramExtend,
	} {
		known[name] = true
	}
	for _, name := range linearAttributes {
		known[name] = true
	}
	return known
}()

// decodeQuery reads a call of SaaS V1.0 or License 1.0. Its parameters are read like the members of a body.
func (c *Callbacks) decodeQuery(query string) (marketplace.Event, error) {
	call, err := c.openToken(query)
	if err != nil {
		return marketplace.Event{}, err
	}
	event := marketplace.Event{}
	event.SentAt, _ = parseUTC(call.params[timeParameter])
	f := &fields{members: object{}, key: call.key.value, sentAt: event.SentAt}
	for name, value := range call.params {
		f.members[name] = appendString(nil, value)
	}
	err = decodeActivity(queryActivities, f, &event)
	return event, err
}

// newInstanceV1: protocol page 5.4. The call is the order. Its key is the order alone, or with the product where that is
// billed by usage: such an order makes one call for each of its products (protocol page 2.2).
func newInstanceV1(f *fields, event *marketplace.Event) {
	purchaseV1(f, event)
	event.Wants = marketplace.WantAccess
	switch {
	case event.Order == nil || event.Order.Charging != marketplace.ChargingMetered:
	case event.Test:
		// Debug calls come with an empty product (protocol page 16).
		event.OrderLineID = f.id("productId", longestID)
	default:
		event.OrderLineID = f.required("productId", longestID)
	}
	if f.err != nil {
		event.Order = nil
	}
}

// getLicense: protocol page 7.4. Its key is the order alone.
func getLicense(f *fields, event *marketplace.Event) {
	purchaseV1(f, event)
	event.Wants = marketplace.WantLicense
}

// purchaseV1 reads what two kinds of purchase have in common. A product that nobody has listed is put right by a person later; a
// purchase that is refused for it is lost.
func purchaseV1(f *fields, event *marketplace.Event) {
	event.Kind = marketplace.Purchase
	event.OrderID = f.required("orderId", longestID)
	event.AcceptedAt = f.acceptedAt()
	order := f.order(marketplace.OrderPurchase)
	event.Term = marketplace.TermPaid
	if f.flag("trialFlag") {
		event.Term, order.Type = marketplace.TermTrial, marketplace.OrderTrial
	}
	order.CustomerID = f.short("customerId", maxCustomerID)
	order.CustomerName = f.short("customerName", maxID)
	order.Charging = f.charging()
	order.ExpiresAt = f.time("expireTime")
	order.Buyer = f.buyer()
	event.Order = f.finished(order)
}

// acceptedAt reads when the buyer accepted. KooGallery calls when that happens, so the call's own time is as good as one that can't be
// read.
func (f *fields) acceptedAt() time.Time {
	const name = "acceptanceTime"
	if strings.TrimSpace(f.text(name)) == "" {
		return time.Time{}
	}
	if at := f.time(name); !at.IsZero() {
		return at
	}
	return f.sentAt
}

// charging reads how a sale is charged; empty when that is not known.
func (f *fields) charging() marketplace.Charging {
	const name = "chargingMode"
	text := strings.TrimSpace(f.text(name))
	mode, ok := wholeNumber(text)
	charging, known := chargingModes[mode]
	if text != "" && (!ok || !known) {
		f.note(name)
	}
	if !ok {
		return ""
	}
	return charging
}

// refreshInstanceV1: protocol page 5.6, and 16 for refreshLicense. It has no scenes: those of V2.0 say the same, so that both
// generations leave the same history on an instance. A renewal that was given back has a negative amount (protocol page 16).
func refreshInstanceV1(f *fields, event *marketplace.Event) {
	event.Kind = marketplace.Renew
	event.Scene = SceneRenewal
	switch {
	case f.flag("trialToFormal"):
		event.Scene, event.Term = SceneTrialToFormal, marketplace.TermPaid
	case isNegative(f.text("orderAmount")):
		event.Scene, event.Cancels = SceneRenewalReturned, true
	}
	event.OrderID = f.required("orderId", longestID)
	event.InstanceID = f.required("instanceId", longestID)
	event.ProductID = f.id("productId", longestID)
	event.ExpiresAt = f.expireTime()
	if event.Term == marketplace.TermPaid && event.ProductID != "" {
		// What was tried and what was bought may be listed as different plans.
		event.Order = f.finished(marketplace.Order{
			Type: marketplace.OrderTrialToFormal, Items: []marketplace.Item{{ProductID: event.ProductID}},
		})
	}
}

// isNegative reports whether an amount of money is below zero.
func isNegative(amount string) bool {
	number, err := strconv.ParseFloat(strings.TrimSpace(amount), 64)
	return err == nil && number < 0
}

// expireInstance: protocol page 5.7. The printed example lacks the order, which nothing needs.
func expireInstance(f *fields, event *marketplace.Event) {
	event.Kind = marketplace.Suspend
	event.Reason = marketplace.ReasonExpired
	event.InstanceID = f.required("instanceId", longestID)
	event.OrderID = f.id("orderId", longestID)
}

// releaseInstanceV1: protocol page 5.8, and 7.4 for releaseLicense. The order is the one of the purchase.
func releaseInstanceV1(f *fields, event *marketplace.Event) {
	event.Kind = marketplace.Release
	event.InstanceID = f.required("instanceId", longestID)
	event.OrderID = f.id("orderId", longestID)
}

// upgrade: protocol page 5.9.
func upgrade(f *fields, event *marketplace.Event) {
	event.Kind = marketplace.Change
	event.InstanceID = f.required("instanceId", longestID)
	event.OrderID = f.required("orderId", longestID)
	order := f.order(marketplace.OrderChange)
	order.Refund = isNegative(f.text("orderAmount"))
	// What is not named stays as it was sold, so that a pure resize needs no code. A call that names nothing at all changes nothing.
	// One that is there and can't be read would become the plan that was sold before.
	f.given("skuCode")
	f.given("productId")
	if item := order.Items[0]; item.SKUCode == "" && item.ProductID == "" && len(order.Attributes) == 0 {
		f.fail("skuCode, productId, amount, diskSize and bandWidth are all missing")
	}
	event.Order = f.finished(order)
}

// instanceStatus: protocol page 5.10.
func instanceStatus(f *fields, event *marketplace.Event) {
	freeze(f, event, "instanceStatus")
	event.InstanceID = f.required("instanceId", longestID)
}
