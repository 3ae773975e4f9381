package main

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/config"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// processFlags are the flags that every process of the operator has.
type processFlags struct {
	namespaces     []string
	metricsAddress string
	probeAddress   string
	logFormat      string
	logLevel       int
}

// add puts the flags on a command, with --kubeconfig, which may also be given as the variable KUBECONFIG.
func (f *processFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.namespaces, "namespaces", nil,
		"comma-separated namespaces that hold the Marketplaces, MarketplaceProducts and MarketplaceInstances (required)")
	flags.StringVar(&f.metricsAddress, "metrics-bind-address", ":8080", "address of the metrics endpoint; 0 disables it")
	flags.StringVar(&f.probeAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz; 0 disables them")
	flags.StringVar(&f.logFormat, "log-format", "json", "log format: json or text")
	flags.IntVar(&f.logLevel, "log-level", 0, "log verbosity from 0 to 7; 1 and above include work that changes nothing. Higher values count as 7, "+
		"because beyond it libraries log the contents of Secrets")
	goFlags := flag.NewFlagSet("", flag.ContinueOnError)
	config.RegisterFlags(goFlags)
	flags.AddGoFlagSet(goFlags)
}

// maxLogLevel is the highest verbosity that is logged. From 8 on client-go writes the bodies of requests and answers, Secrets among them.
const maxLogLevel = 7

// logger makes the process's logger on standard error, and sends the libraries' lines to it.
func (f *processFlags) logger() (logr.Logger, error) {
	log, err := f.loggerTo(os.Stderr)
	if err != nil {
		return logr.Logger{}, err
	}
	ctrl.SetLogger(log)
	klog.SetLogger(log)
	return log, nil
}

func (f *processFlags) loggerTo(out io.Writer) (logr.Logger, error) {
	if f.logLevel < 0 {
		return logr.Logger{}, fmt.Errorf("--log-level must be from 0 to %d, not %d", maxLogLevel, f.logLevel)
	}
	// logr's verbosities are slog's levels below Info, one by one.
	options := &slog.HandlerOptions{Level: slog.Level(-min(f.logLevel, maxLogLevel))}
	switch f.logFormat {
	case "json":
		return logr.FromSlogHandler(slog.NewJSONHandler(out, options)), nil
	case "text":
		return logr.FromSlogHandler(slog.NewTextHandler(out, options)), nil
	}
	return logr.Logger{}, fmt.Errorf("--log-format must be json or text, not %q", f.logFormat)
}

// salesNamespaces are the namespaces of the flag, each once.
func (f *processFlags) salesNamespaces() ([]string, error) {
	if len(f.namespaces) == 0 {
		return nil, fmt.Errorf("--namespaces is required: name the namespaces that hold the Marketplaces")
	}
	for _, name := range f.namespaces {
		if problems := validation.IsDNS1123Label(name); len(problems) > 0 {
			return nil, fmt.Errorf("--namespaces: %q is not a namespace: %s", name, problems[0])
		}
	}
	namespaces := slices.Clone(f.namespaces)
	slices.Sort(namespaces)
	return slices.Compact(namespaces), nil
}

// restConfig is how the API server is reached. Its client does not hold requests back: calls come in bursts and have to be
// answered within seconds, and the API server has limits of its own.
func restConfig() (*rest.Config, error) {
	found, err := config.GetConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the cluster: %w", err)
	}
	found.QPS = -1
	return found, nil
}

// newScheme knows Kubernetes' own kinds and ours.
func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	return scheme, v1alpha1.AddToScheme(scheme)
}

// inNamespaces limits a cache to namespaces, and to the kinds that were asked for before it starts.
func inNamespaces(namespaces []string) cache.Options {
	options := cache.Options{
		DefaultNamespaces: map[string]cache.Config{},
		DefaultTransform:  cache.TransformStripManagedFields(),
		// Else one careless read would list and watch every object of a kind, Secrets too.
		ReaderFailOnMissingInformer: true,
	}
	for _, namespace := range namespaces {
		options.DefaultNamespaces[namespace] = cache.Config{}
	}
	return options
}

// uncached makes reads of kinds that hold secrets, or much, go to the API server.
func uncached() client.Options {
	return client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}}}}
}
