package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// errConformance is the end of a run in which not every case was good; which ones was printed before.
var errConformance = exitError{exitAnswer, errors.New("KooGallery would not accept all answers")}

// conformanceFlags say which cases are played, and with which keys.
type conformanceFlags struct {
	connectionFlags
	license, notify, kit keyFlags
	kitPublicKeyFile     string
	generations, types   []string
}

func (f *conformanceFlags) register(cmd *cobra.Command) {
	f.connectionFlags.register(cmd, basicKey)
	f.license.kind, f.notify.kind, f.kit.kind = licenseKey, notifyKey, kitKey
	f.license.register(cmd, "license-")
	f.notify.register(cmd, "notify-")
	f.kit.register(cmd, "kit-")
	flags := cmd.Flags()
	flags.StringVar(&f.kitPublicKeyFile, "kit-public-key-file", "",
		"PEM file with the public key for kitPrivateKey; without it, applicationSync is run as a deletion")
	flags.StringSliceVar(&f.generations, "generation", nil,
		"run only the cases of these generations: "+joined(koogallerytest.Generations()))
	flags.StringSliceVar(&f.types, "product-type", nil,
		"run only the cases that products of these types need: "+joined(koogallerytest.ProductTypes()))
}

// plan is the run that the flags describe.
func (f *conformanceFlags) plan() (run koogallerytest.Conformance, err error) {
	if run.Caller, err = f.caller(koogallerytest.Options{}); err != nil {
		return run, err
	}
	for _, key := range []struct {
		into *string
		from *keyFlags
	}{{&run.LicenseKey, &f.license}, {&run.NotifyKey, &f.notify}, {&run.KitKey, &f.kit}} {
		if *key.into, err = key.from.optional(); err != nil {
			return run, err
		}
	}
	if f.kitPublicKeyFile != "" {
		if run.KitPublicKey, err = readPublicKey("kit-public-key-file", f.kitPublicKeyFile); err != nil {
			return run, err
		}
	}
	if run.Generations, err = choices("generation", f.generations, koogallerytest.Generations()); err != nil {
		return run, err
	}
	run.Types, err = choices("product-type", f.types, koogallerytest.ProductTypes())
	return run, err
}

// newConformanceCommand plays all debug cases. clock gives the time of the calls; nil means the real one.
func newConformanceCommand(clock func() time.Time) *cobra.Command {
	var flags conformanceFlags
	cmd := &cobra.Command{
		Use:   "conformance",
		Short: "Run every debug case of KooGallery, and calls that must be refused",
		Long: `Run every debug case that KooGallery runs from its console, and repeats every morning and afternoon while a product is on
sale, and calls that a correct server refuses. Every call that can be decoded carries testFlag 1, so nothing is created or
changed.

A case is good if all its answers follow the rules: HTTP status 200, JSON, the fields and their lengths, Body-Sign, within
5 s, and the code 000000, or a refusal where one is due. Cases marked with * are not stated in KooGallery's documentation, but
inferred from it.

A kind of interface without a key of its own is called with the access key of the basic interfaces. The cases of the
joint-operations Kit are skipped without its key, unless --generation names them.

The exit code is 0 if every case is good, 1 if one is not, and 2 if a flag is invalid.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			run, err := flags.plan()
			if err != nil {
				return err
			}
			run.Caller.Clock = clock
			report := newConformanceReport(run.Caller.URL, run.Run(cmd.Context()))
			if err := report.print(cmd.OutOrStdout(), flags.output); err != nil {
				return fmt.Errorf("printing the verdicts: %w", err)
			}
			if !report.OK {
				return errConformance
			}
			return nil
		},
	}
	flags.register(cmd)
	return cmd
}

// choices are the values of a flag that chooses among known ones.
func choices[T ~string](flag string, given []string, known []T) ([]T, error) {
	var chosen []T
	for _, value := range given {
		if !slices.Contains(known, T(value)) {
			return nil, usageError("--%s: %q must be one of %s", flag, value, joined(known))
		}
		chosen = append(chosen, T(value))
	}
	return chosen, nil
}

func joined[T ~string](values []T) string {
	var texts []string
	for _, value := range values {
		texts = append(texts, string(value))
	}
	return strings.Join(texts, ", ")
}

// unfitFor says why KooGallery would not call a URL (protocol page 2); empty when it would.
func unfitFor(address string) string {
	target, err := url.Parse(address)
	switch {
	case err != nil:
		return ""
	case target.Scheme != "https":
		return "KooGallery calls https only"
	case net.ParseIP(target.Hostname()) != nil:
		return "KooGallery wants a domain name, not an IP address"
	}
	return ""
}
