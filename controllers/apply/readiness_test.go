package apply

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func objects(t *testing.T, text string) []*unstructured.Unstructured {
	t.Helper()
	var list []map[string]any
	if err := yaml.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	objs := make([]*unstructured.Unstructured, 0, len(list))
	for _, content := range list {
		obj := &unstructured.Unstructured{Object: content}
		// Numbers as the API machinery has them: int64, not float64.
		data, err := obj.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := obj.UnmarshalJSON(data); err != nil {
			t.Fatal(err)
		}
		objs = append(objs, obj)
	}
	return objs
}

// observedFrom makes what the cache shows; everything in it was applied by us.
func observedFrom(t *testing.T, text string) Observed {
	t.Helper()
	observed := Observed{Objects: map[Key]*unstructured.Unstructured{}}
	for _, obj := range objects(t, text) {
		obj.SetUID("1")
		annotations := obj.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[FieldsAnnotation] = "hash"
		obj.SetAnnotations(annotations)
		observed.Objects[KeyOf(obj)] = obj
	}
	return observed
}

const running = `
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: web, generation: 2}, spec: {replicas: 3, progressDeadlineSeconds: 600},
   status: {observedGeneration: 2, replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3, conditions: [
     {type: Available, status: "True"}, {type: Progressing, status: "True", reason: NewReplicaSetAvailable}]}}
- {apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db, generation: 1}, spec: {replicas: 1},
   status: {observedGeneration: 1, replicas: 1, readyReplicas: 1, currentReplicas: 1, updatedReplicas: 1, currentRevision: a, updateRevision: a}}
- {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: uploads}, status: {phase: Pending}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}
- {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {type: ClusterIP}}
`

func TestWhatAnObjectLacks(t *testing.T) {
	web := Key{Group: "apps", Kind: "Deployment", Name: "web"}
	db := Key{Group: "apps", Kind: "StatefulSet", Name: "db"}
	migrate := Key{Group: "batch", Kind: "Job", Name: "migrate"}
	app := Key{Group: "x.io", Kind: "App", Name: "app"}

	for name, tc := range map[string]struct {
		objects string
		want    []Blocker
	}{
		"all runs; a claim that waits for its first consumer blocks nothing": {
			objects: running,
		},
		"a load balancer and an Ingress that nothing has given an address": {
			objects: `
- {apiVersion: v1, kind: Service, metadata: {name: lb}, spec: {type: LoadBalancer, clusterIP: 10.0.0.1}}
- {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web}, spec: {}, status: {loadBalancer: {}}}
`,
			want: []Blocker{
				{Key: Key{Kind: "Service", Name: "lb"}, State: StateProgressing, Reason: "NoAddress",
					Message: "it has no address in status.loadBalancer.ingress: no load balancer controller of this cluster has given it one yet;" +
						` if it is to have none, annotate it with argocd.argoproj.io/ignore-healthcheck: "true"`},
				{Key: Key{Group: "networking.k8s.io", Kind: "Ingress", Name: "web"}, State: StateProgressing, Reason: "NoAddress",
					Message: "it has no address in status.loadBalancer.ingress: no ingress controller of this cluster has taken it up yet; check" +
						` spec.ingressClassName. If the ingress controller publishes no address, annotate it with argocd.argoproj.io/ignore-healthcheck: "true"`},
			},
		},
		"both with one, by name or number, and those that are said to get none": {
			objects: `
- {apiVersion: v1, kind: Service, metadata: {name: lb}, spec: {type: LoadBalancer, clusterIP: 10.0.0.1}, status: {loadBalancer: {ingress: [{hostname: a.example.com}]}}}
- {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web}, spec: {}, status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}}
- {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: inner, annotations: {argocd.argoproj.io/ignore-healthcheck: "true"}}, spec: {}}
- {apiVersion: v1, kind: Service, metadata: {name: node}, spec: {type: NodePort, clusterIP: 10.0.0.2}}
`,
		},
		"a rollout is on the way, told without counters": {
			objects: `[{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, generation: 2}, spec: {replicas: 3},
			  status: {observedGeneration: 2, replicas: 3, updatedReplicas: 1}}]`,
			want: []Blocker{
				{Key: web, State: StateProgressing, Reason: "LessUpdated", Message: "not all of its pods are of the latest revision"},
			},
		},
		"a rollout that its controller has not seen": {
			objects: `[{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db, generation: 41}, spec: {replicas: 1},
			  status: {observedGeneration: 40, replicas: 1, readyReplicas: 1, currentReplicas: 1}}]`,
			want: []Blocker{
				{Key: db, State: StateProgressing, Reason: "LatestGenerationNotObserved", Message: "its controller has not observed the latest change"},
			},
		},
		"a failed object stands before one on the way": {
			objects: `[{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, generation: 2}, spec: {progressDeadlineSeconds: 600},
			  status: {observedGeneration: 2, conditions: [{type: Progressing, status: "False", reason: ProgressDeadlineExceeded, message: 'ReplicaSet "web-5f" has timed out'}]}},
			  {apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {replicas: 2}, status: {replicas: 1}}]`,
			want: []Blocker{
				{Key: web, State: StateFailed, Reason: "ProgressDeadlineExceeded", Message: "it made no progress within progressDeadlineSeconds"},
				{Key: db, State: StateProgressing, Reason: "LessReplicas", Message: "not all of its pods are created"},
			},
		},
		"pods that are updated by hand must be there, whatever kstatus thinks": {
			objects: `[{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {replicas: 3, updateStrategy: {type: OnDelete}},
			  status: {replicas: 3, readyReplicas: 1}}]`,
			want: []Blocker{
				{Key: db, State: StateProgressing, Reason: "LessReady", Message: "not all of its pods are ready"},
			},
		},
		"pods that are updated by hand may be of an earlier revision": {
			objects: `[{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {replicas: 3, updateStrategy: {type: OnDelete}},
			  status: {replicas: 3, readyReplicas: 3, currentReplicas: 3, currentRevision: a, updateRevision: b}}]`,
		},
		"a running Job is on the way, whatever kstatus thinks": {
			objects: `[{apiVersion: batch/v1, kind: Job, metadata: {name: migrate}, status: {startTime: "2026-01-01T00:00:00Z", active: 1}}]`,
			want: []Blocker{
				{Key: migrate, State: StateProgressing, Reason: "JobRunning", Message: "the Job is not complete yet"},
			},
		},
		"a complete Job is done": {
			objects: `[{apiVersion: batch/v1, kind: Job, metadata: {name: migrate}, status: {conditions: [{type: Complete, status: "True"}]}}]`,
		},
		"a failed Job says why": {
			objects: `[{apiVersion: batch/v1, kind: Job, metadata: {name: migrate}, status: {conditions: [
			  {type: Failed, status: "True", reason: BackoffLimitExceeded, message: Job has reached the specified backoff limit}]}}]`,
			want: []Blocker{
				{Key: migrate, State: StateFailed, Reason: "BackoffLimitExceeded", Message: "Job has reached the specified backoff limit"},
			},
		},
		"suspended: nothing runs, and that is ready": {
			objects: `[{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, generation: 3}, spec: {replicas: 0, progressDeadlineSeconds: 600},
			  status: {observedGeneration: 3, conditions: [{type: Progressing, status: "False", reason: ProgressDeadlineExceeded}]}},
			  {apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db, generation: 3}, spec: {replicas: 0}, status: {observedGeneration: 3, replicas: 0}},
			  {apiVersion: batch/v1, kind: CronJob, metadata: {name: nightly}, spec: {suspend: true}},
			  {apiVersion: batch/v1, kind: Job, metadata: {name: migrate}, spec: {suspend: true}},
			  {apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: uploads}, status: {phase: Bound}}]`,
		},
		"suspending: pods still stop": {
			objects: `[{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db, generation: 3}, spec: {replicas: 0}, status: {observedGeneration: 3, replicas: 1}}]`,
			want: []Blocker{
				{Key: db, State: StateProgressing, Reason: "ExtraPods", Message: "some of its old pods are still terminating"},
			},
		},
		"suspending: a pod within its grace period still runs": {
			objects: `[{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, generation: 3}, spec: {replicas: 0},
			  status: {observedGeneration: 3, terminatingReplicas: 1, conditions: [{type: Available, status: "True"}]}}]`,
		},
		"a CronJob that is not suspended is ready, and not stopped": {
			objects: `[{apiVersion: batch/v1, kind: CronJob, metadata: {name: nightly}, spec: {suspend: false}}]`,
		},
		"a custom kind is judged by its Ready condition and its replicas": {
			objects: `[{apiVersion: x.io/v1, kind: App, metadata: {name: app}, spec: {replicas: 1}, status: {replicas: 1, conditions: [{type: Ready, status: "False", reason: NoLicense, message: no license}]}}]`,
			want: []Blocker{
				{Key: app, State: StateProgressing, Reason: "NoLicense", Message: "no license"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []Blocker
			for _, obj := range objects(t, tc.objects) {
				// As the cache shows it: what it drops can't be judged.
				obj.SetCreationTimestamp(metav1.Unix(1, 0))
				shown, err := Transform(obj)
				if err != nil {
					t.Fatal(err)
				}
				if verdict := Judge(shown.(*unstructured.Unstructured)); verdict.State != StateReady {
					got = append(got, verdict)
				}
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("unexpected verdicts (-want +got):\n%s", diff)
			}
		})
	}
}
