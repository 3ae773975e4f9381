package tenant

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// The template has the object no more. It goes only if it is ours in every respect, and holds no data.
func TestOnlyWhatWeMadeAndWantNoMoreIsDeleted(t *testing.T) {
	labels := func(change func(map[string]string)) func(*unstructured.Unstructured) {
		return func(o *unstructured.Unstructured) {
			all := o.GetLabels()
			change(all)
			o.SetLabels(all)
		}
	}
	for name, tc := range map[string]struct {
		text    string
		edit    func(*unstructured.Unstructured)
		stands  bool
		orphans []string
	}{
		"a ConfigMap":            {settings, nil, false, nil},
		"a workload":             {deployment("old", three), nil, false, nil},
		"a StatefulSet":          {statefulSet("1Gi"), nil, false, nil},
		"a claim":                {claim("1Gi"), nil, true, []string{"PersistentVolumeClaim/data"}},
		"a kept workload":        {keptDeployment, nil, true, []string{"Deployment/old"}},
		"one that was relabeled": {settings, labels(func(l map[string]string) { l[v1alpha1.InstanceLabel] = "other" }), true, []string{"ConfigMap/settings"}},
		"one that is of another sales namespace": {settings, labels(func(l map[string]string) { l[v1alpha1.InstanceNamespaceLabel] = "other" }), true,
			[]string{"ConfigMap/settings"}},
		"one that another object controls": {settings, func(o *unstructured.Unstructured) {
			o.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "x", UID: "u", Controller: ptr.To(true)}})
		}, true, []string{"ConfigMap/settings"}},
	} {
		t.Run(name, func(t *testing.T) {
			of := idOf(parse(tc.text)[0])
			of.Namespace = space
			w := newWorld(map[string]string{"a": tc.text + account, "b": account}, "a")
			w.settle(t.Context())
			if tc.edit != nil {
				w.server.edit(of, "kubectl", tc.edit)
			}
			w.target = "b"
			out, _ := w.settle(t.Context())
			if stands := w.server.object(of) != nil; stands != tc.stands {
				t.Errorf("it stands: %v, want %v; %v", stands, tc.stands, out.refusals)
			}
			if diff := cmp.Diff(tc.orphans, out.shaped.Orphans); diff != "" {
				t.Errorf("orphans (-want +got):\n%s", diff)
			}
		})
	}
}

// The object carries the tenant's labels, and nothing of it is ours: a controller has copied them.
func TestWhatWasNeverAppliedStays(t *testing.T) {
	w := newWorld(map[string]string{"a": account}, "a")
	w.settle(t.Context())
	copied := w.of(t, "v1", "Service", "web", settings)
	w.server.edit(copied, "kube-controller-manager", func(o *unstructured.Unstructured) { o.SetOwnerReferences(nil) })
	w.settle(t.Context())
	if w.server.object(copied) == nil {
		t.Error("what others have made is deleted")
	}
}

// The cache is old: what it shows was deleted and made again by a person under the same name.
func TestAnObjectOfTheSameNameIsNotDeletedInItsPlace(t *testing.T) {
	w := newWorld(map[string]string{"a": settings + account, "b": account}, "a")
	w.settle(t.Context())
	w.deletes("ConfigMap", "settings")
	anew := parse(settings)[0]
	anew.SetNamespace(space)
	if err := w.server.Create(t.Context(), anew, client.FieldOwner("kubectl")); err != nil {
		t.Fatal(err)
	}
	w.target = "b"
	w.pass(t.Context()) // without a sync
	if !w.has("ConfigMap", "settings") {
		t.Error("a person's object is deleted for one of ours that is gone")
	}
}

// As long as something of the set is refused, what is wanted no more may still be needed.
func TestNothingIsDeletedBeforeTheSetStands(t *testing.T) {
	w := newWorld(map[string]string{"a": settings + deployment("web", three)}, "a")
	w.settle(t.Context())
	w.revisions["a"] = strings.ReplaceAll(settings, "settings", "options") + deployment("web", "    replicas: 5")
	w.server.before = func(verb string, key Key) error {
		if verb == "apply" && key.Kind == "Deployment" {
			return invalid(key, "spec", "not now")
		}
		return nil
	}
	w.settle(t.Context())
	if !w.has("ConfigMap", "settings") {
		t.Error("the Deployment that stands has lost its ConfigMap")
	}
	w.server.before = nil
	w.settle(t.Context())
	if w.has("ConfigMap", "settings") {
		t.Error("it is never deleted")
	}
}

// A Job that failed is deleted to run again, or a rival makes room: it has to be the very object that was looked at.
func TestADeletionIsOfTheObjectThatWasRead(t *testing.T) {
	for name, tc := range map[string]struct {
		first, second string
		of            objectID
	}{
		"a Job of the former revision": {migrate, strings.Replace(migrate, "c:1", "c:2", 1), id("Job", "migrate")},
		"an object that makes room":    {nodePort("front"), nodePort("door"), id("Service", "front")},
		"a StatefulSet that grows":     {statefulSet("1Gi"), statefulSet("2Gi"), id("StatefulSet", "db")},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"a": tc.first, "b": tc.second}, "a")
			w.settle(t.Context())
			w.ends("migrate", "Complete")
			w.settle(t.Context())
			w.target = "b"
			var other string
			w.server.before = func(verb string, key Key) error {
				if verb != "delete" || key.Name != tc.of.Name || other != "" {
					return nil
				}
				// Somebody makes it anew in this very moment.
				found := w.server.memory.Object(tc.of)
				found.SetUID("another")
				w.server.memory.Put(found)
				other = "another"
				return nil
			}
			w.cache.sync()
			w.pass(t.Context())
			if other == "" {
				t.Fatal("nothing was to be deleted")
			}
			if now := w.server.object(tc.of); now == nil || string(now.GetUID()) != other {
				t.Error("another object than the one that was read is deleted")
			}
		})
	}
}

var errAway = errors.New("the API server is away")
