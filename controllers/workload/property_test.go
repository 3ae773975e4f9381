package workload

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// menu makes objects of every treatment; replicas and the claims' policy vary.
var menu = map[string]func(t *rapid.T) map[string]any{
	"v1/ConfigMap":             func(*rapid.T) map[string]any { return map[string]any{"data": map[string]any{"a": "b"}} },
	"v1/Secret":                func(*rapid.T) map[string]any { return map[string]any{"stringData": map[string]any{"a": "b"}} },
	"v1/PersistentVolumeClaim": func(*rapid.T) map[string]any { return map[string]any{} },
	"v1/Service":               func(*rapid.T) map[string]any { return map[string]any{"spec": map[string]any{}} },
	"apps/v1/Deployment":       replicated,
	"apps/v1/StatefulSet":      replicated,
	"batch/v1/Job":             func(*rapid.T) map[string]any { return podSpec() },
	"batch/v1/CronJob": func(*rapid.T) map[string]any {
		return map[string]any{"spec": map[string]any{"jobTemplate": podSpec()}}
	},
	"autoscaling/v2/HorizontalPodAutoscaler": func(t *rapid.T) map[string]any {
		return map[string]any{"spec": map[string]any{"minReplicas": rapid.Int64Range(0, 2).Draw(t, "least")}}
	},
	"keda.sh/v1alpha1/ScaledObject":       func(*rapid.T) map[string]any { return map[string]any{} },
	"postgresql.cnpg.io/v1/Cluster":       func(*rapid.T) map[string]any { return map[string]any{} },
	"objectstorage.example.com/v1/Bucket": func(*rapid.T) map[string]any { return map[string]any{} },
	"example.com/v1/Broker":               func(*rapid.T) map[string]any { return map[string]any{} },
}

func podSpec() map[string]any {
	return map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{}}}}
}

// replicated is a workload whose replicas are a number, empty or left out, and whose claims may go.
func replicated(t *rapid.T) map[string]any {
	object := podSpec()
	spec, _ := object["spec"].(map[string]any)
	switch replicas := rapid.Int64Range(-2, 9).Draw(t, "replicas"); replicas {
	case -2:
	case -1:
		spec["replicas"] = nil
	default:
		spec["replicas"] = replicas
	}
	if rapid.Bool().Draw(t, "deletes claims") {
		spec["persistentVolumeClaimRetentionPolicy"] = map[string]any{"whenScaled": "Delete", "whenDeleted": "Delete"}
	}
	return object
}

// template draws a template whose objects are all permitted.
func template(t *rapid.T) []Rendered {
	kinds := rapid.SliceOfN(rapid.SampledFrom(slices.Sorted(maps.Keys(menu))), 0, 12).Draw(t, "kinds")
	var out []Rendered
	for i, kind := range kinds {
		object := &unstructured.Unstructured{Object: menu[kind](t)}
		object.SetAPIVersion(path.Dir(kind))
		object.SetKind(path.Base(kind))
		object.SetName(fmt.Sprintf("o%d", i))
		events := rapid.SliceOfNDistinct(rapid.SampledFrom(hookEvents), 0, 2, rapid.ID).Draw(t, "events")
		out = append(out, Rendered{Object: object, File: "app.yaml", Events: events})
	}
	return out
}

var hookEvents = []string{v1alpha1.HookPreInstall, v1alpha1.HookPostInstall, v1alpha1.HookPreUpgrade, v1alpha1.HookPostUpgrade}

// desired is the set of a tenant with every kind permitted.
func desired(t *rapid.T, input []Rendered, suspended bool) Set {
	set, err := Desired(testTenant(), testPolicy(), testPermissions(), input, suspended)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestSuspendingIsUndoneByRenderingWithoutIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		input := template(t)
		var before []Rendered
		for _, r := range input {
			before = append(before, Rendered{Object: r.Object.DeepCopy(), File: r.File, Events: r.Events})
		}
		running := desired(t, input, false)
		suspended := desired(t, input, true)
		resumed := desired(t, input, false)

		if diff := cmp.Diff(before, input); diff != "" {
			t.Fatalf("the rendered objects were changed:\n%s", diff)
		}
		if diff := cmp.Diff(running, resumed); diff != "" {
			t.Fatalf("resumed is not as it ran:\n%s", diff)
		}
		runs, stopped := byName(running), byName(suspended)
		if len(runs) != len(stopped) {
			t.Fatalf("suspending makes %d objects of %d", len(stopped), len(runs))
		}
		for id, object := range runs {
			if stopped[id] == nil {
				t.Fatalf("suspending drops %s", id)
			}
			switch id.kind {
			case kindClaim, kindSecret, kindConfigMap, kindService:
				if diff := cmp.Diff(object, stopped[id]); diff != "" {
					t.Fatalf("suspending changes %s:\n%s", id, diff)
				}
			}
		}
	})
}

func TestNothingRunsThatIsSuspendedButWhatIsReported(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := desired(t, template(t), true)
		scaled := map[string]bool{}
		for _, scale := range set.Scales {
			scaled[scale.GVK.Kind+"/"+scale.Name] = scale.Suspended
		}
		blocked := map[string]bool{}
		for _, blocker := range set.Blockers {
			blocked[blocker.Object] = true
		}
		for id, object := range byName(set) {
			stops := map[string]bool{
				"Deployment":              at(object, "spec", "replicas") == int64(0) || scaled[id.String()],
				"StatefulSet":             at(object, "spec", "replicas") == int64(0) || scaled[id.String()],
				"Job":                     at(object, "spec", "suspend") == true,
				"CronJob":                 at(object, "spec", "suspend") == true,
				"HorizontalPodAutoscaler": at(object, "spec", "minReplicas") != int64(0),
				"ScaledObject":            at(object, "metadata", "annotations", kedaPausedReplicas) == "0",
				"Cluster":                 at(object, "metadata", "annotations", "cnpg.io/hibernation") == "on",
				"Broker":                  blocked[id.String()],
			}
			if stopped, runs := stops[id.kind.Kind]; runs && !stopped {
				t.Fatalf("%s keeps running, unreported: %v", id, object)
			}
		}
	})
}

func TestEveryObjectIsTheTenants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := desired(t, template(t), rapid.Bool().Draw(t, "suspended"))
		for id, object := range byName(set) {
			if object.GetNamespace() != tenantNamespace {
				t.Fatalf("%s lies in %q", id, object.GetNamespace())
			}
			labels := object.GetLabels()
			if labels[v1alpha1.InstanceLabel] != "acme" || labels[v1alpha1.InstanceNamespaceLabel] != "sales" {
				t.Fatalf("%s has the labels %v", id, labels)
			}
		}
	})
}

func TestAStatefulSetNeverGivesUpItsClaims(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		suspended := rapid.Bool().Draw(t, "suspended")
		set := desired(t, template(t), suspended)
		var names []string
		for _, object := range objects(set) {
			if identityOf(object).kind != kindStatefulSet {
				continue
			}
			names = append(names, object.GetName())
			want := map[string]any{"whenDeleted": "Retain", "whenScaled": "Retain"}
			if diff := cmp.Diff(want, at(object, "spec", "persistentVolumeClaimRetentionPolicy")); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", identityOf(object), diff)
			}
		}
		if !suspended {
			names = nil
		}
		if diff := cmp.Diff(names, set.Retain); diff != "" {
			t.Fatalf("StatefulSets to look at before zero is written (-want +got):\n%s", diff)
		}
	})
}

// FuzzDesired proves that no object, however broken, makes more of a template than a refusal.
func FuzzDesired(f *testing.F) {
	for _, seed := range []string{
		`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"template":{"spec":{}}}}`,
		`{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"db"},"spec":{"replicas":"x","template":{}}}`,
		`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"web","labels":[]},"stringData":{"a":1},"data":7}`,
		`{"apiVersion":"keda.sh/v1alpha1","kind":"ScaledObject","metadata":{"name":"web","annotations":{"a":null}}}`,
		`{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"web"},"spec":{"minReplicas":0.0}}`,
		`{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"x"},"spec":{"jobTemplate":7}}`,
		`{"apiVersion":"postgresql.cnpg.io/v1","kind":"Cluster","metadata":"x"}`,
		`{"kind":7,"metadata":null}`,
	} {
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, suspended bool) {
		object := &unstructured.Unstructured{}
		if err := json.Unmarshal(data, &object.Object); err != nil || object.Object == nil {
			t.Skip()
		}
		permissions := testPermissions()
		permissions.TenantRBAC = true
		set, err := Desired(testTenant(), testPolicy(), permissions, []Rendered{{Object: object, File: "app.yaml"}}, suspended)
		if err != nil {
			var refused *RefusedError
			if !errors.As(err, &refused) || len(refused.Problems) == 0 {
				t.Fatalf("an error without a problem: %v", err)
			}
			return
		}
		for _, object := range objects(set) {
			if object.GetNamespace() != tenantNamespace || object.GetLabels()[v1alpha1.InstanceLabel] != "acme" {
				t.Fatalf("not the tenant's: %v", object)
			}
		}
		PodSecurityProblems("", objects(set))
	})
}
