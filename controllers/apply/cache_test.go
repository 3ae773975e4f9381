package apply

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	toolscache "k8s.io/client-go/tools/cache"
	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// deployment is what the API server gives for an ordinary Deployment of a Helm chart.
const deployment = `{
"apiVersion":"apps/v1","kind":"Deployment",
"metadata":{"name":"web","namespace":"tenant","uid":"1","resourceVersion":"7","generation":2,
 "creationTimestamp":"2026-01-01T00:00:00Z",
 "labels":{"stallkeeper.io/instance":"a","stallkeeper.io/instance-namespace":"sales","app.kubernetes.io/name":"web",
  "app.kubernetes.io/instance":"app","helm.sh/chart":"web-1.0.0","app.kubernetes.io/managed-by":"Helm"},
 "annotations":{"deployment.kubernetes.io/revision":"1","helm.sh/resource-policy":"keep","cache.stallkeeper.io/fields":"forged",
  "kubectl.kubernetes.io/last-applied-configuration":"{}","stallkeeper.io/suspended-replicas":"3"},
 "ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"x","uid":"2"},
  {"apiVersion":"x.io/v1","kind":"App","name":"app","uid":"3","controller":true}],
 "managedFields":[
  {"manager":"stallkeeper.io","operation":"Apply","apiVersion":"apps/v1","time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1",
   "fieldsV1":{"f:metadata":{"f:labels":{"f:stallkeeper.io/instance":{}}},"f:spec":{"f:selector":{},"f:template":{"f:spec":{
    "f:containers":{"k:{\"name\":\"web\"}":{".":{},"f:image":{},"f:name":{},"f:args":{},"f:env":{"k:{\"name\":\"A\"}":{".":{},"f:name":{},"f:value":{}}},
    "f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}},"f:resources":{"f:limits":{"f:cpu":{},"f:memory":{}}}}}}}}}},
  {"manager":"stallkeeper.io/scale","operation":"Update","apiVersion":"apps/v1","time":"2026-01-05T00:00:00Z","fieldsType":"FieldsV1",
   "fieldsV1":{"f:metadata":{"f:annotations":{"f:stallkeeper.io/suspended-replicas":{}}}}},
  {"manager":"kubectl-edit","operation":"Update","apiVersion":"apps/v1","time":"2026-01-02T00:00:00Z","fieldsType":"FieldsV1",
   "fieldsV1":{"f:spec":{"f:minReadySeconds":{}}}},
  {"manager":"early","operation":"Update","apiVersion":"apps/v1","time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1",
   "fieldsV1":{"f:spec":{"f:paused":{}}}},
  {"manager":"kube-controller-manager","operation":"Update","apiVersion":"apps/v1","time":"2026-01-03T00:00:00Z","subresource":"status",
   "fieldsType":"FieldsV1","fieldsV1":{"f:status":{"f:conditions":{".":{},"k:{\"type\":\"Available\"}":{".":{},"f:status":{},"f:type":{}}},"f:replicas":{}}}}]},
"spec":{"replicas":1,"progressDeadlineSeconds":600,"revisionHistoryLimit":10,"selector":{"matchLabels":{"app":"web"}},
 "strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"}},
 "template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"web:1","args":["serve"],
  "env":[{"name":"A","value":"B"}],"ports":[{"containerPort":80,"protocol":"TCP"}],"resources":{"limits":{"cpu":"1","memory":"1Gi"}},
  "terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}],
  "restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","schedulerName":"default-scheduler"}}},
"status":{"observedGeneration":2,"replicas":1,"updatedReplicas":1,"readyReplicas":1,"availableReplicas":1,"unknownField":"x","conditions":[
 {"type":"Available","status":"True","reason":"MinimumReplicasAvailable","message":"Deployment has minimum availability.","lastUpdateTime":"2026-01-01T00:00:00Z","lastTransitionTime":"2026-01-01T00:00:00Z"},
 {"type":"Progressing","status":"True","reason":"NewReplicaSetAvailable","message":"done","lastUpdateTime":"2026-01-01T00:00:00Z","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`

func decoded(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return obj
}

func transformed(t testing.TB, in any) any {
	t.Helper()
	out, err := Transform(in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTheCacheKeepsWhatIsReadAndNothingElse(t *testing.T) {
	whole := decoded(t, deployment)
	hash := OwnFields(whole)

	got := transformed(t, whole.DeepCopy()).(*unstructured.Unstructured)

	want := map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{
			"name": "web", "namespace": "tenant", "uid": "1", "resourceVersion": "7", "generation": int64(2),
			"labels": map[string]any{"stallkeeper.io/instance": "a", "stallkeeper.io/instance-namespace": "sales"},
			"annotations": map[string]any{
				"helm.sh/resource-policy": "keep", "stallkeeper.io/suspended-replicas": "3",
				FieldsAnnotation: hash, ManagerAnnotation: "kubectl-edit",
			},
			"ownerReferences": []any{map[string]any{
				"apiVersion": "x.io/v1", "kind": "App", "name": "app", "uid": "3", "controller": true,
			}},
		},
		"spec": map[string]any{"replicas": int64(1), "progressDeadlineSeconds": int64(600)},
		"status": map[string]any{
			"observedGeneration": int64(2), "replicas": int64(1), "updatedReplicas": int64(1), "readyReplicas": int64(1),
			"availableReplicas": int64(1),
			"conditions": []any{
				map[string]any{
					"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable",
					"message": "Deployment has minimum availability.",
				},
				map[string]any{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": "done"},
			},
		},
	}
	if diff := cmp.Diff(want, got.Object); diff != "" {
		t.Errorf("unexpected content of the cache (-want +got):\n%s", diff)
	}
	if OwnFields(got) != hash || OtherManager(got) != OtherManager(whole) {
		t.Error("hash and manager are read differently from the cache and from the API")
	}
	if diff := cmp.Diff(got, transformed(t, got.DeepCopy())); diff != "" {
		t.Errorf("a second time changes something:\n%s", diff)
	}
}

func TestTombstonesAndOtherTypesPassThrough(t *testing.T) {
	tombstone := transformed(t, toolscache.DeletedFinalStateUnknown{Key: "tenant/web", Obj: decoded(t, deployment)}).(toolscache.DeletedFinalStateUnknown)
	if !trimmed(tombstone.Obj.(*unstructured.Unstructured)) || tombstone.Key != "tenant/web" {
		t.Errorf("a tombstone is not cut down: %v", tombstone)
	}
	for _, other := range []any{nil, "text", toolscache.DeletedFinalStateUnknown{Key: "a/b"}} {
		if diff := cmp.Diff(other, transformed(t, other)); diff != "" {
			t.Errorf("changed:\n%s", diff)
		}
	}
}

func TestOnlyKeptFieldsAreChanges(t *testing.T) {
	before := decoded(t, deployment)
	for name, tc := range map[string]struct {
		change func(*unstructured.Unstructured)
		want   bool
	}{
		"the version alone is none": {func(u *unstructured.Unstructured) { u.SetResourceVersion("8") }, false},
		"what was cut away is none": {func(u *unstructured.Unstructured) { u.SetLabels(with(u.GetLabels(), "team", "blue")) }, false},
		"a counter is one": {func(u *unstructured.Unstructured) {
			_ = unstructured.SetNestedField(u.Object, int64(0), "status", "readyReplicas")
		}, true},
		"our lost field is one": {func(u *unstructured.Unstructured) {
			fields := u.GetManagedFields()
			fields[0].FieldsV1.SetRawBytes([]byte(`{"f:spec":{}}`))
			u.SetManagedFields(fields)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			after := before.DeepCopy()
			tc.change(after)
			a := transformed(t, before.DeepCopy()).(*unstructured.Unstructured)
			b := transformed(t, after).(*unstructured.Unstructured)
			version := b.GetResourceVersion()
			if got := Changed(a, b); got != tc.want {
				t.Errorf("Changed = %v", got)
			}
			if b.GetResourceVersion() != version {
				t.Error("the cached object was changed")
			}
		})
	}
}

func with(labels map[string]string, key, value string) map[string]string {
	labels[key] = value
	return labels
}

// Whatever is stored in a custom resource must not stop the informer, and the second pass must change nothing.
func TestTransformTakesAnything(t *testing.T) {
	values := []any{nil, "x", int64(3), true, []any{"a", map[string]any{"type": "Ready", "manager": "m"}}, map[string]any{"conditions": "x"}, map[string]any{
		"managedFields": []any{nil, "x", map[string]any{"manager": v1alpha1.FieldOwner, "operation": "Apply", "subresource": int64(1)}},
		"annotations":   map[string]any{FieldsAnnotation: "x"}, "ownerReferences": []any{map[string]any{"controller": "yes"}, nil},
	}}
	rapid.Check(t, func(t *rapid.T) {
		obj := map[string]any{"apiVersion": "v1", "kind": "Thing"}
		for _, key := range []string{"metadata", "spec", "status"} {
			obj[key] = rapid.SampledFrom(values).Draw(t, key)
		}
		once, err := Transform((&unstructured.Unstructured{Object: obj}).DeepCopy())
		if err != nil {
			t.Fatal(err)
		}
		twice, err := Transform(once.(*unstructured.Unstructured).DeepCopy())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(once, twice); diff != "" {
			t.Fatal(diff)
		}
	})
}

// BenchmarkCacheMemory measures the heap that one Deployment takes in the cache, as it comes and cut down.
func BenchmarkCacheMemory(b *testing.B) {
	for _, tc := range []struct {
		name      string
		transform bool
	}{{"whole", false}, {"cut", true}} {
		b.Run(tc.name, func(b *testing.B) {
			const count = 2000
			var heap uint64
			for b.Loop() {
				before := heapInUse()
				held := make([]any, 0, count)
				for i := range count {
					var obj any = decoded(b, fmt.Sprintf(`{"x":%d,%s`, i, deployment[1:]))
					if tc.transform {
						obj = transformed(b, obj)
					}
					held = append(held, obj)
				}
				heap = heapInUse() - before
				runtime.KeepAlive(held)
			}
			b.ReportMetric(float64(heap)/count, "heap-B/object")
		})
	}
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
