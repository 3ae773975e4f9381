// Command stallkeeper is the operator's only binary. Its subcommands are the operator's processes and tools, each in its own file.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	ctrl "sigs.k8s.io/controller-runtime"
)

func main() {
	err := newRootCommand().ExecuteContext(ctrl.SetupSignalHandler())
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(exitCode(err))
	}
}

// exitCode is 1, but for an error that says otherwise.
func exitCode(err error) int {
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		return coded.ExitCode()
	}
	return 1
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "stallkeeper",
		Short: "Run software sold on cloud marketplaces, with one isolated tenant per sale",
		// main prints errors; how to use the command does not help with a cluster that can't be reached.
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(
		newControllerCommand(),
		newWebhookCommand(),
		newLoginCommand(),
		newSimulateCommand(),
		newRenderWorkerCommand(),
		newVersionCommand(),
	)
	return root
}
