package workload

import (
	"errors"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// Tenant names the tenant and the sale that it belongs to. All fields but Credentials and Objects are
// required.
type Tenant struct {
	// Namespace is the tenant's namespace.
	Namespace string
	// Instance, InstanceNamespace and InstanceUID name the MarketplaceInstance.
	Instance, InstanceNamespace, InstanceUID string
	// Product is the name of the MarketplaceProduct, and Revision of the ControllerRevision that the tenant is pinned to.
	Product, Revision string
	// DeletionProtection says whether deleting the namespace is refused; Enabled when empty.
	DeletionProtection v1alpha1.DeletionProtection
	// Credentials are the buyer's initial account; no access Secret when both are empty.
	Credentials Credentials
	// Objects are added to the operator's own in the tenant's namespace. They have JSON values only, and names of
	// Policy.Reserved.
	Objects []*unstructured.Unstructured
}

// Credentials are a tenant's initial account. They are secret.
type Credentials struct{ UserName, Password string }

// Policy is what the product says about isolation and data, already merged for the tenant's plan.
type Policy struct {
	// Isolation keeps tenants apart; an empty field means the API's default.
	Isolation v1alpha1.Isolation
	// Quota is the hard limits of the namespace's ResourceQuota; no quota when empty.
	Quota v1alpha1.ResourceList
	// DataKinds are kinds that hold data and run nothing, so that suspending leaves them as they are.
	DataKinds []v1alpha1.GroupKind
	// Suspension says how kinds are stopped that the operator does not know. A patch for a kind that it knows is merged
	// before the operator's own change, and can't undo it.
	Suspension []v1alpha1.SuspensionPatch
	// Asked are the tenant's Services that the controller connects to.
	Asked []ServicePort
	// Reserved are names in the tenant's namespace that a template may not use.
	Reserved []Reserved
}

// Reserved is a name that objects of a kind of the core group may not have in a template, because something else makes them.
type Reserved struct {
	// Kind is a kind of the core group, such as Secret.
	Kind string
	// Name is the name; with AnySuffix also every longer one that continues with a dash.
	Name      string
	AnySuffix bool
}

func (r Reserved) covers(id identity) bool {
	return id.kind == schema.GroupKind{Kind: r.Kind} && (id.name == r.Name || r.AnySuffix && strings.HasPrefix(id.name, r.Name+"-"))
}

// ServicePort is a port of a Service.
type ServicePort struct {
	Service string
	Port    int32
}

// Peer says which pods are the controller's.
type Peer struct {
	// Namespace is where they run; with none nothing is opened to them.
	Namespace string
	// Labels are those that they carry; with none it is every pod there.
	Labels map[string]string
}

// Permissions says what the operator may make in a tenant's namespace. They come from the chart's values.
type Permissions struct {
	// Kinds are the namespaced kinds that the operator's ClusterRole covers. RBAC knows no versions, so neither does this.
	// The caller must leave out kinds that the cluster does not serve as namespaced: a client would write those
	// cluster-wide.
	Kinds sets.Set[schema.GroupKind]
	// TenantRBAC accepts Roles and RoleBindings, which need not stand in Kinds.
	TenantRBAC bool
	// RoleRights are what those Roles may allow.
	RoleRights RoleRights
	// MaxPodSecurityLevel is the most permissive level that a tenant's namespace may have; any when empty.
	MaxPodSecurityLevel v1alpha1.PodSecurityLevel
	// Limits are what tenants' objects may have that reaches beyond their tenant.
	Limits Limits
	// Controller says who connects to Policy.Asked.
	Controller Peer
}

// Rendered is one object of the template.
type Rendered struct {
	// Object holds JSON values only, as unstructured demands.
	Object *unstructured.Unstructured
	// File is where the object comes from, for messages.
	File string
	// Events are the events at which the object is a Helm hook, such as v1alpha1.HookPreInstall; none for other objects. Hooks
	// are expected in the order in which they run.
	Events []string
}

// Scale is a Deployment or StatefulSet whose template leaves its replicas to somebody else, such as an autoscaler. Its
// replicas are written through the scale subresource, after everything else was applied.
type Scale struct {
	GVK  schema.GroupVersionKind
	Name string
	// Suspended wants zero replicas, with the former number kept in v1alpha1.ReplicasAnnotation. Otherwise the number in
	// that annotation is to be written back, if there is one.
	Suspended bool
}

// Set is everything that a tenant's namespace must hold.
type Set struct {
	// Namespace comes before all else.
	Namespace *unstructured.Unstructured
	// Groups are applied in this order, the objects of one group in parallel. Empty groups are left out. A group that is the
	// Job of a hook, with v1alpha1.HookAnnotation, is waited for, and left out where its event does not happen; a Job of several
	// events is there once for each.
	Groups [][]*unstructured.Unstructured
	// Prepare are the hooks of pre-install and pre-upgrade again, as groups like Groups: what has to be done before a tenant of
	// another revision gets this one. While the tenant is suspended, only their Jobs.
	Prepare [][]*unstructured.Unstructured
	// Scales are the workloads whose replicas are not applied.
	Scales []Scale
	// Retain names the StatefulSets that are about to be stopped. One that exists and does not store
	// spec.persistentVolumeClaimRetentionPolicy.whenScaled Retain must be patched to that before Groups is applied, or the
	// claims could go with the replicas. Desired always sets Retain, so this is needed only after another's change.
	Retain []string
	// Blockers are the objects that keep running although the tenant is suspended. Since is left to the caller.
	Blockers []v1alpha1.Blocker
	// Unknown are those of Policy.Asked that the template does not have. Nothing is opened for them.
	Unknown []ServicePort
}

// RefusedError says that the template asks for what a tenant may not have. It is final until the template, the product
// or the chart's values change.
type RefusedError struct {
	// Problems has one sentence per refusal: the object with its file, why, and what to change.
	Problems []string
}

// Error joins the problems.
func (e *RefusedError) Error() string { return strings.Join(e.Problems, "; ") }

// Desired returns the complete set for a tenant. The error is a *RefusedError, or says that a field of t is missing.
func Desired(t Tenant, p Policy, perms Permissions, rendered []Rendered, suspended bool) (Set, error) {
	if t.Namespace == "" || t.Instance == "" || t.InstanceNamespace == "" || t.InstanceUID == "" ||
		t.Product == "" || t.Revision == "" {
		return Set{}, errors.New("the tenant's namespace, instance, product or revision has no name")
	}
	patches, problems := newPatches(p.Suspension)
	problems = append(problems, levelProblems(p.Isolation.PodSecurityLevel, perms.MaxPodSecurityLevel)...)
	if len(problems) > 0 {
		return Set{}, &RefusedError{Problems: problems}
	}
	b := builder{
		tenant: t, policy: p, access: apiAccess(p.Isolation), permissions: perms,
		patches: patches, suspended: suspended, files: map[identity]string{},
	}
	for _, r := range rendered {
		b.add(r)
	}
	b.problems = append(b.problems, b.rolesMissing(rendered)...)
	if len(b.problems) > 0 {
		return Set{}, &RefusedError{Problems: b.problems}
	}
	return b.set()
}
