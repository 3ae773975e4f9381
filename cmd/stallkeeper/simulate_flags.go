package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// Environment variables that stand in for flags. The demo writes the first three into bin/demo/env.
const (
	envURL       = "CALLBACK_URL"
	envAccessKey = "ACCESS_KEY"
	envCAFile    = "CA_FILE"

	envLicenseKey = "LICENSE_ACCESS_KEY"
	envNotifyKey  = "NOTIFY_ACCESS_KEY"
	envKitKey     = "KIT_ACCESS_KEY"
)

// keyKind is one of the access keys, of which KooGallery has one for each kind of interface.
type keyKind struct{ of, variable string }

var (
	basicKey   = keyKind{"the basic interfaces", envAccessKey}
	licenseKey = keyKind{"the license products", envLicenseKey}
	notifyKey  = keyKind{"order notifications", envNotifyKey}
	kitKey     = keyKind{"the joint-operations Kit", envKitKey}
)

// keyFlags name an access key, or the file that holds it.
type keyFlags struct {
	kind        keyKind
	value, file string
	prefix      string
}

// register makes the flags, with a prefix where a command has more than one key.
func (f *keyFlags) register(cmd *cobra.Command, prefix string) {
	f.prefix = prefix
	cmd.Flags().StringVar(&f.value, prefix+"access-key", "", fmt.Sprintf(
		"access key of %s; prefer $%s or a file, which other users of this machine can't see", f.kind.of, f.kind.variable))
	cmd.Flags().StringVar(&f.file, prefix+"access-key-file", "", "file with that key")
}

// optional is the key, empty when none was given. Errors never hold it.
func (f *keyFlags) optional() (string, error) {
	name := "--" + f.prefix + "access-key"
	switch {
	case f.value != "" && f.file != "":
		return "", usageError("%s and %s-file are mutually exclusive", name, name)
	case f.value != "":
		return f.value, nil
	case f.file == "":
		return os.Getenv(f.kind.variable), nil
	}
	content, err := os.ReadFile(f.file)
	if err != nil {
		return "", usageError("reading the access key: %w", err)
	}
	// Files made by an editor end in a line break that is no part of the key.
	if key := strings.TrimRight(string(content), "\r\n"); key != "" {
		return key, nil
	}
	return "", usageError("%s-file: %s is empty", name, f.file)
}

// required is the key. Who has one key only need not name it by its kind.
func (f *keyFlags) required() (string, error) {
	key, err := f.optional()
	if key == "" && err == nil {
		key = os.Getenv(envAccessKey)
	}
	if key == "" && err == nil {
		err = usageError("an access key is required: set $%s or --%saccess-key-file", f.kind.variable, f.prefix)
	}
	return key, err
}

// connectionFlags say whom to call, and how to print what is answered.
type connectionFlags struct {
	url, connectTo, caFile, output string
	key                            keyFlags
	skipVerify                     bool
	timeout                        time.Duration
}

func (f *connectionFlags) register(cmd *cobra.Command, kind keyKind) {
	flags := cmd.Flags()
	flags.StringVar(&f.url, "url", "", "callback URL, such as https://shop.example.com/v1/sales/koogallery (default $"+envURL+")")
	flags.StringVar(&f.connectTo, "connect-to", "",
		"host:port to connect to instead of the URL's, such as a Service inside the cluster; the certificate is checked for the URL's host")
	f.key.kind = kind
	f.key.register(cmd, "")
	flags.StringVar(&f.caFile, "ca-file", "",
		"PEM file with the CA certificates to trust instead of the system's (default $"+envCAFile+")")
	flags.BoolVar(&f.skipVerify, "insecure-skip-verify", false, "skip verification of the server's certificate; KooGallery does verify it")
	flags.StringVarP(&f.output, "output", "o", "text", "text or json")
	flags.DurationVar(&f.timeout, "request-timeout", 20*time.Second, "timeout of each call; KooGallery's are 5 to 20 s")
}

// caller is KooGallery as the flags describe it.
func (f *connectionFlags) caller(options koogallerytest.Options) (koogallerytest.Caller, error) {
	if f.output != "text" && f.output != "json" {
		return koogallerytest.Caller{}, usageError("--output must be text or json, not %q", f.output)
	}
	if f.timeout <= 0 {
		return koogallerytest.Caller{}, usageError("--request-timeout must be longer than 0")
	}
	if f.connectTo != "" {
		if _, _, err := net.SplitHostPort(f.connectTo); err != nil {
			return koogallerytest.Caller{}, usageError("--connect-to must be host:port, not %q", f.connectTo)
		}
	}
	address, err := f.address()
	if err != nil {
		return koogallerytest.Caller{}, err
	}
	key, err := f.key.required()
	if err != nil {
		return koogallerytest.Caller{}, err
	}
	config, err := f.tlsConfig()
	if err != nil {
		return koogallerytest.Caller{}, err
	}
	return koogallerytest.Caller{
		URL: address, Address: f.connectTo, AccessKey: key, TLS: config, Timeout: f.timeout, Options: options,
	}, nil
}

func (f *connectionFlags) address() (string, error) {
	address := f.url
	if address == "" {
		address = os.Getenv(envURL)
	}
	if address == "" {
		return "", usageError("--url is required: the callback URL, exactly as entered in the seller console")
	}
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" {
		return "", usageError("--url must begin with https:// (or http:// for a test)")
	}
	if parsed.User != nil || parsed.RawQuery != "" || parsed.Fragment != "" {
		return "", usageError("--url must have no user name, no query and no fragment: KooGallery adds the query itself")
	}
	return address, nil
}

// callFlags are the flags that every single call has.
type callFlags struct {
	connectionFlags
	debug, showSecrets bool
	expect             []string
}

func (f *callFlags) register(cmd *cobra.Command, kind keyKind) {
	f.connectionFlags.register(cmd, kind)
	flags := cmd.Flags()
	flags.BoolVar(&f.debug, "debug", false,
		"send testFlag 1, like the debug console and the daily probes: nothing is created or changed")
	flags.BoolVar(&f.showSecrets, "show-secrets", false, "print passwords and licenses unmasked")
	flags.StringSliceVar(&f.expect, "expect", nil, "result codes to accept instead of the default ones, such as 000003")
}

// check says what is wrong with the flags that no other function looks at.
func (f *callFlags) check() error {
	if f.debug && len(f.expect) > 0 {
		return usageError("--expect and --debug are mutually exclusive: the debug console accepts only 000000")
	}
	for _, code := range f.expect {
		if len(code) != 6 || strings.Trim(code, "0123456789") != "" {
			return usageError("--expect: %q is not a result code, which has six digits", code)
		}
	}
	return nil
}

// tlsConfig is nil when the system's authorities are trusted.
func (f *connectionFlags) tlsConfig() (*tls.Config, error) {
	if f.skipVerify {
		return &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}, nil //nolint:gosec // asked for by flag
	}
	file := f.caFile
	if file == "" {
		file = os.Getenv(envCAFile)
	}
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, usageError("reading --ca-file: %w", err)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(pem) {
		return nil, usageError("--ca-file: %s contains no PEM certificate", file)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authorities}, nil
}

// orderFlags name an order and its line.
type orderFlags struct{ order, line string }

func (f *orderFlags) register(cmd *cobra.Command, meaning string) {
	cmd.Flags().StringVar(&f.order, "order", "", meaning)
	cmd.Flags().StringVar(&f.line, "line", "", "order line (default <order>-000001)")
}

// complete fills in what was left out. standIn is the documented mock order that a debug call takes, or empty when the
// order may be missing.
func (f *orderFlags) complete(debug bool, standIn string) error {
	if f.order == "" && debug {
		f.order = standIn
	}
	switch {
	case f.order == "" && standIn != "":
		return usageError("--order is required unless --debug is set")
	case f.order == "" && f.line != "":
		return usageError("--line requires --order")
	case f.order != "" && f.line == "":
		f.line = f.order + "-000001"
	}
	return nil
}

// debugInstance stands in for an instance id in debug calls: KooGallery's probes name instances that never existed.
const debugInstance = "debug-instance"

// instanceFlag names an instance.
type instanceFlag string

func (f *instanceFlag) register(cmd *cobra.Command) {
	cmd.Flags().StringVar((*string)(f), "instance", "", "instance id from the answer to the purchase")
}

func (f *instanceFlag) complete(debug bool) error {
	if *f == "" && debug {
		*f = debugInstance
	}
	if *f == "" {
		return usageError("--instance is required unless --debug is set")
	}
	return nil
}

// newEndMeaning explains the flag of a renewal's date.
const newEndMeaning = "new end: a time such as 2027-01-31T23:59:59Z, or a duration from now such as +720h (default with --debug: +8760h)"

// parseTime reads the moment of a flag, or with a plus sign a length from now.
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	if length, isLength := strings.CutPrefix(text, "+"); isLength {
		duration, err := time.ParseDuration(length)
		if err != nil || duration < 0 {
			return time.Time{}, usageError("--%s: %q is not a duration such as +720h", flag, text)
		}
		return now.Add(duration), nil
	}
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, usageError("--%s: %q is neither a time such as 2027-01-31T23:59:59Z nor a duration such as +720h", flag, text)
	}
	return moment, nil
}
