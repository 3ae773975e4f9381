package koogallerytest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// longest is an id of the documented length.
var longest = strings.Repeat("0123456789abcdefghijklmnopqrstuv", 2)

// debugExpiry is the end of all paid periods: a date ahead, the same in every run so that a repeat is one.
var debugExpiry = time.Date(2099, time.December, 31, 23, 59, 59, 0, time.UTC)

// orderV1 is an order of SaaS V1.0 with a chargingMode.
func orderV1(charging int) V1Order {
	order := fmt.Sprintf("MOCKV1CHARGING%d", charging)
	return V1Order{OrderID: order, ProductID: "debug-product", SKUCode: "debug-sku", ChargingMode: &charging}
}

// fullOrderV1 has every parameter, with values that are easy to get wrong (protocol page 5.4).
func fullOrderV1() V1Order {
	order, five := orderV1(1), 5
	order.OrderID = longest
	order.CustomerID, order.CustomerName = strings.Repeat("c", 100), "Zhang San+Söhne & 订单=%2B"
	order.UserID, order.UserName = "debug-user", "user+name"
	order.MobilePhone, order.Email = "15900000000", "buyer+debug@example.com"
	order.PeriodType, order.PeriodNumber, order.ExpireTime = "month", 12, debugExpiry
	order.Amount, order.DiskSize, order.BandWidth = &five, &five, &five
	order.OrderAmount, order.ProvisionType = "0.125", 1
	order.ExtendParams = []Param{
		{"emailDomainName", "example.com"}, {"idNum", "~~~>>>订"},
		{"platformParams", `{"tenantName":"订","tennantId":"T1","userId":"U1"}`}, // of WeLink, protocol page 10
	}
	return order
}

func purchase(order string) debugCall {
	return func(ctx context.Context, a *attempt) (*Exchange, error) {
		return a.NewInstance(ctx, order, lineOf(order))
	}
}

// lineOf is the line of an order in KooGallery's examples, as far as it fits.
func lineOf(order string) string {
	line := order + "-000001"
	if order == "" || len(line) > len(longest) {
		return "debug-line"
	}
	return line
}

// repeated is a call made several times.
func repeated(call debugCall, times int) []debugCall { return slices.Repeat([]debugCall{call}, times) }

func purchases(order string, times int) []debugCall { return repeated(purchase(order), times) }

func query(ctx context.Context, a *attempt, more ...string) (*Exchange, error) {
	return a.QueryInstance(ctx, append([]string{a.instance()}, more...)...)
}

func queryOf(ctx context.Context, a *attempt) (*Exchange, error) { return query(ctx, a) }

func queryTwo(ctx context.Context, a *attempt) (*Exchange, error) {
	return query(ctx, a, "also-never-existed")
}

func queryHundred(ctx context.Context, a *attempt) (*Exchange, error) {
	return query(ctx, a, ids(99)...)
}

func queryTooMany(ctx context.Context, a *attempt) (*Exchange, error) {
	return query(ctx, a, ids(100)...)
}

func ids(count int) []string {
	var made []string
	for i := range count {
		made = append(made, fmt.Sprintf("never-existed-%d", i))
	}
	return made
}

// sceneOrders are the mock orders that fit the scenes.
var sceneOrders = map[string]string{
	renewal: "MOCKMONTYRENEW", changed: "MOCKMONTYRENEW", toFormal: "MOCKMONTYTRIALTOFORMAL", returned: "MOCKMONTYUNSUBSCRIBE",
}

func refreshes(scene string, times int) []debugCall {
	return repeated(func(ctx context.Context, a *attempt) (*Exchange, error) {
		order := sceneOrders[scene]
		return a.RefreshInstance(ctx, RefreshOptions{
			Scene: scene, OrderID: order, OrderLineID: lineOf(order), InstanceID: a.unknown, ExpireTime: debugExpiry,
		})
	}, times)
}

// refreshMillis has the date in the form of the printed example, with milliseconds.
func refreshMillis(ctx context.Context, a *attempt) (*Exchange, error) {
	fields := RefreshOptions{
		Scene: renewal, OrderID: sceneOrders[renewal], OrderLineID: lineOf(sceneOrders[renewal]), InstanceID: a.unknown,
	}.fields()
	fields["expireTime"] = timeText(debugExpiry, milliTime)
	return a.call(ctx, koogallery.ActivityRefreshInstance, fields)
}

func statuses(status string, times int) []debugCall {
	return repeated(func(ctx context.Context, a *attempt) (*Exchange, error) {
		return a.UpdateInstanceStatus(ctx, a.unknown, status)
	}, times)
}

func upgradeBy(order string) debugCall {
	return func(ctx context.Context, a *attempt) (*Exchange, error) {
		return a.UpgradeInstance(ctx, a.unknown, order, lineOf(order))
	}
}

func checkChange(ctx context.Context, a *attempt) (*Exchange, error) {
	quantity := int32(5)
	return a.ChangeInstanceCheck(ctx, a.unknown, Product{ProductID: "debug-product", SKUCode: "debug-sku", LinearValue: &quantity})
}

// checkQuoted has the product as JSON in a text, as one seller has met it.
func checkQuoted(ctx context.Context, a *attempt) (*Exchange, error) {
	return a.call(ctx, koogallery.ActivityChangeInstanceCheck, map[string]any{
		"instanceId": a.unknown, "productInfo": `[{"productId":"debug-product","skuCode":"debug-sku","linearValue":5}]`,
	})
}

func checkNothing(ctx context.Context, a *attempt) (*Exchange, error) {
	return a.call(ctx, koogallery.ActivityChangeInstanceCheck, map[string]any{"instanceId": a.unknown})
}

func releases(order string, times int) []debugCall {
	return repeated(func(ctx context.Context, a *attempt) (*Exchange, error) {
		line := ""
		if order != "" {
			line = lineOf(order)
		}
		return a.ReleaseInstance(ctx, a.unknown, order, line)
	}, times)
}

func unknownActivity(ctx context.Context, a *attempt) (*Exchange, error) {
	return a.call(ctx, "danceInstance", map[string]any{"instanceId": a.unknown})
}

func sendText(ctx context.Context, a *attempt) (*Exchange, error) {
	return a.Send(ctx, []byte("activity=danceInstance&testFlag=1"))
}

// maxReplicas is how many replicas a server may have that remember nonces each for itself.
const maxReplicas = 8

// sameBytes makes the case's first call again, byte for byte, as Java's HTTP client does when a connection breaks.
func sameBytes(ctx context.Context, a *attempt) (*Exchange, error) {
	return a.Replay(ctx, a.answers[0])
}

// replayed makes another call with the nonce of the case's first one, until it is refused: each replica may take it once.
func replayed(ctx context.Context, a *attempt) (*Exchange, error) {
	nonce := a.answers[0].nonce()
	caller := a.With(Options{Debug: true, Refused: true})
	caller.Nonce = func() string { return nonce }
	answer, err := caller.QueryInstance(ctx, a.unknown)
	for taken := 0; ; taken++ {
		if taken > 0 {
			answer, err = caller.Replay(ctx, answer)
		}
		if err != nil || !answer.Success() || taken == maxReplicas {
			if taken > 0 && err == nil && !answer.Success() {
				a.notes = append(a.notes, fmt.Sprintf("refused when it was sent %d times: each replica remembers nonces for itself", taken+1))
			}
			return answer, err
		}
	}
}

func purchaseV1(order V1Order) debugCall {
	return func(ctx context.Context, a *attempt) (*Exchange, error) { return a.V1().NewInstance(ctx, order) }
}

func purchasesV1(orders ...V1Order) []debugCall {
	var calls []debugCall
	for _, order := range orders {
		calls = append(calls, purchaseV1(order))
	}
	return calls
}

// purchasePlus has a plus sign in every parameter that can have one.
func purchasePlus(ctx context.Context, a *attempt) (*Exchange, error) {
	order, v := fullOrderV1(), a.V1()
	params := v.purchase(order)
	for name, text := range map[string]string{"mobilePhone": order.MobilePhone, "email": order.Email} {
		for !strings.Contains(params[name], "+") {
			params[name] = v.sensitive(text)
		}
	}
	return v.call(ctx, koogallery.ActivityNewInstance, params)
}

// givenBackV1 is a renewal that is given back (protocol page 16).
func givenBackV1(ctx context.Context, a *attempt) (*Exchange, error) {
	return a.V1().RefreshInstance(ctx, V1Refresh{
		OrderID: "MOCKMONTYUNSUBSCRIBE", InstanceID: a.unknown, ExpireTime: debugExpiry, OrderAmount: "-0.125",
	})
}

// hiddenV1 has a parameter hidden in another one, which has the token of a call in which both stand by themselves.
func hiddenV1(ctx context.Context, a *attempt) (*Exchange, error) {
	return a.V1().Send(ctx, map[string]string{"activity": "releaseInstance", "instanceId": a.unknown, "orderId": "CS1&orderAmount=1", "testFlag": "1"})
}

func refreshV1(toFormal bool) debugCall {
	return func(ctx context.Context, a *attempt) (*Exchange, error) {
		return a.V1().RefreshInstance(ctx, V1Refresh{
			OrderID: "MOCKMONTYRENEW", InstanceID: a.unknown, ExpireTime: debugExpiry, TrialToFormal: toFormal,
		})
	}
}

func expireV1(order string) debugCall {
	return func(ctx context.Context, a *attempt) (*Exchange, error) {
		return a.V1().ExpireInstance(ctx, a.unknown, order)
	}
}

func upgradeV1(ctx context.Context, a *attempt) (*Exchange, error) {
	order, five := orderV1(1), 5
	order.OrderID, order.Amount = "MOCKMONTYCHANGE", &five
	return a.V1().Upgrade(ctx, a.unknown, order)
}

func statusV1(status string) debugCall {
	return func(ctx context.Context, a *attempt) (*Exchange, error) {
		return a.V1().InstanceStatus(ctx, a.unknown, status)
	}
}

func queryV1(ctx context.Context, a *attempt) (*Exchange, error) {
	return a.V1().QueryInstance(ctx, a.instance())
}

func releaseV1(order string) debugCall {
	return func(ctx context.Context, a *attempt) (*Exchange, error) {
		return a.V1().ReleaseInstance(ctx, a.unknown, order)
	}
}

func unknownActivityV1(ctx context.Context, a *attempt) (*Exchange, error) {
	return a.V1().call(ctx, "danceInstance", map[string]string{"instanceId": a.unknown})
}

func refreshLicenseCode(scene string) debugCall {
	return func(ctx context.Context, a *attempt) (*Exchange, error) {
		order := sceneOrders[scene]
		return a.RefreshLicenseCode(ctx, a.unknown, RefreshOptions{
			Scene: scene, OrderID: order, OrderLineID: lineOf(order), ExpireTime: debugExpiry,
		})
	}
}

func licenseCodeStatus(status string) debugCall {
	return func(ctx context.Context, a *attempt) (*Exchange, error) {
		return a.UpdateLicenseCodeStatus(ctx, a.unknown, status)
	}
}

func releaseLicenseCode(order string) debugCall {
	return func(ctx context.Context, a *attempt) (*Exchange, error) {
		line := ""
		if order != "" {
			line = lineOf(order)
		}
		return a.ReleaseLicenseCode(ctx, a.unknown, order, line)
	}
}

func requestLicense(end time.Time, fingerprint string) debugCall {
	return func(ctx context.Context, a *attempt) (*Exchange, error) {
		return a.GetLicenseAsync(ctx, LicenseRequest{
			InstanceID: a.unknown, EventID: "debug-event", EffectiveTime: debugExpiry.AddDate(-1, 0, 0), ExpireTime: end,
			DeviceFingerprint: fingerprint,
		})
	}
}

func getLicense(order V1Order) debugCall {
	return func(ctx context.Context, a *attempt) (*Exchange, error) { return a.V1().GetLicense(ctx, order) }
}

func refreshLicense(ctx context.Context, a *attempt) (*Exchange, error) {
	return a.V1().RefreshLicense(ctx, V1Refresh{OrderID: "MOCKMONTYRENEW", InstanceID: a.unknown, ExpireTime: debugExpiry})
}

func expireLicense(ctx context.Context, a *attempt) (*Exchange, error) {
	return a.V1().ExpireLicense(ctx, a.unknown, "")
}

func releaseLicense(ctx context.Context, a *attempt) (*Exchange, error) {
	return a.V1().ReleaseLicense(ctx, a.unknown, "MOCKV1CHARGING3")
}

func notifyOf(order string) debugCall {
	return func(ctx context.Context, a *attempt) (*Exchange, error) {
		return a.OrderNotify(ctx, order, lineOf(order))
	}
}

// with makes a call with other options.
func with(change func(*Options), call debugCall) []debugCall {
	return []debugCall{func(ctx context.Context, a *attempt) (*Exchange, error) {
		changed := *a
		change(&changed.Options)
		return call(ctx, &changed)
	}}
}

// spoiled makes a call that shall be refused.
func spoiled(change func(*Options), call debugCall) []debugCall {
	return with(func(o *Options) {
		o.Refused = true
		change(o)
	}, call)
}

// unproven makes a call that shall be refused because it does not prove whose it is.
func unproven(change func(*Options), call debugCall) []debugCall {
	return spoiled(func(o *Options) {
		o.AnyKey = true
		change(o)
	}, call)
}

func asItIs(*Options) {}

func lowerHex(o *Options) { o.LowerHex = true }

func seconds(o *Options) { o.Seconds = true }

func inAnotherOrder(o *Options) { o.Reordered = true }

func barePlus(o *Options) { o.BarePlus = true }

func wrongKey(o *Options) { o.WrongKey = true }

func tampered(o *Options) { o.Tampered = true }

func omit(parameter string) func(*Options) {
	return func(o *Options) { o.Omit = parameter }
}

func skewed(by time.Duration) func(*Options) {
	return func(o *Options) { o.Skew = by }
}
