package product

import (
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

const scaler = `---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}
`

// configMap is a template of a ConfigMap whose data are given.
func configMap(data string) salestest.ProductChange {
	return salestest.Inline("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  x: " + data + "\n")
}

func TestTheCheckFindsWhatABuyerWouldFind(t *testing.T) {
	container := func(more string) salestest.ProductChange {
		return salestest.Inline(strings.Replace(salestest.Web, "image: registry", more+"\n        image: registry", 1))
	}
	chart := func(text string) []byte { return salestest.ChartArchive(t, "app", "1.0.0", text, "") }
	warn := func(p *v1alpha1.MarketplaceProduct) { p.Spec.Template.MissingValues = v1alpha1.MissingValuesWarn }
	for name, tc := range map[string]struct {
		product      *v1alpha1.MarketplaceProduct
		chart        []byte
		reason, says string
	}{
		"a value that is not there": {salestest.Product(configMap("{{ .Values.replica | quote }}")), nil, v1alpha1.ReasonMissingValue, "inline.yaml:5: .Values.replica"},
		"a value that is not there, in a chart": {
			salestest.Product(salestest.Inline("")), chart("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {x: {{ .Values.replica | quote }}}\n"), "", ".Values.replica",
		},
		"a value that is not there, with Warn": {salestest.Product(configMap("{{ .Values.replica | quote }}"), warn), nil, "", "inline.yaml:5: .Values.replica"},
		"an attribute that no sale has": {
			salestest.Product(configMap("{{ .Values.stallkeeper.customer.mail | quote }}")), nil, v1alpha1.ReasonMissingValue, ".Values.stallkeeper.customer.mail",
		},
		"replicas of a template and an autoscaler": {salestest.Product(salestest.Inline(salestest.Web + scaler)), nil, "", "Deployment/web"},
		"a node port beyond the default range": {
			salestest.Product(salestest.Inline("apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {type: NodePort, ports: [{port: 80, nodePort: 80}]}\n")), nil, "", "sets the node port 80",
		},
		"a probe of a port that there is not": {
			salestest.Product(container("ports: [{name: http, containerPort: 80}]\n        readinessProbe: {httpGet: {path: /, port: htpp}}")), nil, "", `Deployment/web probes container "web" at the port "htpp"`,
		},
		"probes of ports that there are": {
			salestest.Product(container("ports: [{name: http, containerPort: 80}]\n        readinessProbe: {httpGet: {path: /, port: http}}\n        livenessProbe: {tcpSocket: {port: 81}}")), nil, "", "",
		},
		"a field that there is not":             {salestest.Product(container("imagePullPolice: Always")), nil, v1alpha1.ReasonInvalidTemplate, "imagePullPolice"},
		"a number in the place of a text":       {salestest.Product(configMap("1")), nil, v1alpha1.ReasonInvalidTemplate, "ConfigMap/c"},
		"a variable twice":                      {salestest.Product(container("env: [{name: A, value: a}, {name: A, value: b}]")), nil, v1alpha1.ReasonInvalidTemplate, `variable "A" 2 times`},
		"a port twice":                          {salestest.Product(container("ports: [{containerPort: 80}, {containerPort: 80}]")), nil, v1alpha1.ReasonInvalidTemplate, "port 80/TCP 2 times"},
		"a port for two protocols":              {salestest.Product(container("ports: [{containerPort: 80}, {containerPort: 80, protocol: UDP}]")), nil, "", ""},
		"an object that is too large":           {salestest.Product(configMap(`"{{ range until 12 }}{{ repeat 100000 "x" }}{{ end }}"`)), nil, v1alpha1.ReasonInvalidTemplate, "split it"},
		"a buyer's text that is not quoted":     {salestest.Product(salestest.Values(`{"x":"{{ .attributes.name }}"}`), configMap("{{ .Values.x }}")), nil, v1alpha1.ReasonInvalidTemplate, "quote"},
		"a buyer's texts that are gone through": {salestest.Product(salestest.Values(`{"x":"{{ range $k, $v := .attributes }}{{ $v }}{{ end }}"}`), configMap("{{ .Values.x }}")), nil, v1alpha1.ReasonInvalidTemplate, "quote"},
		"a buyer's name beside an attribute that is a number": {
			salestest.Product(salestest.Values(`{"x":"{{ .customer.name }}","n":"{{ .attributes.seats | toInt }}"}`),
				configMap("{{ .Values.x }}"), func(p *v1alpha1.MarketplaceProduct) {
					p.Spec.Attributes = []v1alpha1.AttributeDeclaration{{Name: "seats"}}
				}),
			nil, v1alpha1.ReasonInvalidTemplate, "quote",
		},
		"a buyer's text in a list of arguments": {
			salestest.Product(salestest.Values(`{"x":"{{ .attributes.name }}"}`), container("args: [--name={{ .Values.x }}]")), nil, v1alpha1.ReasonInvalidTemplate, "containers[0] args",
		},
		"a buyer's text in a list of quoted arguments": {
			salestest.Product(salestest.Values(`{"x":"{{ .attributes.name }}"}`), container("args: [\"--name={{ .Values.x }}\"]")), nil, v1alpha1.ReasonInvalidTemplate, "containers[0] args",
		},
		"a buyer's text in quotes, deep in an object": {
			salestest.Product(salestest.Values(`{"x":"{{ .attributes.name }}"}`), container("workingDir: \"/{{ .Values.x }}\"")), nil, v1alpha1.ReasonInvalidTemplate, "stallkeeper-hostile is new",
		},
		"a buyer's text in an argument that is quoted": {
			salestest.Product(salestest.Values(`{"x":"{{ get .attributes \"name\" }}"}`), container(`args: [{{ printf "--name=%s" (.Values.x | default "") | quote }}]`)), nil, "", "",
		},
		"a buyer's text that is quoted": {salestest.Product(salestest.Values(`{"x":"{{ get .attributes \"name\" }}"}`), configMap(`{{ .Values.x | default "" | quote }}`)), nil, "", ""},
		"a password that is made": {
			salestest.Product(salestest.Inline("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {p: {{ randAlphaNum 9 | quote }}}\n")), nil, "", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			permissions := salestest.Permissions()
			permissions.Kinds.Insert(schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"})
			note, err := check{permissions: permissions, renderer: render.InProcess{}}.run(t.Context(), tc.product, "shop-1", cutOn0(tc.product, tc.chart), nil)
			problem := &report.Verdict{Message: note}
			if err != nil && !errors.As(err, &problem) {
				t.Fatal(err)
			}
			if problem.Reason != tc.reason || !strings.Contains(problem.Message, tc.says) || tc.says == "" && problem.Message != "" {
				t.Errorf("%s: %s, want %s: %s", problem.Reason, problem.Message, tc.reason, tc.says)
			}
			if strings.Count(problem.Message, `lan "small": `) > 1 {
				t.Errorf("the plan is named twice: %s", problem.Message)
			}
		})
	}
}

func suspends(patch string) salestest.ProductChange {
	return func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Lifecycle.SuspensionPatches = []v1alpha1.SuspensionPatch{{Group: "example.com", Kind: "Database", Patch: *salestest.Raw(patch)}}
	}
}

func TestSillyProductsAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		change salestest.ProductChange
		says   string
	}{
		"a good one": {func(*v1alpha1.MarketplaceProduct) {}, ""},
		"a negative quota": {func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Plans[0].Quota = v1alpha1.ResourceList{"pods": resource.MustParse("-1")}
		}, "plans[small].quota: pods is negative"},
		"a quota of no resource": {func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Plans[0].Quota = v1alpha1.ResourceList{"cpus": resource.MustParse("1")}
		}, "plans[small].quota: no ResourceQuota can have cpus"},
		"quotas of every kind": {func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Plans[0].Quota = v1alpha1.ResourceList{"cpu": resource.MustParse("1"), "requests.nvidia.com/gpu": resource.MustParse("1"),
				"requests.hugepages-2Mi": resource.MustParse("1"), "gold.storageclass.storage.k8s.io/requests.storage": resource.MustParse("1")}
		}, ""},
		"a SKU with a line break": {func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Plans[0].Listings = []v1alpha1.Listing{{Marketplace: "koogallery", SKUs: []string{"a\nb"}}}
		}, `plans[small].listings[koogallery]: "a\nb" holds a line break`},
		"a product id with a hidden character": {func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Plans[0].Listings = []v1alpha1.Listing{{Marketplace: "koogallery", ProductIDs: []string{"a\u200b"}}}
		}, "invisible character"},
		"a SKU of another alphabet": {func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Plans[0].Listings = []v1alpha1.Listing{{Marketplace: "koogallery", SKUs: []string{"标准 版"}}}
		}, ""},
		"a suspension patch that renames": {suspends(`{"metadata":{"name":"other"}}`), "patch sets metadata.name"},
		"a suspension patch of a status":  {suspends(`{"status":{"phase":"Stopped"}}`), "patch sets status"},
		"a suspension patch that fits":    {suspends(`{"metadata":{"annotations":{"a":"b"}},"spec":{"stopped":true}}`), ""},
		"our own values":                  {salestest.Values(`{"stallkeeper":{}}`), "plans[small].values.stallkeeper"},
		"values that are none":            {salestest.Values(`[1]`), "plans[small].values must be a map"},
		"the product's values":            {func(p *v1alpha1.MarketplaceProduct) { p.Spec.Values = salestest.Raw(`{"stallkeeper":1}`) }, "values.stallkeeper"},
		"paths within each other": {func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Set = []v1alpha1.ValueAssignment{{Path: "ingress", From: v1alpha1.ValueFromPlan}}
			p.Spec.Plans[0].Set = []v1alpha1.ValueAssignment{{Path: "ingress.host", From: v1alpha1.ValueFromPlan}}
		}, "ingress.host and the product's ingress"},
		"the same path": {func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Set = []v1alpha1.ValueAssignment{{Path: "ingress.host", From: v1alpha1.ValueFromPlan}}
			p.Spec.Plans[0].Set = []v1alpha1.ValueAssignment{{Path: "ingress.host", From: v1alpha1.ValueFromInstanceName}}
		}, ""},
		"a key that begins alike": {func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Set = []v1alpha1.ValueAssignment{{Path: `a\.b`, From: v1alpha1.ValueFromPlan}}
			p.Spec.Plans[0].Set = []v1alpha1.ValueAssignment{{Path: "a.b", From: v1alpha1.ValueFromPlan}}
		}, ""},
		"two pushed meters": {func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Plans[0].Meters = []v1alpha1.PlanMeter{{Name: "a"}, {Name: "b", Push: v1alpha1.MeterPushSingle}, {Name: "c", Push: v1alpha1.MeterPushNone}}
		}, "a and b are all pushed"},
	} {
		t.Run(name, func(t *testing.T) {
			err := silly(salestest.Product(tc.change))
			if (err != nil) != (tc.says != "") || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("the error is %v, want %q in it", err, tc.says)
			}
		})
	}
}
