package workload

import (
	"encoding/base64"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// serverFields are the metadata that only the API server writes. Templates that were copied from a cluster have them, and
// the server refuses some and ignores the others.
var serverFields = []string{
	"creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generateName", "generation", "managedFields",
	"resourceVersion", "selfLink", "uid",
}

// withoutNulls drops the fields that a template begins and leaves empty, as in "annotations:" with nothing below it. They
// mean the same as no field at all, but would be taken for a value of a wrong type.
func withoutNulls(object *unstructured.Unstructured) {
	metadata, _ := object.Object["metadata"].(map[string]any)
	for _, fields := range []map[string]any{object.Object, metadata} {
		maps.DeleteFunc(fields, func(_ string, value any) bool { return value == nil })
	}
}

// complete makes a checked object one of the tenant's. The labels stand on the object, its claim templates and its Job template alone,
// not on pod templates or selectors: those can't change without a restart, or at all.
func (b *builder) complete(object *unstructured.Unstructured) {
	for _, field := range serverFields {
		unstructured.RemoveNestedField(object.Object, "metadata", field)
	}
	delete(object.Object, "status")
	object.SetNamespace(b.tenant.Namespace)
	labels := object.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, tenantLabels(b.tenant))
	object.SetLabels(labels)

	kind := object.GroupVersionKind().GroupKind()
	switch kind {
	case kindSecret:
		encodeStringData(object)
	case kindStatefulSet:
		retainClaims(object)
		labelClaims(object, tenantLabels(b.tenant))
	case kindCronJob:
		labelJobs(object, tenantLabels(b.tenant))
	}
	if hasReplicas(object) && !setsReplicas(object) {
		// A null would be applied, and owned, by us against the autoscaler.
		unstructured.RemoveNestedField(object.Object, "spec", "replicas")
	}
	if b.access == v1alpha1.APIAccessNone {
		withoutToken(object)
	}
}

// encodeStringData moves stringData into data, where it wins as on the API server. Applied as it is, we would own
// stringData, which the server does not keep, and a change of data by somebody else would stay unseen.
func encodeStringData(object *unstructured.Unstructured) {
	text, _, _ := unstructured.NestedStringMap(object.Object, "stringData")
	delete(object.Object, "stringData")
	if len(text) == 0 {
		return
	}
	data, ok := object.Object["data"].(map[string]any)
	if !ok {
		data = map[string]any{}
	}
	for key, value := range text {
		data[key] = base64.StdEncoding.EncodeToString([]byte(value))
	}
	object.Object["data"] = data
}

// retainClaims keeps the claims of a StatefulSet that is scaled down or deleted, whatever its template says: suspending
// scales to zero, a template that drops it prunes it, and neither may take data. It is set while the tenant runs as well,
// so that it is stored long before zero is.
func retainClaims(object *unstructured.Unstructured) {
	spec, ok := object.Object["spec"].(map[string]any)
	if !ok {
		return // a StatefulSet without a spec was refused for its pod template
	}
	spec["persistentVolumeClaimRetentionPolicy"] = map[string]any{"whenDeleted": "Retain", "whenScaled": "Retain"}
}

// labelClaims puts the tenant's labels on the claims that a StatefulSet will make. Without them nobody would see the claims,
// and those of a StatefulSet that was dropped could not be listed as orphans. Claim templates never change, so these labels
// must not either: they are the instance's name and namespace alone.
func labelClaims(object *unstructured.Unstructured, labels map[string]string) {
	templates, _, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", "volumeClaimTemplates")
	list, _ := templates.([]any)
	for _, template := range list {
		claim, ok := template.(map[string]any)
		if !ok {
			continue // the API server says what is wrong with it
		}
		metadata, ok := claim["metadata"].(map[string]any)
		if !ok {
			metadata = map[string]any{}
			claim["metadata"] = metadata
		}
		own, ok := metadata["labels"].(map[string]any)
		if !ok {
			own = map[string]any{}
			metadata["labels"] = own
		}
		for name, value := range labels {
			own[name] = value
		}
	}
}

// labelJobs puts the tenant's labels on the Jobs that a CronJob will start. Without them a Job that runs when the tenant is stopped
// would not be seen, and would run to its end.
func labelJobs(object *unstructured.Unstructured, labels map[string]string) {
	own, _, err := unstructured.NestedStringMap(object.Object, "spec", "jobTemplate", "metadata", "labels")
	if err != nil {
		return // the API server says what is wrong with it
	}
	if own == nil {
		own = map[string]string{}
	}
	maps.Copy(own, labels)
	// A CronJob without a jobTemplate was refused for its pod template.
	_ = unstructured.SetNestedStringMap(object.Object, own, "spec", "jobTemplate", "metadata", "labels")
}

// withoutToken keeps ServiceAccount tokens out of pods. A ServiceAccount's own setting is only the default for pods that
// say nothing, and most charts set it without a thought; so it is overruled rather than refused.
func withoutToken(object *unstructured.Unstructured) {
	const automount = "automountServiceAccountToken"
	kind := object.GroupVersionKind().GroupKind()
	if kind == kindServiceAccount {
		object.Object[automount] = false
	}
	at := known[kind].podTemplate
	if at == nil || kind == kindScaledJob {
		// KEDA ends the running Jobs of a ScaledJob whose template changes, as it would here when the controller is upgraded. One that asks for a
		// token was refused, and the ServiceAccounts of the namespace have none to give.
		return
	}
	template, _, _ := unstructured.NestedFieldNoCopy(object.Object, at...)
	fields, _ := template.(map[string]any)
	if spec, ok := fields["spec"].(map[string]any); ok {
		spec[automount] = false
	}
}
