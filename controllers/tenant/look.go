package tenant

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
)

// Readiness is the state of a tenant's objects.
type Readiness struct {
	// State is the worst of all objects.
	State apply.State
	// Blockers are the objects that are not ready, failed ones first.
	Blockers []Blocker
}

// Blocker is one object that is not ready.
type Blocker struct {
	Refusal
	State apply.State
	// Hook is the event of a Job that is a hook, such as pre-install; empty for other objects.
	Hook string
}

// Readiness judges what we have applied, orphans aside (Kind/name of objects that no revision wants any more). Jobs count by their
// record on the namespace, which knows of those that are gone as well.
func (s Standing) Readiness(orphans []string) Readiness {
	r := Readiness{State: apply.StateReady}
	for _, key := range s.keys() {
		obj := s.Objects[key]
		if fields, _ := annotation(obj, shapeFields); fields == "" || key.GroupKind() == kindJob || slices.Contains(orphans, key.String()) {
			continue
		}
		if verdict := apply.Judge(obj); verdict.State != apply.StateReady {
			r.add(Blocker{Refusal: Refusal{Key: key, Reason: verdict.Reason, Message: verdict.Message}, State: verdict.State})
		}
	}
	for id, record := range JobsOf(s.Namespace, s.Pin()).States {
		if blocker, blocked := s.judgeJob(id, record); blocked {
			r.add(blocker)
		}
	}
	slices.SortFunc(r.Blockers, func(a, b Blocker) int {
		if a.State != b.State {
			return map[bool]int{true: -1, false: 1}[a.State == apply.StateFailed]
		}
		return compareKeys(a.Key, b.Key)
	})
	return r
}

func (r *Readiness) add(b Blocker) {
	r.Blockers = append(r.Blockers, b)
	if r.State != apply.StateFailed {
		r.State = b.State
	}
}

// judgeJob says whether a Job keeps its tenant from being ready.
func (s Standing) judgeJob(id string, record JobRecord) (Blocker, bool) {
	event, name, _ := strings.Cut(id, "/")
	key := Key{Group: kindJob.Group, Kind: kindJob.Kind, Name: name}
	job := s.Objects[key]
	stub := newObject(kindJob.WithVersion("v1"), s.Name, name)
	if event != "" {
		setAnnotation(stub, hookAnnotation, event)
	}
	switch {
	case record.State == JobSucceeded:
		return Blocker{}, false
	case record.State == JobStarted && job != nil && flag(job, "spec", "suspend"):
		return Blocker{}, false
	case record.State == JobStarted:
		what := "the Job is not complete yet"
		if event != "" {
			what = "the " + event + " hook is not complete yet"
		}
		return Blocker{Refusal: Refusal{Key: key, Reason: "JobRunning", Message: what}, State: apply.StateProgressing, Hook: event}, true
	}
	facts := jobFacts{record: record, wanted: stub, revision: s.Pin()}
	if job != nil && jobEnd(job) == JobFailed {
		facts.live, facts.wanted = job, job
	}
	return Blocker{Refusal: *jobFailed(facts, record), State: apply.StateFailed, Hook: event}, true
}

// Stopped is whether nothing runs.
type Stopped struct {
	// Stopped says that each workload stands at zero and that no pod runs, as the API server says it.
	Stopped bool
	// Running are what still runs and does not end by itself, by name; Ending what is on its way to end.
	Running, Ending []Refusal
	// Again is when to look again, because pods are not watched; zero for never.
	Again time.Time
}

func (s Stopped) some() bool { return len(s.Running)+len(s.Ending) > 0 }

// notEnded selects the pods that have not ended. Those of old Jobs can be thousands.
var notEnded = client.MatchingFieldsSelector{Selector: fields.AndSelectors(
	fields.OneTermNotEqualSelector("status.phase", string(corev1.PodSucceeded)), fields.OneTermNotEqualSelector("status.phase", string(corev1.PodFailed)),
)}

const (
	// maxPods bounds how many pods are looked at, and maxRunning how many are named.
	maxPods    = 200
	maxRunning = 16
	// stoppedAgain is how soon a tenant is looked at again that should be stopped and is not.
	stoppedAgain = 5 * time.Second
	// podsAtOnce is how many pods of all tenants are listed in one call.
	podsAtOnce = 500
)

// stops remembers, by namespace, what stood when no pod ran, so that a quiet pass does not ask again.
type stops struct {
	mu sync.Mutex
	by map[string]string
}

func (s *stops) known(namespace, digest string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by[namespace] == digest
}

func (s *stops) note(namespace, digest string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[string]string{}
	}
	if digest == "" {
		delete(s.by, namespace)
		return
	}
	s.by[namespace] = digest
}

// none says whether no tenant is known to be stopped.
func (s *stops) none() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.by) == 0
}

// forget drops those of the namespaces that were known, and gives them.
func (s *stops) forget(namespaces map[string]bool) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var known []string
	for namespace := range namespaces {
		if _, ok := s.by[namespace]; ok {
			delete(s.by, namespace)
			known = append(known, namespace)
		}
	}
	return known
}

// AtZero says whether each workload stands at zero. Pods may still be on their way out.
func (s Standing) AtZero() bool {
	running, ending := stillUp(s)
	return len(running)+len(ending) == 0
}

// LookStopped says whether nothing of a stopped tenant runs. It asks the API server for pods once the workloads stand at zero, and not
// again while nothing changes.
func (t *Tenants) LookStopped(ctx context.Context, st Standing) (Stopped, error) {
	result, digest := Stopped{}, st.Digest()
	result.Running, result.Ending = stillUp(st)
	switch {
	case result.some():
		t.stops.note(st.Name, "")
		return result, nil // the workload's own event brings the next look
	case t.stops.known(st.Name, digest):
		result.Stopped = true
		return result, nil
	}
	pods := &corev1.PodList{}
	if err := t.Live.List(ctx, pods, client.InNamespace(st.Name), client.Limit(maxPods), notEnded); err != nil {
		return Stopped{}, fmt.Errorf("listing the pods in namespace %s: %w", st.Name, err)
	}
	result.Running, result.Ending = running(st, pods.Items)
	if !result.some() && pods.Continue == "" {
		t.stops.note(st.Name, digest)
		result.Stopped = true
		return result, nil
	}
	t.stops.note(st.Name, "")
	result.Again = t.Clock.Now().Add(stoppedAgain)
	return result, nil
}

// stillUp are the workloads that want pods, and those that want none any more and have some by their own word.
func stillUp(st Standing) (up, ending []Refusal) {
	add := func(wants bool, r Refusal) {
		if wants {
			up = append(up, r)
		} else {
			ending = append(ending, r)
		}
	}
	for _, key := range st.keys() {
		obj := st.Objects[key]
		switch key.GroupKind() {
		case kindDeployment, kindStatefulSet, kindReplicaSet:
			standing, _ := number(obj, "status", "replicas")
			if wants := replicasOf(obj) > 0; wants || standing > 0 {
				add(wants, stillUpAs(st, key, wants))
			}
		case kindJob:
			active, _ := number(obj, "status", "active")
			if wants := !flag(obj, "spec", "suspend"); jobEnd(obj) == "" && (wants || active > 0) {
				add(wants, Refusal{Key: key, Reason: ReasonStillRuns, Message: "the Job has not finished yet"})
			}
		}
	}
	return up[:min(len(up), maxRunning)], ending[:min(len(ending), maxRunning)]
}

func stillUpAs(st Standing, key Key, wants bool) Refusal {
	r := Refusal{Key: key, Reason: ReasonStillRuns, Message: "not all of its pods have terminated yet"}
	if wants {
		r.Message = "it is not scaled to zero"
		r.Remedy = fmt.Sprintf("find out who scales it up, or scale it down: kubectl scale %s %s --replicas=0 -n %s", strings.ToLower(key.Kind), key.Name, st.Name)
	}
	return r
}

// startedBy is the form of a Job's name that a CronJob gives.
var startedBy = regexp.MustCompile(`^(.+)-\d+$`)

// running names what the pods that have not ended belong to, each once: what keeps them, and what has let them go.
func running(st Standing, pods []corev1.Pod) (kept, ending []Refusal) {
	stay, leave := map[string]Refusal{}, map[string]Refusal{}
	for i := range pods {
		pod := &pods[i]
		if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		r := runningPod(st, pod)
		if pod.DeletionTimestamp != nil || st.scaledDown(r.Key) {
			leave[r.Key.String()] = r
		} else {
			stay[r.Key.String()] = r
		}
	}
	return named(stay), named(leave)
}

// scaledDown says whether pods are those of a workload of ours, which stands at zero and ends them by itself.
func (s Standing) scaledDown(owner Key) bool {
	return s.Objects[Key{Group: kindDeployment.Group, Kind: owner.Kind, Name: owner.Name}] != nil
}

func named(found map[string]Refusal) []Refusal {
	all := slices.Collect(maps.Values(found))
	sortRefusals(all)
	return all[:min(len(all), maxRunning)]
}

func runningPod(st Standing, pod *corev1.Pod) Refusal {
	kind, name := apply.WorkloadOf(pod)
	r := Refusal{Key: Key{Kind: kind, Name: name}, Reason: ReasonStillRuns, Message: "one of its pods is running although the tenant is suspended"}
	switch {
	case pod.DeletionTimestamp != nil:
		r.Message = "its last pod has not terminated yet"
	case kind == kindJob.Kind:
		r.Group = kindJob.Group
		r.Message = "the Job is still running"
		r.Remedy = fmt.Sprintf("wait for it, or delete it: kubectl delete job %s -n %s", name, st.Name)
		if cron := startedBy.FindStringSubmatch(name); cron != nil && st.Objects[Key{Group: kindCronJob.Group, Kind: kindCronJob.Kind, Name: cron[1]}] != nil {
			r.Key = Key{Group: kindCronJob.Group, Kind: kindCronJob.Kind, Name: cron[1]}
			r.Message = "its Job " + name + " is still running"
		}
	case kind == "Pod":
		r.Message = "the pod was created by the application or manually, and runs although the tenant is suspended"
		r.Remedy = fmt.Sprintf("delete it: kubectl delete pod %s -n %s", name, st.Name)
	case st.scaledDown(r.Key):
		r.Remedy = fmt.Sprintf("check why its pods do not terminate: kubectl get pods -n %s", st.Name)
	case slices.Contains([]string{kindDeployment.Kind, kindStatefulSet.Kind, kindReplicaSet.Kind}, kind):
		r.Message = "its pods run although the tenant is suspended; it does not carry the label " + v1alpha1.InstanceLabel +
			", so that it was created by the application or manually"
		r.Remedy = fmt.Sprintf("scale it to zero: kubectl scale %s %s --replicas=0 -n %s", strings.ToLower(kind), name, st.Name)
	default:
		r.Remedy = "stop it or delete it; if the product's template makes it, add a patch for the kind to the product's spec.lifecycle.suspensionPatches"
	}
	return r
}

// StartedAgain gives the namespaces of tenants that were seen stopped and in which a pod runs now: pods are not watched, and an
// application may start one at any time. It asks once for all tenants, and not at all where none is stopped.
func (t *Tenants) StartedAgain(ctx context.Context) ([]string, error) {
	if t.stops.none() {
		return nil, nil
	}
	started := map[string]bool{}
	pods := &metav1.PartialObjectMetadataList{}
	pods.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
	for {
		if err := t.Live.List(ctx, pods, client.Limit(podsAtOnce), client.Continue(pods.Continue), notEnded); err != nil {
			return nil, fmt.Errorf("listing the pods of all tenants: %w", err)
		}
		for i := range pods.Items {
			started[pods.Items[i].Namespace] = true
		}
		if pods.Continue == "" {
			return t.stops.forget(started), nil
		}
	}
}
