package controllers

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kuberuntime "k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/controllers/apiservertest"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// play is one sequence.
func (m *played) play(t *rapid.T) {
	m.lifecycle(t)
	for range rapid.IntRange(1, 3).Draw(t, "rounds") {
		for range rapid.IntRange(1, 6).Draw(t, "things") {
			m.happens(t)
			m.learn()
		}
		m.orders.away = false
		m.lead = m.process() // how often a person meddles in these seconds is not what is looked at
		if left := m.rest(); left != "" {
			t.Fatalf("it does not come to rest: %s; %+v", left, m.instance().Status)
		}
		m.check(t)
		m.lead = m.process()
		if err := m.passes(); err != nil {
			t.Fatal(err)
		}
		if writes := slices.DeleteFunc(m.lead.take(), func(w string) bool { return strings.HasPrefix(w, "ControllerRevision") }); len(writes) > 0 {
			t.Fatalf("after a restart, it writes %v", writes)
		}
	}
}

// TestWhateverHappensToASale plays random sequences on the real API server: calls, edits of instance and product, also between two requests
// of a pass, refusals, lost answers, crashes between two writes, changed and deleted objects, a second leader with an old cache, erased
// statuses, and a clock that jumps.
func TestWhateverHappensToASale(t *testing.T) {
	t.Parallel()
	c := theCluster(t)
	left := sequences("STALLKEEPER_SEQUENCES", 40)
	left.check(t, func(rt *rapid.T) {
		namespace := fmt.Sprintf("random-%d", shops.Add(1))
		if err := c.client.Create(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
			rt.Fatal(err)
		}
		m := newPlayed(c.client, namespace, time.Now())
		m.ends = c.endsNamespace
		m.play(rt)
	})
}

// endsNamespace does what the controller manager does with a namespace that is being deleted.
func (c *cluster) endsNamespace(ns *corev1.Namespace) {
	ctx := context.Background()
	for _, of := range []client.Object{
		&appsv1.Deployment{}, &corev1.ConfigMap{}, &corev1.Secret{}, &corev1.Service{}, &corev1.ServiceAccount{}, &corev1.PersistentVolumeClaim{},
		&corev1.ResourceQuota{}, &corev1.LimitRange{}, &networkingv1.NetworkPolicy{}, &corev1.Pod{},
	} {
		_ = c.client.DeleteAllOf(ctx, of, client.InNamespace(ns.Name), client.GracePeriodSeconds(0), client.PropagationPolicy(metav1.DeletePropagationBackground))
	}
	claims := &corev1.PersistentVolumeClaimList{}
	_ = c.client.List(ctx, claims, client.InNamespace(ns.Name))
	for i := range claims.Items {
		claims.Items[i].Finalizers = nil
		_ = c.client.Update(ctx, &claims.Items[i])
	}
	ns.Spec.Finalizers = nil
	_ = c.client.SubResource("finalize").Update(ctx, ns)
}

// TestWhateverHappensToASaleInMemory plays the same sequences, a thousand of them, on the API server in memory.
func TestWhateverHappensToASaleInMemory(t *testing.T) {
	t.Parallel()
	left := sequences("STALLKEEPER_MEMORY_SEQUENCES", 1000)
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // a third of the time goes into collecting otherwise
	left.check(t, func(rt *rapid.T) { newPlayed(inMemory("sales"), "sales", salestest.Day(0)).play(rt) })
}

// schemas are those of all kinds, for all API servers in memory.
var schemas = sync.OnceValues(func() (*apiservertest.Schemas, error) {
	return apiservertest.WithDefinitions(filepath.Join("..", "config", "crd"))
})

var bothSchemes = sync.OnceValues(salestest.BothSchemes)

// inMemory is an API server in memory with one namespace, whose Deployments get their replicas at once.
func inMemory(namespace string) *apiservertest.Server {
	known, err := schemas()
	if err != nil {
		panic(err)
	}
	scheme, err := bothSchemes()
	if err != nil {
		panic(err)
	}
	server := apiservertest.New(scheme, known)
	server.Runs = func(obj *unstructured.Unstructured) {
		if obj.GetKind() != "Deployment" {
			return
		}
		replicas, _, _ := unstructured.NestedInt64(obj.Object, "spec", "replicas")
		status := rolledOut(obj.GetGeneration(), int32(replicas))
		if obj.Object["status"], err = kuberuntime.DefaultUnstructuredConverter.ToUnstructured(&status); err != nil {
			panic(err)
		}
	}
	if err := server.Create(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		panic(err)
	}
	return server
}

// budget is how many sequences are left to be played. One that has failed is played again until it is as short as can be.
type budget struct {
	left    int
	failing bool
	// same says that the sequences are the same ones in each run, unless -rapid.seed names others.
	same bool
}

// sequences is the budget: the same n sequences in each run, or as many others as the environment says.
func sequences(variable string, n int) *budget {
	if more, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return &budget{left: more}
	}
	return &budget{left: n, same: flag.Lookup(seedFlag).Value.String() == "0"}
}

const seedFlag = "rapid.seed"

// check plays until nothing is left, whatever number of checks rapid makes at a time.
func (b *budget) check(t *testing.T, sequence func(*rapid.T)) {
	for round := 1; b.left > 0 && !t.Failed(); round++ {
		if b.same {
			if err := flag.Set(seedFlag, strconv.Itoa(round)); err != nil {
				t.Fatal(err)
			}
		}
		rapid.Check(t, func(rt *rapid.T) {
			if b.left--; b.left < 0 && !b.failing {
				return
			}
			b.failing = true
			sequence(rt)
			b.failing = false // a sequence that fails does not come here
		})
	}
}
