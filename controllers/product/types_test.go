package product

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// A value of another type is named by its whole path, with a remedy that fits it.
func TestAValueOfAnotherTypeIsFound(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a}, "
	for name, tc := range map[string]struct{ text, want string }{
		"a boolean in a ConfigMap": {"apiVersion: v1\nkind: ConfigMap\ndata: {a: b, c: true}", "data.c is a boolean but must be a text: quote it"},
		"a map in a ConfigMap":     {"apiVersion: v1\nkind: ConfigMap\ndata: {a: {b: c}}", "data is a map but must be a text: write it as a text"},
		"no base64":                {"apiVersion: v1\nkind: Secret\ndata: {a: Yg==, b: '***'}", "data.b: illegal base64 data at input byte 0: correct the value"},
		"a variable that is a number": {
			pod + "{name: b, env: [{name: A, value: 1}]}]}", "spec.containers[1].env[0].value is a number but must be a text: quote it",
		},
		"variables as a map": {
			pod + "{name: b, env: {A: b}}]}", "spec.containers.env is a map but must be a list: write it as a list",
		},
		"a command that is a text": {
			pod + "{name: b, command: run.sh}]}", "spec.containers.command is a text but must be a list: write it as a list",
		},
		"a port that is a text": {
			pod + "{name: b, ports: [{containerPort: '80'}]}]}",
			"spec.containers[1].ports[0].containerPort is a text but must be a number: correct it, and do not quote it",
		},
		"no quantity": {
			pod + "{name: b, resources: {limits: {cpu: 1, memory: 1GB}}}]}",
			"spec.containers[1].resources.limits.memory: quantities must match the regular expression" +
				" '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$': correct the value",
		},
	} {
		t.Run(name, func(t *testing.T) {
			object := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(tc.text), &object.Object); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{tc.want}, objectProblems(object)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
