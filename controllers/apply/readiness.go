package apply

import (
	"maps"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// State says how far something is.
type State string

// States, from best to worst.
const (
	// StateReady: as it should be.
	StateReady State = "Ready"
	// StateProgressing: on the way; nobody has to act yet.
	StateProgressing State = "Progressing"
	// StateFailed: it will not get there by itself.
	StateFailed State = "Failed"
)

// Blocker is one object that is not ready.
type Blocker struct {
	Key
	// State is StateProgressing or StateFailed.
	State State
	// Reason is one word in upper camel case, Message a sentence without counters.
	Reason, Message string
	// Hook is the event of a hook's Job, Remedy what a person can do about a hook that failed; empty for everything else.
	Hook, Remedy string
}

func blocked(state State, reason, message string) Blocker {
	return Blocker{State: state, Reason: reason, Message: message}
}

// judge gives the state of one object.
func judge(obj *unstructured.Unstructured) Blocker {
	ready := Blocker{State: StateReady}
	gk := obj.GroupVersionKind().GroupKind()
	switch {
	case obj.GetDeletionTimestamp() != nil:
		return blocked(StateProgressing, "Terminating", "it is being deleted")
	case gk == claimKind.GroupKind():
		return ready
	case isJob(obj):
		return judgeJob(obj)
	case scalable(obj) && wantedReplicas(obj) == 0 && stopped(obj):
		return ready
	}
	if waits, reason := awaitsAddress(obj); waits {
		return blocked(StateProgressing, ProblemAddress, reason)
	}
	result, err := status.Compute(updatedByHand(obj))
	if err != nil {
		return blocked(StateProgressing, "StatusUnreadable", "its status can't be read")
	}
	switch result.Status {
	case status.CurrentStatus:
		return ready
	case status.FailedStatus:
		return explain(StateFailed, result)
	default:
		return explain(StateProgressing, result)
	}
}

// ignoreHealth on a Service or an Ingress says that nobody will give it an address, as Argo CD reads it.
const ignoreHealth = "argocd.argoproj.io/ignore-healthcheck"

// awaitsAddress says whether an object has no address by which a buyer would reach it, and what gives it one: kstatus calls it ready.
func awaitsAddress(obj *unstructured.Unstructured) (waits bool, reason string) {
	switch gk := obj.GroupVersionKind().GroupKind(); {
	case obj.GetAnnotations()[ignoreHealth] == "true":
		return false, ""
	case gk.Group == "" && gk.Kind == "Service":
		if kind, _, _ := unstructured.NestedString(obj.Object, "spec", "type"); kind != "LoadBalancer" {
			return false, ""
		}
		reason = "it has no address in status.loadBalancer.ingress: no load balancer controller of this cluster has given it one yet; if" +
			" it is to have none, annotate it with " + ignoreHealth + ": \"true\""
	case gk.Group == "networking.k8s.io" && gk.Kind == "Ingress":
		reason = "it has no address in status.loadBalancer.ingress: no ingress controller of this cluster has taken it up yet; check" +
			" spec.ingressClassName. If the ingress controller publishes no address, annotate it with " + ignoreHealth + ": \"true\""
	default:
		return false, ""
	}
	given, _, _ := unstructured.NestedSlice(obj.Object, "status", "loadBalancer", "ingress")
	return len(given) == 0, reason
}

// updatedByHand gives a StatefulSet with the strategy OnDelete as kstatus should see it: as one of which no pod has to be of the
// latest revision. kstatus itself calls it ready whatever its pods are.
func updatedByHand(obj *unstructured.Unstructured) *unstructured.Unstructured {
	strategy, _, _ := unstructured.NestedString(obj.Object, "spec", "updateStrategy", "type")
	if obj.GroupVersionKind().GroupKind() != statefulSetKind.GroupKind() || strategy != "OnDelete" {
		return obj
	}
	spec, _ := obj.Object["spec"].(map[string]any)
	spec, seen := maps.Clone(spec), maps.Clone(obj.Object) // the object belongs to the cache
	spec["updateStrategy"] = map[string]any{"rollingUpdate": map[string]any{"partition": wantedReplicas(obj)}}
	seen["spec"] = spec
	return &unstructured.Unstructured{Object: seen}
}

func judgeJob(job *unstructured.Unstructured) Blocker {
	if condition(job, "Complete")["status"] == "True" {
		return Blocker{State: StateReady}
	}
	if failed := condition(job, "Failed"); failed["status"] == "True" {
		message, _ := failed["message"].(string)
		reason, _ := failed["reason"].(string)
		if reason == "" {
			reason = "JobFailed"
		}
		if message == "" {
			message = "the Job has failed"
		}
		return blocked(StateFailed, reason, shorten(oneLine(message)))
	}
	if suspend, _, _ := unstructured.NestedBool(job.Object, "spec", "suspend"); suspend {
		return Blocker{State: StateReady}
	}
	return blocked(StateProgressing, "JobRunning", "the Job is not complete yet")
}

// steady are messages for the reasons of kstatus, whose own count replicas and so change all the time.
var steady = map[string]string{
	"LessReplicas":                "not all of its pods are created",
	"LessReady":                   "not all of its pods are ready",
	"LessAvailable":               "not all of its pods are available",
	"LessUpdated":                 "not all of its pods are of the latest revision",
	"LessCurrent":                 "not all of its pods are of the latest revision",
	"PartitionRollout":            "not all of its pods are of the latest revision",
	"RevisionMismatch":            "not all of its pods are of the latest revision",
	"LessLabelled":                "not all of its pods carry its labels",
	"ExtraPods":                   "some of its old pods are still terminating",
	"LatestGenerationNotObserved": "its controller has not observed the latest change",
	"ProgressDeadlineExceeded":    "it made no progress within progressDeadlineSeconds",
	"NoGeneration":                "its controller has not observed it",
	"NoObservedGeneration":        "its controller has not observed it",
	"NoDesiredNumber":             "its controller has not observed it",
}

func explain(state State, result *status.Result) Blocker {
	reason, message := string(result.Status), result.Message
	for _, c := range result.Conditions {
		if c.Reason != "" {
			reason = c.Reason
		}
		if c.Message != "" {
			message = c.Message
		}
	}
	if text, ok := steady[reason]; ok {
		message = text
	}
	return blocked(state, reason, shorten(oneLine(message)))
}

// scalable says whether the object is a workload with replicas.
func scalable(obj *unstructured.Unstructured) bool {
	switch obj.GroupVersionKind().GroupKind() {
	case deploymentKind.GroupKind(), statefulSetKind.GroupKind(), replicaSetKind.GroupKind():
		return true
	}
	// A custom kind with /scale counts its pods in the same fields by convention.
	_, wanted, _ := unstructured.NestedInt64(obj.Object, "spec", "replicas")
	_, standing, _ := unstructured.NestedInt64(obj.Object, "status", "replicas")
	return wanted && standing
}

var (
	deploymentKind = statefulSetKind.GroupVersion().WithKind("Deployment")
	replicaSetKind = statefulSetKind.GroupVersion().WithKind("ReplicaSet")
)

// wantedReplicas is what the workload should have; 1 where nothing is said, as its controller takes it.
func wantedReplicas(obj *unstructured.Unstructured) int64 {
	if replicas, ok, _ := unstructured.NestedInt64(obj.Object, "spec", "replicas"); ok {
		return replicas
	}
	return 1
}

// stopped says whether nothing of the object runs, nor will without a change to it.
func stopped(obj *unstructured.Unstructured) bool {
	gk := obj.GroupVersionKind().GroupKind()
	switch {
	case isJob(obj):
		suspend, _, _ := unstructured.NestedBool(obj.Object, "spec", "suspend")
		return (suspend || finished(obj)) && statusNumber(obj, "active") == 0
	case gk.Group == "batch" && gk.Kind == "CronJob":
		suspend, _, _ := unstructured.NestedBool(obj.Object, "spec", "suspend")
		active, _, _ := unstructured.NestedSlice(obj.Object, "status", "active")
		return suspend && len(active) == 0
	case !scalable(obj):
		return true
	}
	// Counters from before the latest change say nothing about it.
	seen, reported, _ := unstructured.NestedInt64(obj.Object, "status", "observedGeneration")
	if reported && seen < obj.GetGeneration() {
		return false
	}
	builtIn := gk.Group == statefulSetKind.Group
	return (reported || !builtIn) && wantedReplicas(obj) == 0 &&
		statusNumber(obj, "replicas") == 0 && statusNumber(obj, "terminatingReplicas") == 0
}

func statusNumber(obj *unstructured.Unstructured, field string) int64 {
	number, _, _ := unstructured.NestedInt64(obj.Object, "status", field)
	return number
}
