package product

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// fixedFields are the fields of kinds that no one can change once an object stands.
var fixedFields = map[schema.GroupKind][]string{
	{Group: "apps", Kind: "Deployment"}:                       {"spec.selector"},
	{Group: "apps", Kind: "StatefulSet"}:                      {"spec.selector", "spec.serviceName", "spec.podManagementPolicy"},
	{Kind: "PersistentVolumeClaim"}:                           {"spec.storageClassName", "spec.accessModes", "spec.volumeMode"},
	{Kind: "Secret"}:                                          {"type"},
	{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"}: {"roleRef"},
}

// planned is a plan with what of its running sample's objects matters to a change of plan. Whole objects of all plans would be more than
// there is memory.
type planned struct {
	plan    v1alpha1.Plan
	objects []standing
}

// standing is such an object.
type standing struct {
	key, name string
	// fixed are the digests of its fields that can't be changed, and claims the sizes of its claims.
	fixed  map[string][sha256.Size]byte
	claims map[string]resource.Quantity
}

// maxCompared bounds the fields and claims that are compared between plans.
const maxCompared = 5000

func plannedOf(plan v1alpha1.Plan, objects []*unstructured.Unstructured) planned {
	of, compared := planned{plan: plan}, 0
	for _, object := range objects {
		fields, claims := fixedFields[object.GroupVersionKind().GroupKind()], claimSizes(object)
		compared += len(fields) + len(claims)
		if len(fields)+len(claims) == 0 || compared > maxCompared {
			continue
		}
		stands := standing{key: keyOf(object), name: object.GetKind() + "/" + object.GetName(), fixed: map[string][sha256.Size]byte{}, claims: claims}
		for _, field := range fields {
			raw, err := json.Marshal(valueAt(object, strings.Split(field, ".")))
			if err == nil {
				stands.fixed[field] = sha256.Sum256(raw)
			}
		}
		of.objects = append(of.objects, stands)
	}
	return of
}

// betweenPlans says what keeps a sale from changing its plan, by comparing each plan with the next larger one: an object that both have, with a
// field that can't be changed, or a claim that gets smaller in the larger plan. Each plan can be sold, so that these are notes.
func betweenPlans(plans []planned) []string {
	slices.SortStableFunc(plans, func(a, b planned) int { return cmp.Compare(ptr.Deref(a.plan.Rank, 0), ptr.Deref(b.plan.Rank, 0)) })
	var notes []string
	for i := 1; i < len(plans); i++ {
		former, next := plans[i-1], plans[i]
		before := map[string]standing{}
		for _, object := range former.objects {
			before[object.key] = object
		}
		for _, object := range next.objects {
			stands, ok := before[object.key]
			if !ok {
				continue
			}
			for _, problem := range fixedProblems(stands, object) {
				notes = append(notes, fmt.Sprintf("A sale can't change between the plans %q and %q: %s", former.plan.Name, next.plan.Name, problem))
			}
			if next.plan.Rank == nil {
				continue // which one is the larger is not known
			}
			for _, problem := range shrinkProblems(stands, object) {
				notes = append(notes, fmt.Sprintf("A sale can't change from the plan %q to %q, which has the higher rank: %s", former.plan.Name,
					next.plan.Name, problem))
			}
		}
	}
	return notes
}

// fixedProblems are the fields that differ and can't be changed.
func fixedProblems(before, after standing) []string {
	var problems []string
	for _, field := range slices.Sorted(maps.Keys(after.fixed)) {
		if before.fixed[field] != after.fixed[field] {
			problems = append(problems, fmt.Sprintf("%s has another %s, which can't be changed once it stands: write the same for both", after.name, field))
		}
	}
	return problems
}

// shrinkProblems are the claims that are smaller.
func shrinkProblems(before, after standing) []string {
	var problems []string
	for _, claim := range slices.Sorted(maps.Keys(after.claims)) {
		if had, size := before.claims[claim], after.claims[claim]; !size.IsZero() && size.Cmp(had) < 0 {
			problems = append(problems, fmt.Sprintf("%s would shrink its claim %s from %s to %s, which Kubernetes does not support: set it to at least %s",
				after.name, claim, had.String(), size.String(), had.String()))
		}
	}
	return problems
}

func valueAt(object *unstructured.Unstructured, path []string) any {
	value, _, _ := unstructured.NestedFieldNoCopy(object.Object, path...)
	return value
}

// claimSizes are the sizes of an object's claims by their names: of a claim itself, and of a StatefulSet's templates.
func claimSizes(object *unstructured.Unstructured) map[string]resource.Quantity {
	var claims []corev1.PersistentVolumeClaim
	var claim corev1.PersistentVolumeClaim
	var set appsv1.StatefulSet
	switch object.GroupVersionKind().GroupKind() {
	case schema.GroupKind{Kind: "PersistentVolumeClaim"}:
		if runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &claim) == nil {
			claims = append(claims, claim)
		}
	case schema.GroupKind{Group: "apps", Kind: "StatefulSet"}:
		if runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &set) == nil {
			claims = set.Spec.VolumeClaimTemplates
		}
	}
	sizes := map[string]resource.Quantity{}
	for i := range claims {
		sizes[claims[i].Name] = claims[i].Spec.Resources.Requests[corev1.ResourceStorage]
	}
	return sizes
}
