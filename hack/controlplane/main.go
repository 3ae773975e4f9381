package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/stallkeeper/stallkeeper/hack/controlplane/binder"
	"github.com/stallkeeper/stallkeeper/hack/controlplane/build"
	"github.com/stallkeeper/stallkeeper/hack/controlplane/cluster"
)

//go:embed go.mod
var goMod []byte

//go:embed go.sum
var goSum []byte

func main() {
	// SIGHUP too: a closed terminal in the middle of up must not leave half a cluster behind.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := newCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		os.Exit(1)
	}
}

// newCommand is the command line.
func newCommand() *cobra.Command {
	var bin, dir string
	root := &cobra.Command{
		Use:               "controlplane",
		Short:             "Builds a real Kubernetes control plane and runs it on 127.0.0.1, for tests and demos",
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRunE: func(*cobra.Command, []string) error { return absolute(&bin, &dir) },
	}
	root.PersistentFlags().StringVar(&bin, "bin", "../../bin/controlplane", "folder of the built binaries")
	root.PersistentFlags().StringVar(&dir, "dir", "../../bin/cluster", "folder of the cluster: kubeconfig, logs, certificates, data; one per cluster")

	simple := func(use, short string, run func(context.Context, cluster.Cluster) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), cluster.Cluster{Bin: bin, Dir: dir, Out: cmd.OutOrStdout()})
		}}
	}
	root.AddCommand(
		&cobra.Command{Use: "build", Short: "Build the binaries that are missing or of another version", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return buildAll(cmd, bin) }},
		newUpCommand(&bin, &dir),
		simple("down", "End the cluster's processes and remove its data", func(ctx context.Context, c cluster.Cluster) error { return c.Down(ctx) }),
		simple("status", "Show the cluster's processes; fails when it is not ready", func(ctx context.Context, c cluster.Cluster) error { return c.Status(ctx) }),
		simple("stop-apiserver", "End the API server only", func(ctx context.Context, c cluster.Cluster) error { return c.StopAPIServer(ctx) }),
		simple("start-apiserver", "Start it again, on the same port and data", func(ctx context.Context, c cluster.Cluster) error { return c.StartAPIServer(ctx) }),
		newBinderCommand(),
	)
	return root
}

// newUpCommand builds what is missing and starts the cluster.
func newUpCommand(bin, dir *string) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a cluster in the background (building what is missing); says so if it runs already",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := buildAll(cmd, *bin); err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("finding this program, which is also the volume binder: %w", err)
			}
			ctx, cancel := context.WithTimeoutCause(cmd.Context(), timeout, fmt.Errorf("not ready after %s", timeout))
			defer cancel()
			return cluster.Cluster{Bin: *bin, Dir: *dir, Self: self, Out: cmd.OutOrStdout()}.Up(ctx)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 3*time.Minute, "how long to wait until the cluster is ready; the build does not count")
	return cmd
}

// newBinderCommand is the volume binder's process; up starts it.
func newBinderCommand() *cobra.Command {
	var kubeconfig, volumes string
	cmd := &cobra.Command{
		Use:    cluster.BinderCommand,
		Short:  "Give claims of class " + binder.Class + " their volumes, until ended",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return binder.Run(cmd.Context(), kubeconfig, volumes, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&kubeconfig, "kubeconfig", "", "how to reach the API server")
	cmd.Flags().StringVar(&volumes, "volumes", "", "folder below which volumes have their paths")
	return cmd
}

// buildAll builds into bin what is missing there.
func buildAll(cmd *cobra.Command, bin string) error {
	pins, err := build.ParsePins(goMod, goSum)
	if err != nil {
		return err
	}
	return build.All(cmd.Context(), pins, bin, cmd.OutOrStdout())
}

// absolute makes paths independent of the folder that a process happens to run in.
func absolute(paths ...*string) error {
	for _, path := range paths {
		abs, err := filepath.Abs(*path)
		if err != nil {
			return fmt.Errorf("resolving %s: %w", *path, err)
		}
		*path = abs
	}
	return nil
}
