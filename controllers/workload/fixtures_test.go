package workload

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

const tenantNamespace = "tenant-acme-mfrggz"

func testTenant() Tenant {
	return Tenant{
		Namespace:          tenantNamespace,
		Instance:           "acme",
		InstanceNamespace:  "sales",
		InstanceUID:        "0d8f3a52-5c2e-4e56-9d6b-6f0a4f6b1c11",
		Product:            "shop",
		Revision:           "shop-5f7c9d",
		DeletionProtection: v1alpha1.DeletionProtectionEnabled,
		Credentials:        Credentials{UserName: "admin", Password: "not-a-secret"},
	}
}

func testPolicy() Policy {
	return Policy{
		Isolation: v1alpha1.Isolation{IngressFromNamespaces: []string{"ingress-nginx"}},
		Quota:     quotaOf("requests.cpu", "2", "limits.memory", "4Gi", "persistentvolumeclaims", "5"),
		DataKinds: []v1alpha1.GroupKind{{Group: "objectstorage.example.com", Kind: "Bucket"}},
		Suspension: []v1alpha1.SuspensionPatch{{
			Group: "postgresql.cnpg.io", Kind: "Cluster",
			Patch: runtime.RawExtension{Raw: []byte(`{"metadata":{"annotations":{"cnpg.io/hibernation":"on"}}}`)},
		}},
	}
}

// quotaOf takes names and quantities in turn.
func quotaOf(pairs ...string) v1alpha1.ResourceList {
	quota := v1alpha1.ResourceList{}
	for i := 0; i+1 < len(pairs); i += 2 {
		quota[pairs[i]] = resource.MustParse(pairs[i+1])
	}
	return quota
}

// testPermissions allow every known kind but Roles, and the three custom kinds of the fixture.
func testPermissions() Permissions {
	kinds := sets.New(
		schema.GroupKind{Group: "postgresql.cnpg.io", Kind: "Cluster"},
		schema.GroupKind{Group: "objectstorage.example.com", Kind: "Bucket"},
		schema.GroupKind{Group: "example.com", Kind: "Broker"},
	)
	for kind := range known {
		if kind != kindRole && kind != kindRoleBinding {
			kinds.Insert(kind)
		}
	}
	return Permissions{Kinds: kinds}
}

// fixture reads testdata/template.yaml.
func fixture(t *testing.T) []Rendered {
	t.Helper()
	data, err := os.ReadFile("testdata/template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return rendered(t, string(data))
}

// rendered reads documents as if they all came from app.yaml.
func rendered(t *testing.T, documents string) []Rendered {
	t.Helper()
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader([]byte(documents)), 4096)
	var out []Rendered
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, Rendered{Object: object, File: "app.yaml"})
	}
}

// objects are all objects of a set in their order, without the namespace.
func objects(set Set) []*unstructured.Unstructured {
	var all []*unstructured.Unstructured
	for _, group := range set.Groups {
		all = append(all, group...)
	}
	return all
}

// find is the object of a set with that name, such as Deployment/web; nil when there is none.
func find(set Set, name string) *unstructured.Unstructured {
	for _, object := range objects(set) {
		if identityOf(object).String() == name {
			return object
		}
	}
	return nil
}

// byName are all objects of a set, without the namespace.
func byName(set Set) map[identity]*unstructured.Unstructured {
	all := map[identity]*unstructured.Unstructured{}
	for _, object := range objects(set) {
		all[identityOf(object)] = object
	}
	return all
}
