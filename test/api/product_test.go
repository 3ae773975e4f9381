package api_test

import (
	"strings"
	"testing"
)

func TestProducts(t *testing.T) {
	t.Parallel()
	judge(t, "MarketplaceProduct", map[string]manifest{
		"the smallest one": {},
		"a realistic one": {is: `
spec:
  values: {image: {tag: 2.4.1}, smtp: {host: mail.example.com}}
  valuesFrom: [{configMapRef: {name: wiki-values, key: values.yaml}}, {secretRef: {name: wiki-smtp, key: values.yaml}}]
  attributes: [{name: title, default: Wiki}, {name: public, default: "no"}]
  plans:
    - name: small
      rank: 10
      listings: [{marketplace: koogallery, skus: [wiki-small]}]
      values: {replicas: 1}
    - name: large
      rank: 20
      listings: [{marketplace: koogallery, productIDs: [OFFI1], skus: [wiki-large]}, {marketplace: other, productIDs: [p]}]
      set:
        - {path: replicas, from: Quantity}
        - {path: title, from: Attribute, attribute: title}
        - {path: public, from: Attribute, attribute: public, as: Boolean}
      quota: {pods: "20", requests.storage: 50Gi, count/jobs.batch: 5}
      lifecycle: {gracePeriodSeconds: 604800}
  template:
    inline: null
    chart: {oci: {reference: "oci://registry.example.com/charts/wiki", version: 3.1.0, pullSecretRef: {name: registry}}}
    missingValues: Fail
  access: {frontEndURL: "https://{{ .instance.name }}.example.com/", userName: admin, memo: Welcome}
  lifecycle: {retentionPeriodSeconds: 2592000, afterRetention: Delete, deletionProtection: Enabled, reductions: AtExpiry}
  isolation: {podSecurityLevel: baseline, ingressFromNamespaces: [ingress-nginx], egress: None, apiAccess: None}
  rollout: {state: Active}
  login: {path: /sso}
  directory: {forward: {serviceRef: {name: web, port: 8080}, path: /internal/directory}}`},

		"no plans":    {is: `spec: {plans: null}`, at: "spec.plans", says: "Required value"},
		"plans empty": {is: `spec: {plans: []}`, at: "spec.plans", says: "should have at least 1 items"},
		"33 plans":    {is: `spec: {plans: ` + many(33, "{name: p%d}") + `}`, at: "spec.plans", says: "must have at most 32 items"},
		"32 plans":    {is: `spec: {plans: ` + many(32, "{name: p%d}") + `}`},
		"two plans of one name": {is: `spec: {plans: [{name: small}, {name: small}]}`,
			at: "spec.plans[1]", says: "Duplicate value"},
		"a plan without a name": {is: `spec: {plans: [{rank: 1}]}`, at: "spec.plans[0].name", says: "Required value"},
		"a plan's name in capitals": {is: `spec: {plans: [{name: Small Plan}]}`,
			at: "spec.plans[0].name", says: "a plan's name must be lower-case letters, digits and dashes"},
		"spec is empty": {is: `spec: null`, at: "spec", says: "Required value"},
		"a name of 53 characters": {is: `metadata: {name: ` + long(53) + `}`,
			at: "metadata", says: "metadata.name must have at most 52 characters, because revisions are named after it"},

		"ranks of all plans": {is: `spec: {plans: [{name: a, rank: 2}, {name: b, rank: 1}]}`},
		"a rank of one plan only": {is: `spec: {plans: [{name: a, rank: 2}, {name: b}]}`,
			at: "spec.plans", says: "give every plan a rank, or none"},
		"one rank twice": {is: `spec: {plans: [{name: a, rank: 2}, {name: b, rank: 2}]}`,
			at: "spec.plans", says: "two plans have the same rank"},
		"a rank below 0":               {is: `spec: {plans: [{name: a, rank: -1}]}`, at: "spec.plans[0].rank", says: "greater than or equal to 0"},
		"a rank in quotes":             {is: `spec: {plans: [{name: a, rank: "10"}]}`, at: "spec.plans[0].rank", says: "must be of type integer"},
		"another rank later":           {is: `spec: {plans: [{name: a, rank: 2}]}`, then: []string{`spec: {plans: [{name: a, rank: 1}, {name: b, rank: 2}]}`}},
		"plans in another order later": {is: `spec: {plans: [{name: a}, {name: b}]}`, then: []string{`spec: {plans: [{name: b}, {name: a}]}`}},

		"quota of a resource with a dash and a slash": {is: `spec: {plans: [{name: a, quota: {requests.nvidia.com/gpu: 1}}]}`},
		"quota of a word with a space": {is: `spec: {plans: [{name: a, quota: {foo bar: "1"}}]}`,
			at: "spec.plans[0].quota", says: "every key of quota must be a resource name as in a ResourceQuota"},
		"quota of no amount": {is: `spec: {plans: [{name: a, quota: {pods: many}}]}`, at: "spec.plans[0].quota.pods", says: "should match"},
		"quota with an exponent that takes years to read": {is: `spec: {plans: [{name: a, quota: {cpu: "1E-2147483647"}}]}`,
			at: "spec.plans[0].quota.cpu", says: "should match"},
		"quota with a small exponent": {is: `spec: {plans: [{name: a, quota: {cpu: "5e-1", requests.storage: 2E}}]}`},
		"quota empty":                 {is: `spec: {plans: [{name: a, quota: {}}]}`},

		"what was wished taken back, field by field": {is: `
spec:
  access: {memo: a}
  isolation: {egress: None}
  rollout: {state: Paused}
  license: {perUnit: 1}
  directory: {forward: {serviceRef: {name: web, port: 80}, path: /a}}
  drift: {ignore: [{group: apps, kind: Deployment, managers: [a]}]}
  values: {a: b}`, then: []string{`
spec:
  access: {memo: null}
  isolation: {egress: null}
  rollout: {state: null}
  license: {perUnit: null}
  directory: {forward: null}
  drift: {ignore: null}
  values: {a: null}`}},

		"additions of another's to workloads": {is: `spec: {drift: {ignore: [{group: apps, kind: Deployment, managers: [injector, keda-operator]}, {group: batch, kind: CronJob, managers: [a]}]}}`},
		"additions to a Service": {is: `spec: {drift: {ignore: [{group: core, kind: Service, managers: [a]}]}}`,
			at: "spec.drift.ignore[0].kind", says: "of Deployment and StatefulSet (apps) and CronJob (batch) only can additions be left alone"},
		"additions of Stallkeeper's own": {is: `spec: {drift: {ignore: [{group: apps, kind: Deployment, managers: [stallkeeper.io/power]}]}}`,
			at: "spec.drift.ignore[0].managers", says: "must be names of field managers other than Stallkeeper's own"},
		"additions of no one": {is: `spec: {drift: {ignore: [{group: apps, kind: Deployment}]}}`, at: "spec.drift.ignore[0].managers", says: "Required value"},

		"values that are a list":  {is: `spec: {values: [1]}`, at: "spec.values", says: "must be of type object"},
		"values that are a text":  {is: `spec: {plans: [{name: a, values: "replicas: 1"}]}`, at: "spec.plans[0].values", says: "must be of type object"},
		"values of every shape":   {is: `spec: {values: {a: null, b: [1, {c: d}], e: 1.5, f: "{{ .quantity | toInt }}"}}`},
		"the template of before":  {is: `spec: {plans: [{name: a, skuCodes: [x]}]}`, says: `unknown field "spec.plans[0].skuCodes"`},
		"the listings of before":  {is: `spec: {listings: [{marketplace: k, skus: [x]}]}`, says: `unknown field "spec.listings"`},
		"a typing error of a key": {is: `spec: {acces: {memo: x}}`, says: `unknown field "spec.acces"`},
	})
}

func TestListings(t *testing.T) {
	t.Parallel()
	listed := func(listing string) string { return `spec: {plans: [{name: a, listings: [` + listing + `]}]}` }
	judge(t, "MarketplaceProduct", map[string]manifest{
		"SKUs alone":            {is: listed(`{marketplace: k, skus: [a, b]}`)},
		"product ids alone":     {is: listed(`{marketplace: k, productIDs: [a]}`)},
		"both":                  {is: listed(`{marketplace: k, productIDs: [a], skus: [b]}`)},
		"of two marketplaces":   {is: listed(`{marketplace: k, skus: [a]}, {marketplace: l, skus: [a]}`)},
		"ids of 256 characters": {is: listed(`{marketplace: k, productIDs: [` + long(256) + `], skus: [` + long(256) + `]}`)},
		"of nothing": {is: listed(`{marketplace: k}`),
			at: "spec.plans[0].listings[0]", says: "a listing needs skus or productIDs, as the marketplace's seller console shows them"},
		"of no marketplace": {is: listed(`{skus: [a]}`), at: "spec.plans[0].listings[0].marketplace", says: "Required value"},
		"of one marketplace twice": {is: listed(`{marketplace: k, skus: [a]}, {marketplace: k, skus: [b]}`),
			at: "spec.plans[0].listings[1]", says: "Duplicate value"},
		"of a marketplace that no Marketplace is named like": {is: listed(`{marketplace: Koo Gallery, skus: [a]}`),
			at: "spec.plans[0].listings[0].marketplace", says: "must be the name of a Marketplace"},
		"SKUs empty":       {is: listed(`{marketplace: k, skus: []}`), at: "spec.plans[0].listings[0].skus", says: "should have at least 1 items"},
		"a SKU of no text": {is: listed(`{marketplace: k, skus: [""]}`), at: "spec.plans[0].listings[0].skus[0]", says: "at least 1 chars"},
		"a SKU that was pasted with a space": {is: listed(`{marketplace: k, skus: ["a "]}`),
			at: "spec.plans[0].listings[0].skus", says: "skus must not begin or end with a space"},
		"a product id that was pasted with a tab": {is: listed(`{marketplace: k, productIDs: ["\ta"]}`),
			at: "spec.plans[0].listings[0].productIDs", says: "productIDs must not begin or end with a space"},
		"a SKU twice": {is: listed(`{marketplace: k, skus: [a, a]}`), at: "spec.plans[0].listings[0].skus[1]", says: "Duplicate value"},
		"a SKU of 257 characters": {is: listed(`{marketplace: k, skus: [` + long(257) + `]}`),
			at: "spec.plans[0].listings[0].skus[0]", says: "may not be more than 256"},
		"a SKU that is a number": {is: listed(`{marketplace: k, skus: [12]}`), at: "spec.plans[0].listings[0].skus[0]", says: "must be of type string"},
		"65 SKUs":                {is: listed(`{marketplace: k, skus: ` + many(65, "s%d") + `}`), at: "spec.plans[0].listings[0].skus", says: "must have at most 64 items"},
		"17 marketplaces": {is: listed(many(17, "{marketplace: m%d, skus: [a]}")[1:][:len(many(17, "{marketplace: m%d, skus: [a]}"))-2]),
			at: "spec.plans[0].listings", says: "must have at most 16 items"},
		"with the plan of before": {is: listed(`{marketplace: k, skus: [a], plan: a}`), says: `unknown field "spec.plans[0].listings[0].plan"`},
	})
}

func TestAssignments(t *testing.T) {
	t.Parallel()
	set := func(assignments string) string {
		return `spec: {attributes: [{name: title}, {name: welink.tenantId}], plans: [{name: a, set: [` + assignments + `]}]}`
	}
	judge(t, "MarketplaceProduct", map[string]manifest{
		"a quantity":                     {is: set(`{path: replicas, from: Quantity}`)},
		"a quantity as a text":           {is: set(`{path: a.b.c, from: Quantity, as: String}`)},
		"an attribute as each type":      {is: set(`{path: a, from: Attribute, attribute: title, as: Integer}, {path: b, from: Attribute, attribute: title, as: Number}, {path: c, from: Attribute, attribute: title, as: Boolean}, {path: d, from: Attribute, attribute: title, as: String}`)},
		"an attribute with a dot":        {is: set(`{path: tenant, from: Attribute, attribute: welink.tenantId}`)},
		"what is known of a sale":        {is: set(`{path: a, from: Plan}, {path: b, from: Trial}, {path: c, from: InstanceName}, {path: d, from: TenantNamespace}, {path: e, from: CustomerID}`)},
		"a path with a dot in a key":     {is: set(`{path: 'podAnnotations.example\.com/plan', from: Plan}`)},
		"a path with dashes":             {is: set(`{path: web-server.max_size, from: Quantity}`)},
		"a path that begins like ours":   {is: set(`{path: stallkeeperSize, from: Quantity}`)},
		"two paths that begin alike":     {is: set(`{path: ingress, from: Plan}, {path: ingressHost, from: Plan}`)},
		"for all plans":                  {is: `spec: {attributes: [{name: title}], set: [{path: title, from: Attribute, attribute: title}]}`},
		"no path":                        {is: set(`{from: Plan}`), at: "spec.plans[0].set[0].path", says: "Required value"},
		"no origin":                      {is: set(`{path: a}`), at: "spec.plans[0].set[0].from", says: "Required value"},
		"an origin unknown":              {is: set(`{path: a, from: Customer}`), at: "spec.plans[0].set[0].from", says: `"Quantity", "Attribute", "Plan"`},
		"a type unknown":                 {is: set(`{path: a, from: Plan, as: Text}`), at: "spec.plans[0].set[0].as", says: `"String", "Integer", "Number", "Boolean"`},
		"an attribute without its name":  {is: set(`{path: a, from: Attribute}`), at: "spec.plans[0].set[0].attribute", says: "from: Attribute needs attribute"},
		"an attribute's name for a plan": {is: set(`{path: a, from: Plan, attribute: title}`), at: "spec.plans[0].set[0].attribute", says: "with another origin leave it out"},
		"an attribute not declared":      {is: set(`{path: a, from: Attribute, attribute: titel}`), at: "spec.plans", says: "set names an attribute that is not one of spec.attributes: add it there"},
		"an attribute not declared, for all plans": {is: `spec: {set: [{path: title, from: Attribute, attribute: title}]}`,
			at: "spec.set", says: "set names an attribute that is not one of spec.attributes"},
		"a quantity as a truth":                             {is: set(`{path: a, from: Quantity, as: Boolean}`), at: "spec.plans[0].set[0].as", says: "Quantity can be Integer, Number or String"},
		"a plan as a number":                                {is: set(`{path: a, from: Plan, as: Integer}`), at: "spec.plans[0].set[0].as", says: "a name can be String only"},
		"a trial as a number":                               {is: set(`{path: a, from: Trial, as: Integer}`), at: "spec.plans[0].set[0].as", says: "Trial can be Boolean or String"},
		"a path with an item of a list":                     {is: set(`{path: 'hosts[0]', from: Plan}`), at: "spec.plans[0].set[0].path", says: "an item of a list can't be set"},
		"a path of dots":                                    {is: set(`{path: a..b, from: Plan}`), at: "spec.plans[0].set[0].path", says: "path must be keys with dots between them"},
		"a path that ends in a dot":                         {is: set(`{path: a., from: Plan}`), at: "spec.plans[0].set[0].path", says: "path must be keys with dots between them"},
		"a path that is a template":                         {is: set(`{path: '{{ .plan }}', from: Plan}`), at: "spec.plans[0].set[0].path", says: "path must be keys with dots between them"},
		"a path as in a template":                           {is: set(`{path: .Values.replicas, from: Quantity}`), at: "spec.plans[0].set[0].path", says: "path must be keys with dots between them"},
		"a path of ours":                                    {is: set(`{path: stallkeeper.quantity, from: Quantity}`), at: "spec.plans[0].set[0].path", says: "what is under .Values.stallkeeper is made by Stallkeeper"},
		"one path twice":                                    {is: set(`{path: a, from: Plan}, {path: a, from: Quantity}`), at: "spec.plans[0].set[1]", says: "Duplicate value"},
		"a path within another":                             {is: set(`{path: ingress.host, from: Plan}, {path: ingress, from: Quantity}`), at: "spec.plans[0].set", says: "one path of set lies within another one"},
		"a literal value, which is for values":              {is: set(`{path: a, value: b}`), says: `unknown field "spec.plans[0].set[0].value"`},
		"an attribute declared twice":                       {is: `spec: {attributes: [{name: title}, {name: title}]}`, at: "spec.attributes[1]", says: "Duplicate value"},
		"an attribute with a default that is a number":      {is: `spec: {attributes: [{name: title, default: 1}]}`, at: "spec.attributes[0].default", says: "must be of type string"},
		"an attribute with an empty default":                {is: `spec: {attributes: [{name: title, default: ""}]}`},
		"an attribute that was pasted with a space":         {is: `spec: {attributes: [{name: "title "}]}`, at: "spec.attributes[0].name", says: "must not begin or end with a space"},
		"an attribute without a name":                       {is: `spec: {attributes: [{default: x}]}`, at: "spec.attributes[0].name", says: "Required value"},
		"values from nowhere":                               {is: `spec: {valuesFrom: [{}]}`, at: "spec.valuesFrom[0]", says: "exactly one of the fields in [configMapRef secretRef] must be set"},
		"values from two places":                            {is: `spec: {valuesFrom: [{configMapRef: {name: a, key: b}, secretRef: {name: a, key: b}}]}`, at: "spec.valuesFrom[0]", says: "exactly one of the fields in [configMapRef secretRef] must be set"},
		"values from a ConfigMap as a whole":                {is: `spec: {valuesFrom: [{configMapRef: {name: a}}]}`, at: "spec.valuesFrom[0].configMapRef.key", says: "Required value"},
		"values from a key that no ConfigMap has":           {is: `spec: {valuesFrom: [{configMapRef: {name: a, key: a b}}]}`, at: "spec.valuesFrom[0].configMapRef.key", says: "must be a key of the ConfigMap"},
		"values from a Secret of a name that no Secret has": {is: `spec: {valuesFrom: [{secretRef: {name: a_b, key: a}}]}`, at: "spec.valuesFrom[0].secretRef.name", says: "must be the name of a Secret"},
	})
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	template := func(template string) string {
		if strings.HasPrefix(template, "inline:") {
			return `spec: {template: {` + template + `}}`
		}
		return `spec: {template: {inline: null, ` + template + `}}`
	}
	oci := func(chart string) string { return template(`chart: {oci: {` + chart + `}}`) }
	judge(t, "MarketplaceProduct", map[string]manifest{
		"files of a ConfigMap":                   {is: template(`configMapRef: {name: hello-templates}`)},
		"a chart of a ConfigMap":                 {is: template(`chart: {configMapRef: {name: notes-chart, key: chart.tgz}}`)},
		"a chart of a registry":                  {is: oci(`reference: "oci://registry.example.com:5000/charts/app_1", version: 1.2.3-rc.1+build, transport: HTTP`)},
		"a chart with v":                         {is: oci(`reference: "oci://registry.example.com/app", version: v1.2.3`)},
		"missing values are no fault":            {is: template(`configMapRef: {name: hello}, missingValues: Warn`)},
		"nothing":                                {is: template(`missingValues: Warn`), at: "spec.template", says: "exactly one of the fields in [chart inline configMapRef] must be set"},
		"a chart and inline":                     {is: `spec: {template: {chart: {configMapRef: {name: a, key: b}}}}`, at: "spec.template", says: "exactly one of the fields in [chart inline configMapRef] must be set"},
		"inline of blank lines":                  {is: template(`inline: "  \n"`), at: "spec.template.inline", says: "inline must hold a template"},
		"inline empty":                           {is: template(`inline: ""`), at: "spec.template.inline", says: "at least 1 chars"},
		"inline as a list":                       {is: template(`inline: [a, b]`), at: "spec.template.inline", says: "must be of type string"},
		"a chart of nowhere":                     {is: template(`chart: {}`), at: "spec.template.chart", says: "exactly one of the fields in [oci configMapRef] must be set"},
		"a chart of two places":                  {is: template(`chart: {oci: {reference: "oci://r.example.com/a", version: 1.0.0}, configMapRef: {name: a, key: b}}`), at: "spec.template.chart", says: "exactly one of the fields in [oci configMapRef] must be set"},
		"a chart without a version":              {is: oci(`reference: "oci://registry.example.com/app"`), at: "spec.template.chart.oci.version", says: "Required value"},
		"a chart of any version":                 {is: oci(`reference: "oci://registry.example.com/app", version: "^1.2"`), at: "spec.template.chart.oci.version", says: "version must be one exact version"},
		"a chart of the latest version":          {is: oci(`reference: "oci://registry.example.com/app", version: latest`), at: "spec.template.chart.oci.version", says: "version must be one exact version"},
		"a chart of a version that is a number":  {is: oci(`reference: "oci://registry.example.com/app", version: 1.2`), at: "spec.template.chart.oci.version", says: "must be of type string"},
		"a chart with capitals in its reference": {is: oci(`reference: "oci://r.example.com/Charts/App", version: 1.0.0`), at: "spec.template.chart.oci.reference", says: "in lower case"},
		"a chart with a space in its reference":  {is: oci(`reference: "oci:// r/x:1", version: 1.0.0`), at: "spec.template.chart.oci.reference", says: "reference must be a repository in lower case without tag or digest"},
		"a chart with a tag in its reference":    {is: oci(`reference: "oci://registry.example.com/app:1.0.0", version: 1.0.0`), at: "spec.template.chart.oci.reference", says: "the version stands in version"},
		"a chart of an HTTP repository":          {is: oci(`reference: "https://charts.example.com/app", version: 1.0.0`), at: "spec.template.chart.oci.reference", says: "such as oci://registry.example.com/charts/app"},
		"a chart of a registry alone":            {is: oci(`reference: "oci://registry.example.com", version: 1.0.0`), at: "spec.template.chart.oci.reference", says: "reference must be a repository"},
		"a pull Secret where it stood":           {is: template(`chart: {configMapRef: {name: a, key: b}, pullSecretRef: {name: c}}`), says: `unknown field "spec.template.chart.pullSecretRef"`},
		"a pull Secret of no Secret's name":      {is: oci(`reference: "oci://r.example.com/a", version: 1.0.0, pullSecretRef: {name: Foo}`), at: "spec.template.chart.oci.pullSecretRef.name", says: "must be the name of a Secret"},
		"a transport in lower case":              {is: oci(`reference: "oci://r.example.com/a", version: 1.0.0, transport: http`), at: "spec.template.chart.oci.transport", says: `"HTTPS", "HTTP"`},
		"a policy unknown":                       {is: `spec: {template: {missingValues: Ignore}}`, at: "spec.template.missingValues", says: `"Fail", "Warn"`},
		"another template later":                 {then: []string{template(`configMapRef: {name: hello}`)}},
		"no template any more":                   {then: []string{`spec: {template: null}`}, at: "spec.template", says: "template can't be removed: tenants of this product have a namespace with data"},
	})
}

func TestProductsWithoutATemplate(t *testing.T) {
	t.Parallel()
	const none = "and without a template there is none"
	judge(t, "bare MarketplaceProduct", map[string]manifest{
		"a license's":                           {is: `spec: {plans: [{name: a, listings: [{marketplace: k, productIDs: [p]}]}], access: {frontEndURL: "https://downloads.example.com/"}, license: {deviceFingerprint: Required, term: Periodic, perUnit: 1}}`},
		"with attributes, which access may use": {is: `spec: {attributes: [{name: title}], access: {memo: "{{ .attributes.title }}"}}`},
		"with meters of records":                {is: `spec: {meters: [{name: m, unit: GB, interval: Daily, records: {}}], plans: [{name: a, meters: [{name: m}]}]}`},
		"with meters of a Prometheus":           {is: `spec: {meters: [{name: m, unit: GB, interval: Daily, prometheus: {query: up}}]}`},
		"with lifecycle":                        {is: `spec: {lifecycle: {gracePeriodSeconds: 0}}`},
		"with quota":                            {is: `spec: {plans: [{name: a, quota: {pods: 1}}]}`, at: "spec.plans", says: "quota is for a tenant's namespace, " + none},
		"with isolation":                        {is: `spec: {isolation: {egress: None}}`, at: "spec.isolation", says: none},
		"with values":                           {is: `spec: {values: {a: b}}`, at: "spec", says: "values, valuesFrom and set are given to the template, and there is none"},
		"with a plan's values":                  {is: `spec: {plans: [{name: a, values: {a: b}}]}`, at: "spec", says: "given to the template"},
		"with a plan's assignments":             {is: `spec: {plans: [{name: a, set: [{path: a, from: Plan}]}]}`, at: "spec", says: "given to the template"},
		"with values from elsewhere":            {is: `spec: {valuesFrom: [{configMapRef: {name: a, key: b}}]}`, at: "spec", says: "given to the template"},
		"with a login":                          {is: `spec: {login: {path: /sso}, access: {frontEndURL: "https://a.example.com"}}`, at: "spec.login", says: none},
		"with an endpoint for the directory":    {is: `spec: {directory: {forward: {serviceRef: {name: a, port: 1}, path: /}}}`, at: "spec.directory", says: none},
		"with a meter that asks a Service":      {is: `spec: {meters: [{name: m, unit: GB, interval: Daily, http: {serviceRef: {name: a, port: 1}, path: /}}]}`, at: "spec.meters", says: none},
		"with kinds that hold data":             {is: `spec: {lifecycle: {dataKinds: [{group: example.com, kind: Database}]}}`, at: "spec.lifecycle", says: "about a template's objects, and there is none"},
		"with a template later": {then: []string{`spec: {template: {inline: "kind: ConfigMap"}}`},
			at: "spec.template", says: "template can't be added: sales of this product have no namespace. Make another product"},
	})
}

func TestProductsLifecycle(t *testing.T) {
	t.Parallel()
	lifecycle := func(lifecycle string) string { return `spec: {lifecycle: {` + lifecycle + `}}` }
	judge(t, "MarketplaceProduct", map[string]manifest{
		"of everything":                        {is: lifecycle(`gracePeriodSeconds: 1296000, retentionPeriodSeconds: 1296000, afterRetention: Keep, deletionProtection: Disabled, reductions: Immediately, dataKinds: [{group: "", kind: ConfigMap}, {group: example.com, kind: Database}], suspensionPatches: [{group: example.com, kind: Database, patch: {spec: {hibernate: true}}}, {group: example.com, kind: Cache, patch: {}}]`)},
		"empty":                                {is: lifecycle(``)},
		"taken back, field by field":           {is: lifecycle(`gracePeriodSeconds: 1`), then: []string{lifecycle(`gracePeriodSeconds: null`)}},
		"a grace below 0":                      {is: lifecycle(`gracePeriodSeconds: -1`), at: "spec.lifecycle.gracePeriodSeconds", says: "greater than or equal to 0"},
		"a grace of days":                      {is: lifecycle(`gracePeriodSeconds: 15d`), at: "spec.lifecycle.gracePeriodSeconds", says: "must be of type integer"},
		"a retention of 11 years":              {is: lifecycle(`retentionPeriodSeconds: 347000000`), at: "spec.lifecycle.retentionPeriodSeconds", says: "less than or equal to 315360000"},
		"an end unknown":                       {is: lifecycle(`afterRetention: Archive`), at: "spec.lifecycle.afterRetention", says: `"Keep", "Delete"`},
		"a protection of a boolean":            {is: lifecycle(`deletionProtection: true`), at: "spec.lifecycle.deletionProtection", says: `"Enabled", "Disabled"`},
		"reductions unknown":                   {is: lifecycle(`reductions: Never`), at: "spec.lifecycle.reductions", says: `"AtExpiry", "Immediately"`},
		"a kind without its group":             {is: lifecycle(`dataKinds: [{kind: Database}]`), at: "spec.lifecycle.dataKinds[0].group", says: "Required value"},
		"a kind in lower case":                 {is: lifecycle(`dataKinds: [{group: example.com, kind: databases}]`), at: "spec.lifecycle.dataKinds[0].kind", says: "should match"},
		"a kind twice":                         {is: lifecycle(`dataKinds: [{group: a, kind: B}, {group: a, kind: B}]`), at: "spec.lifecycle.dataKinds[1]", says: "Duplicate value"},
		"two patches of one kind":              {is: lifecycle(`suspensionPatches: [{group: a, kind: B, patch: {}}, {group: a, kind: B, patch: {}}]`), at: "spec.lifecycle.suspensionPatches[1]", says: "Duplicate value"},
		"a patch of nothing":                   {is: lifecycle(`suspensionPatches: [{group: a, kind: B}]`), at: "spec.lifecycle.suspensionPatches[0].patch", says: "Required value"},
		"a patch that is a list":               {is: lifecycle(`suspensionPatches: [{group: a, kind: B, patch: []}]`), at: "spec.lifecycle.suspensionPatches[0].patch", says: "must be of type object"},
		"the name of before":                   {is: lifecycle(`suspension: []`), says: `unknown field "spec.lifecycle.suspension"`},
		"kinds of a plan":                      {is: `spec: {plans: [{name: a, lifecycle: {dataKinds: []}}]}`, says: `unknown field "spec.plans[0].lifecycle.dataKinds"`},
		"a plan's own":                         {is: `spec: {plans: [{name: a, lifecycle: {afterRetention: Delete, retentionPeriodSeconds: 86400}}]}`},
		"a plan's, empty":                      {is: `spec: {plans: [{name: a, lifecycle: {}}]}`},
		"rollout paused":                       {is: `spec: {rollout: {state: Paused}}`},
		"rollout of waves, not yet":            {is: `spec: {rollout: {waves: []}}`, says: `unknown field "spec.rollout.waves"`},
		"rollout of a boolean":                 {is: `spec: {rollout: {state: true}}`, at: "spec.rollout.state", says: `"Active", "Paused"`},
		"isolation of a level in capitals":     {is: `spec: {isolation: {podSecurityLevel: Restricted}}`, at: "spec.isolation.podSecurityLevel", says: `"privileged", "baseline", "restricted"`},
		"isolation for namespaces of no name":  {is: `spec: {isolation: {ingressFromNamespaces: [Ingress Nginx]}}`, at: "spec.isolation.ingressFromNamespaces", says: "must be names of namespaces"},
		"isolation for one namespace twice":    {is: `spec: {isolation: {ingressFromNamespaces: [a, a]}}`, at: "spec.isolation.ingressFromNamespaces[1]", says: "Duplicate value"},
		"access without a scheme":              {is: `spec: {access: {frontEndURL: hello.example.com}}`, at: "spec.access.frontEndURL", says: "must be an address that begins with https://"},
		"access by a template":                 {is: `spec: {access: {frontEndURL: "{{ .attributes.url }}"}}`},
		"access of a script":                   {is: `spec: {access: {adminURL: "javascript:alert(1)"}}`, at: "spec.access.adminURL", says: "must be an address that begins with https://"},
		"access without a host":                {is: `spec: {access: {frontEndURL: "https://"}}`, at: "spec.access.frontEndURL", says: "and has a host"},
		"access with a space":                  {is: `spec: {access: {frontEndURL: "https://hello example.com/"}}`, at: "spec.access.frontEndURL", says: "must be an address"},
		"access with a template in its host":   {is: `spec: {access: {frontEndURL: "https://{{ .instance.name }}.example.com:8443/start?x={{ .plan }}"}}`},
		"access of nothing":                    {is: `spec: {access: {}}`},
		"a login without an address":           {is: `spec: {login: {path: /sso}}`, at: "spec.login", says: "login leads users to the host of access.frontEndURL, which is missing"},
		"a login at two slashes":               {is: `spec: {login: {path: //evil.example.com}, access: {frontEndURL: "https://a.example.com"}}`, at: "spec.login.path", says: "path must begin with one slash"},
		"a directory for a Service of no name": {is: `spec: {directory: {forward: {serviceRef: {name: Web, port: 80}, path: /}}}`, at: "spec.directory.forward.serviceRef.name", says: "must be the name of a Service"},
		"a directory for port 0":               {is: `spec: {directory: {forward: {serviceRef: {name: web, port: 0}, path: /}}}`, at: "spec.directory.forward.serviceRef.port", says: "greater than or equal to 1"},
		"a directory for a URL":                {is: `spec: {directory: {forward: {serviceRef: {name: web, port: 80}, path: "http://web/"}}}`, at: "spec.directory.forward.path", says: "path must begin with a slash"},
		"a license for 0 devices":              {is: `spec: {license: {perUnit: 0}}`, at: "spec.license.perUnit", says: "greater than or equal to 1"},
		"a license of a term unknown":          {is: `spec: {license: {term: Yearly}}`, at: "spec.license.term", says: `"Periodic", "Perpetual"`},
	})
}

func TestMeters(t *testing.T) {
	t.Parallel()
	meter := func(meter string) string {
		return `spec: {meters: [{name: m, unit: GB, interval: Hourly, ` + meter + `}]}`
	}
	plan := func(plan string) string {
		return `spec: {meters: [{name: requests, unit: GB, interval: Hourly, records: {}}], plans: [{name: a, ` + plan + `}]}`
	}
	judge(t, "MarketplaceProduct", map[string]manifest{
		"of a Prometheus":         {is: meter(`prometheus: {query: up, address: "http://prometheus.monitoring:9090"}`)},
		"of a Service":            {is: meter(`http: {serviceRef: {name: web, port: 8080}, path: /usage}`)},
		"of records":              {is: meter(`records: {}`)},
		"a name of 63 characters": {is: `spec: {meters: [{unit: GB, interval: Daily, records: {}, name: ` + long(63) + `}]}`},
		"of nothing":              {is: meter(`push: Batch`), says: `unknown field "spec.meters[0].push"`},
		"without a source": {is: `spec: {meters: [{name: m, unit: GB, interval: Hourly}]}`,
			at: "spec.meters[0]", says: "exactly one of the fields in [prometheus http records] must be set"},
		"of two sources": {is: meter(`records: {}, prometheus: {query: up}`),
			at: "spec.meters[0]", says: "exactly one of the fields in [prometheus http records] must be set"},
		"with the source of before":         {is: meter(`source: Records`), says: `unknown field "spec.meters[0].source"`},
		"in capitals":                       {is: `spec: {meters: [{unit: GB, interval: Daily, records: {}, name: Requests}]}`, at: "spec.meters[0].name", says: "a meter's name must be lower-case letters"},
		"without a unit":                    {is: `spec: {meters: [{name: m, interval: Hourly, records: {}}]}`, at: "spec.meters[0].unit", says: "Required value"},
		"every minute":                      {is: `spec: {meters: [{name: m, unit: GB, records: {}, interval: Minutely}]}`, at: "spec.meters[0].interval", says: `"Hourly", "Daily"`},
		"of a Prometheus without a query":   {is: meter(`prometheus: {address: "http://p"}`), at: "spec.meters[0].prometheus.query", says: "Required value"},
		"of a Prometheus with an account":   {is: meter(`prometheus: {query: up, address: "http://u:p@prometheus:9090"}`), at: "spec.meters[0].prometheus.address", says: "without account, query and fragment"},
		"of a Service by its URL":           {is: meter(`http: {url: "http://web/usage"}`), says: `unknown field "spec.meters[0].http.url"`},
		"of a Service without a port":       {is: meter(`http: {serviceRef: {name: web}, path: /usage}`), at: "spec.meters[0].http.serviceRef.port", says: "Required value"},
		"of a Service at a path with query": {is: meter(`http: {serviceRef: {name: web, port: 80}, path: "/usage?x=1"}`), at: "spec.meters[0].http.path", says: "path must begin with a slash"},
		"of a Service in another namespace": {is: meter(`http: {serviceRef: {name: web.other, port: 80}, path: /}`), at: "spec.meters[0].http.serviceRef.name", says: "a Service in the tenant's namespace"},
		"one name twice":                    {is: `spec: {meters: [{name: m, unit: a, interval: Daily, records: {}}, {name: m, unit: b, interval: Daily, records: {}}]}`, at: "spec.meters[1]", says: "Duplicate value"},

		"a plan's meter":                   {is: plan(`meters: [{name: requests, push: Single}]`)},
		"a plan's meter that is not there": {is: plan(`meters: [{name: request}]`), at: "spec.plans", says: "a plan's meters must be names of spec.meters"},
		"a plan's meter without any":       {is: `spec: {plans: [{name: a, meters: [{name: requests}]}]}`, at: "spec.plans", says: "a plan's meters must be names of spec.meters"},
		"a plan's meter twice":             {is: plan(`meters: [{name: requests}, {name: requests}]`), at: "spec.plans[0].meters[1]", says: "Duplicate value"},
		"a plan's meter pushed as before":  {is: plan(`meters: [{name: requests, push: New}]`), at: "spec.plans[0].meters[0].push", says: `"Batch", "Single", "None"`},
		"a plan's meter as a text":         {is: plan(`meters: [requests]`), at: "spec.plans[0].meters[0]", says: "must be an object"},
		"a plan's meter defined there":     {is: plan(`meters: [{name: requests, unit: GB}]`), says: `unknown field "spec.plans[0].meters[0].unit"`},

		"a package":                              {is: plan(`package: {meter: requests, size: "500", whenUsedUp: Suspend, warnAtPercent: [80, 95]}`)},
		"a package and its push":                 {is: plan(`meters: [{name: requests, push: Single}], package: {meter: requests}`)},
		"a package of a metered instance":        {is: plan(`package: {meter: requests, size: "0.5", consumer: MeteredInstance}`)},
		"a package without a meter":              {is: plan(`package: {size: "5"}`), at: "spec.plans[0].package.meter", says: "Required value"},
		"a package of a meter that is not there": {is: plan(`package: {meter: request}`), at: "spec.plans", says: "package.meter must be the name of one of spec.meters"},
		"a package of 0":                         {is: plan(`package: {meter: requests, size: "0"}`), at: "spec.plans[0].package.size", says: "size must be a decimal number above 0"},
		"a package of 0.0":                       {is: plan(`package: {meter: requests, size: "0.0"}`), at: "spec.plans[0].package.size", says: "size must be a decimal number above 0"},
		"a package of a number":                  {is: plan(`package: {meter: requests, size: 500}`), at: "spec.plans[0].package.size", says: "must be of type string"},
		"a package of 500Gi":                     {is: plan(`package: {meter: requests, size: 500Gi}`), at: "spec.plans[0].package.size", says: "size must be a decimal number above 0"},
		"a package that warns at its end":        {is: plan(`package: {meter: requests, warnAtPercent: [100]}`), at: "spec.plans[0].package.warnAtPercent[0]", says: "less than or equal to 99"},
		"a package that warns twice":             {is: plan(`package: {meter: requests, warnAtPercent: [80, 80]}`), at: "spec.plans[0].package.warnAtPercent[1]", says: "Duplicate value"},
		"a package that deletes":                 {is: plan(`package: {meter: requests, whenUsedUp: Delete}`), at: "spec.plans[0].package.whenUsedUp", says: `"Continue", "Suspend"`},
		"a package used as before":               {is: plan(`package: {meter: requests, consumer: OnDemandInstance}`), at: "spec.plans[0].package.consumer", says: `"OwnTenant", "MeteredInstance"`},
		"a package of a metered instance with meters": {is: plan(`meters: [{name: requests}], package: {meter: requests, consumer: MeteredInstance}`),
			at: "spec.plans[0].meters", says: "the meters of that instance's plan count, so leave meters out here"},
	})
}
