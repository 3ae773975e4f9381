package product

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// What keeps a sale from changing its plan is said before the first one tries. The plans can be sold all the same.
func TestWhatKeepsASaleFromChangingItsPlanIsNoted(t *testing.T) {
	byPlan := func(text, from string) string {
		return strings.ReplaceAll(text, from, strings.Replace(from, "web", "{{ .Values.stallkeeper.plan }}", 1))
	}
	sized := edit(t, database, "storage: 1Gi", "storage: {{ .Values.storage }}")
	claim := one("v1", "PersistentVolumeClaim", "spec: {storageClassName: {{ .Values.class }}, accessModes: [ReadWriteOnce], resources: {requests: {storage: {{ .Values.storage }}}}}")
	for name, tc := range map[string]struct {
		text         string
		small, large string
		ranks        bool
		want         string
	}{
		"plans of one shape":             {salestest.Web + salestest.Settings, `{}`, `{}`, true, ""},
		"a selector of the plan's":       {byPlan(salestest.Web, "app: web"), `{}`, `{}`, false, `between the plans "small" and "large": Deployment/web has another spec.selector`},
		"a label of the plan's":          {edit(t, salestest.Web, "{labels: {app: web}}", "{labels: {app: web, plan: {{ .Values.stallkeeper.plan }}}}"), `{}`, `{}`, true, ""},
		"a larger claim":                 {sized, `{"storage": "1Gi"}`, `{"storage": "9Gi"}`, true, ""},
		"the same size in other words":   {sized, `{"storage": "1Gi"}`, `{"storage": "1024Mi"}`, true, ""},
		"a smaller claim":                {sized, `{"storage": "9Gi"}`, `{"storage": "1Gi"}`, true, `from the plan "small" to "large", which has the higher rank: StatefulSet/db would shrink its claim data from 9Gi to 1Gi`},
		"a smaller claim, without ranks": {sized, `{"storage": "9Gi"}`, `{"storage": "1Gi"}`, false, ""},
		"a smaller claim of its own":     {claim, `{"storage": "9Gi", "class": "a"}`, `{"storage": "1Gi", "class": "a"}`, true, "PersistentVolumeClaim/x would shrink its claim x from 9Gi to 1Gi"},
		"another class of storage":       {claim, `{"storage": "1Gi", "class": "a"}`, `{"storage": "1Gi", "class": "b"}`, true, "PersistentVolumeClaim/x has another spec.storageClassName"},
	} {
		t.Run(name, func(t *testing.T) {
			product := salestest.Product(salestest.Inline(tc.text), func(p *v1alpha1.MarketplaceProduct) {
				for i, values := range []string{tc.small, tc.large} {
					p.Spec.Plans[i].Values = &runtime.RawExtension{Raw: []byte(values)}
					if tc.ranks {
						p.Spec.Plans[i].Rank = ptr.To(int32(10 * i))
					}
				}
			})
			note, err := check{permissions: salestest.Permissions(), renderer: render.InProcess{}}.run(t.Context(), product, "shop-1", cutOn0(product, nil), nil)
			if err != nil || !strings.Contains(note, tc.want) || tc.want == "" && note != "" {
				t.Errorf("the note is %q, want %q in it, error %v", note, tc.want, err)
			}
		})
	}
}
