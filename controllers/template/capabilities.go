package template

import (
	"fmt"
	"slices"

	"helm.sh/helm/v4/pkg/chart/common"
)

// helmVersion is .Capabilities.HelmVersion.Version: constant, so that an update of the library is no change of output.
const helmVersion = "v4.3.1"

// Capabilities is what templates see as .Capabilities: the cluster as the revision recorded it.
type Capabilities struct {
	// KubeVersion is the version of Kubernetes, such as "v1.37.2". Required.
	KubeVersion string
	// APIVersions are group versions and kinds in them: "apps/v1", "apps/v1/Deployment".
	APIVersions []string
}

// capabilities has the fields and methods of Helm's type. Helm gives templates a pointer, and a template that prints or
// hashes all it sees would find another address at every pass.
type capabilities struct {
	KubeVersion kubeVersion
	APIVersions common.VersionSet
	HelmVersion struct{ Version, GitCommit, GitTreeState, GoVersion, KubeClientVersion string }
}

type kubeVersion struct {
	Version, Major, Minor string
	normalized            string
}

// String is the version without a vendor's suffix.
func (v kubeVersion) String() string { return v.normalized }

// GitVersion is what older charts call Version.
func (v kubeVersion) GitVersion() string { return v.Version }

// seen are the capabilities as templates see them.
func (c Capabilities) seen() (capabilities, error) {
	v, err := common.ParseKubeVersion(c.KubeVersion)
	if err != nil {
		return capabilities{}, fmt.Errorf("rendering needs the version of Kubernetes, such as v1.37.2, and not %q", c.KubeVersion)
	}
	out := capabilities{
		KubeVersion: kubeVersion{Version: v.Version, Major: v.Major, Minor: v.Minor, normalized: v.String()},
		APIVersions: slices.Clone(c.APIVersions),
	}
	out.HelmVersion.Version = helmVersion
	return out, nil
}
