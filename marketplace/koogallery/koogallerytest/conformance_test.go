package koogallerytest_test

import (
	"slices"
	"testing"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

func TestEveryCaseHasAName(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range (koogallerytest.Conformance{}).Cases() {
		name := string(c.Generation) + " " + c.Name()
		if seen[name] || c.Name() == "" || c.Rule() == "" || c.Section == "" || len(c.Types) == 0 {
			t.Errorf("%q is there twice or incomplete", name)
		}
		seen[name] = true
	}
}

// Protocol page 3.3, 5.12 and 7: what a product of each type has to implement.
func TestEveryProductTypeIsAskedForAllItNeeds(t *testing.T) {
	tests := map[string]struct {
		generation koogallerytest.Generation
		kind       koogallerytest.ProductType
		want       []string
	}{
		"V2 one-time": {koogallerytest.SaaSV2, koogallerytest.OneTime, []string{"newInstance", "queryInstance", "releaseInstance"}},
		"V2 yearly or monthly": {koogallerytest.SaaSV2, koogallerytest.Period, []string{
			"newInstance", "queryInstance", "refreshInstance", "updateInstanceStatus", "releaseInstance", "upgradeInstance",
			"changeInstanceCheck",
		}},
		"V2 pay-per-use": {koogallerytest.SaaSV2, koogallerytest.PayPerUse, []string{
			"newInstance", "queryInstance", "updateInstanceStatus", "releaseInstance",
		}},
		"V2 package": {koogallerytest.SaaSV2, koogallerytest.Package, []string{
			"newInstance", "queryInstance", "updateInstanceStatus", "releaseInstance",
		}},
		"V1 one-time": {koogallerytest.SaaSV1, koogallerytest.OneTime, []string{"newInstance", "releaseInstance"}},
		"V1 yearly or monthly": {koogallerytest.SaaSV1, koogallerytest.Period, []string{
			"newInstance", "refreshInstance", "expireInstance", "releaseInstance", "upgrade",
		}},
		"V1 pay-per-use": {koogallerytest.SaaSV1, koogallerytest.PayPerUse, []string{
			"newInstance", "instanceStatus", "releaseInstance", "queryInstance",
		}},
		"V1 package": {koogallerytest.SaaSV1, koogallerytest.Package, []string{
			"newInstance", "instanceStatus", "releaseInstance", "queryInstance",
		}},
		"license code": {koogallerytest.LicenseCode2, koogallerytest.Period, []string{
			"refreshLicenseCode", "updateLicenseCodeStatus", "releaseLicenseCode",
		}},
		"Online License": {koogallerytest.OnlineLicense, koogallerytest.Period, []string{
			"newInstance", "refreshInstance", "updateInstanceStatus", "releaseInstance", "getLicenseAsync",
		}},
		"License 1.0":          {koogallerytest.License1, koogallerytest.OneTime, []string{"getLicense", "releaseLicense"}},
		"License 1.0, monthly": {koogallerytest.License1, koogallerytest.Period, []string{"getLicense", "refreshLicense", "expireLicense", "releaseLicense"}},
		"the Kit's V2":         {koogallerytest.KitV2, koogallerytest.Period, []string{"tenantSync", "applicationSync", "authSync", "singleOrgSync", "allOrgSync"}},
		"the Kit's V1":         {koogallerytest.KitV1, koogallerytest.Period, []string{"tenantSync", "applicationSync", "authSync", "singleOrgSync", "allOrgSync"}},
		"order notification":   {koogallerytest.OrderNotification, koogallerytest.OneTime, []string{"orderNotify"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			chosen := koogallerytest.Conformance{
				Generations: []koogallerytest.Generation{tc.generation}, Types: []koogallerytest.ProductType{tc.kind},
			}.Cases()
			for _, activity := range tc.want {
				if !slices.ContainsFunc(chosen, func(c koogallerytest.Case) bool { return c.Activity == activity }) {
					t.Errorf("no case of %s", activity)
				}
			}
		})
	}
}
