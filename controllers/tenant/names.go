package tenant

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// Field owners. Each owns what no other does, so that giving up one of them gives back what it had taken.
const (
	// ShapeOwner owns what a revision says about an object.
	ShapeOwner = v1alpha1.FieldOwner
	// PowerOwner owns what stopping sets, and the number with which a workload was resumed until a revision or an autoscaler sets one.
	PowerOwner = v1alpha1.FieldOwner + "/power"
	// RecordOwner owns the labels and annotations of a tenant's namespace.
	RecordOwner = v1alpha1.FieldOwner + "/record"
	// repairOwner takes away what others have added. It ends up owning nothing.
	repairOwner = v1alpha1.FieldOwner + "/repair"
)

// Annotations that stand on a tenant's objects.
const (
	// ContentHashAnnotation is a hash of the content that was applied to an object; it is applied with it.
	ContentHashAnnotation = v1alpha1.FieldOwner + "/content-hash"
	// KeptAnnotation keeps what a workload had before it was stopped: its replicas as a number, true or false for what is suspended, a
	// JSON object for a kind that the product's patch stops. It is written with the stop, in one write.
	KeptAnnotation = v1alpha1.ReplicasAnnotation
	// CarriesAnnotation stands on one object of a tenant that is applied after the objects of kinds which are not watched, and
	// holds their content hashes as Kind.group/name=hash, separated by commas.
	CarriesAnnotation = v1alpha1.FieldOwner + "/carries"
	// PatchHashAnnotation is a hash of the suspension patch that holds an object; it is applied with it.
	PatchHashAnnotation = v1alpha1.FieldOwner + "/suspension-hash"
)

// Annotations that stand on a tenant's namespace.
const (
	// JobsAnnotation says how far each Job of a revision is; see [Jobs].
	JobsAnnotation = v1alpha1.HooksAnnotation
	// PeriodsAnnotation holds the periods that decide when the tenant's data go; see [Periods].
	PeriodsAnnotation = v1alpha1.LifecycleAnnotation
	// RecreatedAnnotation holds what must not be lost while a StatefulSet is made anew; see [Recreated].
	RecreatedAnnotation = v1alpha1.FieldOwner + "/recreated"
	// ScaledAnnotation holds the replicas of workloads that could be stopped through their scale subresource only; see [scaled].
	ScaledAnnotation = v1alpha1.FieldOwner + "/scaled"
)

// Annotations of objects in memory. They exist in the cache only, and what somebody stores under these keys is dropped there.
const (
	// shapeFields is the hash of the fields that ShapeOwner has, without those that power may take.
	shapeFields = "cache.stallkeeper.io/shape"
	// powerFields is the hash of the fields that PowerOwner has; empty if it has none.
	powerFields = "cache.stallkeeper.io/power"
	// soleReplicas is true while ShapeOwner alone has spec.replicas, so that leaving it out would reset it to 1.
	soleReplicas = "cache.stallkeeper.io/sole-replicas"
	// shapeKeeps is true while KeptAnnotation is ShapeOwner's: the object was made while its tenant was stopped.
	shapeKeeps = "cache.stallkeeper.io/shape-keeps"
	// addedFields holds, as JSON, what others have added where nothing may be added, by field manager.
	addedFields = "cache.stallkeeper.io/added"
	// hostsNote is what an Ingress or a route takes, in the form of hostsNoted.
	hostsNote = "cache.stallkeeper.io/hosts"
)

// KEDA's annotations, see keda.sh, "Pausing autoscaling".
const (
	kedaPausedReplicas = "autoscaling.keda.sh/paused-replicas"
	kedaPaused         = "autoscaling.keda.sh/paused"
	// restartedAt is what kubectl rollout restart writes into a pod template.
	restartedAt    = "kubectl.kubernetes.io/restartedAt"
	hookAnnotation = v1alpha1.HookAnnotation
	// podSecurityPrefix begins the labels that set a namespace's Pod Security level.
	podSecurityPrefix = "pod-security.kubernetes.io/"
	// managedByLabel says who looks after an object.
	managedByLabel = "app.kubernetes.io/managed-by"
)

// Kinds that are treated in a way of their own.
var (
	kindNamespace    = schema.GroupKind{Kind: "Namespace"}
	kindConfigMap    = schema.GroupKind{Kind: "ConfigMap"}
	kindService      = schema.GroupKind{Kind: "Service"}
	kindSecret       = schema.GroupKind{Kind: "Secret"}
	kindClaim        = schema.GroupKind{Kind: "PersistentVolumeClaim"}
	kindQuota        = schema.GroupKind{Kind: "ResourceQuota"}
	kindLimits       = schema.GroupKind{Kind: "LimitRange"}
	kindAccount      = schema.GroupKind{Kind: "ServiceAccount"}
	kindPolicy       = schema.GroupKind{Group: "networking.k8s.io", Kind: "NetworkPolicy"}
	kindIngress      = schema.GroupKind{Group: "networking.k8s.io", Kind: "Ingress"}
	kindRole         = schema.GroupKind{Group: "rbac.authorization.k8s.io", Kind: "Role"}
	kindRoleBinding  = schema.GroupKind{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"}
	kindDeployment   = schema.GroupKind{Group: "apps", Kind: "Deployment"}
	kindStatefulSet  = schema.GroupKind{Group: "apps", Kind: "StatefulSet"}
	kindReplicaSet   = schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}
	kindJob          = schema.GroupKind{Group: "batch", Kind: "Job"}
	kindCronJob      = schema.GroupKind{Group: "batch", Kind: "CronJob"}
	kindBudget       = schema.GroupKind{Group: "policy", Kind: "PodDisruptionBudget"}
	kindHPA          = schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}
	kindScaledObject = schema.GroupKind{Group: "keda.sh", Kind: "ScaledObject"}
	kindScaledJob    = schema.GroupKind{Group: "keda.sh", Kind: "ScaledJob"}
)
