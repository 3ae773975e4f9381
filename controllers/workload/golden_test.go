package workload

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write what is made now into testdata")

func TestWhatATenantGets(t *testing.T) {
	tests := map[string]struct {
		suspended bool
		golden    string
	}{
		"a running tenant":   {golden: "testdata/running.yaml"},
		"a suspended tenant": {suspended: true, golden: "testdata/suspended.yaml"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			set, err := Desired(testTenant(), testPolicy(), testPermissions(), fixture(t), tc.suspended)
			if err != nil {
				t.Fatal(err)
			}
			got := document(t, set)
			if *update {
				if err := os.WriteFile(tc.golden, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(tc.golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got), go test -update rewrites it:\n%s", tc.golden, diff)
			}
		})
	}
}

// document writes a set as YAML: what is applied, group by group, and below it what else is to be done.
func document(t *testing.T, set Set) []byte {
	t.Helper()
	var out bytes.Buffer
	groups := append([][]*unstructured.Unstructured{{set.Namespace}}, set.Groups...)
	for i, group := range groups {
		for _, object := range group {
			fmt.Fprintf(&out, "# group %d: %s\n%s---\n", i, identityOf(object), marshal(t, object.Object))
		}
	}
	rest := struct{ Scales, Retain, Blockers any }{set.Scales, set.Retain, set.Blockers}
	fmt.Fprintf(&out, "# besides what is applied\n%s", marshal(t, rest))
	return out.Bytes()
}

func marshal(t *testing.T, value any) []byte {
	t.Helper()
	data, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
