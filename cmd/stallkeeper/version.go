package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the linker: -X main.version=v1.2.3 -X main.commit=… -X main.date=….
var (
	version = "development"
	commit  = ""
	date    = ""
)

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this binary",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), versionText())
			return err
		},
	}
}

// versionText names version, commit and date, the latter two from the build information where the linker set none.
func versionText() string {
	commit, date := commit, date
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			switch {
			case setting.Key == "vcs.revision" && commit == "":
				commit = setting.Value
			case setting.Key == "vcs.time" && date == "":
				date = setting.Value
			}
		}
	}
	return fmt.Sprintf("stallkeeper %s (commit %s, built %s, %s)",
		version, orUnknown(commit), orUnknown(date), runtime.Version())
}

func orUnknown(text string) string {
	if text == "" {
		return "unknown"
	}
	return text
}
