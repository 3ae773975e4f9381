package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// Stand-ins of debug calls of SaaS V1.0 and License 1.0, for which KooGallery documents no mock orders.
const (
	debugOrder   = "debug-order"
	debugProduct = "debug-product"
	debugSKU     = "debug-sku"
)

// chargingModes are the chargingMode of the product types (protocol page 5.4).
var chargingModes = map[koogallerytest.ProductType]int{
	koogallerytest.PayPerUse: 0, koogallerytest.Period: 1, koogallerytest.OneTime: 3, koogallerytest.Package: 5,
}

// v1OrderFlags are what a call of SaaS V1.0 says of an order, because nothing asks for it afterwards.
type v1OrderFlags struct {
	order                       koogallerytest.V1Order
	charging, expires, accepted string
	amount, diskSize, bandWidth int
	params                      []string
}

// registerItem makes the flags that a purchase and an upgrade have.
func (f *v1OrderFlags) registerItem(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.order.OrderID, "order", "", "order id (default with --debug: "+debugOrder+")")
	flags.StringVar(&f.order.ProductID, "product-id", "", "product id (default with --debug: "+debugProduct+")")
	flags.StringVar(&f.order.SKUCode, "sku-code", "", "specification code (default with --debug: "+debugSKU+")")
	flags.IntVar(&f.amount, "amount", 0, "quantity")
	flags.IntVar(&f.diskSize, "disk-size", 0, "size of the disk in GB")
	flags.IntVar(&f.bandWidth, "bandwidth", 0, "bandwidth in Mbps")
	flags.StringArrayVar(&f.params, "param", nil, "attribute that the buyer filled in, as name=value; repeatable")
}

// registerPurchase makes the others.
func (f *v1OrderFlags) registerPurchase(cmd *cobra.Command) {
	f.registerItem(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.order.CustomerID, "customer-id", "", "the buyer's account (generated if empty)")
	flags.StringVar(&f.order.CustomerName, "customer-name", "", "the account's name")
	flags.StringVar(&f.order.MobilePhone, "phone", "", "the buyer's phone number; the call encrypts it")
	flags.StringVar(&f.order.Email, "email", "", "the buyer's mail address; the call encrypts it")
	flags.StringVar(&f.charging, "charging", "", "how the product is billed: "+joined(koogallerytest.ProductTypes()))
	flags.StringVar(&f.order.PeriodType, "period-type", "", "year or month")
	flags.IntVar(&f.order.PeriodNumber, "period-number", 0, "number of periods")
	flags.StringVar(&f.expires, "expires", "", "estimated end: a time such as 2027-01-31T23:59:59Z, or a duration from now such as +720h")
	flags.StringVar(&f.accepted, "accepted", "", "when the buyer accepted the order, in its second delivery: a time, or +0s for now")
	flags.BoolVar(&f.order.Trial, "trial", false, "the sale is a trial")
}

// complete fills in what was left out, and reads what has a form.
func (f *v1OrderFlags) complete(cmd *cobra.Command, debug bool) error {
	if debug {
		f.order.OrderID = orText(f.order.OrderID, debugOrder)
		f.order.ProductID = orText(f.order.ProductID, debugProduct)
		f.order.SKUCode = orText(f.order.SKUCode, debugSKU)
	}
	for _, id := range []struct{ flag, value string }{{"order", f.order.OrderID}, {"product-id", f.order.ProductID}} {
		if id.value == "" {
			return usageError("--%s is required unless --debug is set", id.flag)
		}
	}
	for flag, target := range map[string]struct {
		value int
		field **int
	}{
		"amount":    {f.amount, &f.order.Amount},
		"disk-size": {f.diskSize, &f.order.DiskSize},
		"bandwidth": {f.bandWidth, &f.order.BandWidth},
	} {
		if !cmd.Flags().Changed(flag) {
			continue
		}
		if target.value < 0 || target.value > maxQuantity {
			return usageError("--%s must be from 0 to %d", flag, maxQuantity)
		}
		*target.field = &target.value
	}
	for _, param := range f.params {
		name, value, ok := strings.Cut(param, "=")
		if !ok || name == "" {
			return usageError("--param: %q is not name=value", param)
		}
		f.order.ExtendParams = append(f.order.ExtendParams, koogallerytest.Param{Name: name, Value: value})
	}
	return f.completePurchase()
}

func (f *v1OrderFlags) completePurchase() (err error) {
	if f.charging != "" {
		mode, known := chargingModes[koogallerytest.ProductType(f.charging)]
		if !known {
			return usageError("--charging: %q must be one of %s", f.charging, joined(koogallerytest.ProductTypes()))
		}
		f.order.ChargingMode = &mode
	}
	if f.order.ExpireTime, err = optionalTime("expires", f.expires); err != nil {
		return err
	}
	f.order.AcceptanceTime, err = optionalTime("accepted", f.accepted)
	return err
}

// optionalTime reads the time of a flag, which is zero when it was not given.
func optionalTime(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return parseTime(flag, text, time.Now())
}

func orText(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// v1Call is a call of SaaS V1.0 or License 1.0.
func v1Call(expected []string, does func(context.Context, koogallerytest.V1) (*koogallerytest.Exchange, error)) call {
	return call{expected: expected, make: func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
		return does(ctx, caller.V1())
	}}
}

func newV1PurchaseCommand() *cobra.Command {
	var order v1OrderFlags
	cmd := &cobra.Command{
		Use:   "v1-purchase",
		Short: "Announce a purchase or its acceptance, or query the access data (newInstance)",
		Long: `Announce a purchase (newInstance of SaaS V1.0). The call carries the whole order, and the answer the access data.

KooGallery makes the same call again when the buyer opens the page of the resource, and with the time of the acceptance when the
buyer accepts what was bought (--accepted).`,
	}
	order.registerPurchase(cmd)
	return newCallCommand(cmd, func(flags *callFlags) (call, error) {
		if err := order.complete(cmd, flags.debug); err != nil {
			return call{}, err
		}
		expected := []string{koogallery.ResultSuccess, koogallery.ResultInProgress}
		if flags.debug || order.accepted != "" {
			expected = onlySuccess
		}
		return v1Call(expected, func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
			return v.NewInstance(ctx, order.order)
		}), nil
	})
}

func newV1QueryCommand() *cobra.Command {
	var instances []string
	cmd := &cobra.Command{
		Use:   "v1-query",
		Short: "Query the access data and the usage of instances (queryInstance)",
	}
	cmd.Flags().StringSliceVar(&instances, "instance", nil, "instance ids from the answers to the purchases, at most 100")
	return newCallCommand(cmd, func(flags *callFlags) (call, error) {
		if len(instances) == 0 && flags.debug {
			instances = []string{debugInstance}
		}
		if len(instances) == 0 {
			return call{}, usageError("--instance is required unless --debug is set")
		}
		return v1Call(onlySuccess, func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
			return v.QueryInstance(ctx, instances...)
		}), nil
	})
}

func newV1RenewCommand() *cobra.Command {
	var (
		instance instanceFlag
		refresh  koogallerytest.V1Refresh
		expires  string
	)
	cmd := &cobra.Command{
		Use:   "v1-renew",
		Short: "Change the paid period, or convert a trial into a purchase (refreshInstance)",
	}
	instance.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&refresh.OrderID, "order", "", "order of the renewal (default with --debug: "+debugOrder+")")
	flags.StringVar(&refresh.ProductID, "product-id", "", "new product id, if the billing period changes")
	flags.StringVar(&expires, "expires", "", newEndMeaning)
	flags.BoolVar(&refresh.TrialToFormal, "trial-to-formal", false, "convert a trial into a purchase")
	return newCallCommand(cmd, func(flags *callFlags) (call, error) {
		if err := instance.complete(flags.debug); err != nil {
			return call{}, err
		}
		if flags.debug {
			refresh.OrderID, expires = orText(refresh.OrderID, debugOrder), orText(expires, "+8760h")
		}
		if refresh.OrderID == "" || expires == "" {
			return call{}, usageError("--order and --expires are required unless --debug is set")
		}
		var err error
		if refresh.ExpireTime, err = optionalTime("expires", expires); err != nil {
			return call{}, err
		}
		refresh.InstanceID = string(instance)
		return v1Call(onlySuccess, func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
			return v.RefreshInstance(ctx, refresh)
		}), nil
	})
}

func newV1UpgradeCommand() *cobra.Command {
	var (
		instance instanceFlag
		order    v1OrderFlags
	)
	cmd := &cobra.Command{
		Use:   "v1-upgrade",
		Short: "Announce a change order (upgrade)",
	}
	instance.register(cmd)
	order.registerItem(cmd)
	return newCallCommand(cmd, func(flags *callFlags) (call, error) {
		if err := instance.complete(flags.debug); err != nil {
			return call{}, err
		}
		if err := order.complete(cmd, flags.debug); err != nil {
			return call{}, err
		}
		if order.order.SKUCode == "" {
			return call{}, usageError("--sku-code is required: the new one, or the current one if it does not change")
		}
		return v1Call(onlySuccess, func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
			return v.Upgrade(ctx, string(instance), order.order)
		}), nil
	})
}

func newV1StatusCommand(use, status, short string) *cobra.Command {
	var instance instanceFlag
	cmd := &cobra.Command{Use: use, Short: short + " (instanceStatus, " + status + ")"}
	instance.register(cmd)
	return newCallCommand(cmd, func(flags *callFlags) (call, error) {
		if err := instance.complete(flags.debug); err != nil {
			return call{}, err
		}
		return v1Call(onlySuccess, func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
			return v.InstanceStatus(ctx, string(instance), status)
		}), nil
	})
}

// endOfSale is one of the calls that name an instance and the order of its purchase.
type endOfSale func(v koogallerytest.V1, ctx context.Context, instanceID, orderID string) (*koogallerytest.Exchange, error)

func newV1EndCommand(use, short string, kind keyKind, does endOfSale) *cobra.Command {
	var (
		instance instanceFlag
		order    string
	)
	cmd := &cobra.Command{Use: use, Short: short}
	instance.register(cmd)
	cmd.Flags().StringVar(&order, "order", "", "order of the purchase (optional)")
	return newKeyedCallCommand(cmd, kind, func(flags *callFlags) (call, error) {
		if err := instance.complete(flags.debug); err != nil {
			return call{}, err
		}
		return v1Call(onlySuccess, func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
			return does(v, ctx, string(instance), order)
		}), nil
	})
}

func newLicense1PurchaseCommand() *cobra.Command {
	var order v1OrderFlags
	cmd := &cobra.Command{
		Use:   "license1-purchase",
		Short: "Purchase a license (getLicense)",
		Long:  `Purchase a license (getLicense of License 1.0). The answer contains the instance id and the license.`,
	}
	order.registerPurchase(cmd)
	return newKeyedCallCommand(cmd, licenseKey, func(flags *callFlags) (call, error) {
		if err := order.complete(cmd, flags.debug); err != nil {
			return call{}, err
		}
		expected := []string{koogallery.ResultSuccess, koogallery.ResultInProgress}
		if flags.debug {
			expected = onlySuccess
		}
		return v1Call(expected, func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
			return v.GetLicense(ctx, order.order)
		}), nil
	})
}
