package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// newUsageCommand shows what was pushed to a fake open API, and what it thought of that.
func newUsageCommand() *cobra.Command {
	var (
		address, output string
		instance        string
	)
	cmd := &cobra.Command{
		Use:   "usage",
		Short: "Show the usage that was pushed to \"simulate openapi\", and its verdict",
		Long: `Show the usage that was pushed to "simulate openapi": each record with the answer that KooGallery's
documentation prescribes. A record that was pushed again with the same metering_sn is marked as a repeat; it is charged once.

The exit code is 1 when the last push of a record was refused.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return usageError("--output must be text or json, not %q", output)
			}
			base, err := url.Parse(address)
			if err != nil || base.Host == "" {
				return usageError("--url must be the address that \"simulate openapi\" printed, such as http://127.0.0.1:8480")
			}
			pushes, err := readPushes(cmd, base.JoinPath("/usage/pushes").String())
			if err != nil {
				return exitError{exitAnswer, err}
			}
			return printPushes(cmd.OutOrStdout(), pushes, instance, output)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&address, "url", "http://127.0.0.1:8480", "address of the fake open API")
	flags.StringVar(&instance, "instance", "", "show only the records of this instance")
	flags.StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func readPushes(cmd *cobra.Command, address string) ([]koogallerytest.UsagePush, error) {
	req, err := http.NewRequestWithContext(cmd.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("querying the fake open API: %w", err)
	}
	answer, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("querying the fake open API, which \"stallkeeper simulate openapi\" serves: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	var pushes []koogallerytest.UsagePush
	const most = 64 << 20
	if err := json.NewDecoder(io.LimitReader(answer.Body, most)).Decode(&pushes); err != nil || answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("querying the fake open API: the answer at %s is not a list of pushes (HTTP %d)", address, answer.StatusCode)
	}
	return pushes, nil
}

// verdicts say what the codes of a push mean (protocol page 12.6).
var verdicts = map[string]string{
	"MKT.0000": "accepted", "MKT.0100": "a value is wrong", "MKT.0101": "a parameter is wrong",
	"MKT.0102": "the signature over the body is wrong",
	"MKT.0150": "not an instance of this seller", "MKT.0199": "a parameter is missing or wrong", "MKT.9001": "no such instance",
	"MKT.9002": "not a metered item", "MKT.9003": "more than 1000 records", "MKT.9004": "started more than 21 days ago",
}

// printPushes prints each record with its verdict.
func printPushes(out io.Writer, pushes []koogallerytest.UsagePush, instance, output string) error {
	if output == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(pushes); err != nil {
			return fmt.Errorf("printing the pushes: %w", err)
		}
		return refusedLast(pushes, instance)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PUSHED\tINSTANCE\tBEGINS\tENDS\tVALUE\tMETERING SN\tVERDICT")
	for _, push := range pushes {
		at := push.At.Format("15:04:05")
		if len(push.Records) == 0 && instance == "" {
			fmt.Fprintf(table, "%s\t\t\t\t\t\t%s\n", at, verdict(push.Code))
		}
		for i, record := range push.Records {
			if instance != "" && record.InstanceID != instance {
				continue
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", at,
				printable(record.InstanceID), printable(record.BeginTime), printable(record.EndTime),
				printable(strings.Trim(string(record.UsageValue), `"`)), printable(record.MeteringSN), recordVerdict(push, i))
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("printing the pushes: %w", err)
	}
	return refusedLast(pushes, instance)
}

func verdict(code string) string {
	if meaning, ok := verdicts[code]; ok {
		return code + " " + meaning
	}
	return code
}

// recordVerdict is what became of one record: a push is refused as a whole, also for one that is good.
func recordVerdict(push koogallerytest.UsagePush, i int) string {
	if i >= len(push.Verdicts) {
		return verdict(push.Code)
	}
	text := verdict(push.Verdicts[i])
	switch {
	case push.Verdicts[i] == "MKT.0000" && push.Code != "MKT.0000":
		text = "good, but refused with the rest of its push: " + verdict(push.Code)
	case slices.Contains(push.Repeated, i):
		text += ", a repeat"
	}
	return text
}

// refusedLast is an error if the last push of some record was refused.
func refusedLast(pushes []koogallerytest.UsagePush, instance string) error {
	last := map[string]string{}
	for _, push := range pushes {
		for _, record := range push.Records {
			if instance == "" || record.InstanceID == instance {
				last[record.InstanceID+" "+record.BeginTime+" "+record.MeteringSN] = push.Code
			}
		}
	}
	refused := 0
	for _, code := range last {
		if code != "MKT.0000" {
			refused++
		}
	}
	if refused > 0 {
		return exitError{exitAnswer, errors.New("records were refused: " + fmt.Sprint(refused))}
	}
	return nil
}
