package apply

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// maxPods is how many pods are looked at for a reason. The first pods of a tenant are as good as all of them.
const maxPods = 50

// Problem is why a tenant's pods don't run, told of the workload they belong to, because the names of pods are random.
type Problem struct {
	// Kind and Name of the workload: Deployment, StatefulSet, Job, or whatever controls the pod; Pod if nothing does.
	Kind, Name string
	// Reason is one of the Problem constants.
	Reason string
	// Message says what is wrong, without counters; Remedy what a person can do.
	Message, Remedy string
}

// Reasons of a [Problem].
const (
	// ProblemImage: an image can't be pulled.
	ProblemImage = "ImagePullFailed"
	// ProblemCrash: a container ends with an error again and again.
	ProblemCrash = "CrashLoopBackOff"
	// ProblemMemory: a container was killed because it used more memory than its limit.
	ProblemMemory = "OOMKilled"
	// ProblemConfig: a container can't be made from what it refers to, such as a missing Secret.
	ProblemConfig = "CreateContainerConfigError"
	// ProblemStart: a container can't be started.
	ProblemStart = "ContainerStartFailed"
	// ProblemUnschedulable: no node takes the pod.
	ProblemUnschedulable = "Unschedulable"
	// ProblemCreation: no pod can be created; the message names the quota or the Pod Security level where it is known.
	ProblemCreation = "FailedCreate"
	// ProblemAddress: a load balancer or an Ingress has no address.
	ProblemAddress = "NoAddress"
)

// PodProblems looks for the reason why a tenant is not ready: it lists the tenant's pods once, live, at most 50, and
// takes into account what the observed workloads say about pods that can't be created. Problems are ordered by kind and
// name, each once.
func PodProblems(ctx context.Context, live client.Reader, namespace string, observed Observed) ([]Problem, error) {
	pods := &corev1.PodList{}
	if err := live.List(ctx, pods, client.InNamespace(namespace), client.Limit(maxPods)); err != nil {
		return nil, fmt.Errorf("listing the pods in namespace %s: %w", namespace, err)
	}
	var problems []Problem
	for i := range pods.Items {
		problems = append(problems, podProblems(&pods.Items[i])...)
	}
	for _, obj := range observed.Objects {
		problem, found := refusedByCondition(obj)
		if !found && pods.Continue == "" {
			problem, found = refusedSilently(obj, pods.Items)
		}
		if found {
			problems = append(problems, problem)
		}
	}
	slices.SortFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Reason, b.Reason),
			cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(problems), nil
}

// podProblems gives what is wrong with one pod.
func podProblems(pod *corev1.Pod) []Problem {
	if pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodSucceeded {
		return nil
	}
	kind, name := workloadOf(pod)
	var problems []Problem
	if problem, found := unschedulable(pod); found {
		problem.Kind, problem.Name = kind, name
		problems = append(problems, problem)
	}
	for _, container := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if problem, found := containerProblem(container, imageOf(pod, container.Name)); found {
			problem.Kind, problem.Name = kind, name
			if problem.Reason == ProblemCrash {
				problem.Remedy = fmt.Sprintf("read its log: kubectl logs -n %s %s/%s -c %s --previous",
					pod.Namespace, strings.ToLower(kind), name, container.Name)
			}
			problems = append(problems, problem)
		}
	}
	return problems
}

// workloadOf names what people know the pod by.
func workloadOf(pod *corev1.Pod) (kind, name string) {
	controller := metav1.GetControllerOf(pod)
	if controller == nil {
		return "Pod", pod.Name
	}
	hash := pod.Labels["pod-template-hash"]
	if deployment, ok := strings.CutSuffix(controller.Name, "-"+hash); ok && hash != "" && controller.Kind == "ReplicaSet" {
		return "Deployment", deployment
	}
	return controller.Kind, controller.Name
}

// imageOf is the image as the pod wants it; the status names it differently once it was pulled.
func imageOf(pod *corev1.Pod, container string) string {
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if c.Name == container {
			return c.Image
		}
	}
	return ""
}

var (
	nodesAvailable = regexp.MustCompile(`^\d+/\d+ nodes are available: `)
	preemption     = regexp.MustCompile(`\.? preemption: .*$`)
	nodeCount      = regexp.MustCompile(`(^|, )\d+ `)
)

func unschedulable(pod *corev1.Pod) (Problem, bool) {
	for _, c := range pod.Status.Conditions {
		if c.Type != corev1.PodScheduled || c.Status != corev1.ConditionFalse || c.Reason != corev1.PodReasonUnschedulable {
			continue
		}
		// Without the number of nodes, which changes with the cluster's size.
		text := nodesAvailable.ReplaceAllString(oneLine(c.Message), "")
		text = strings.TrimSuffix(nodeCount.ReplaceAllString(preemption.ReplaceAllString(text, ""), "$1"), ".")
		remedy := "add nodes, or request less in the plan's values"
		if strings.Contains(text, "PersistentVolumeClaim") {
			remedy = "check the pod's claims: kubectl describe persistentvolumeclaims -n " + pod.Namespace
		}
		return Problem{Reason: ProblemUnschedulable, Message: "its pods can't be scheduled: " + shorten(text), Remedy: remedy}, true
	}
	return Problem{}, false
}

// crashes is the number of restarts from which a container that is between two crashes counts as crashing, so that the
// answer does not depend on the moment.
const crashes = 3

func containerProblem(container corev1.ContainerStatus, image string) (Problem, bool) {
	if waiting := container.State.Waiting; waiting != nil {
		switch waiting.Reason {
		case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError",
			"RegistryUnavailable":
			return imageProblem(container.Name, image, waiting), true
		case "CreateContainerConfigError":
			return Problem{
				Reason:  ProblemConfig,
				Message: "container " + container.Name + ": " + shorten(oneLine(waiting.Message)),
				Remedy:  "add the object that the container references to the chart, or correct the reference",
			}, true
		case "CreateContainerError", "RunContainerError":
			return Problem{
				Reason:  ProblemStart,
				Message: "container " + container.Name + " can't be started",
				Remedy:  "compare the container's command with the contents of its image",
			}, true
		}
	}
	return crashProblem(container)
}

func crashProblem(container corev1.ContainerStatus) (Problem, bool) {
	last := container.LastTerminationState.Terminated
	if container.State.Terminated != nil {
		last = container.State.Terminated
	}
	waits := container.State.Waiting != nil && container.State.Waiting.Reason == "CrashLoopBackOff"
	switch {
	case container.Ready, last == nil && !waits:
		return Problem{}, false
	case last != nil && last.Reason == "OOMKilled":
		return Problem{
			Reason:  ProblemMemory,
			Message: "container " + container.Name + " exceeded its memory limit and was killed",
			Remedy:  "raise the memory limit in the plan's values",
		}, true
	case waits, last.ExitCode != 0 && container.RestartCount >= crashes:
		message := "container " + container.Name + " keeps crashing"
		if last != nil {
			message += fmt.Sprintf(" (exit code %d)", last.ExitCode)
		}
		return Problem{Reason: ProblemCrash, Message: message}, true
	default:
		return Problem{}, false
	}
}

// imageCauses are words of registries and runtimes, and what they mean.
var imageCauses = []struct{ words, cause, remedy string }{
	{"not found", "it does not exist in the registry", "correct the image's name or tag in the product's template or values"},
	{"manifest unknown", "it does not exist in the registry", "correct the image's name or tag in the product's template or values"},
	{"no match for platform", "it has no variant for the node's platform", "use an image for the nodes' platform"},
	{"unauthorized", "the registry denies access", "add an image pull secret to the tenant, or correct the existing one"},
	{"forbidden", "the registry denies access", "add an image pull secret to the tenant, or correct the existing one"},
	{"denied", "the registry denies access", "add an image pull secret to the tenant, or correct the existing one"},
	{"authentication required", "the registry denies access", "add an image pull secret to the tenant, or correct the existing one"},
	{"toomanyrequests", "the registry rate-limits pulls", "use a registry mirror or a pull secret with a higher limit"},
	{"no such host", "the registry can't be reached", "check that the nodes can reach the registry"},
	{"refused", "the registry can't be reached", "check that the nodes can reach the registry"},
	{"timeout", "the registry can't be reached", "check that the nodes can reach the registry"},
}

// imageProblem never repeats the runtime's text, which may hold a registry's signed addresses.
func imageProblem(container, image string, waiting *corev1.ContainerStateWaiting) Problem {
	problem := Problem{
		Reason:  ProblemImage,
		Message: fmt.Sprintf("container %s: the image %s can't be pulled", container, image),
		Remedy:  "check the image's name and tag, the image pull secret, and that the nodes can reach the registry",
	}
	if waiting.Reason == "InvalidImageName" {
		problem.Message = fmt.Sprintf("container %s: %q is not a valid image name", container, image)
		problem.Remedy = "correct the image's name in the product's template or values"
		return problem
	}
	if waiting.Reason == "ErrImageNeverPull" {
		problem.Message += ": it is not on the node, and imagePullPolicy is Never"
		problem.Remedy = "load the image onto the nodes, or set another imagePullPolicy"
		return problem
	}
	text := strings.ToLower(waiting.Message)
	for _, known := range imageCauses {
		if strings.Contains(text, known.words) {
			problem.Message += ": " + known.cause
			problem.Remedy = known.remedy
			break
		}
	}
	return problem
}

// refusedByCondition reads from a Deployment or ReplicaSet why its pods can't be created.
func refusedByCondition(obj *unstructured.Unstructured) (Problem, bool) {
	failure := condition(obj, "ReplicaFailure")
	if failure["status"] != "True" {
		return Problem{}, false
	}
	text, _ := failure["message"].(string)
	problem := Problem{Kind: obj.GetKind(), Name: obj.GetName(), Reason: ProblemCreation}
	if message, ok := quotaMessage(text); ok {
		problem.Message, problem.Remedy = "its pods can't be created: "+message, quotaRemedy
	} else if message, ok := podSecurityMessage(text); ok {
		problem.Message, problem.Remedy = "its pods can't be created: "+message, podSecurityRemedy
	} else {
		problem.Message = "its pods can't be created: " + shorten(afterForbidden(oneLine(text)))
		problem.Remedy = lookAt(obj)
	}
	return problem, true
}

// refusedSilently finds a StatefulSet or Job that should have pods and has none. They don't say why in their status, only
// in events.
func refusedSilently(obj *unstructured.Unstructured, pods []corev1.Pod) (Problem, bool) {
	gk := obj.GroupVersionKind().GroupKind()
	switch {
	case obj.GetDeletionTimestamp() != nil:
		return Problem{}, false
	case gk == statefulSetKind.GroupKind():
		seen, _, _ := unstructured.NestedInt64(obj.Object, "status", "observedGeneration")
		if seen < obj.GetGeneration() || wantedReplicas(obj) == 0 {
			return Problem{}, false
		}
	case isJob(obj):
		started, _, _ := unstructured.NestedString(obj.Object, "status", "startTime")
		suspend, _, _ := unstructured.NestedBool(obj.Object, "spec", "suspend")
		if started == "" || suspend || finished(obj) {
			return Problem{}, false
		}
	default:
		return Problem{}, false
	}
	for i := range pods {
		if metav1.IsControlledBy(&pods[i], obj) {
			return Problem{}, false
		}
	}
	return Problem{
		Kind: obj.GetKind(), Name: obj.GetName(), Reason: ProblemCreation,
		Message: "it has no pods: creating them fails, probably because of the quota, the Pod Security level or a missing ServiceAccount",
		Remedy:  lookAt(obj),
	}, true
}

// lookAt is the command that shows the events of an object.
func lookAt(obj *unstructured.Unstructured) string {
	return fmt.Sprintf("see the events: kubectl describe %s %s -n %s",
		strings.ToLower(obj.GetKind()), obj.GetName(), obj.GetNamespace())
}
