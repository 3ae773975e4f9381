package product

import (
	"encoding/base64"
	"fmt"
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

// The search for one value costs the logarithm of what stands beside it.
func TestAValueOfAnotherTypeIsFoundInALargeObject(t *testing.T) {
	const many = 4096
	data, args := map[string]any{}, make([]any, many)
	for i := range many {
		data[fmt.Sprintf("key-%06d", i)] = "x"
		args[i] = "x"
	}
	// What can't be decoded is no map, and what is in it is not looked at.
	deep := any("x")
	for range 1000 {
		deep = map[string]any{"a": deep, "b": "x"}
	}
	object := func(kind string, rest map[string]any) *unstructured.Unstructured {
		rest["apiVersion"], rest["kind"] = "v1", kind
		return &unstructured.Unstructured{Object: rest}
	}
	container := map[string]any{"name": "a", "args": args}
	pod := object("Pod", map[string]any{"spec": map[string]any{"containers": []any{container}}})
	for _, tc := range []struct {
		name    string
		object  *unstructured.Unstructured
		change  func()
		path    string
		decodes int
	}{
		{"the last key", object("ConfigMap", map[string]any{"data": data}), func() { data["key-004095"] = true }, "data.key-004095", 17},
		{"a key in between", object("ConfigMap", map[string]any{"data": data}), func() { data["key-004095"], data["key-001234"] = "x", int64(1) }, "data.key-001234", 17},
		{"two of them", object("ConfigMap", map[string]any{"data": data}), func() { data["key-000007"] = int64(1) }, "data.key-000007", 17},
		{"no base64", object("Secret", map[string]any{"data": map[string]any{"a": "Yg==", "[0]": "***"}}), func() {}, "data.[0]", 6},
		{"an argument", pod, func() { args[3_333] = int64(1) }, "spec.containers[0].args[3333]", 21},
		{"a map for a text", pod, func() { args[3_333] = deep }, "spec.containers[0].args[3333]", 22},
		{"nothing at all", pod, func() { args[3_333] = "x" }, "", 8},
	} {
		tc.change()
		c := culprit{object: tc.object}
		if path := c.path(); path != tc.path || c.decodes != tc.decodes {
			t.Errorf("%s: found %q after %d decodes, want %q after %d", tc.name, path, c.decodes, tc.path, tc.decodes)
		}
	}
}

// The API server stores bytes, and not their base64: a Secret of 900 kB is one that it takes.
func TestTheSizeOfASecretIsThatOfItsBytes(t *testing.T) {
	for kind, field := range map[string]string{"Secret": "data", "ConfigMap": "binaryData"} {
		for size, refused := range map[int]bool{900_000: false, 1_100_000: true} {
			object := &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": "s"},
				field: map[string]any{"a": base64.StdEncoding.EncodeToString(make([]byte, size))},
			}}
			if problems := objectProblems(object); (len(problems) > 0) != refused {
				t.Errorf("a %s of %d bytes: %v", kind, size, problems)
			}
		}
	}
}
