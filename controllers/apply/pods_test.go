package apply

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"
)

func pods(t *testing.T, text string) []client.Object {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var list []corev1.Pod
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	objs := make([]client.Object, 0, len(list))
	for i := range list {
		list[i].Namespace = "tenant"
		objs = append(objs, &list[i])
	}
	return objs
}

const ownedByWeb = `labels: {pod-template-hash: 5f}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-5f, uid: rs, controller: true}]`

func TestPodProblems(t *testing.T) {
	for name, tc := range map[string]struct {
		pods, objects string
		want          []Problem
	}{
		"nothing is wrong with pods that start, run, stop or are done": {
			pods: `
- {metadata: {name: a, ` + ownedByWeb + `}, status: {phase: Running, containerStatuses: [{name: web, ready: true, restartCount: 9, lastState: {terminated: {exitCode: 1}}}]}}
- {metadata: {name: b, ` + ownedByWeb + `}, status: {phase: Pending, containerStatuses: [{name: web, state: {waiting: {reason: ContainerCreating}}}]}}
- {metadata: {name: c, ` + ownedByWeb + `}, status: {phase: Succeeded, containerStatuses: [{name: web, restartCount: 5, state: {terminated: {exitCode: 1}}}]}}
- {metadata: {name: d, ` + ownedByWeb + `}, status: {containerStatuses: [{name: web, restartCount: 1, state: {terminated: {exitCode: 1}}}]}}
`,
		},
		"two pods of one Deployment are one problem, and a registry's signed address is not repeated": {
			pods: `
- {metadata: {name: web-5f-a, ` + ownedByWeb + `}, spec: {containers: [{name: web, image: "r.io/web:1"}]}, status: {containerStatuses: [
    {name: web, state: {waiting: {reason: ErrImagePull, message: 'fetch https://r.io/x?Signature=s3cret: 401 Unauthorized'}}}]}}
- {metadata: {name: web-5f-b, ` + ownedByWeb + `}, spec: {containers: [{name: web, image: "r.io/web:1"}]}, status: {containerStatuses: [
    {name: web, state: {waiting: {reason: ImagePullBackOff, message: 'Back-off: fetch https://r.io/x?Signature=s3cret: 401 Unauthorized'}}}]}}
`,
			want: []Problem{{
				"Deployment", "web", ProblemImage, "container web: the image r.io/web:1 can't be pulled: the registry denies access",
				"add an image pull secret to the tenant, or correct the existing one",
			}},
		},
		"an image without a valid name": {
			pods: `[{metadata: {name: p}, spec: {initContainers: [{name: init, image: "Web:"}]}, status: {initContainerStatuses: [{name: init, state: {waiting: {reason: InvalidImageName}}}]}}]`,
			want: []Problem{{
				"Pod", "p", ProblemImage, `container init: "Web:" is not a valid image name`, "correct the image's name in the product's template or values",
			}},
		},
		"a crash loop, seen while it waits and while it ends": {
			pods: `
- {metadata: {name: a, ` + ownedByWeb + `}, status: {containerStatuses: [{name: web, restartCount: 4, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 2, message: s3cret}}}]}}
- {metadata: {name: b, ` + ownedByWeb + `}, status: {containerStatuses: [{name: web, restartCount: 4, state: {terminated: {exitCode: 2, message: s3cret}}}]}}
`,
			want: []Problem{{
				"Deployment", "web", ProblemCrash, "container web keeps crashing (exit code 2)",
				"read its log: kubectl logs -n tenant deployment/web -c web --previous",
			}},
		},
		"killed for its memory": {
			pods: `[{metadata: {name: a, ` + ownedByWeb + `}, status: {containerStatuses: [{name: web, restartCount: 1, state: {running: {}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled}}}]}}]`,
			want: []Problem{{
				"Deployment", "web", ProblemMemory, "container web exceeded its memory limit and was killed",
				"raise the memory limit in the plan's values",
			}},
		},
		"a Secret is missing": {
			pods: `[{metadata: {name: db-0, ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: db, uid: sts, controller: true}]},
			  status: {containerStatuses: [{name: db, state: {waiting: {reason: CreateContainerConfigError, message: 'secret "db" not found'}}}]}}]`,
			want: []Problem{{
				"StatefulSet", "db", ProblemConfig, `container db: secret "db" not found`,
				"add the object that the container references to the chart, or correct the reference",
			}},
		},
		"no node takes the pod, told without the number of nodes": {
			pods: `[{metadata: {name: a, ` + ownedByWeb + `}, status: {conditions: [{type: PodScheduled, status: "False", reason: Unschedulable,
			  message: '0/12 nodes are available: 3 Insufficient cpu, 9 node(s) had untolerated taint {a: b}. preemption: 0/12 nodes are available: 12 No preemption victims found.'}]}}]`,
			want: []Problem{{
				"Deployment", "web", ProblemUnschedulable,
				"its pods can't be scheduled: Insufficient cpu, node(s) had untolerated taint {a: b}",
				"add nodes, or request less in the plan's values",
			}},
		},
		"a Deployment whose pods the quota refuses, told without what is used": {
			objects: `[{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: tenant}, status: {conditions: [{type: ReplicaFailure, status: "True", reason: FailedCreate,
			  message: 'pods "web-5f-x7k" is forbidden: exceeded quota: tenant, requested: pods=1, used: pods=2, limited: pods=2'}]}}]`,
			want: []Problem{{
				"Deployment", "web", ProblemCreation,
				"its pods can't be created: quota tenant allows pods=2; this object, which requests pods=1, would exceed it",
				quotaRemedy,
			}},
		},
		"a Deployment whose pods the Pod Security level refuses": {
			objects: `[{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: tenant}, status: {conditions: [{type: ReplicaFailure, status: "True", reason: FailedCreate,
			  message: 'pods "web-5f-x7k" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true (pod or container "web" must set securityContext.runAsNonRoot=true)'}]}}]`,
			want: []Problem{{
				"Deployment", "web", ProblemCreation,
				`its pods can't be created: Pod Security level restricted rejects it: runAsNonRoot != true (pod or container "web" must set securityContext.runAsNonRoot=true)`,
				podSecurityRemedy,
			}},
		},
		"a Deployment whose pods are refused for another reason, told without the pod's name": {
			objects: `[{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: tenant}, status: {conditions: [{type: ReplicaFailure, status: "True",
			  message: 'pods "web-5f-x7k" is forbidden: error looking up service account tenant/web: serviceaccount "web" not found'}]}}]`,
			want: []Problem{{
				"Deployment", "web", ProblemCreation,
				`its pods can't be created: error looking up service account tenant/web: serviceaccount "web" not found`,
				"see the events: kubectl describe deployment web -n tenant",
			}},
		},
		"a StatefulSet and a Job without any pod, which don't say why": {
			objects: `
- {apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db, namespace: tenant, generation: 1}, spec: {replicas: 1}, status: {observedGeneration: 1}}
- {apiVersion: apps/v1, kind: StatefulSet, metadata: {name: unseen, namespace: tenant, generation: 2}, spec: {replicas: 1}, status: {observedGeneration: 1}}
- {apiVersion: apps/v1, kind: StatefulSet, metadata: {name: stopped, namespace: tenant}, spec: {replicas: 0}}
- {apiVersion: batch/v1, kind: Job, metadata: {name: migrate, namespace: tenant}, status: {startTime: "2026-01-01T00:00:00Z"}}
- {apiVersion: batch/v1, kind: Job, metadata: {name: done, namespace: tenant}, status: {startTime: "2026-01-01T00:00:00Z", conditions: [{type: Complete, status: "True"}]}}
`,
			want: []Problem{
				{
					"Job", "migrate", ProblemCreation,
					"it has no pods: creating them fails, probably because of the quota, the Pod Security level or a missing ServiceAccount",
					"see the events: kubectl describe job migrate -n tenant",
				},
				{
					"StatefulSet", "db", ProblemCreation,
					"it has no pods: creating them fails, probably because of the quota, the Pod Security level or a missing ServiceAccount",
					"see the events: kubectl describe statefulset db -n tenant",
				},
			},
		},
		"a StatefulSet with one pod that is not ready creates the next one later": {
			pods:    `[{metadata: {name: db-0, ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: db, uid: "1", controller: true}]}}]`,
			objects: `[{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db, namespace: tenant}, spec: {replicas: 2}, status: {replicas: 1}}]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			live := fake.NewClientBuilder().WithObjects(pods(t, tc.pods)...).Build()
			got, err := PodProblems(t.Context(), live, "tenant", observedFrom(t, tc.objects))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("unexpected problems (-want +got):\n%s", diff)
			}
		})
	}
}
