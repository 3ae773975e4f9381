package revision

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/quantity"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// maxLimitRenders bounds how often a template is rendered to find a tenant's limits. Plans beyond it get none.
const maxLimitRenders = 64

// Limits are the plans, each with the smallest quantity, to which a tenant can change without a volume claim becoming
// smaller, which Kubernetes refuses. Plans that fit at any quantity are left out; so are those whose template fails, because
// nothing is known of them. It renders only where the tenant has claims, and takes for granted that a larger quantity never asks
// for smaller claims. An error says that the limits are not known for now, and not that there are none.
func Limits(ctx context.Context, rev *Revision, now Rendered) ([]v1alpha1.PlanLimit, error) {
	sizes := claimSizes(now.Objects)
	if len(sizes) == 0 {
		return nil, nil
	}
	renders := 0
	var untried error
	// shrinks names a claim that would be smaller with a plan and quantity; empty when none would.
	shrinks := func(plan v1alpha1.Plan, quantity int32) string {
		if untried != nil {
			return ""
		}
		if renders++; renders > maxLimitRenders {
			return ""
		}
		in := now.inputs
		in.Plan, in.Quantity = plan, quantity
		in.AsTyped = true // only the sizes are looked at, and what is remembered of the buyer's texts is for the next pass
		then, err := Render(ctx, rev, in)
		if err != nil {
			if wasNotTried(err) {
				untried = fmt.Errorf("rendering plan %q: %w", plan.Name, err)
			}
			return ""
		}
		return smallerClaim(sizes, claimSizes(then.Objects))
	}
	var limits []v1alpha1.PlanLimit
	for _, plan := range rev.Data.Plans {
		limit := limitOf(plan, max(now.inputs.Quantity, 1), shrinks)
		if untried != nil {
			return nil, untried
		}
		if renders > maxLimitRenders {
			break
		}
		if limit.MinimumQuantity > 1 {
			limits = append(limits, limit)
		}
	}
	return limits, nil
}

// wasNotTried says whether an error of Render says nothing of the plan.
func wasNotTried(err error) bool {
	limit := &render.LimitError{}
	return Passes(err) || errors.As(err, &limit) && limit.Paused
}

// limitOf finds the smallest quantity up to the present one at which nothing shrinks. Where even that does not fit, it is one
// more: beyond nothing was looked at.
func limitOf(plan v1alpha1.Plan, present int32, shrinks func(v1alpha1.Plan, int32) string) v1alpha1.PlanLimit {
	limit := v1alpha1.PlanLimit{Plan: plan.Name, MinimumQuantity: 1}
	small, fits := int32(0), int32(1)
	if claim := shrinks(plan, 1); claim != "" {
		small, limit.Claim = 1, report.Cut(claim, 400)
		fits = present + 1
		if present > 1 && shrinks(plan, present) == "" {
			fits = present
		} else {
			small = present
		}
	}
	for fits-small > 1 {
		middle := small + (fits-small)/2
		if shrinks(plan, middle) == "" {
			fits = middle
		} else {
			small = middle
		}
	}
	limit.MinimumQuantity = fits
	return limit
}

// claimSizes are the requested sizes of the claims and of the claim templates of StatefulSets, by Kind/name.
func claimSizes(objects []workload.Rendered) map[string]resource.Quantity {
	sizes := map[string]resource.Quantity{}
	add := func(name string, spec map[string]any) {
		value, found, err := unstructured.NestedFieldNoCopy(spec, "spec", "resources", "requests", "storage")
		if !found || err != nil {
			return
		}
		// YAML may hold the size as a number.
		if size, err := quantity.Parse(fmt.Sprint(value)); err == nil {
			sizes[name] = size
		}
	}
	for _, rendered := range objects {
		object := rendered.Object
		name := object.GetKind() + "/" + object.GetName()
		switch object.GroupVersionKind().GroupKind().String() {
		case "PersistentVolumeClaim":
			add(name, object.Object)
		case "StatefulSet.apps":
			templates, _, _ := unstructured.NestedSlice(object.Object, "spec", "volumeClaimTemplates")
			for _, template := range templates {
				if claim, ok := template.(map[string]any); ok {
					of, _, _ := unstructured.NestedString(claim, "metadata", "name")
					add(name+"/"+of, claim)
				}
			}
		}
	}
	return sizes
}

// smallerClaim is the first claim, by name, that is smaller than before. One that is not there any more keeps its volume.
func smallerClaim(before, after map[string]resource.Quantity) string {
	for _, name := range slices.Sorted(maps.Keys(before)) {
		was := before[name]
		if is, ok := after[name]; ok && is.Cmp(was) < 0 {
			return name
		}
	}
	return ""
}
