package koogallery

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// Version is one generation of one family of KooGallery's calls (protocol page 1).
type Version string

// The versions.
const (
	// SaaSV2 is SaaS V2.0.
	SaaSV2 Version = "SaaSV2"
	// SaaSV1 is SaaS V1.0, whose token is over parameters that are joined unescaped: it fits others as well.
	SaaSV1 Version = "SaaSV1"
	// LicenseV2 is license codes 2.0.
	LicenseV2 Version = "LicenseV2"
	// LicenseV1 is License 1.0, signed as SaaSV1.
	LicenseV1 Version = "LicenseV1"
	// OnlineLicense is Online License.
	OnlineLicense Version = "OnlineLicense"
	// KitV2 is the joint-operations Kit.
	KitV2 Version = "KitV2"
	// KitV1 is the Kit's first generation, signed as SaaSV1; its token says nothing of the path, which names the activity.
	KitV1 Version = "KitV1"
	// OrderNotification is the notification of an order.
	OrderNotification Version = "OrderNotification"
)

// AllVersions are all of them.
func AllVersions() []Version {
	return []Version{SaaSV2, SaaSV1, LicenseV2, LicenseV1, OnlineLicense, KitV2, KitV1, OrderNotification}
}

// weakVersions are off unless they are asked for: somebody who captured one of their calls can make others of it, and make it for a
// day.
var weakVersions = []Version{SaaSV1, LicenseV1, KitV1}

// Option changes what NewCallbacks makes.
type Option func(*Callbacks)

// WithVersions says which versions are taken; calls of the others are refused, as malformed and with their version's name, once
// their signature holds. Without it all are but SaaSV1, LicenseV1 and KitV1.
func WithVersions(versions ...Version) Option {
	return func(c *Callbacks) { c.versions = slices.Clone(versions) }
}

// defaultVersions are those that nobody has to ask for.
func defaultVersions() []Version {
	return slices.DeleteFunc(AllVersions(), func(v Version) bool { return slices.Contains(weakVersions, v) })
}

// bodyVersions and queryVersions are the versions that have an activity, where they are not SaaSV2 and SaaSV1 alone.
var (
	bodyVersions = map[string][]Version{
		ActivityNewInstance:          {SaaSV2, OnlineLicense},
		ActivityRefreshInstance:      {SaaSV2, OnlineLicense},
		ActivityUpdateInstanceStatus: {SaaSV2, OnlineLicense},
		ActivityReleaseInstance:      {SaaSV2, OnlineLicense},

		ActivityRefreshLicenseCode:      {LicenseV2},
		ActivityUpdateLicenseCodeStatus: {LicenseV2},
		ActivityReleaseLicenseCode:      {LicenseV2},
		ActivityGetLicenseAsync:         {OnlineLicense},
		ActivityOrderNotify:             {OrderNotification},
	}
	queryVersions = map[string][]Version{
		ActivityGetLicense:     {LicenseV1},
		ActivityRefreshLicense: {LicenseV1},
		ActivityExpireLicense:  {LicenseV1},
		ActivityReleaseLicense: {LicenseV1},
	}
)

// checkVersion refuses a verified call of which no version is taken.
func (c *Callbacks) checkVersion(of map[string][]Version, activity string, otherwise Version) error {
	versions, ok := of[activity]
	if !ok {
		versions = []Version{otherwise}
	}
	for _, version := range versions {
		if slices.Contains(c.versions, version) {
			return nil
		}
	}
	names := make([]string, len(versions))
	for i, version := range versions {
		names[i] = string(version)
	}
	return fmt.Errorf("%w: this Marketplace does not accept calls of %s: to accept them, add it to the versions that the Marketplace lists",
		marketplace.ErrMalformed, strings.Join(names, " or "))
}
