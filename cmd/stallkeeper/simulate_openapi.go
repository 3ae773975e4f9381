package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// ordersPath takes the orders that the fake open API shall know, licensesPath the license codes.
const (
	ordersPath   = "/orders"
	licensesPath = "/licenses"
)

// resultCode is a code of a refused push.
var resultCode = regexp.MustCompile(`^MKT\.[0-9]{4}$`)

// newOpenAPICommand serves a fake of KooGallery's open API until it is ended.
func newOpenAPICommand() *cobra.Command {
	var (
		address string
		pair    certificateFiles
		refused map[string]string
		options = koogallerytest.OpenAPIOptions{OrdersPath: ordersPath}
	)
	cmd := &cobra.Command{
		Use:   "openapi",
		Short: "Serve a fake of KooGallery's open API: orders, licenses, and pushes of usage",
		Long: `Serve a fake of KooGallery's open API, until interrupted. It answers the order query for KooGallery's mock orders and for
orders that are posted to /orders as JSON in the form of the query's orderInfo, and checks the AK/SK signature. It takes pushes
of usage by both interfaces as KooGallery documents them; with $ACCESS_KEY it also checks the signature over their body. What
was accepted is at /usage, and every push with its answer at /usage/pushes; "simulate usage" shows them.

License codes are minted by posting them to /licenses as JSON, and can then be activated and asked about:

    curl -d '{"code":"PLDEMO01","productID":"P1","orderID":"CS1","amount":3,"expiresAt":"2030-01-31T00:00:00Z"}' .../licenses

Posted again, only what is posted changes: {"code":"PLDEMO01","status":"RELEASED"}; the states are ALIVE, EXPIRED and RELEASED,
and "uncollected":true is a code that the buyer has not collected. GET /licenses shows all of them, GET /uploads the licenses that
were delivered. A line is printed for each call.

Set spec.openAPIURL of a Marketplace to the address that is printed. Anyone who reaches it can post orders and codes: keep it on
127.0.0.1, or in a cluster for tests. There it needs a certificate, since the controller speaks plain HTTP with 127.0.0.1 only,
and the chart's controller.trustedCAConfigMap.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options.AK = orEnvironment(options.AK, "AK")
			options.SK = orEnvironment(options.SK, "SK")
			if options.AK == "" || options.SK == "" {
				return usageError("credentials are required: set $AK and $SK to the values in the Marketplace's open API Secret")
			}
			if (pair.certificate == "") != (pair.privateKey == "") {
				return usageError("--tls-cert-file and --tls-private-key-file must be set together")
			}
			options.AccessKey = orEnvironment(options.AccessKey, envAccessKey)
			api := koogallerytest.NewOpenAPI(options)
			for instance, code := range refused {
				if !resultCode.MatchString(code) {
					return usageError("--refuse-usage: %q is not a KooGallery error code such as MKT.9001", code)
				}
				api.RefuseUsage(instance, code)
			}
			return serveFake(cmd.Context(), address, pair, api, cmd.OutOrStdout(), openAPIReady)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&address, "bind-address", "127.0.0.1:8480", "address to serve on; port 0 picks a free port")
	flags.StringVar(&pair.certificate, "tls-cert-file", "", "PEM file with the TLS certificate; if empty, plain HTTP is served")
	flags.StringVar(&pair.privateKey, "tls-private-key-file", "", "PEM file with its private key")
	flags.StringVar(&options.AK, "ak", "", "access key id that must sign the calls (default $AK)")
	flags.StringVar(&options.SK, "sk", "", "secret access key that must sign the calls; prefer $SK, which other users of this machine can't see")
	flags.StringVar(&options.AccessKey, "access-key", "",
		"access key of the basic interfaces, which must sign the body of usage (default $"+envAccessKey+"); without it"+
			" every push by the new interface is refused")
	flags.StringToStringVar(&refused, "refuse-usage", nil, "instances whose usage is refused, with the error code, such as s7fj=MKT.9001")
	flags.StringVar(&options.ProductID, "product-id", "", "product id that the mock orders sell")
	flags.StringVar(&options.SKUCode, "sku-code", "", "specification code that the mock orders sell")
	return cmd
}

func orEnvironment(value, variable string) string {
	if value != "" {
		return value
	}
	return os.Getenv(variable)
}

// certificateFiles are the paths of a certificate and its private key; both empty for plain HTTP.
type certificateFiles struct{ certificate, privateKey string }

// openAPIReady says how the fake open API is used that serves at base.
func openAPIReady(base string) string {
	return fmt.Sprintf("The fake open API is ready.\n  spec.openAPIURL of a Marketplace  %s\n  POST an order's orderInfo to      %s\n"+
		"  POST a license code to            %s\n  what was pushed                   stallkeeper simulate usage --url %s\n",
		base, base+ordersPath, base+licensesPath, base)
}

// serveFake serves until ctx ends, then lets calls in flight come to their end. ready is what is printed at the beginning.
func serveFake(ctx context.Context, address string, pair certificateFiles, fake http.Handler, out io.Writer, ready func(base string) string) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return usageError("serving on --bind-address: %w", err)
	}
	scheme := "http"
	if pair.certificate != "" {
		scheme = "https"
	}
	base := scheme + "://" + listener.Addr().String()
	fmt.Fprint(out, ready(base))
	server := &http.Server{Handler: logged(out, fake), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second}
	ended := make(chan error, 1)
	go func() {
		if pair.certificate == "" {
			ended <- server.Serve(listener)
			return
		}
		ended <- server.ServeTLS(listener, pair.certificate, pair.privateKey)
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(shutdown); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("ending: %w", err)
	}
	return nil
}

// logged writes a line for each call: without the query, and without what was posted.
func logged(out io.Writer, handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		handler.ServeHTTP(recorder, r)
		fmt.Fprintf(out, "%s %s answered with %d\n", printable(r.Method), printable(r.URL.Path), recorder.status)
	})
}

// statusRecorder remembers the status of an answer.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}
