package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
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

// simulateGroup is a group of simulate's commands in its help.
type simulateGroup struct {
	title    string
	commands []*cobra.Command
}

// simulateGroups are the commands by generation of the protocol.
func simulateGroups() []simulateGroup {
	return []simulateGroup{
		{"All generations:", []*cobra.Command{newConformanceCommand(nil)}},
		{"SaaS V2.0, and with the key of the license products Online License:", []*cobra.Command{
			newPurchaseCommand(),
			newQueryCommand(),
			newRenewCommand(),
			newUpgradeCommand(),
			newStatusCommand("freeze", koogallery.StatusFreeze, "Freeze an instance, for example at expiry or after a violation"),
			newStatusCommand("unfreeze", koogallery.StatusUnfreeze, "Lift a freeze"),
			newReleaseCommand(),
			newCheckCommand(),
			newLicenseRequestCommand(),
		}},
		{"SaaS V1.0:", []*cobra.Command{
			newV1PurchaseCommand(),
			newV1QueryCommand(),
			newV1RenewCommand(),
			newV1UpgradeCommand(),
			newV1EndCommand("v1-expire", "Expire an instance at the end of its paid period (expireInstance)", basicKey, koogallerytest.V1.ExpireInstance),
			newV1StatusCommand("v1-freeze", koogallery.StatusFreeze, "Freeze an instance that is billed by usage"),
			newV1StatusCommand("v1-unfreeze", koogallery.StatusNormal, "Lift that freeze"),
			newV1EndCommand("v1-release", "End a sale permanently (releaseInstance)", basicKey, koogallerytest.V1.ReleaseInstance),
		}},
		{"License codes 2.0:", []*cobra.Command{
			newCodeRenewCommand(),
			newCodeStatusCommand("code-freeze", koogallery.StatusFreeze, "Freeze a license code"),
			newCodeStatusCommand("code-unfreeze", koogallery.StatusUnfreeze, "Lift a freeze"),
			newCodeReleaseCommand(),
		}},
		{"License 1.0:", []*cobra.Command{
			newLicense1PurchaseCommand(),
			newV1EndCommand("license1-release", "End the sale of a license permanently (releaseLicense)", licenseKey, koogallerytest.V1.ReleaseLicense),
		}},
		{"Order notification:", []*cobra.Command{newNotifyCommand()}},
		{"Joint operations:", newKitCommands()},
		{"The other direction:", []*cobra.Command{newOpenAPICommand(), newUsageCommand(), newSignOnCommand()}},
	}
}

// newSimulateCommand acts as KooGallery: its subcommands make its calls to a callback URL, or serve its open API.
func newSimulateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Act as KooGallery: call a callback URL, or serve the open API or the sign-on",
		Long: `Act as KooGallery, to try an endpoint before going live.

Each call is signed as KooGallery signs it in that generation of its protocol, and the answer is checked as its debug console
does: status, content type, result fields, lengths and Body-Sign. "conformance" plays all debug cases, the other commands make
one call each. With --debug (testFlag 1) nothing is created or changed, and every flag that names an order, an instance or a
license has a default:

  export CALLBACK_URL=https://shop.example.com/v1/sales/koogallery
  export ACCESS_KEY=...    # the access key of the basic interfaces
  stallkeeper simulate conformance
  stallkeeper simulate purchase --debug

KooGallery has a key for each kind of interface: calls of license products take theirs from $LICENSE_ACCESS_KEY, order
notifications from $NOTIFY_ACCESS_KEY, the joint-operations Kit from $KIT_ACCESS_KEY, and all from $ACCESS_KEY where that is not
set.

The exit code is 0 if the answer is good, 1 if it is not or no answer arrives, and 2 if a flag is invalid.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return exitError{exitUsage, err} })
	for _, group := range simulateGroups() {
		cmd.AddGroup(&cobra.Group{ID: group.title, Title: group.title})
		for _, grouped := range group.commands {
			grouped.GroupID = group.title
			cmd.AddCommand(grouped)
		}
	}
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
	return usageError("unexpected argument %q: this command takes flags only, see %s --help", args[0], cmd.CommandPath())
}

// errAnswer is the end of a call whose answer was not good; what is wrong was printed before.
var errAnswer = exitError{exitAnswer, errors.New("KooGallery would not accept this answer here")}
