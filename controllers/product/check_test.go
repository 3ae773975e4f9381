package product

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/directory"
	"github.com/stallkeeper/stallkeeper/controllers/license"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/template"
	"github.com/stallkeeper/stallkeeper/controllers/usage"
)

func TestCheckProduct(t *testing.T) {
	// A pod template without a security context, which only the baseline level lets in.
	lax := strings.ReplaceAll(strings.ReplaceAll(salestest.Web, "securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}", ""),
		"securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}", "")
	hook := func(version, kind, events string) string {
		return fmt.Sprintf("---\napiVersion: "+version+"\nkind: %s\nmetadata:\n  name: before\n  annotations: {helm.sh/hook: %q}\n", kind, events)
	}
	tests := map[string]struct {
		product *v1alpha1.MarketplaceProduct
		chart   []byte
		reason  string
		says    []string
		// note is a part of what is said although there is no problem.
		note string
	}{
		"a product that can run": {product: salestest.Product()},
		"an attribute that a buyer may leave out": {product: salestest.Product(
			salestest.Values(`{"greeting":"{{ get .attributes \"company\" | default \"you\" }}"}`))},
		"values and access of the buyer's attributes": {product: salestest.Product(
			salestest.Values(`{"greeting":"{{ .attributes.company }}","size":"{{ toInt (index .attributes \"disk-size\") }}","on":"{{ toBool .attributes.on }}"}`),
			salestest.Access(v1alpha1.ProductAccess{FrontEndURL: "https://{{ .attributes.domain }}/", UserName: "{{ .attributes.admin }}"}),
		), note: "get .attributes"},
		"attributes of an inline template": {product: salestest.Product(salestest.Inline(salestest.Web + salestest.Settings +
			"  domain: {{ required \"no domain\" .Values.stallkeeper.attributes.domain | quote }}\n")), note: "no domain"},
		"a template that fails": {
			product: salestest.Product(salestest.Inline(salestest.Web + "---\n{{ fail \"give a domain\" }}\n")), reason: v1alpha1.ReasonRenderFailed,
			says: []string{`Plan "small"`, "give a domain"},
		},
		"a template that fails only while suspended": {
			product: salestest.Product(salestest.Inline(salestest.Web + "---\n{{ if .Values.stallkeeper.suspended }}{{ fail \"can't stop\" }}{{ end }}\n")),
			reason:  v1alpha1.ReasonRenderFailed, says: []string{"can't stop"},
		},
		"a template that fails only in the other plan": {
			product: salestest.Product(salestest.Inline(salestest.Web + "---\n{{ if eq .Values.stallkeeper.plan \"large\" }}{{ fail \"too large\" }}{{ end }}\n")),
			reason:  v1alpha1.ReasonRenderFailed, says: []string{`Plan "large"`, "too large"},
		},
		"values that fail": {
			product: salestest.Product(salestest.Values(`{"host":"{{ .instance.nam }}"}`)), reason: v1alpha1.ReasonRenderFailed,
			says: []string{"values.host"},
		},
		"values that are no map": {
			product: salestest.Product(salestest.Values(`[1]`)), reason: v1alpha1.ReasonRenderFailed, says: []string{"small", "object"},
		},
		"an access that is no URL": {
			product: salestest.Product(salestest.Access(v1alpha1.ProductAccess{AdminURL: "{{ .instance.name }}"})), reason: v1alpha1.ReasonRenderFailed,
			says: []string{"access.adminURL"},
		},
		"a user name that is too long": {
			product: salestest.Product(salestest.Access(v1alpha1.ProductAccess{UserName: strings.Repeat("u", 80)})), reason: v1alpha1.ReasonRenderFailed,
			says: []string{"access.userName"},
		},
		"a template that is none": {
			product: salestest.Product(salestest.Inline("{{ if }}")), reason: v1alpha1.ReasonRenderFailed, says: []string{"inline.yaml:1"},
		},
		"a chart that is none": {
			product: salestest.Product(salestest.Inline("")), chart: []byte("no archive"), reason: v1alpha1.ReasonInvalidTemplate,
		},
		"a chart that is too large": {
			product: salestest.Product(salestest.Inline("")), chart: make([]byte, template.MaxChartBytes+1), reason: v1alpha1.ReasonChartTooLarge,
		},
		"changes forwarded to a Service that is not there": {
			product: salestest.Product(salestest.Forwards), note: `Plan "small" has no Service "web" with the TCP port 8080`,
		},
		"changes forwarded to a Service of another port": {
			product: salestest.Product(salestest.Forwards, salestest.Inline(salestest.Web+salestest.Settings+salestest.WebService("80"))), note: `no Service "web" with the TCP port 8080`,
		},
		"changes forwarded to a Service":            {product: salestest.Product(salestest.Forwards, salestest.Inline(salestest.Web+salestest.Settings+salestest.WebService("8080")))},
		"a meter that asks a Service that is there": {product: salestest.Product(salestest.MeteredBy(salestest.ByHTTP), salestest.Inline(salestest.Web+salestest.Settings+salestest.WebService("80")))},
		"a meter that asks one that is not there":   {product: salestest.Product(salestest.MeteredBy(salestest.ByHTTP)), note: `no Service "web" with the TCP port 80`},
		"a meter whose query fails": {
			product: salestest.Product(salestest.MeteredBy(func(m *salestest.Metered) { m.Prometheus.Query = "up{n={{ .attributes.domain }}}" })),
			reason:  v1alpha1.ReasonRenderFailed, says: []string{`Plan "small": spec.meters[requests].prometheus.query`, "attributes"},
		},
		"a hook": {product: salestest.Product(salestest.Inline(salestest.Web + hook("v1", "ConfigMap", "pre-install")))},
		"a hook that never runs": {
			product: salestest.Product(salestest.Inline(salestest.Web + hook("batch/v1", "Job", "pre-delete,post-rollback"))),
			note:    "Ignored, because a tenant is deleted as a whole and never rolled back: inline.yaml: Job before (pre-delete,post-rollback)",
		},
		"a hook for an event that there is not": {
			product: salestest.Product(salestest.Inline(hook("v1", "ConfigMap", "pre-install,before"))), reason: v1alpha1.ReasonUnsupported, says: []string{`"before"`},
		},
		"a hook that only an upgrade runs, of a kind beyond the permissions": {
			product: salestest.Product(salestest.Inline(salestest.Web + hook("v1", "Pod", "pre-upgrade"))), reason: v1alpha1.ReasonNotPermitted,
			says: []string{"Pod/before", "use a Deployment or a Job"},
		},
		"a hook that only an upgrade runs, whose pods the level does not let in": {
			product: salestest.Product(salestest.Inline(salestest.Web + hook("batch/v1", "Job", "post-upgrade") +
				"spec: {template: {spec: {restartPolicy: Never, containers: [{name: x, image: x}]}}}\n")),
			reason: v1alpha1.ReasonPodSecurity, says: []string{"Job/before"},
		},
		"a kind beyond the permissions": {
			product: salestest.Product(salestest.Inline("apiVersion: v1\nkind: Pod\nmetadata: {name: bare}\n")), reason: v1alpha1.ReasonNotPermitted,
			says: []string{"Pod/bare"},
		},
		// RBAC takes colons in names. That it is cluster-scoped is what has to be said.
		"a cluster-scoped kind with a colon in its name": {
			product: salestest.Product(salestest.Inline("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: 'app:reader'}\n")),
			reason:  v1alpha1.ReasonNotPermitted, says: []string{"ClusterRole/app:reader", "cluster-scoped"},
		},
		"pods that the level does not let in": {
			product: salestest.Product(salestest.Inline(lax)), reason: v1alpha1.ReasonPodSecurity, says: []string{"Deployment/web", "baseline"},
		},
		"the same pods at their level": {product: salestest.Product(salestest.Inline(lax), func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Isolation.PodSecurityLevel = v1alpha1.PodSecurityBaseline
		})},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			note, err := check{permissions: salestest.Permissions(), features: allFeatures(), renderer: render.InProcess{}}.run(t.Context(), tc.product, "shop-1", cutOn0(tc.product, tc.chart), nil)
			var problem *report.Verdict
			if err != nil && !errors.As(err, &problem) {
				t.Fatalf("the error is no problem of the product: %v", err)
			}
			got, message := "", ""
			if problem != nil {
				got, message = problem.Reason, problem.Message
			}
			if got != tc.reason {
				t.Fatalf("reason %q (%s), want %q", got, message, tc.reason)
			}
			for _, text := range tc.says {
				if !strings.Contains(message, text) {
					t.Errorf("message %q does not say %q", message, text)
				}
			}
			if (note != "") != (tc.note != "") || !strings.Contains(note, tc.note) {
				t.Errorf("note %q, want %q in it", note, tc.note)
			}
		})
	}
}

func TestCheckProductNotesWhatCannotBeStopped(t *testing.T) {
	p := salestest.Product(salestest.Inline("apiVersion: db.example.com/v1\nkind: Cluster\nmetadata: {name: db}\nspec: {size: 3}\n"))
	perms := salestest.Permissions()
	perms.Kinds.Insert(schema.GroupKind{Group: "db.example.com", Kind: "Cluster"})
	note, err := check{permissions: perms, features: allFeatures(), renderer: render.InProcess{}}.run(t.Context(), p, "shop-1", cutOn0(p, nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"Cluster/db", `plan "small"`, `plan "large"`, "suspension"} {
		if !strings.Contains(note, text) {
			t.Errorf("note %q does not say %q", note, text)
		}
	}
	// A condition holds at most 32768 characters, but a product may have 32 plans.
	cut := cutRevision{name: "shop-1", note: strings.Repeat(note, 1000)}
	setStatus(p, cut, nil, nil)
	if length := len(p.Status.Conditions[0].Message); length > 32768 {
		t.Errorf("the condition's message has %d bytes", length)
	}
}

func TestCountInstances(t *testing.T) {
	with := func(product, revision string, changes ...salestest.InstanceChange) v1alpha1.MarketplaceInstance {
		mpi := salestest.Sale(changes...)
		mpi.Spec.ProductRef.Name, mpi.Status.Revision = product, revision
		return *mpi
	}
	provisioned := salestest.Condition(v1alpha1.ConditionProvisioned, "True", v1alpha1.ReasonProvisioned)
	broken := salestest.Condition(v1alpha1.ConditionProvisioned, "False", v1alpha1.ReasonUnhealthy)
	p := salestest.Product(func(p *v1alpha1.MarketplaceProduct) { p.Status.LatestRevision = "shop-2" })
	countInstances(p, []v1alpha1.MarketplaceInstance{
		with("shop", "shop-1", provisioned), with("shop", "shop-2", provisioned), with("shop", "shop-2", broken), with("shop", ""),
		with("blog", "blog-1", provisioned),
	})
	got := map[v1alpha1.InstanceState]int32{}
	for _, c := range p.Status.Instances {
		got[c.State] = *c.Count
	}
	want := map[v1alpha1.InstanceState]int32{v1alpha1.StateRunning: 2, v1alpha1.StateBlocked: 1, v1alpha1.StatePending: 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if *p.Status.Rollout.Total != 3 || *p.Status.Rollout.Updated != 2 {
		t.Errorf("%d of %d run the current revision, want 2 of 3", *p.Status.Rollout.Updated, *p.Status.Rollout.Total)
	}
}

func allFeatures() []sale.Feature {
	return []sale.Feature{license.Feature(), usage.Feature(nil), directory.Feature()}
}

// cutOn0 is a product's revision as it is cut on day 0.
func cutOn0(p *v1alpha1.MarketplaceProduct, chart []byte) revision.Data {
	return revision.Data{
		Content: revision.ContentOf(p, revision.Material{Chart: chart}), CutAt: salestest.Day(0),
		Capabilities: template.Capabilities{KubeVersion: "v1.37.2", APIVersions: []string{"v1", "apps/v1"}},
	}
}
