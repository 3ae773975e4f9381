package product

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/revision"
	"github.com/stallkeeper/stallkeeper/controllers/template"
	"github.com/stallkeeper/stallkeeper/stored"
)

// silly finds what is wrong in a product by itself and what the kind's schema can't refuse, or only at too high a cost. Each problem
// names its field and what to do.
func silly(product *v1alpha1.MarketplaceProduct) error {
	var problems []string
	spec := &product.Spec
	problems = append(problems, ownValues("values", spec.Values != nil, rawOf(spec.Values))...)
	problems = append(problems, patches("lifecycle.suspensionPatches", spec.Lifecycle.SuspensionPatches)...)
	for _, plan := range spec.Plans {
		at := fmt.Sprintf("plans[%s]", plan.Name)
		problems = append(problems, ownValues(at+".values", plan.Values != nil, rawOf(plan.Values))...)
		problems = append(problems, quotas(at+".quota", plan.Quota)...)
		problems = append(problems, invisible(at+".listings", plan.Listings)...)
		problems = append(problems, overlaps(at+".set", spec.Set, plan.Set)...)
		problems = append(problems, pushedTwice(at+".meters", plan)...)
	}
	if len(problems) == 0 {
		return nil
	}
	return report.Problem(v1alpha1.ReasonInvalidValues, strings.Join(problems, "; "))
}

// ownValues refuses what Stallkeeper itself sets.
func ownValues(field string, set bool, raw []byte) []string {
	if !set {
		return nil
	}
	if stored.Parts(raw) > revision.MaxParts {
		return []string{fmt.Sprintf("%s has more than %d members, elements, maps and lists: take some out, or keep them in a text", field, revision.MaxParts)}
	}
	values, err := template.DecodeValues(raw)
	if err != nil {
		return []string{field + " must be a map"}
	}
	if _, taken := values["stallkeeper"]; taken {
		return []string{field + ".stallkeeper is set by Stallkeeper: remove it"}
	}
	return nil
}

// quotas finds amounts and names that no ResourceQuota can have.
func quotas(field string, quota v1alpha1.ResourceList) []string {
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(quota)) {
		if quantity := quota[name]; quantity.Sign() < 0 {
			problems = append(problems, fmt.Sprintf("%s: %s is negative: a quota is 0 or more", field, name))
		}
		if !quotaName(name) {
			problems = append(problems, fmt.Sprintf("%s: no ResourceQuota can have %s: name a resource such as pods, requests.cpu, limits.memory,"+
				" requests.storage, or one with a slash such as count/jobs.batch", field, name))
		}
	}
	return problems
}

// plainQuotas are the names without a slash that a ResourceQuota can have.
var plainQuotas = sets.New("cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory", "requests.storage", "requests.ephemeral-storage",
	"limits.cpu", "limits.memory", "limits.ephemeral-storage", "pods", "services", "services.nodeports", "services.loadbalancers",
	"replicationcontrollers", "resourcequotas", "secrets", "configmaps", "persistentvolumeclaims")

// quotaName says whether a ResourceQuota can have a limit of that name. The API server refuses others, for every tenant.
func quotaName(name string) bool {
	return plainQuotas.Has(name) || strings.Contains(name, "/") || strings.HasPrefix(strings.TrimPrefix(name, "requests."), "hugepages-")
}

// invisible finds ids that were pasted with more than can be seen. No purchase would ever name them.
func invisible(field string, listings []v1alpha1.Listing) []string {
	var problems []string
	for _, listing := range listings {
		for _, id := range slices.Concat(listing.SKUs, listing.ProductIDs) {
			if strings.ContainsFunc(id, func(r rune) bool { return unicode.In(r, unicode.C) }) {
				problems = append(problems, fmt.Sprintf("%s[%s]: %q holds a line break or another invisible character: type it anew", field,
					listing.Marketplace, id))
			}
		}
	}
	return problems
}

// patches finds suspension patches that would make another object of the one that they are laid over.
func patches(field string, all []v1alpha1.SuspensionPatch) []string {
	var problems []string
	for _, of := range all {
		var patch map[string]json.RawMessage
		if json.Unmarshal(of.Patch.Raw, &patch) != nil {
			problems = append(problems, fmt.Sprintf("%s[%s]: patch must be a map", field, of.Kind))
			continue
		}
		for _, fixed := range []string{"apiVersion", "kind", "status"} {
			if _, ok := patch[fixed]; ok {
				problems = append(problems, fmt.Sprintf("%s[%s]: patch sets %s, which does not stop anything: remove it", field, of.Kind, fixed))
			}
		}
		var metadata map[string]json.RawMessage
		if raw, ok := patch["metadata"]; !ok || json.Unmarshal(raw, &metadata) == nil {
			for _, name := range slices.Sorted(maps.Keys(metadata)) {
				if name != "annotations" && name != "labels" {
					problems = append(problems, fmt.Sprintf("%s[%s]: patch sets metadata.%s, and only annotations and labels can be set: remove it",
						field, of.Kind, name))
				}
			}
		}
	}
	return problems
}

// overlaps finds assignments of a plan that lie within one of the product's, or the other way round. The same path is meant: the plan's
// counts.
func overlaps(field string, ofProduct, ofPlan []v1alpha1.ValueAssignment) []string {
	var problems []string
	for _, mine := range ofPlan {
		for _, theirs := range ofProduct {
			a, b := revision.PathKeys(mine.Path), revision.PathKeys(theirs.Path)
			if shorter := min(len(a), len(b)); len(a) != len(b) && slices.Equal(a[:shorter], b[:shorter]) {
				problems = append(problems, fmt.Sprintf("%s: %s and the product's %s overlap: only one of them can be set",
					field, mine.Path, theirs.Path))
			}
		}
	}
	return problems
}

// pushedTwice finds plans that push more than one meter: the marketplace charges by one number.
func pushedTwice(field string, plan v1alpha1.Plan) []string {
	var pushed []string
	for _, meter := range plan.Meters {
		if meter.Push != v1alpha1.MeterPushNone {
			pushed = append(pushed, meter.Name)
		}
	}
	if len(pushed) < 2 {
		return nil
	}
	return []string{fmt.Sprintf("%s: %s are all pushed, but a marketplace charges a single amount: set push: None for all but one",
		field, strings.Join(pushed, " and "))}
}

func rawOf(values *runtime.RawExtension) []byte {
	if values == nil {
		return nil
	}
	return values.Raw
}
