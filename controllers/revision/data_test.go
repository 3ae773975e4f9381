package revision

import (
	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/template"
)

// dataOf is a product's revision as it is cut on day 0.
func dataOf(p *v1alpha1.MarketplaceProduct, chart []byte) Data {
	return Data{
		Content: ContentOf(p, Material{Chart: chart}), CutAt: salestest.Day(0),
		Capabilities: template.Capabilities{KubeVersion: "v1.37.2", APIVersions: []string{"v1", "apps/v1"}},
	}
}
