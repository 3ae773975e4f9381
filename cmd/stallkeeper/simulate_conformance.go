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
var errConformance = exitError{exitAnswer, errors.New("KooGallery would not accept every answer")}

// newConformanceCommand plays all debug cases. clock gives the time of the calls; nil means the real one.
func newConformanceCommand(clock func() time.Time) *cobra.Command {
	var (
		flags              connectionFlags
		license, notify    = keyFlags{kind: licenseKey}, keyFlags{kind: notifyKey}
		generations, types []string
	)
	cmd := &cobra.Command{
		Use:   "conformance",
		Short: "Play every debug case that KooGallery plays, and calls that have to be refused",
		Long: `Play every debug case that KooGallery plays from its console, and again every morning and afternoon while a product is on
sale, and calls that a correct server refuses. Every call that can be understood carries testFlag 1, so nothing is created or
changed.

A case is good when every answer of it follows the rules: HTTP status 200, JSON, the fields and their lengths, Body-Sign, within
5 s, and the code 000000, or a refusal where one is due. Cases marked with * rest on what we conclude, because no page of
KooGallery says it. The joint-operations Kit has no cases yet.

Without a key of its own, a kind of interface is called with the access key of the basic interfaces.

The exit code is 0 when every case is good, 1 when one is not, and 2 when a flag is wrong.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			caller, err := flags.caller(koogallerytest.Options{})
			if err != nil {
				return err
			}
			run := koogallerytest.Conformance{Caller: caller}
			run.Caller.Clock = clock
			if run.LicenseKey, err = license.optional(); err != nil {
				return err
			}
			if run.NotifyKey, err = notify.optional(); err != nil {
				return err
			}
			if run.Generations, err = choices("generation", generations, koogallerytest.Generations()); err != nil {
				return err
			}
			if run.Types, err = choices("product-type", types, koogallerytest.ProductTypes()); err != nil {
				return err
			}
			report := newConformanceReport(caller.URL, run.Run(cmd.Context()))
			if err := report.print(cmd.OutOrStdout(), flags.output); err != nil {
				return fmt.Errorf("printing the verdicts: %w", err)
			}
			if !report.OK {
				return errConformance
			}
			return nil
		},
	}
	flags.register(cmd, basicKey)
	license.register(cmd, "license-")
	notify.register(cmd, "notify-")
	cmd.Flags().StringSliceVar(&generations, "generation", nil,
		"play the cases of these only: "+joined(koogallerytest.Generations()))
	cmd.Flags().StringSliceVar(&types, "product-type", nil,
		"play only what products of these types need: "+joined(koogallerytest.ProductTypes()))
	return cmd
}

// choices are the values of a flag that chooses among known ones.
func choices[T ~string](flag string, given []string, known []T) ([]T, error) {
	var chosen []T
	for _, value := range given {
		if !slices.Contains(known, T(value)) {
			return nil, usageError("--%s: %q is none of %s", flag, value, joined(known))
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
