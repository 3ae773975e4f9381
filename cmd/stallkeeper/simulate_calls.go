package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// call is one call that is ready to be made.
type call struct {
	// expected are the result codes that are good.
	expected []string
	make     func(context.Context, koogallerytest.Caller) (*koogallerytest.Exchange, error)
	// until, when set, repeats the call until it says yes to the answer's result code.
	until    func(resultCode string) bool
	interval time.Duration
	timeout  time.Duration
}

var onlySuccess = []string{koogallery.ResultSuccess}

// newCallCommand is a command that makes one call with the access key of the basic interfaces. prepare looks at the command's
// own flags, completes them and says what to call.
func newCallCommand(cmd *cobra.Command, prepare func(*callFlags) (call, error)) *cobra.Command {
	return newKeyedCallCommand(cmd, basicKey, prepare)
}

// newKeyedCallCommand is the same with another access key.
func newKeyedCallCommand(cmd *cobra.Command, kind keyKind, prepare func(*callFlags) (call, error)) *cobra.Command {
	var flags callFlags
	flags.register(cmd, kind)
	cmd.Args = noArguments
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := flags.check(); err != nil {
			return err
		}
		caller, err := flags.caller(koogallerytest.Options{Debug: flags.debug})
		if err != nil {
			return err
		}
		planned, err := prepare(&flags)
		if err != nil {
			return err
		}
		if len(flags.expect) > 0 {
			planned.expected = flags.expect
		}
		result := planned.run(cmd.Context(), caller)
		if err := result.print(cmd.OutOrStdout(), flags.output, flags.showSecrets); err != nil {
			return fmt.Errorf("printing the answer: %w", err)
		}
		if !result.good() {
			return errAnswer
		}
		return nil
	}
	return cmd
}

// run makes the call, again and again where that was asked for. A call that has begun is not cut short by the end of the
// waiting: its answer is what the person wants to see.
func (c call) run(ctx context.Context, caller koogallerytest.Caller) callResult {
	result := callResult{expected: c.expected, debug: caller.Options.Debug}
	waiting, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	for {
		result.exchange, result.err = c.make(ctx, caller)
		result.calls++
		if result.err != nil || c.until == nil || c.until(result.exchange.ResultCode) {
			return result
		}
		select {
		case <-waiting.Done():
			return result
		case <-time.After(c.interval):
		}
	}
}

func newPurchaseCommand() *cobra.Command {
	var order orderFlags
	cmd := &cobra.Command{
		Use:   "purchase",
		Short: "Announce a purchase (newInstance)",
		Long: `Announce a purchase (newInstance). The answer contains the instance id.

Without --debug this makes a sale. The order must be known to the open API that the endpoint asks: a real order, one of
KooGallery's mock orders such as MOCKPERIODYEARNEW, or one posted to "stallkeeper simulate openapi".`,
	}
	order.register(cmd, "order id (default with --debug: MOCKPERIODYEARNEW)")
	return newCallCommand(cmd, func(flags *callFlags) (call, error) {
		if err := order.complete(flags.debug, "MOCKPERIODYEARNEW"); err != nil {
			return call{}, err
		}
		expected := []string{koogallery.ResultSuccess, koogallery.ResultInProgress}
		if flags.debug {
			// The debug console has no patience: it takes nothing but success.
			expected = onlySuccess
		}
		return call{expected: expected, make: func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
			return caller.NewInstance(ctx, order.order, order.line)
		}}, nil
	})
}

func newQueryCommand() *cobra.Command {
	var (
		instances         []string
		wait              bool
		timeout, interval time.Duration
	)
	cmd := &cobra.Command{
		Use:   "query",
		Short: "Query the access data of instances (queryInstance)",
	}
	cmd.Flags().StringSliceVar(&instances, "instance", nil, "instance ids from the answers to the purchases, at most 100")
	cmd.Flags().BoolVar(&wait, "wait", false, "retry while the answer is 000004 (in progress)")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long --wait retries")
	cmd.Flags().DurationVar(&interval, "interval", time.Second, "how long --wait pauses between retries")
	return newCallCommand(cmd, func(flags *callFlags) (call, error) {
		if len(instances) == 0 && flags.debug {
			instances = []string{debugInstance}
		}
		if len(instances) == 0 {
			return call{}, usageError("--instance is required unless --debug is set")
		}
		if timeout <= 0 || interval <= 0 {
			return call{}, usageError("--timeout and --interval must be longer than 0")
		}
		query := call{
			expected: []string{koogallery.ResultSuccess, koogallery.ResultInProgress},
			make: func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
				return caller.QueryInstance(ctx, instances...)
			},
		}
		if flags.debug || wait {
			query.expected = onlySuccess
		}
		if wait {
			query.until = func(resultCode string) bool { return resultCode != koogallery.ResultInProgress }
			query.interval, query.timeout = interval, timeout
		}
		return query, nil
	})
}

// renewalOrders are the scenes of refreshInstance, with the mock order that fits each.
var renewalOrders = map[string]string{
	"RENEWAL":                    "MOCKMONTYRENEW",
	"TRIAL_TO_FORMAL":            "MOCKMONTYTRIALTOFORMAL",
	"UNSUBSCRIBE_RENEWAL_PERIOD": "MOCKMONTYUNSUBSCRIBE",
	"RENEWAL_CHANGE":             "MOCKMONTYRENEW",
}

func newRenewCommand() *cobra.Command {
	var (
		order                     orderFlags
		instance                  instanceFlag
		scene, product, expiresAt string
	)
	cmd := &cobra.Command{
		Use:   "renew",
		Short: "Change the paid period (refreshInstance)",
	}
	order.register(cmd, "order that caused the change (default with --debug: the mock order of the scene)")
	instance.register(cmd)
	cmd.Flags().StringVar(&scene, "scene", "RENEWAL", "RENEWAL, TRIAL_TO_FORMAL, UNSUBSCRIBE_RENEWAL_PERIOD (a refunded renewal) or RENEWAL_CHANGE")
	cmd.Flags().StringVar(&product, "product-id", "", "new product id, if the billing period changes")
	cmd.Flags().StringVar(&expiresAt, "expires", "", newEndMeaning)
	return newCallCommand(cmd, func(flags *callFlags) (call, error) {
		mock, known := renewalOrders[scene]
		if !known {
			return call{}, usageError("--scene must be RENEWAL, TRIAL_TO_FORMAL, UNSUBSCRIBE_RENEWAL_PERIOD or RENEWAL_CHANGE, not %q", scene)
		}
		if err := order.complete(flags.debug, mock); err != nil {
			return call{}, err
		}
		if err := instance.complete(flags.debug); err != nil {
			return call{}, err
		}
		if expiresAt == "" && flags.debug {
			expiresAt = "+8760h"
		}
		if expiresAt == "" {
			return call{}, usageError("--expires is required unless --debug is set")
		}
		expiry, err := parseTime("expires", expiresAt, time.Now())
		if err != nil {
			return call{}, err
		}
		return call{expected: onlySuccess, make: func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
			return caller.RefreshInstance(ctx, koogallerytest.RefreshOptions{
				Scene: scene, OrderID: order.order, OrderLineID: order.line, InstanceID: string(instance), ProductID: product, ExpireTime: expiry,
			})
		}}, nil
	})
}

func newUpgradeCommand() *cobra.Command {
	var (
		order    orderFlags
		instance instanceFlag
	)
	cmd := &cobra.Command{
		Use:   "upgrade",
		Short: "Announce a change order (upgradeInstance)",
		Long: `Announce a change order (upgradeInstance). The call has no content: the endpoint queries the open API for what was bought, so
the order must exist there, with the orderType CHANGE.`,
	}
	order.register(cmd, "order of the upgrade (default with --debug: MOCKMONTYCHANGE)")
	instance.register(cmd)
	return newCallCommand(cmd, func(flags *callFlags) (call, error) {
		if err := order.complete(flags.debug, "MOCKMONTYCHANGE"); err != nil {
			return call{}, err
		}
		if err := instance.complete(flags.debug); err != nil {
			return call{}, err
		}
		return call{expected: onlySuccess, make: func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
			return caller.UpgradeInstance(ctx, string(instance), order.order, order.line)
		}}, nil
	})
}

func newStatusCommand(use, status, short string) *cobra.Command {
	var instance instanceFlag
	cmd := &cobra.Command{Use: use, Short: short + " (updateInstanceStatus, " + status + ")"}
	instance.register(cmd)
	return newCallCommand(cmd, func(flags *callFlags) (call, error) {
		if err := instance.complete(flags.debug); err != nil {
			return call{}, err
		}
		return call{expected: onlySuccess, make: func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
			return caller.UpdateInstanceStatus(ctx, string(instance), status)
		}}, nil
	})
}

func newReleaseCommand() *cobra.Command {
	var (
		order    orderFlags
		instance instanceFlag
	)
	cmd := &cobra.Command{Use: "release", Short: "End a sale permanently (releaseInstance)"}
	order.register(cmd, "unsubscription order that caused the release, if any")
	instance.register(cmd)
	return newCallCommand(cmd, func(flags *callFlags) (call, error) {
		if err := order.complete(flags.debug, ""); err != nil {
			return call{}, err
		}
		if err := instance.complete(flags.debug); err != nil {
			return call{}, err
		}
		return call{expected: onlySuccess, make: func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
			return caller.ReleaseInstance(ctx, string(instance), order.order, order.line)
		}}, nil
	})
}

// maxQuantity is the highest value of a linear attribute: seven digits (protocol page 5.4).
const maxQuantity = 9999999

func newCheckCommand() *cobra.Command {
	var (
		instance instanceFlag
		target   koogallerytest.Product
		quantity int32
	)
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Ask whether an instance may be changed at its renewal (changeInstanceCheck)",
		Long: `Ask whether an instance may be changed at its renewal (changeInstanceCheck). 000000 means yes; with any other code
KooGallery refuses the buyer's change. Use --expect to try a refusal.`,
	}
	instance.register(cmd)
	cmd.Flags().StringVar(&target.ProductID, "product-id", "", "product id after the change")
	cmd.Flags().StringVar(&target.SKUCode, "sku-code", "", "specification code after the change")
	cmd.Flags().Int32Var(&quantity, "quantity", 0, "quantity after the change")
	return newCallCommand(cmd, func(flags *callFlags) (call, error) {
		if err := instance.complete(flags.debug); err != nil {
			return call{}, err
		}
		if cmd.Flags().Changed("quantity") {
			if quantity < 0 || quantity > maxQuantity {
				return call{}, usageError("--quantity must be from 0 to %d", maxQuantity)
			}
			target.LinearValue = &quantity
		}
		if target == (koogallerytest.Product{}) && flags.debug {
			target.SKUCode = "debug-sku"
		}
		if target == (koogallerytest.Product{}) {
			return call{}, usageError("no change is given: set --product-id, --sku-code or --quantity")
		}
		return call{expected: onlySuccess, make: func(ctx context.Context, caller koogallerytest.Caller) (*koogallerytest.Exchange, error) {
			return caller.ChangeInstanceCheck(ctx, string(instance), target)
		}}, nil
	})
}

// codeMeanings say what a result code means to KooGallery (protocol page 12.1).
var codeMeanings = map[string]string{
	koogallery.ResultSuccess:          "success",
	koogallery.ResultUnauthenticated:  "authentication failed",
	koogallery.ResultInvalidParameter: "illegal request parameter",
	koogallery.ResultUnknownInstance:  "the instance does not exist",
	koogallery.ResultInProgress:       "in progress",
	koogallery.ResultInternalError:    "internal error",
}

// withMeaning is a result code as people read it.
func withMeaning(code string) string {
	if meaning, known := codeMeanings[code]; known {
		return code + " (" + meaning + ")"
	}
	return code
}

// oneOf joins result codes as people read them.
func oneOf(codes []string) string {
	readable := make([]string, 0, len(codes))
	for _, code := range slices.Compact(slices.Sorted(slices.Values(codes))) {
		readable = append(readable, withMeaning(code))
	}
	return strings.Join(readable, " or ")
}
