package tenant

import (
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func invalid(key Key, path, detail string) error {
	return apierrors.NewInvalid(key.GroupKind(), key.Name, field.ErrorList{field.Invalid(field.NewPath(path), "", detail)})
}

type metav1Entry = metav1.ManagedFieldsEntry

// ends is the Job controller, or the cluster, that ends a Job.
func (w *world) ends(name, condition string) {
	w.server.edit(w.id("Job", name), "kube-controller-manager", func(job *unstructured.Unstructured) {
		job.Object["status"] = map[string]any{"conditions": []any{map[string]any{
			"type": condition, "status": "True", "lastTransitionTime": w.clock.Now().UTC().Format("2006-01-02T15:04:05Z"), "message": "it is over",
		}}}
	})
}

// deletes is a person, or the cluster, that deletes an object.
func (w *world) deletes(kind, name string) {
	w.server.drop(w.id(kind, name))
}
