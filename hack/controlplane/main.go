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
	"github.com/stallkeeper/stallkeeper/hack/controlplane/dns"
	"github.com/stallkeeper/stallkeeper/hack/controlplane/image"
	"github.com/stallkeeper/stallkeeper/hack/controlplane/node"
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

	named := func(use, short string, run func(context.Context, cluster.Cluster, string) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), cluster.Cluster{Bin: bin, Dir: dir, Out: cmd.OutOrStdout()}, args[0])
		}}
	}
	simple := func(use, short string, run func(context.Context, cluster.Cluster) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), cluster.Cluster{Bin: bin, Dir: dir, Out: cmd.OutOrStdout()})
		}}
	}
	root.AddCommand(
		newBuildCommand(&bin),
		newUpCommand(&bin, &dir),
		simple("down", "End the cluster's processes and remove its data", func(ctx context.Context, c cluster.Cluster) error { return c.Down(ctx) }),
		simple("status", "Show the cluster's processes; fails when it is not ready", func(ctx context.Context, c cluster.Cluster) error { return c.Status(ctx) }),
		simple("stop-apiserver", "End the API server only", func(ctx context.Context, c cluster.Cluster) error { return c.StopAPIServer(ctx) }),
		simple("start-apiserver", "Start it again, on the same port and data", func(ctx context.Context, c cluster.Cluster) error { return c.StartAPIServer(ctx) }),
		named("stop PROCESS", "End one process only, such as kubelet", func(ctx context.Context, c cluster.Cluster, name string) error { return c.Stop(ctx, name) }),
		named("start PROCESS", "Start it again, as it was", func(ctx context.Context, c cluster.Cluster, name string) error { return c.Start(ctx, name) }),
		newPackCommand(),
		newBinderCommand(),
		newDNSCommand(),
		hidden(simple(cluster.HoldCommand, "Keep a real node's namespaces, until ended",
			func(ctx context.Context, c cluster.Cluster) error { return c.HoldNode(ctx) })),
	)
	return root
}

// newUpCommand builds what is missing and starts the cluster.
func newUpCommand(bin, dir *string) *cobra.Command {
	var (
		timeout  time.Duration
		realNode bool
		images   []string
	)
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a cluster in the background (building what is missing); says so if it runs already",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if realNode {
				if err := node.EnsurePackages(cmd.Context(), cmd.OutOrStdout()); err != nil {
					return err
				}
			}
			for i := range images {
				if err := absolute(&images[i]); err != nil {
					return err
				}
			}
			if err := buildAll(cmd, *bin, realNode); err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("finding this program, which is also some of the processes: %w", err)
			}
			ctx, cancel := context.WithTimeoutCause(cmd.Context(), timeout, fmt.Errorf("not ready after %s", timeout))
			defer cancel()
			return cluster.Cluster{Bin: *bin, Dir: *dir, Self: self, Out: cmd.OutOrStdout(), RealNode: realNode, Images: images}.Up(ctx)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 3*time.Minute, "how long to wait until the cluster is ready; the build does not count")
	cmd.Flags().BoolVar(&realNode, "real-node", false,
		"run pods in containers of this machine, in namespaces of their own, instead of simulating them; needs Linux and root")
	cmd.Flags().StringSliceVar(&images, "image", nil, "archives of images that the real node's pods use")
	return cmd
}

// newBinderCommand is the volume binder's process; up starts it.
func newBinderCommand() *cobra.Command {
	var kubeconfig, volumes, nodeName string
	cmd := &cobra.Command{
		Use:    cluster.BinderCommand,
		Short:  "Give claims of class " + binder.Class + " their volumes, until ended",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return binder.Run(cmd.Context(), kubeconfig, volumes, nodeName, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&kubeconfig, "kubeconfig", "", "how to reach the API server")
	cmd.Flags().StringVar(&volumes, "volumes", "", "folder below which volumes have their paths")
	cmd.Flags().StringVar(&nodeName, "node", "", "real node that volumes are on")
	return cmd
}

// newBuildCommand only builds.
func newBuildCommand(bin *string) *cobra.Command {
	var realNode bool
	cmd := &cobra.Command{
		Use: "build", Short: "Build the binaries that are missing or of another version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return buildAll(cmd, *bin, realNode) },
	}
	cmd.Flags().BoolVar(&realNode, "real-node", false, "also those of a real node")
	return cmd
}

// newPackCommand makes an image archive of files of this machine.
func newPackCommand() *cobra.Command {
	var (
		packed image.Image
		output string
	)
	cmd := &cobra.Command{
		Use:   "pack-image",
		Short: "Pack static binaries of this machine into an image archive",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return packed.Write(output) },
	}
	cmd.Flags().StringVar(&packed.Name, "name", "", "the image's name with its tag")
	cmd.Flags().StringToStringVar(&packed.Files, "file", nil, "path in the image=path of a file here")
	cmd.Flags().StringToStringVar(&packed.Links, "link", nil, "path in the image=what the symbolic link says")
	cmd.Flags().StringSliceVar(&packed.Entrypoint, "entrypoint", nil, "the image's command")
	cmd.Flags().StringVar(&packed.User, "user", "", "user that containers run as")
	cmd.Flags().StringVarP(&output, "output", "o", "", "the archive")
	for _, needed := range []string{"name", "file", "output"} {
		_ = cmd.MarkFlagRequired(needed)
	}
	return cmd
}

// newDNSCommand is the DNS server's process; up starts it.
func newDNSCommand() *cobra.Command {
	var kubeconfig string
	cmd := &cobra.Command{
		Use: cluster.DNSCommand, Short: "Resolve the names of Services, until ended", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return dns.Run(cmd.Context(), kubeconfig, node.Address+":53", node.ClusterDomain, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&kubeconfig, "kubeconfig", "", "how to reach the API server")
	return cmd
}

// hidden is a command that people have no use for.
func hidden(cmd *cobra.Command) *cobra.Command {
	cmd.Hidden = true
	return cmd
}

// buildAll builds into bin what is missing there.
func buildAll(cmd *cobra.Command, bin string, realNode bool) error {
	pins, err := build.ParsePins(goMod, goSum)
	if err != nil {
		return err
	}
	return build.All(cmd.Context(), pins, bin, realNode, cmd.OutOrStdout())
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
