package apply

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Explain classifies what the API server answered about an object. An error that is an *[ObjectError] already stays as it is; nil gives
// nil.
func Explain(key Key, err error) *ObjectError {
	if err == nil {
		return nil
	}
	return objectError(key, err)
}

// Condition gives the fields of a condition in an object's status, or nil.
func Condition(obj *unstructured.Unstructured, kind string) map[string]any {
	return condition(obj, kind)
}

// Recorded says whether a namespace records this very instance.
func Recorded(ns *unstructured.Unstructured, owner Owner) bool {
	return ns != nil && recorded(ns, owner)
}

// Judge gives the state of one object as the cache or the API server shows it. Hooks are judged as the Jobs
// that they are.
func Judge(obj *unstructured.Unstructured) Blocker {
	verdict := judge(obj)
	verdict.Key = KeyOf(obj)
	return verdict
}

// TakeOver records the owner on a namespace that stands and records another instance, if that one is gone and a person agreed; see
// [OwnerGone]. The error is a *[NamespaceConflictError] if it may not be taken.
func (a *Applier) TakeOver(
	ctx context.Context, ns *unstructured.Unstructured, owner Owner, gone OwnerGone,
) (*unstructured.Unstructured, error) {
	return a.takeOver(ctx, ns, owner, gone)
}

// WorkloadOf names what people know a pod by: its Deployment, StatefulSet or Job, whatever else controls it, or the pod itself.
func WorkloadOf(pod *corev1.Pod) (kind, name string) { return workloadOf(pod) }
