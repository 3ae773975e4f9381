package main

import (
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"github.com/stallkeeper/stallkeeper/controllers/render"
)

// renderWorkerName is the command by which the binary runs itself as a worker.
const renderWorkerName = "render-worker"

// newRenderWorkerCommand is the worker's side of controllers/render. People have no use for it.
func newRenderWorkerCommand() *cobra.Command {
	var limits render.Limits
	cmd := &cobra.Command{
		Use:    renderWorkerName,
		Short:  "Render templates on behalf of the controller, which starts this process",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return render.Serve(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), limits)
		},
	}
	cmd.Flags().DurationVar(&limits.Time, "time", 10*time.Second, "time limit for one rendering")
	cmd.Flags().Int64Var(&limits.Memory, "memory", 512<<20, "memory limit of the process, in bytes")
	cmd.Flags().Int64Var(&limits.Stack, "stack", 64<<20, "stack limit, in bytes")
	return cmd
}

const (
	// renderWorkers is how many there are, also where there is one processor: a product whose templates take long never has all of them.
	renderWorkers = 2
	// renderWorkerMemory is what each may have of the controller's pod, to which the chart gives 1 GiB.
	renderWorkerMemory = 256 << 20
)

// newRenderPool renders in processes of this binary. They end with this one, because their input does.
func newRenderPool() (*render.Pool, error) {
	limits := render.Limits{Memory: renderWorkerMemory}
	command, err := renderWorker(limits)
	if err != nil {
		return nil, fmt.Errorf("finding the binary for the render workers: %w", err)
	}
	return render.NewPool(command, renderWorkers, limits), nil
}

// renderWorker is the process of a worker with the limits.
func renderWorker(limits render.Limits) (func() *exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return func() *exec.Cmd { return exec.Command(self, append([]string{renderWorkerName}, limits.Args()...)...) }, nil
}
