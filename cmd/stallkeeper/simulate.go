package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// Exit codes of the simulate commands.
const (
	// exitAnswer: the answer breaks a rule, has another result code than expected, or there was none.
	exitAnswer = 1
	// exitUsage: a flag or an argument is wrong; nothing was sent.
	exitUsage = 2
)

// exitError is an error with the exit code that the process ends with.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string { return e.err.Error() }

func (e exitError) Unwrap() error { return e.err }

// ExitCode is what the process ends with.
func (e exitError) ExitCode() int { return e.code }

// usageError is an error of the person who typed the command.
func usageError(format string, args ...any) error {
	return exitError{exitUsage, fmt.Errorf(format, args...)}
}

// newSimulateCommand acts as KooGallery: its subcommands make its calls to a callback URL, or serve its open API.
func newSimulateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Act as KooGallery: call a callback URL, or serve the open API",
		Long: `Act as KooGallery, to try an endpoint before going live.

Each call is signed as KooGallery signs it (SaaS V2.0), and the answer is checked as its debug console does: status,
content type, result fields, lengths and Body-Sign. With --debug (testFlag 1) nothing is created or changed, and every
flag that names an order or an instance has a default:

  export ACCESS_KEY=...    # the access key of the basic interfaces
  stallkeeper simulate purchase --url https://shop.example.com/v1/sales/koogallery --debug

The exit code is 0 when the answer is good, 1 when it is not or when there is none, and 2 when a flag is wrong.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return exitError{exitUsage, err} })
	cmd.AddCommand(
		newPurchaseCommand(),
		newQueryCommand(),
		newRenewCommand(),
		newUpgradeCommand(),
		newStatusCommand("freeze", "FREEZE", "Stop an instance, as at expiry or for a violation"),
		newStatusCommand("unfreeze", "UNFREEZE", "Take a freeze back"),
		newReleaseCommand(),
		newCheckCommand(),
		newKitCommand(),
		newOpenAPICommand(),
	)
	return cmd
}

// noArguments refuses arguments, with a misspelt subcommand in mind.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasSubCommands() {
		return usageError("unknown command %q: see %s --help", args[0], cmd.CommandPath())
	}
	return usageError("unexpected argument %q: everything is given with flags, see %s --help", args[0], cmd.CommandPath())
}

// errAnswer is the end of a call whose answer was not good; what is wrong was printed before.
var errAnswer = exitError{exitAnswer, errors.New("the answer is not one that KooGallery would accept here")}
