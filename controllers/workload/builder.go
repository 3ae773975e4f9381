package workload

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// identity is what makes an object the same one on the next pass, whatever version of its API it is written in.
type identity struct {
	kind schema.GroupKind
	name string
}

// String is how messages, blockers and orphans name an object.
func (i identity) String() string { return i.kind.Kind + "/" + i.name }

// identityOf names an object.
func identityOf(object *unstructured.Unstructured) identity {
	return identity{kind: object.GroupVersionKind().GroupKind(), name: object.GetName()}
}

// builder collects a tenant's set, and everything that is wrong with it.
type builder struct {
	tenant      Tenant
	policy      Policy
	access      v1alpha1.APIAccess
	permissions Permissions
	patches     map[schema.GroupKind][]byte
	suspended   bool

	files                    map[identity]string // where each object was rendered
	configuration, workloads []*unstructured.Unstructured
	before, after            stages // what Helm's hooks put before and after everything else
	scales                   []Scale
	retain                   []string
	blockers                 []v1alpha1.Blocker
	problems                 []string
}

// add takes one rendered object into the set, or notes why it can't be.
func (b *builder) add(r Rendered) {
	if r.Object == nil {
		return
	}
	object := r.Object.DeepCopy()
	withoutNulls(object)
	problems := b.prepare(object, r)
	if len(problems) == 0 {
		b.place(object, r.Events)
		return
	}
	for _, problem := range problems {
		b.problems = append(b.problems, fmt.Sprintf("%s (%s): %s", identityOf(r.Object), r.File, problem))
	}
}

// prepare patches, checks and completes an object. It returns what is wrong with it.
func (b *builder) prepare(object *unstructured.Unstructured, r Rendered) []string {
	if b.suspended {
		if problem := b.patch(object); problem != "" {
			return []string{problem}
		}
	}
	if problem := b.kindRefused(object); problem != "" {
		return []string{problem}
	}
	problems := slices.Concat(b.identityRefused(object, r.File), b.contentRefused(object), b.hookRefused(object, r.Events))
	if len(problems) > 0 {
		return problems
	}
	b.complete(object)
	if b.suspended {
		if err := b.stop(object); err != nil {
			return []string{fmt.Sprintf("suspending it: %v", err)}
		}
	}
	return nil
}

// place puts an object into its group, and its replicas among the scales if nothing sets them. While the tenant is suspended
// nothing is ordered by hooks, because nothing may keep the rest from being stopped.
func (b *builder) place(object *unstructured.Unstructured, events []string) {
	gk := object.GroupVersionKind().GroupKind()
	kind := known[gk]
	switch {
	case len(events) > 0 && (gk == kindJob || !b.suspended):
		b.placeHook(object, events)
	case kind.configuration || kind.autoscaler && b.suspended:
		b.configuration = append(b.configuration, object)
	default:
		b.workloads = append(b.workloads, object)
	}
	if hasReplicas(object) && !setsReplicas(object) {
		b.scales = append(b.scales, Scale{GVK: object.GroupVersionKind(), Name: object.GetName(), Suspended: b.suspended})
	}
}

// set adds the operator's own objects to those that were added.
func (b *builder) set() (Set, error) {
	namespace, err := asUnstructured(namespace(b.tenant, b.policy.Isolation))
	if err != nil {
		return Set{}, err
	}
	own, err := ownObjects(b.tenant, b.policy, askedRules(b.policy.Asked, b.permissions.Controller, b.workloads))
	if err != nil {
		return Set{}, err
	}
	out := Set{Namespace: namespace, Scales: b.scales, Retain: b.retain, Blockers: b.blockers}
	for _, asked := range b.policy.Asked {
		if _, ok := targetPort(asked, b.workloads); !ok {
			out.Unknown = append(out.Unknown, asked)
		}
	}
	out.Prepare = b.before
	out.Groups = slices.DeleteFunc(b.inOrder(own), func(group []*unstructured.Unstructured) bool { return len(group) == 0 })
	return out, nil
}

// inOrder puts the groups into their order.
func (b *builder) inOrder(own []*unstructured.Unstructured) [][]*unstructured.Unstructured {
	with := slices.Concat(own, b.configuration)
	switch {
	case len(b.before) == 0:
		return slices.Concat(stages{with, b.workloads}, b.after)
	case b.suspended:
		// Nothing waits for a Job that is stopped.
		return slices.Concat(stages{with, b.workloads}, b.before, b.after)
	}
	return slices.Concat(stages{own}, b.before, stages{b.configuration, b.workloads}, b.after)
}
