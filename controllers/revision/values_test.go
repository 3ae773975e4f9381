package revision

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

func TestALaterLayerOfValuesGoesOverAnEarlierOne(t *testing.T) {
	secret := v1alpha1.SecretKeyReference{Name: "s", Key: "k"}
	p := salestest.Product(func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Values = salestest.Raw(`{"b":"values","c":"values","d":"values","e":"values","f":"values"}`)
		p.Spec.Set = []v1alpha1.ValueAssignment{
			{Path: "c", From: v1alpha1.ValueFromPlan}, {Path: "d", From: v1alpha1.ValueFromPlan}, {Path: "e", From: v1alpha1.ValueFromPlan},
		}
		p.Spec.Plans[0].Values = salestest.Raw(`{"d":"plan values","e":"plan values"}`)
		p.Spec.Plans[0].Set = []v1alpha1.ValueAssignment{{Path: "e", From: v1alpha1.ValueFromInstanceName}, {Path: "f", From: v1alpha1.ValueFromInstanceName}}
	})
	data := dataOf(p, nil)
	data.ValuesFrom = []Source{
		{Values: []byte(`{"a":"first","b":"first","own":"{{ of the chart }}"}`)}, {Secret: secret}, {Values: []byte(`{"z":"last"}`)},
	}
	rev, err := Parse(t.Context(), render.InProcess{}, "shop-1", data)
	if err != nil {
		t.Fatal(err)
	}
	in := SampleInputs(p, rev, p.Spec.Plans[0], false)
	in.SecretValues = SecretValues{secret: []byte(`{"a":"secret","z":"secret"}`)}
	in.Overrides = salestest.Raw(`{"f":"own"}`)
	got, err := tenantValues(t.Context(), rev, in, v1alpha1.InstanceAccess{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"a": "secret", "b": "values", "c": "small", "d": "plan values", "e": "sample", "f": "own", "z": "last", "own": "{{ of the chart }}",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

func TestTheValuesOfATenantAreBoundedTogether(t *testing.T) {
	many := func(parts int) string { return `{"a":[` + strings.Repeat("{},", parts/2) + `"{},[]"]}` }
	for name, tc := range map[string]struct {
		source, product, plan, own int
		says                       string
	}{
		"some of each": {1000, 1000, 1000, 1000, ""},
		"many of one":  {0, MaxParts - 1000, 0, 0, ""},
		"together":     {MaxParts / 4, MaxParts / 4, MaxParts / 4, MaxParts / 4, "the values have more than 131072"},
		"of an order":  {0, 0, MaxParts, 0, `plan "small": the values have more than`},
		"of one's own": {0, 0, 0, MaxParts, "spec.values of the instance: the values have more than"},
	} {
		p := salestest.Product(salestest.Values(many(tc.plan)), func(p *v1alpha1.MarketplaceProduct) { p.Spec.Values = salestest.Raw(many(tc.product)) })
		data := dataOf(p, nil)
		data.ValuesFrom = []Source{{Values: []byte(many(tc.source))}}
		rev, err := Parse(t.Context(), render.InProcess{}, "shop-1", data)
		if err != nil {
			t.Fatal(err)
		}
		in := SampleInputs(p, rev, p.Spec.Plans[0], false)
		in.Overrides = salestest.Raw(many(tc.own))
		_, err = tenantValues(t.Context(), rev, in, v1alpha1.InstanceAccess{})
		if (err != nil) != (tc.says != "") || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want %q in it", name, err, tc.says)
		}
	}
}

func TestAssignments(t *testing.T) {
	attribute := func(as v1alpha1.ValueType) v1alpha1.ValueAssignment {
		return v1alpha1.ValueAssignment{Path: "a.b", From: v1alpha1.ValueFromAttribute, Attribute: "size", As: as}
	}
	for name, tc := range map[string]struct {
		set   v1alpha1.ValueAssignment
		given map[string]string
		want  map[string]any
		says  string
	}{
		"the quantity":                  {v1alpha1.ValueAssignment{Path: "n", From: v1alpha1.ValueFromQuantity}, nil, map[string]any{"n": int64(1)}, ""},
		"the quantity as a text":        {v1alpha1.ValueAssignment{Path: "n", From: v1alpha1.ValueFromQuantity, As: v1alpha1.ValueString}, nil, map[string]any{"n": "1"}, ""},
		"the quantity as a number":      {v1alpha1.ValueAssignment{Path: "n", From: v1alpha1.ValueFromQuantity, As: v1alpha1.ValueNumber}, nil, map[string]any{"n": 1.0}, ""},
		"whether it is a trial":         {v1alpha1.ValueAssignment{Path: "t", From: v1alpha1.ValueFromTrial}, nil, map[string]any{"t": false}, ""},
		"whether it is a trial, a text": {v1alpha1.ValueAssignment{Path: "t", From: v1alpha1.ValueFromTrial, As: v1alpha1.ValueString}, nil, map[string]any{"t": "false"}, ""},
		"the tenant's namespace":        {v1alpha1.ValueAssignment{Path: "ns", From: v1alpha1.ValueFromTenantNamespace}, nil, map[string]any{"ns": "tenant"}, ""},
		"the customer":                  {v1alpha1.ValueAssignment{Path: "c", From: v1alpha1.ValueFromCustomerID}, nil, map[string]any{"c": "sample"}, ""},
		"a key with a dot":              {v1alpha1.ValueAssignment{Path: `x.example\.com/plan`, From: v1alpha1.ValueFromPlan}, nil, map[string]any{"x": map[string]any{"example.com/plan": "small"}}, ""},
		"an attribute's default":        {attribute(v1alpha1.ValueInteger), nil, map[string]any{"a": map[string]any{"b": int64(20)}}, ""},
		"a large whole number":          {attribute(v1alpha1.ValueInteger), map[string]string{"size": "9007199254740993"}, map[string]any{"a": map[string]any{"b": int64(9007199254740993)}}, ""},
		"a text that looks like YAML":   {attribute(""), map[string]string{"size": "{{ x }}\n- a"}, map[string]any{"a": map[string]any{"b": "{{ x }}\n- a"}}, ""},
		"yes":                           {attribute(v1alpha1.ValueBoolean), map[string]string{"size": "YES"}, map[string]any{"a": map[string]any{"b": true}}, ""},
		"nothing as a boolean":          {attribute(v1alpha1.ValueBoolean), map[string]string{"size": ""}, map[string]any{"a": map[string]any{"b": false}}, ""},
		"a fraction":                    {attribute(v1alpha1.ValueNumber), map[string]string{"size": "-1.5e3"}, map[string]any{"a": map[string]any{"b": -1500.0}}, ""},
		"no whole number":               {attribute(v1alpha1.ValueInteger), map[string]string{"size": "hunter2"}, nil, `a.b: attribute "size" is not a whole number`},
		"nothing as a number":           {attribute(v1alpha1.ValueInteger), map[string]string{"size": ""}, nil, `a.b: attribute "size" is not a whole number`},
		"no number":                     {attribute(v1alpha1.ValueNumber), map[string]string{"size": "NaN"}, nil, `attribute "size" is not a number`},
		"a number too large":            {attribute(v1alpha1.ValueNumber), map[string]string{"size": "1e999"}, nil, `attribute "size" is out of range`},
		"no boolean":                    {attribute(v1alpha1.ValueBoolean), map[string]string{"size": "maybe"}, nil, `attribute "size" must be true`},
		"in what is no map":             {v1alpha1.ValueAssignment{Path: "text.below", From: v1alpha1.ValueFromPlan}, nil, nil, "text.below: text is not a map"},
	} {
		t.Run(name, func(t *testing.T) {
			p := salestest.Product(func(p *v1alpha1.MarketplaceProduct) {
				p.Spec.Attributes = []v1alpha1.AttributeDeclaration{{Name: "size", Default: ptr.To("20")}}
				p.Spec.Plans[0].Set = []v1alpha1.ValueAssignment{tc.set}
				if strings.HasPrefix(tc.set.Path, "text") {
					p.Spec.Values = salestest.Raw(`{"text":"x"}`)
				}
			})
			rev := revisionOf(t, p)
			in := SampleInputs(p, rev, p.Spec.Plans[0], false)
			in.Attributes, in.Namespace = tc.given, "tenant"
			got, err := tenantValues(t.Context(), rev, in, v1alpha1.InstanceAccess{})
			if tc.says != "" {
				if err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "hunter2") {
					t.Fatalf("the error is %v, want %q in it", err, tc.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDeclaredAttributesAreAlwaysThere(t *testing.T) {
	p := salestest.Product(
		func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Attributes = []v1alpha1.AttributeDeclaration{{Name: "empty"}, {Name: "size", Default: ptr.To("20")}}
		},
		salestest.Values(`{"e":"{{ .attributes.empty }}","s":"{{ .attributes.size }}","o":"{{ .attributes.other }}"}`),
	)
	rev := revisionOf(t, p)
	in := SampleInputs(p, rev, p.Spec.Plans[0], false)
	in.Attributes = map[string]string{"other": "entered"}
	got, err := tenantValues(t.Context(), rev, in, v1alpha1.InstanceAccess{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"e": "", "s": "20", "o": "entered"}, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

func TestSourcesOfValues(t *testing.T) {
	const secretText = "password: hunter2"
	other := func(name string, change func(s *corev1.Secret)) *corev1.Secret {
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: name}, Data: map[string][]byte{"json": []byte(`{"password":"hunter2"}`)}}
		change(s)
		return s
	}
	live := fake.NewClientBuilder().WithScheme(salestest.NewTestScheme(t)).WithObjects(
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "c"}, Data: map[string]string{
			"good": "a: 1\nb: {c: 2}\n", "none": "", "list": "- a", "broken": "a: hunter2: b", "ours": "stallkeeper: {}",
			"large": strings.Repeat("#", maxSourceBytes+1), "parts": "a: [" + strings.Repeat("0,", maxSourceParts) + "0]",
			"alias": "a: &a {c: 1}\nb: {<<: *a, d: *a}\n", "endless": "a: &a [*a]\n",
		}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "s"}, Data: map[string][]byte{
			"good": []byte(secretText), "list": []byte("- hunter2"), "broken": []byte("\"hunter2"),
		}},
		other("pull", func(s *corev1.Secret) { s.Type = corev1.SecretTypeDockerConfigJson }),
		other("bootstrap", func(s *corev1.Secret) { s.Type = "bootstrap.kubernetes.io/token" }),
		other("sync", func(s *corev1.Secret) { s.Type = v1alpha1.DirectorySecretType }),
		other("call", func(s *corev1.Secret) { s.Labels = map[string]string{v1alpha1.CallLabel: "order"} }),
		other("orders", func(s *corev1.Secret) { s.Labels = sale.OwnedSecret(salestest.Sale(), s.Name).Labels }),
		other("owned", func(s *corev1.Secret) { s.OwnerReferences = []metav1.OwnerReference{sale.OwnerOf(salestest.Sale())} }),
		other("opaque", func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque }),
		other("external", func(s *corev1.Secret) {
			s.Type, s.Labels = "example.com/values", map[string]string{"app": "shop"}
			s.OwnerReferences = []metav1.OwnerReference{{APIVersion: "external-secrets.io/v1", Kind: "ExternalSecret", Name: "v", UID: "u"}}
		}),
	).Build()
	configMap := func(name, key string) v1alpha1.ValuesSource {
		return v1alpha1.ValuesSource{ConfigMapRef: v1alpha1.ConfigMapKeyReference{Name: name, Key: key}}
	}
	secret := func(name, key string) v1alpha1.ValuesSource {
		return v1alpha1.ValuesSource{SecretRef: v1alpha1.SecretKeyReference{Name: name, Key: key}}
	}
	for name, tc := range map[string]struct {
		from         v1alpha1.ValuesSource
		reason, says string
	}{
		"a ConfigMap's":               {configMap("c", "good"), "", ""},
		"empty text":                  {configMap("c", "none"), "", ""},
		"a Secret's":                  {secret("s", "good"), "", ""},
		"no ConfigMap":                {configMap("x", "good"), v1alpha1.ReasonValuesNotFound, `valuesFrom[0]: ConfigMap "x" does not exist`},
		"no key of a ConfigMap":       {configMap("c", "x"), v1alpha1.ReasonValuesNotFound, `ConfigMap "c" has no key "x"`},
		"a list":                      {configMap("c", "list"), v1alpha1.ReasonInvalidValues, "must contain a YAML map"},
		"no YAML":                     {configMap("c", "broken"), v1alpha1.ReasonInvalidValues, "is not YAML"},
		"what Stallkeeper sets":       {configMap("c", "ours"), v1alpha1.ReasonInvalidValues, "remove it"},
		"too much":                    {configMap("c", "large"), v1alpha1.ReasonInvalidValues, "at most"},
		"too many values":             {configMap("c", "parts"), v1alpha1.ReasonInvalidValues, "more than 32768 lines, commas and brackets"},
		"an alias":                    {configMap("c", "alias"), "", ""},
		"an alias of what it is in":   {configMap("c", "endless"), v1alpha1.ReasonInvalidValues, "aliases that stand for too much"},
		"a registry's Secret":         {secret("pull", "json"), v1alpha1.ReasonInvalidValues, `Secret "pull" is of type kubernetes.io/dockerconfigjson, and is not for values: name a Secret of type Opaque`},
		"a cluster's Secret":          {secret("bootstrap", "json"), v1alpha1.ReasonInvalidValues, "is of type bootstrap.kubernetes.io/token"},
		"a directory's Secret":        {secret("sync", "json"), v1alpha1.ReasonInvalidValues, "is of type stallkeeper.io/directory"},
		"a call's Secret":             {secret("call", "json"), v1alpha1.ReasonInvalidValues, "has the label stallkeeper.io/call"},
		"an order's Secret":           {secret("orders", "json"), v1alpha1.ReasonInvalidValues, "has the label stallkeeper.io/instance"},
		"an instance's Secret":        {secret("owned", "json"), v1alpha1.ReasonInvalidValues, "belongs to MarketplaceInstance"},
		"no key of a call's Secret":   {secret("call", "x"), v1alpha1.ReasonInvalidValues, "has the label stallkeeper.io/call"},
		"an opaque Secret":            {secret("opaque", "json"), "", ""},
		"a Secret of an operator's":   {secret("external", "json"), "", ""},
		"no Secret":                   {secret("x", "good"), v1alpha1.ReasonValuesNotFound, `Secret "x" does not exist`},
		"no key of a Secret":          {secret("s", "x"), v1alpha1.ReasonValuesNotFound, `Secret "s" has no key "x"`},
		"a Secret's list":             {secret("s", "list"), v1alpha1.ReasonInvalidValues, "must contain a YAML map"},
		"a Secret that holds no YAML": {secret("s", "broken"), v1alpha1.ReasonInvalidValues, "is not YAML"},
	} {
		t.Run(name, func(t *testing.T) {
			p := salestest.Product(func(p *v1alpha1.MarketplaceProduct) { p.Spec.ValuesFrom = []v1alpha1.ValuesSource{tc.from} })
			sources, err := ReadSources(t.Context(), live, p)
			if err == nil {
				_, err = ReadSecretValues(t.Context(), live, "sales", sources)
			}
			var problem *report.Verdict
			if !errors.As(err, &problem) {
				problem = &report.Verdict{}
			}
			if problem.Reason != tc.reason || !strings.Contains(problem.Message, tc.says) || strings.Contains(problem.Message, "hunter2") {
				t.Errorf("%s: %s, want %s: %s", problem.Reason, problem.Message, tc.reason, tc.says)
			}
			data := dataOf(p, nil)
			data.ValuesFrom = sources
			if raw, err := data.Encode(); err != nil || strings.Contains(string(raw), "hunter2") {
				t.Errorf("the stored revision holds what a Secret holds (%v)", err)
			}
		})
	}
}

func TestAMissingValueFailsWhereTheProductSaysSo(t *testing.T) {
	asks := salestest.Inline("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  x: {{ .Values.replica | quote }}\n")
	for name, tc := range map[string]struct {
		policy v1alpha1.MissingValuesPolicy
		fails  bool
	}{"by default": {"", true}, "Fail": {v1alpha1.MissingValuesFail, true}, "Warn": {v1alpha1.MissingValuesWarn, false}} {
		t.Run(name, func(t *testing.T) {
			p := salestest.Product(asks, func(p *v1alpha1.MarketplaceProduct) { p.Spec.Template.MissingValues = tc.policy })
			rev := revisionOf(t, p)
			_, err := Render(t.Context(), rev, SampleInputs(p, rev, p.Spec.Plans[0], false))
			if _, missing := errors.AsType[*MissingError](err); missing != tc.fails || missing && !strings.Contains(err.Error(), "inline.yaml:5: .Values.replica") {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestRandomValuesAreKept(t *testing.T) {
	p := salestest.Product(salestest.Inline("apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData:\n  password: {{ randAlphaNum 20 | quote }}\n"))
	rev := revisionOf(t, p)
	in := SampleInputs(p, rev, p.Spec.Plans[0], false)
	password := func(r Rendered) any { return r.Objects[0].Object.Object["stringData"].(map[string]any)["password"] }
	first, err := Render(t.Context(), rev, in)
	if err != nil || len(first.Made) != 1 {
		t.Fatalf("made %d values, %v", len(first.Made), err)
	}
	in.Secrets.Kept = in.Secrets.Kept.With(first.Made)
	second, err := Render(t.Context(), rev, in)
	if err != nil || second.Made != nil || password(first) != password(second) {
		t.Errorf("the second rendering makes %d values, %v; the same password: %t", len(second.Made), err, password(first) == password(second))
	}
}
