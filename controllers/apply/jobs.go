package apply

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func isJob(obj *unstructured.Unstructured) bool {
	gvk := obj.GroupVersionKind()
	return gvk.Group == "batch" && gvk.Kind == "Job"
}

// finished says whether the Job is complete or has failed.
func finished(job *unstructured.Unstructured) bool {
	return condition(job, "Complete")["status"] == "True" || condition(job, "Failed")["status"] == "True"
}

// condition gives the fields of a condition in the object's status, or nil.
func condition(obj *unstructured.Unstructured, kind string) map[string]any {
	status, _ := obj.Object["status"].(map[string]any)
	conditions, _ := status["conditions"].([]any)
	for _, c := range conditions {
		if fields, _ := c.(map[string]any); fields["type"] == kind {
			return fields
		}
	}
	return nil
}
