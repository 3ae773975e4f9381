package build

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/stallkeeper/stallkeeper/hack/controlplane/lock"
)

// stampFile lies beside the binaries: name → stamp of what it was built from, as JSON.
const stampFile = "built.json"

// All builds into the folder bin every binary that is missing there or was built from something else, with a line of
// progress each, and one line if there is nothing to do. With realNode the programs of a real node are among them. It runs go
// in the current folder, which must be this module's.
func All(ctx context.Context, pins Pins, bin string, realNode bool, out io.Writer) error {
	release, err := lock.Dir(ctx, bin)
	if err != nil {
		return err
	}
	defer release()

	stamps := readStamps(bin)
	built := 0
	wanted := slices.Clone(binaries)
	if realNode {
		wanted = append(wanted, nodeBinaries...)
		// Our own and small: asking go whether it has changed takes as long as building it.
		if err := one(ctx, pins, "./pause", filepath.Join(bin, "pause")); err != nil {
			return fmt.Errorf("building the pause image's program: %w", err)
		}
	}
	for _, binary := range wanted {
		stamp := pins.stamp(binary.pkg)
		if stamps[binary.name] == stamp && exists(filepath.Join(bin, binary.name)) {
			continue
		}
		began := time.Now()
		fmt.Fprintf(out, "Building %s %s … ", binary.name, pins.versions[binary.module])
		if err := one(ctx, pins, binary.pkg, filepath.Join(bin, binary.name)); err != nil {
			fmt.Fprintln(out, "failed")
			return fmt.Errorf("building %s: %w", binary.name, err)
		}
		fmt.Fprintf(out, "%.0f s\n", time.Since(began).Seconds())
		stamps[binary.name] = stamp
		// Written after each: an interrupted build goes on where it was.
		if err := writeStamps(bin, stamps); err != nil {
			return err
		}
		built++
	}
	if built == 0 {
		fmt.Fprintf(out, "Control plane %s is up to date in %s\n", pins.versions[kubernetes], bin)
	}
	return nil
}

// one builds a package and puts the binary in its place in one step.
func one(ctx context.Context, pins Pins, pkg, target string) error {
	unfinished := target + ".unfinished"
	defer os.Remove(unfinished)
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=readonly", "-trimpath", "-ldflags", pins.ldflags(), "-o", unfinished, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	// go is interrupted, not killed: it must have the time to end its compilers.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if output, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, bytes.TrimSpace(output))
	}
	return os.Rename(unfinished, target)
}

// readStamps takes a missing or damaged file as no stamps: everything is built again, which is always right.
func readStamps(bin string) map[string]string {
	stamps := map[string]string{}
	data, err := os.ReadFile(filepath.Join(bin, stampFile))
	if err != nil || json.Unmarshal(data, &stamps) != nil || stamps == nil {
		return map[string]string{}
	}
	return stamps
}

func writeStamps(bin string, stamps map[string]string) error {
	data, err := json.MarshalIndent(stamps, "", "  ")
	if err := errors.Join(err, os.WriteFile(filepath.Join(bin, stampFile), append(data, '\n'), 0o644)); err != nil {
		return fmt.Errorf("noting what was built: %w", err)
	}
	return nil
}

func exists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
