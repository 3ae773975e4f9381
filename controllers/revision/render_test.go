package revision

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

func revisionOf(t interface {
	Helper()
	Fatal(...any)
}, p *v1alpha1.MarketplaceProduct) *Revision {
	t.Helper()
	rev, err := Parse(context.Background(), render.InProcess{}, "shop-1", dataOf(p, nil))
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

// buyersText are texts that a buyer could enter to break out of what a product has written around them.
var buyersText = []string{
	`{{ .Values.stallkeeper.access.password }}`, `# comment`, `a: b`, `"quoted" and 'single'`, "two\nlines: yes", `- item`,
	`}}`, "ends with a backslash \\", `&anchor *alias`, `| literal`, "\ttab", `null`, `1`, `true`,
}

func TestWhatABuyerWritesReachesTheTenantUnchanged(t *testing.T) {
	p := salestest.Product(
		salestest.Values(`{"greeting":"{{ .attributes.greeting }}"}`),
		salestest.Inline("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n"+
			"  value: {{ .Values.greeting | quote }}\n  attribute: {{ .Values.stallkeeper.attributes.greeting | quote }}\n"),
	)
	rev := revisionOf(t, p)
	check := func(t rapid.TB, text string) {
		in := SampleInputs(p, rev, p.Spec.Plans[0], false)
		in.Attributes = map[string]string{"greeting": text}
		tenant, err := Render(context.Background(), rev, in)
		if err != nil {
			t.Fatalf("rendering %q: %v", text, err)
		}
		data, _, err := unstructured.NestedStringMap(tenant.Objects[0].Object.Object, "data")
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"value": text, "attribute": text}
		if diff := cmp.Diff(want, data); diff != "" {
			t.Errorf("data (-want +got):\n%s", diff)
		}
	}
	for _, text := range buyersText {
		t.Run(text, func(t *testing.T) { check(t, text) })
	}
	t.Run("any printable text", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) { check(t, rapid.StringMatching(`[ -~äöü€]{0,60}`).Draw(t, "text")) })
	})
}

func TestTenantValues(t *testing.T) {
	tests := map[string]struct {
		plan, own string
		want      map[string]any
	}{
		"no values": {"", "", map[string]any{}},
		"the plan's, evaluated": {
			`{"n":"{{ toInt .quantity }}","text":"{{ .quantity }}","host":"{{ .instance.name }}.example.com"}`, "",
			map[string]any{"n": int64(1), "text": "1", "host": "sample.example.com"},
		},
		"the instance's own over the plan's": {
			`{"a":{"b":"plan","c":"plan"},"list":["plan"]}`, `{"a":{"b":"own","d":"own"},"list":[]}`,
			map[string]any{"a": map[string]any{"b": "own", "c": "plan", "d": "own"}, "list": []any{}},
		},
		"the instance's own are no templates": {
			`{}`, `{"a":"{{ .instance.name }}"}`, map[string]any{"a": "{{ .instance.name }}"},
		},
		"a map replaces a text and a text a map": {
			`{"a":"text","b":{"c":"d"}}`, `{"a":{"x":"y"},"b":"text"}`,
			map[string]any{"a": map[string]any{"x": "y"}, "b": "text"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := salestest.Product(func(p *v1alpha1.MarketplaceProduct) {
				if tc.plan != "" {
					salestest.Values(tc.plan)(p)
				}
			})
			rev := revisionOf(t, p)
			in := SampleInputs(p, rev, p.Spec.Plans[0], false)
			if tc.own != "" {
				in.Overrides = &runtime.RawExtension{Raw: []byte(tc.own)}
			}
			got, err := tenantValues(t.Context(), rev, in, v1alpha1.InstanceAccess{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
		})
	}
}

// As with Helm, a null takes a value away, also one that only the chart sets.
func TestANullTakesAValueAway(t *testing.T) {
	show := "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  greeting: {{ .Values.greeting | default \"none\" | quote }}\n"
	chart := salestest.ChartArchive(t, "shop", "1.0.0", show, "greeting: from the chart\n")
	for name, tc := range map[string]struct{ plan, own, want string }{
		"nobody says anything":              {`{}`, `{}`, "from the chart"},
		"the plan's is taken away":          {`{"greeting":"from the plan"}`, `{"greeting":null}`, "none"},
		"the chart's is taken away":         {`{}`, `{"greeting":null}`, "none"},
		"the plan takes the chart's away":   {`{"greeting":null}`, `{}`, "none"},
		"the instance's over a plan's null": {`{"greeting":null}`, `{"greeting":"own"}`, "own"},
	} {
		t.Run(name, func(t *testing.T) {
			p := salestest.Product(salestest.Values(tc.plan), salestest.Inline(""))
			rev, err := Parse(context.Background(), render.InProcess{}, "shop-1", dataOf(p, chart))
			if err != nil {
				t.Fatal(err)
			}
			in := SampleInputs(p, rev, p.Spec.Plans[0], false)
			in.Overrides = &runtime.RawExtension{Raw: []byte(tc.own)}
			tenant, err := Render(context.Background(), rev, in)
			if err != nil {
				t.Fatal(err)
			}
			got, _, _ := unstructured.NestedString(tenant.Objects[0].Object.Object, "data", "greeting")
			if got != tc.want {
				t.Errorf("greeting is %q, want %q", got, tc.want)
			}
		})
	}
}

func TestRenderAccess(t *testing.T) {
	const fits = "https://example.com/"
	path := func(length int) string { return fits + strings.Repeat("ü", length-len(fits)) }
	tests := map[string]struct {
		access v1alpha1.ProductAccess
		want   v1alpha1.InstanceAccess
		says   string
	}{
		"nothing": {},
		"templates over the instance": {
			access: v1alpha1.ProductAccess{
				FrontEndURL: "https://{{ .attributes.domain }}/{{ .plan }}", AdminURL: "http://{{ .instance.name }}.example.com", Memo: "for {{ .customer.id }}",
			},
			want: v1alpha1.InstanceAccess{FrontEndURL: "https://a.example.com/small", AdminURL: "http://sample.example.com", Memo: "for sample"},
		},
		"the longest URL": {
			access: v1alpha1.ProductAccess{FrontEndURL: path(512)}, want: v1alpha1.InstanceAccess{FrontEndURL: path(512)},
		},
		"a URL that is too long":       {access: v1alpha1.ProductAccess{FrontEndURL: path(513)}, says: "access.frontEndURL"},
		"the longest memo":             {access: v1alpha1.ProductAccess{Memo: strings.Repeat("ü", 1024)}, want: v1alpha1.InstanceAccess{Memo: strings.Repeat("ü", 1024)}},
		"a memo that is too long":      {access: v1alpha1.ProductAccess{Memo: strings.Repeat("ü", 1025)}, says: "access.memo"},
		"a URL of another scheme":      {access: v1alpha1.ProductAccess{AdminURL: "javascript:alert(1)"}, says: "access.adminURL"},
		"a URL without a host":         {access: v1alpha1.ProductAccess{AdminURL: "https:///x"}, says: "access.adminURL"},
		"a URL with a broken host":     {access: v1alpha1.ProductAccess{AdminURL: "https://[::1"}, says: "access.adminURL"},
		"an attribute that is not set": {access: v1alpha1.ProductAccess{Memo: "{{ .attributes.other }}"}, says: "access.memo"},
		"access of itself":             {access: v1alpha1.ProductAccess{Memo: "{{ .access.password }}"}, says: "access.memo"},
		"both that are wrong are named": {
			access: v1alpha1.ProductAccess{FrontEndURL: "ftp://x", Memo: "{{ .nothing }}"}, says: "access.memo",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := salestest.Product(salestest.Access(tc.access))
			rev := revisionOf(t, p)
			in := SampleInputs(p, rev, p.Spec.Plans[0], false)
			in.Attributes = map[string]string{"domain": "a.example.com"}
			got, err := RenderAccess(context.Background(), rev, in)
			if (err != nil) != (tc.says != "") {
				t.Fatalf("error %v, want one: %t", err, tc.says != "")
			}
			if err != nil {
				if !strings.Contains(err.Error(), tc.says) {
					t.Errorf("error %q does not name %s", err, tc.says)
				}
				return
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("access (-want +got):\n%s", diff)
			}
		})
	}
}

func TestErrorsOfRenderingHoldNothingOfTheBuyer(t *testing.T) {
	const secret = "hunter2-of-the-buyer"
	for name, p := range map[string]*v1alpha1.MarketplaceProduct{
		"values":    salestest.Product(salestest.Values(`{"n":"{{ toInt .attributes.domain }}"}`)),
		"access":    salestest.Product(salestest.Access(v1alpha1.ProductAccess{AdminURL: "{{ .attributes.domain }}"})),
		"template":  salestest.Product(salestest.Inline("{{ fail .Values.stallkeeper.attributes.domain }}")),
		"user name": salestest.Product(salestest.Access(v1alpha1.ProductAccess{UserName: "{{ toInt .attributes.domain }}"})),
	} {
		t.Run(name, func(t *testing.T) {
			rev := revisionOf(t, p)
			in := SampleInputs(p, rev, p.Spec.Plans[0], false)
			in.Attributes = map[string]string{"domain": secret}
			_, err := Render(context.Background(), rev, in)
			if name == "user name" {
				_, err = RenderUserName(context.Background(), rev, in)
			}
			if err == nil || strings.Contains(err.Error(), secret) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}
