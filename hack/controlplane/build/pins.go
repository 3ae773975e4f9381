package build

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"runtime"
	"strings"
)

// The modules that the binaries come from.
const (
	kubernetes = "k8s.io/kubernetes"
	etcd       = "go.etcd.io/etcd/server/v3"
	kwok       = "sigs.k8s.io/kwok"
)

// binaries are built in this order; envtest looks for etcd, kube-apiserver and kubectl under these names.
var binaries = []struct{ name, module, pkg string }{
	{"etcd", etcd, etcd},
	{"kube-apiserver", kubernetes, kubernetes + "/cmd/kube-apiserver"},
	{"kube-controller-manager", kubernetes, kubernetes + "/cmd/kube-controller-manager"},
	{"kube-scheduler", kubernetes, kubernetes + "/cmd/kube-scheduler"},
	{"kubectl", kubernetes, kubernetes + "/cmd/kubectl"},
	{"kwok", kwok, kwok + "/cmd/kwok"},
}

// nodeBinaries are what a real node runs beside them.
var nodeBinaries = []struct{ name, module, pkg string }{
	{"kubelet", kubernetes, kubernetes + "/cmd/kubelet"},
	{"kube-proxy", kubernetes, kubernetes + "/cmd/kube-proxy"},
}

// Pins says what the binaries are built from.
type Pins struct {
	versions map[string]string // module path → version
	digest   string            // of go.mod and go.sum
}

// semver splits a release such as v1.37.2 into its major and minor number.
var semver = regexp.MustCompile(`^v(\d+)\.(\d+)\.`)

// ParsePins reads the versions of the control plane's modules from the contents of go.mod, and remembers which go.sum
// stands beside it. A module that is missing there is an error, as is a Kubernetes version that is not one.
func ParsePins(goMod, goSum []byte) (Pins, error) {
	sum := sha256.Sum256([]byte(string(goMod) + "\x00" + string(goSum)))
	pins := Pins{versions: map[string]string{}, digest: hex.EncodeToString(sum[:])}
	for line := range strings.Lines(string(goMod)) {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(fields) >= 2 && strings.HasPrefix(fields[1], "v") {
			pins.versions[fields[0]] = fields[1]
		}
	}
	for _, binary := range binaries {
		if pins.versions[binary.module] == "" {
			return Pins{}, fmt.Errorf("reading go.mod: it does not require %s, which %s is built from", binary.module, binary.name)
		}
	}
	if !semver.MatchString(pins.versions[kubernetes]) {
		return Pins{}, fmt.Errorf("reading go.mod: %q is not a version of %s", pins.versions[kubernetes], kubernetes)
	}
	return pins, nil
}

// ldflags strip symbols and set the version that the API server reports; without it, clients that compare versions
// (kubectl, Helm's kubeVersion) fail on v0.0.0-master.
func (p Pins) ldflags() string {
	version := p.versions[kubernetes]
	number := semver.FindStringSubmatch(version)
	const into = "-X k8s.io/component-base/version."
	return fmt.Sprintf("-s -w %sgitVersion=%s %sgitMajor=%s %sgitMinor=%s", into, version, into, number[1], into, number[2])
}

// stamp identifies everything that a package's binary is made from.
func (p Pins) stamp(pkg string) string {
	inputs := []string{p.digest, p.ldflags(), pkg, runtime.Version(), runtime.GOOS, runtime.GOARCH}
	sum := sha256.Sum256([]byte(strings.Join(inputs, "\x00")))
	return hex.EncodeToString(sum[:])
}
