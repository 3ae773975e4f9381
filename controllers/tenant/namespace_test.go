package tenant

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
)

// A namespace of the tenant's name stands already.
func TestWhoseNamespaceIsWrittenTo(t *testing.T) {
	labels := func(name, namespace string) map[string]string {
		return map[string]string{v1alpha1.InstanceLabel: name, v1alpha1.InstanceNamespaceLabel: namespace}
	}
	uid := func(uid string, more ...string) map[string]string {
		all := map[string]string{v1alpha1.InstanceUIDAnnotation: uid}
		for _, key := range more {
			all[key] = v1alpha1.Allow
		}
		return all
	}
	for name, tc := range map[string]struct {
		labels, annotations map[string]string
		gone                bool
		err                 error
		taken               bool
	}{
		"of nothing that is ours":                     {nil, nil, true, nil, false},
		"of nothing that is ours, with a consent":     {nil, uid("", v1alpha1.AdoptAnnotation), true, nil, false},
		"of another instance":                         {labels("other", "sales"), uid("u"), true, nil, false},
		"of an instance of another sales namespace":   {labels("acme", "other"), uid("u", v1alpha1.AdoptAnnotation), true, nil, false},
		"of a former instance that stands":            {labels("acme", "sales"), uid("u", v1alpha1.AdoptAnnotation), false, nil, false},
		"of a former instance, without consent":       {labels("acme", "sales"), uid("u"), true, nil, false},
		"of a former instance, with consent":          {labels("acme", "sales"), uid("u", v1alpha1.AdoptAnnotation), true, nil, true},
		"of a former instance that can't be read now": {labels("acme", "sales"), uid("u", v1alpha1.AdoptAnnotation), true, errAway, false},
		"that records no instance, without consent":   {labels("acme", "sales"), nil, true, nil, false},
		"of this instance":                            {labels("acme", "sales"), uid("uid-of-acme"), false, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"a": settings + deployment("web", three)}, "a")
			ns := newObject(apply.NamespaceKind, "", space)
			ns.SetLabels(tc.labels)
			ns.SetAnnotations(tc.annotations)
			if err := w.server.Create(t.Context(), ns); err != nil {
				t.Fatal(err)
			}
			before := w.snapshot()
			s := w.set("a")
			s.OwnerGone = func(_ context.Context, asked types.UID) (bool, error) {
				if asked != "u" {
					t.Errorf("it asks for the instance %q", asked)
				}
				return tc.gone, tc.err
			}
			for range 2 {
				w.cache.sync()
				st, err := w.Observe(t.Context(), space)
				if err != nil {
					t.Fatal(err)
				}
				if p := w.Power(t.Context(), st, Wish{Stop: true, Owner: w.owner}); p.Wrote > 0 && !tc.taken {
					t.Error("it stops something")
				}
				_, err = w.Shape(t.Context(), st, s)
				var conflict *apply.NamespaceConflictError
				if !tc.taken && !errors.As(err, &conflict) && !errors.Is(err, errAway) {
					t.Errorf("it says %v", err)
				}
				if conflict != nil && (conflict.Message == "" || conflict.Remedy == "") {
					t.Errorf("it does not say what to do: %v", conflict)
				}
			}
			if diff := cmp.Diff(before, w.snapshot()); !tc.taken && diff != "" {
				t.Errorf("it is written to (-before +after):\n%s", diff)
			}
			now := w.server.object(id("Namespace", space))
			if _, consent := annotation(now, v1alpha1.AdoptAnnotation); tc.taken && (consent || !apply.Recorded(now, w.owner) || !w.has("Deployment", "web")) {
				t.Errorf("it is not this instance's: %v", now.GetAnnotations())
			}
		})
	}
}

// Without its labels a namespace is not seen. It records the instance all the same.
func TestANamespaceThatHasLostItsLabelsIsStillTheTenants(t *testing.T) {
	for name, labels := range map[string]map[string]string{
		"none": nil, "another instance's": {v1alpha1.InstanceLabel: "other", v1alpha1.InstanceNamespaceLabel: "sales"},
	} {
		for _, rendered := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(map[string]string{"a": deployment("web", three)}, "a")
				w.settle(t.Context())
				w.server.edit(id("Namespace", space), "kubectl", func(o *unstructured.Unstructured) { o.SetLabels(labels) })
				w.restart()
				w.stop, w.rendered = true, rendered
				w.settle(t.Context())
				replicas(t, w, "web", 0)
				if !apply.Recorded(w.server.object(id("Namespace", space)), w.owner) {
					t.Error("nobody sees it")
				}
			})
		}
	}
}

// What is being deleted is not filled again; it is made anew when it is gone.
func TestANamespaceOnItsWayOutIsNotWrittenTo(t *testing.T) {
	w := newWorld(map[string]string{"a": settings}, "a")
	w.settle(t.Context())
	w.deletes("ConfigMap", "settings")
	ns := w.server.memory.Object(id("Namespace", space))
	ns.SetDeletionTimestamp(&metav1.Time{Time: w.clock.Now()})
	w.server.memory.Put(ns)
	w.cache.sync()
	w.restart()
	if out := w.pass(t.Context()); out.err == nil || w.has("ConfigMap", "settings") {
		t.Errorf("%v; the ConfigMap stands %v", out.err, w.has("ConfigMap", "settings"))
	}
	w.server.drop(id("Namespace", space))
	w.settle(t.Context())
	if !w.has("ConfigMap", "settings") {
		t.Error("it is not made anew")
	}
}

// Somebody writes to the namespace in the same moment: neither of the two is lost.
func TestAWriteToANamespaceLosesNoOther(t *testing.T) {
	w := newWorld(map[string]string{"a": settings, "b": changed + migrate}, "a")
	w.settle(t.Context())
	w.target = "b"
	w.server.before = func(verb string, key Key) error {
		if made := w.server.memory.Object(id("Job", "migrate")) != nil; verb == "patch" && key.Kind == "Namespace" && made {
			w.server.before = nil
			ns := w.server.memory.Object(id("Namespace", space))
			setAnnotation(ns, JobsAnnotation, "b=upgrade /other:Succeeded")
			ns.SetResourceVersion("9999")
			w.server.memory.Put(ns)
		}
		return nil
	}
	w.cache.sync()
	w.pass(t.Context())
	if got := w.field("Namespace", space, "metadata", "annotations", JobsAnnotation); got != "b=upgrade /other:Succeeded" {
		t.Errorf("the record of another leader became %v", got)
	}
	w.settle(t.Context())
	if w.pin() != "b" {
		t.Errorf("it is on %q", w.pin())
	}
}
