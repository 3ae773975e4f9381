package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// licenseFlag names a license code, which KooGallery has made.
type licenseFlag string

// debugLicense stands in for a license code in debug calls.
const debugLicense = "debug-license"

func (f *licenseFlag) register(cmd *cobra.Command) {
	cmd.Flags().StringVar((*string)(f), "license", "", "license code (default with --debug: "+debugLicense+")")
}

func (f *licenseFlag) complete(debug bool) error {
	if *f == "" && debug {
		*f = debugLicense
	}
	if *f == "" {
		return usageError("--license is required unless --debug is set")
	}
	return nil
}

// bodyCall is a call of a generation with a body.
func bodyCall(expected []string, does func(context.Context, koogallerytest.Caller) (*koogallerytest.Exchange, error)) call {
	return call{expected: expected, make: does}
}

func newCodeRenewCommand() *cobra.Command {
	var (
		order   orderFlags
		license licenseFlag
		refresh koogallerytest.RefreshOptions
		expires string
	)
	cmd := &cobra.Command{Use: "code-renew", Short: "Change the paid period of a license code (refreshLicenseCode)"}
	order.register(cmd, "order that caused the change (default with --debug: MOCKMONTYRENEW)")
	license.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&refresh.Scene, "scene", koogallery.SceneRenewal, "RENEWAL or UNSUBSCRIBE_RENEWAL_PERIOD (a refunded renewal)")
	flags.StringVar(&refresh.ProductID, "product-id", "", "new product id, if the billing period changes")
	flags.StringVar(&expires, "expires", "", newEndMeaning)
	return newKeyedCallCommand(cmd, licenseKey, func(flags *callFlags) (call, error) {
		if refresh.Scene != koogallery.SceneRenewal && refresh.Scene != koogallery.SceneRenewalReturned {
			return call{}, usageError("--scene must be RENEWAL or UNSUBSCRIBE_RENEWAL_PERIOD, not %q", refresh.Scene)
		}
		if err := order.complete(flags.debug, "MOCKMONTYRENEW"); err != nil {
			return call{}, err
		}
		if err := license.complete(flags.debug); err != nil {
			return call{}, err
		}
		if flags.debug {
			expires = orText(expires, "+8760h")
		}
		if expires == "" {
			return call{}, usageError("--expires is required unless --debug is set")
		}
		var err error
		if refresh.ExpireTime, err = optionalTime("expires", expires); err != nil {
			return call{}, err
		}
		refresh.OrderID, refresh.OrderLineID = order.order, order.line
		return bodyCall(onlySuccess, func(ctx context.Context, c koogallerytest.Caller) (*koogallerytest.Exchange, error) {
			return c.RefreshLicenseCode(ctx, string(license), refresh)
		}), nil
	})
}

func newCodeStatusCommand(use, status, short string) *cobra.Command {
	var license licenseFlag
	cmd := &cobra.Command{Use: use, Short: short + " (updateLicenseCodeStatus, " + status + ")"}
	license.register(cmd)
	return newKeyedCallCommand(cmd, licenseKey, func(flags *callFlags) (call, error) {
		if err := license.complete(flags.debug); err != nil {
			return call{}, err
		}
		return bodyCall(onlySuccess, func(ctx context.Context, c koogallerytest.Caller) (*koogallerytest.Exchange, error) {
			return c.UpdateLicenseCodeStatus(ctx, string(license), status)
		}), nil
	})
}

func newCodeReleaseCommand() *cobra.Command {
	var (
		order   orderFlags
		license licenseFlag
	)
	cmd := &cobra.Command{Use: "code-release", Short: "End the sale of a license code permanently (releaseLicenseCode)"}
	order.register(cmd, "unsubscription order that caused the release, if any")
	license.register(cmd)
	return newKeyedCallCommand(cmd, licenseKey, func(flags *callFlags) (call, error) {
		if err := order.complete(flags.debug, ""); err != nil {
			return call{}, err
		}
		if err := license.complete(flags.debug); err != nil {
			return call{}, err
		}
		return bodyCall(onlySuccess, func(ctx context.Context, c koogallerytest.Caller) (*koogallerytest.Exchange, error) {
			return c.ReleaseLicenseCode(ctx, string(license), order.order, order.line)
		}), nil
	})
}

// debugEvent stands in for the number of a license request in debug calls.
const debugEvent = "debug-event"

func newLicenseRequestCommand() *cobra.Command {
	var (
		instance           instanceFlag
		request            koogallerytest.LicenseRequest
		effective, expires string
	)
	cmd := &cobra.Command{
		Use:   "license-request",
		Short: "Request a license for an instance (getLicenseAsync)",
		Long: `Request a license for an instance of Online License (getLicenseAsync). The license itself goes to the open API, where
"stallkeeper simulate openapi" shows it at /uploads. The instance comes from the calls of SaaS V2.0, made with the key of the
license products.`,
	}
	instance.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&request.EventID, "event", "",
		"request id; the same id with the same fingerprint is a retry (default with --debug: "+debugEvent+")")
	flags.StringVar(&effective, "effective", "+0s", "start: a time such as 2027-01-31T00:00:00Z, or a duration from now")
	flags.StringVar(&expires, "expires", "", "end: a time, or a duration from now; required for products sold for a period")
	flags.StringVar(&request.DeviceFingerprint, "device-fingerprint", "", "fingerprint of the device that the license is bound to")
	return newKeyedCallCommand(cmd, licenseKey, func(flags *callFlags) (call, error) {
		if err := instance.complete(flags.debug); err != nil {
			return call{}, err
		}
		if flags.debug {
			request.EventID = orText(request.EventID, debugEvent)
		}
		if request.EventID == "" {
			return call{}, usageError("--event is required unless --debug is set")
		}
		var err error
		if request.EffectiveTime, err = optionalTime("effective", effective); err != nil {
			return call{}, err
		}
		if request.ExpireTime, err = optionalTime("expires", expires); err != nil {
			return call{}, err
		}
		request.InstanceID = string(instance)
		expected := []string{koogallery.ResultSuccess, koogallery.ResultInProgress}
		if flags.debug {
			expected = onlySuccess
		}
		return bodyCall(expected, func(ctx context.Context, c koogallerytest.Caller) (*koogallerytest.Exchange, error) {
			return c.GetLicenseAsync(ctx, request)
		}), nil
	})
}

func newNotifyCommand() *cobra.Command {
	var order orderFlags
	cmd := &cobra.Command{Use: "notify", Short: "Notify of an order (orderNotify)"}
	order.register(cmd, "order id (default with --debug: MOCKPERIODYEARNEW)")
	return newKeyedCallCommand(cmd, notifyKey, func(flags *callFlags) (call, error) {
		if err := order.complete(flags.debug, "MOCKPERIODYEARNEW"); err != nil {
			return call{}, err
		}
		return bodyCall(onlySuccess, func(ctx context.Context, c koogallerytest.Caller) (*koogallerytest.Exchange, error) {
			return c.OrderNotify(ctx, order.order, order.line)
		}), nil
	})
}
