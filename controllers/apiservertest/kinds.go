package apiservertest

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var (
	kindDeployment  = schema.GroupKind{Group: "apps", Kind: "Deployment"}
	kindStatefulSet = schema.GroupKind{Group: "apps", Kind: "StatefulSet"}
	kindJob         = schema.GroupKind{Group: "batch", Kind: "Job"}
	kindCronJob     = schema.GroupKind{Group: "batch", Kind: "CronJob"}
	kindAutoscaler  = schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}
	kindClaim       = schema.GroupKind{Kind: "PersistentVolumeClaim"}
	kindConfigMap   = schema.GroupKind{Kind: "ConfigMap"}
	kindService     = schema.GroupKind{Kind: "Service"}
)

func kindOf(obj *unstructured.Unstructured) schema.GroupKind {
	return obj.GroupVersionKind().GroupKind()
}

// at is a field's value, or nil.
func at(obj *unstructured.Unstructured, path ...string) any {
	value, _, err := unstructured.NestedFieldNoCopy(obj.Object, path...)
	if err != nil {
		return nil
	}
	return value
}

// defaults sets what the API server sets where nothing is said.
func defaults(obj *unstructured.Unstructured) {
	missing := func(value any, path ...string) {
		if at(obj, path...) == nil {
			_ = unstructured.SetNestedField(obj.Object, value, path...)
		}
	}
	switch kindOf(obj) {
	case kindDeployment:
		missing(int64(1), "spec", "replicas")
		missing("RollingUpdate", "spec", "strategy", "type")
		if at(obj, "spec", "strategy", "type") == "RollingUpdate" {
			missing("25%", "spec", "strategy", "rollingUpdate", "maxSurge")
			missing("25%", "spec", "strategy", "rollingUpdate", "maxUnavailable")
		}
	case kindStatefulSet:
		missing(int64(1), "spec", "replicas")
		missing("RollingUpdate", "spec", "updateStrategy", "type")
		if at(obj, "spec", "updateStrategy", "type") == "RollingUpdate" {
			missing(int64(0), "spec", "updateStrategy", "rollingUpdate", "partition")
		}
	case kindAutoscaler:
		missing(int64(1), "spec", "minReplicas")
	case kindCronJob, kindJob:
		missing(false, "spec", "suspend")
	}
}

// validate refuses what the API server refuses.
func (s *Server) validate(before, obj *unstructured.Unstructured) error {
	var problems field.ErrorList
	spec := field.NewPath("spec")
	switch kindOf(obj) {
	case kindDeployment:
		if at(obj, "spec", "strategy", "type") == "Recreate" && at(obj, "spec", "strategy", "rollingUpdate") != nil {
			problems = append(problems, field.Forbidden(spec.Child("strategy", "rollingUpdate"), "may not be specified when strategy `type` is 'Recreate'"))
		}
	case kindStatefulSet:
		if before != nil && !equality.Semantic.DeepEqual(at(before, "spec", "volumeClaimTemplates"), at(obj, "spec", "volumeClaimTemplates")) {
			problems = append(problems, field.Forbidden(spec, "updates to statefulset spec for fields other than 'replicas' are forbidden"))
		}
	case kindClaim:
		if shrinks(before, obj) {
			problems = append(problems, field.Forbidden(spec.Child("resources", "requests", "storage"), "field can not be less than status.capacity"))
		}
	case kindConfigMap:
		if before != nil && before.Object["immutable"] == true && !equality.Semantic.DeepEqual(before.Object["data"], obj.Object["data"]) {
			problems = append(problems, field.Forbidden(field.NewPath("data"), "field is immutable when `immutable` is set"))
		}
	case kindService:
		problems = append(problems, s.portProblems(obj)...)
	}
	if len(problems) > 0 {
		return apierrors.NewInvalid(kindOf(obj), obj.GetName(), problems)
	}
	return nil
}

// shrinks says whether a claim that stands is to become smaller.
func shrinks(before, after *unstructured.Unstructured) bool {
	if before == nil {
		return false
	}
	now, next := claimSize(before), claimSize(after)
	return next.Cmp(now) < 0
}

func claimSize(claim *unstructured.Unstructured) resource.Quantity {
	size, err := resource.ParseQuantity(fmt.Sprint(at(claim, "spec", "resources", "requests", "storage")))
	if err != nil {
		return resource.Quantity{}
	}
	return size
}

func (s *Server) portProblems(obj *unstructured.Unstructured) field.ErrorList {
	var problems field.ErrorList
	for i, port := range ports(obj) {
		path := field.NewPath("spec", "ports").Index(i)
		if n, _ := port["port"].(int64); n > 65535 {
			problems = append(problems, field.Invalid(path.Child("port"), n, "must be between 1 and 65535, inclusive"))
		}
		if port["nodePort"] != nil && s.nodePortTaken(obj, port["nodePort"]) {
			problems = append(problems, field.Invalid(path.Child("nodePort"), port["nodePort"], "provided port is already allocated"))
		}
	}
	return problems
}

func (s *Server) nodePortTaken(by *unstructured.Unstructured, number any) bool {
	for id, other := range s.objects {
		if id.GroupKind != kindService || id == idOf(by) {
			continue
		}
		for _, port := range ports(other) {
			if port["nodePort"] == number {
				return true
			}
		}
	}
	return false
}

func ports(service *unstructured.Unstructured) []map[string]any {
	list, _ := at(service, "spec", "ports").([]any)
	var found []map[string]any
	for _, item := range list {
		if port, ok := item.(map[string]any); ok {
			found = append(found, port)
		}
	}
	return found
}
