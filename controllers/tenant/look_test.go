package tenant

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
)

type unstructuredObject = unstructured.Unstructured

func (w *world) ctx() context.Context { return context.Background() }

// pod makes a pod, which a controller of this kind and name has made, if there is one.
func (w *world) pod(t *testing.T, name, kind, controller, phase string) {
	t.Helper()
	pod := newObject(schemaPod, space, name)
	if kind != "" {
		pod.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "x/v1", Kind: kind, Name: controller, UID: "u", Controller: ptr.To(true)}})
	}
	set(pod, phase, "status", "phase")
	if err := w.server.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
}

var schemaPod = (&unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Pod"}}).GroupVersionKind()

func (w *world) stopped(t *testing.T) Stopped {
	t.Helper()
	w.cache.sync()
	st, err := w.Observe(t.Context(), space)
	if err != nil {
		t.Fatal(err)
	}
	stopped, err := w.LookStopped(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	return stopped
}

func TestStoppedMeansThatNoPodRuns(t *testing.T) {
	for name, tc := range map[string]struct {
		pod  func(*testing.T, *world)
		want []string
		says string
	}{
		"nothing is left":               {func(*testing.T, *world) {}, nil, ""},
		"pods that have ended":          {func(t *testing.T, w *world) { w.pod(t, "a", "Job", "j", "Succeeded"); w.pod(t, "b", "", "", "Failed") }, nil, ""},
		"the application's pod":         {func(t *testing.T, w *world) { w.pod(t, "notebook", "", "", "Running") }, []string{"Pod/notebook StillRuns"}, "kubectl delete pod notebook"},
		"a pod that no node takes":      {func(t *testing.T, w *world) { w.pod(t, "notebook", "", "", "Pending") }, []string{"Pod/notebook StillRuns"}, ""},
		"a Job's last pod":              {func(t *testing.T, w *world) { w.pod(t, "j-x", "Job", "j", "Running") }, []string{"Job/j StillRuns"}, "kubectl delete job j"},
		"a CronJob's running Job":       {func(t *testing.T, w *world) { w.pod(t, "x", "Job", "tick-29000000", "Running") }, []string{"CronJob/tick StillRuns"}, "tick-29000000"},
		"a workload of an unknown kind": {func(t *testing.T, w *world) { w.pod(t, "x-0", "Cluster", "main", "Running") }, []string{"Cluster/main StillRuns"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"a": deployment("web", three) + cron}, "a")
			w.stop = true
			w.settle(t.Context())
			tc.pod(t, w)
			got := w.stopped(t)
			if diff := cmp.Diff(tc.want, said(got.Running)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Stopped != (len(tc.want) == 0) || got.Stopped != got.Again.IsZero() {
				t.Errorf("stopped %v, again %v", got.Stopped, got.Again)
			}
			for _, r := range got.Running {
				if !strings.Contains(r.Message+r.Remedy, tc.says) {
					t.Errorf("%q, %q", r.Message, r.Remedy)
				}
			}
			calls := w.server.calls
			if w.stopped(t); got.Stopped && w.server.calls != calls {
				t.Error("a quiet pass asks for pods again")
			}
		})
	}
}

func TestAWorkloadThatStillHasPodsIsNotStopped(t *testing.T) {
	w := newWorld(map[string]string{"a": deployment("web", three)}, "a")
	w.settle(t.Context())
	w.server.edit(id("Deployment", "web"), "kube-controller-manager", func(o *unstructured.Unstructured) { set(o, int64(3), "status", "replicas") })
	w.stop = true
	w.settle(t.Context())
	if got := w.stopped(t); got.Stopped || len(got.Ending) != 1 || len(got.Running) != 0 {
		t.Errorf("%+v", got)
	}
	w.server.edit(id("Deployment", "web"), "kube-controller-manager", func(o *unstructured.Unstructured) { set(o, int64(0), "status", "replicas") })
	if got := w.stopped(t); !got.Stopped {
		t.Errorf("%+v", got)
	}
}

func TestARemovalIsOfWhatWasRead(t *testing.T) {
	w := newWorld(map[string]string{"a": settings}, "a")
	w.settle(t.Context())
	date := "Tue, 14 Nov 2023 22:13:20 GMT"
	api := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.Header().Set("Date", date) }))
	defer api.Close()
	server := &ServerTime{}

	if _, err := w.ReadForRemoval(t.Context(), space, owner, server); err == nil {
		t.Error("without the API server's time something is due")
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, api.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Wrap(http.DefaultTransport).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	reading, err := w.ReadForRemoval(t.Context(), space, owner, server)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0)
	if !reading.Now.Equal(now) {
		t.Errorf("the API server's time is %v", reading.Now)
	}

	w.server.edit(id("Namespace", space), "somebody", func(o *unstructured.Unstructured) { setAnnotation(o, "note", "keep this") })
	if err := w.Remove(t.Context(), reading); !apierrors.IsConflict(err) || w.server.object(id("Namespace", space)) == nil {
		t.Errorf("what has changed since it was read is deleted: %v", err)
	}
	if reading, err = w.ReadForRemoval(t.Context(), space, owner, server); err != nil {
		t.Fatal(err)
	}
	if err := w.Remove(t.Context(), reading); err != nil || w.server.object(id("Namespace", space)) != nil {
		t.Errorf("%v", err)
	}
	stranger := owner
	stranger.UID = "another"
	if reading, err = w.ReadForRemoval(t.Context(), space, stranger, server); err != nil || reading.Namespace != nil {
		t.Errorf("%v, %v", reading, err)
	}
}
