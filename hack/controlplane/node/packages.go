package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// programs are what a node and an image build need, each with Debian's package that has it. A program that is there already,
// from wherever, is not installed.
var programs = []struct{ path, pkg string }{
	{"containerd", "containerd"},
	{"ctr", "containerd"},
	{"runc", "runc"},
	{"/usr/lib/cni/ptp", "containernetworking-plugins"},
	{"ip", "iproute2"},
	{"nft", "nftables"},
	{"conntrack", "conntrack"},
	{"nsenter", "util-linux"},
	{"mount", "mount"},
}

// EnsurePackages installs with apt what is missing, and says so before. It fails where that is not possible: no root, or no
// Debian.
func EnsurePackages(ctx context.Context, out io.Writer) error {
	if os.Geteuid() != 0 {
		return errors.New("a real node needs root: it makes namespaces and runs containers")
	}
	var missing []string
	for _, program := range programs {
		if _, err := exec.LookPath(program.path); err != nil && !slices.Contains(missing, program.pkg) {
			missing = append(missing, program.pkg)
		}
	}
	return Install(ctx, out, missing...)
}

// Install installs Debian packages; none is no work.
func Install(ctx context.Context, out io.Writer, packages ...string) error {
	if len(packages) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("these programs' packages have to be installed by hand, as this is no Debian: %s", strings.Join(packages, ", "))
	}
	fmt.Fprintf(out, "Installing Debian's packages %s\n", strings.Join(packages, ", "))
	for _, args := range [][]string{
		{"apt-get", "update", "-qq"},
		append([]string{"apt-get", "install", "-y", "-qq", "--no-install-recommends"}, packages...),
	} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		// policy-rc.d would be the way to keep services from being started; where there is no init, as in containers, none is.
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(output))
		}
	}
	return nil
}
