package directory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/directory/store"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// directoryWorld is a sale with a tenant, in an API server in memory, and the reconciler over it.
type directoryWorld struct {
	t testing.TB
	client.WithWatch
	r *Reconciler
	// left counts down the writes until one fails; it never does below zero.
	left   int
	writes int
}

var errWrite = errors.New("the API server is away")

func newDirectoryWorld(t testing.TB, calls ...marketplace.Sync) *directoryWorld {
	t.Helper()
	mpi := &v1alpha1.MarketplaceInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "acme", UID: "uid-1"},
		Spec: v1alpha1.MarketplaceInstanceSpec{Subscription: &v1alpha1.Subscription{
			Marketplace: "koogallery", InstanceID: "acme", Entitlement: v1alpha1.Entitlement{State: v1alpha1.EntitlementActive},
		}},
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: v1alpha1.TenantNamespace("tenant-", "sales", "acme"), UID: "uid-ns",
		Labels:      map[string]string{v1alpha1.InstanceLabel: "acme", v1alpha1.InstanceNamespaceLabel: "sales"},
		Annotations: map[string]string{v1alpha1.InstanceUIDAnnotation: "uid-1"},
	}}
	objects := []client.Object{mpi, ns}
	for _, call := range calls {
		objects = append(objects, salestest.Kept(t, mpi, "MarketplaceInstance", call))
	}
	w := &directoryWorld{t: t, left: -1}
	w.WithWatch = fake.NewClientBuilder().WithScheme(salestest.NewTestScheme(t)).WithStatusSubresource(mpi).WithObjects(objects...).Build()
	write := func() error {
		w.writes++
		if w.left--; w.left == 0 {
			return errWrite
		}
		return nil
	}
	between := interceptor.NewClient(w.WithWatch, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			return errors.Join(write(), unlessFailed(w, func() error { return c.Create(ctx, object, options...) }))
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			return errors.Join(write(), unlessFailed(w, func() error { return c.Patch(ctx, object, patch, options...) }))
		},
		Delete: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			return errors.Join(write(), unlessFailed(w, func() error { return c.Delete(ctx, object, options...) }))
		},
		Apply: func(ctx context.Context, c client.WithWatch, object runtime.ApplyConfiguration, options ...client.ApplyOption) error {
			return errors.Join(write(), unlessFailed(w, func() error { return c.Apply(ctx, object, options...) }))
		},
	})
	w.r = &Reconciler{Client: between, APIReader: w.WithWatch, Calls: readerCache{reader: w.WithWatch}, TenantPrefix: "tenant-"}
	return w
}

func unlessFailed(w *directoryWorld, do func() error) error {
	if w.left == 0 {
		return nil
	}
	return do()
}

// pass runs the reconciler until it has nothing more to do, or fails.
func (w *directoryWorld) pass() error {
	for range 10 {
		result, err := w.r.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "sales", Name: "acme"}})
		if err != nil || result.RequeueAfter == 0 {
			return err
		}
	}
	return errors.New("it does not come to an end")
}

// secrets are the contents of all Secrets, but what tells only when it was written.
func (w *directoryWorld) secrets() map[string]map[string]string {
	w.t.Helper()
	list := &corev1.SecretList{}
	if err := w.List(w.t.Context(), list); err != nil {
		w.t.Fatal(err)
	}
	found := map[string]map[string]string{}
	for _, secret := range list.Items {
		data := map[string]string{}
		for key, value := range secret.Data {
			data[key] = string(value)
		}
		found[secret.Namespace+"/"+secret.Name] = data
	}
	return found
}

func (w *directoryWorld) condition() string {
	mpi := &v1alpha1.MarketplaceInstance{}
	if err := w.Get(w.t.Context(), client.ObjectKey{Namespace: "sales", Name: "acme"}, mpi); err != nil {
		w.t.Fatal(err)
	}
	condition := meta.FindStatusCondition(mpi.Status.Conditions, v1alpha1.ConditionDirectorySynced)
	if condition == nil {
		return ""
	}
	return string(condition.Status) + " " + condition.Reason
}

// Whichever write a pass ends at, the next ones lead to what a pass that did not end leads to.
func TestAPassThatEndsHalfWayIsRepeatedWithoutHarm(t *testing.T) {
	users := []marketplace.Sync{salestest.Authorized(10, marketplace.SyncPut, "u1", "u2"), salestest.Authorized(20, marketplace.SyncRemove, "u1")}
	t.Run("users only", func(t *testing.T) { repeatsAtEveryWrite(t, 4, users...) })
	t.Run("with an application", func(t *testing.T) {
		repeatsAtEveryWrite(t, 5, append(users, salestest.EnterpriseCall(1), salestest.ApplicationCall(2, "secret"))...)
	})
}

func repeatsAtEveryWrite(t *testing.T, wantSecrets int, calls ...marketplace.Sync) {
	whole := newDirectoryWorld(t, calls...)
	if err := whole.pass(); err != nil {
		t.Fatal(err)
	}
	want := whole.secrets()
	if names := slices.Sorted(maps.Keys(want)); len(names) != wantSecrets || whole.condition() != "True DirectorySynced" {
		t.Fatalf("%v, %s", names, whole.condition())
	}
	for at := 1; at <= whole.writes; at++ {
		t.Run(fmt.Sprintf("at write %d of %d", at, whole.writes), func(t *testing.T) {
			w := newDirectoryWorld(t, calls...)
			w.left = at
			if err := w.pass(); !errors.Is(err, errWrite) {
				t.Fatalf("the pass did not end: %v", err)
			}
			w.left = -1
			if err := w.pass(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(whatTenantsSee(want), whatTenantsSee(w.secrets())); diff != "" {
				t.Errorf("-whole +repeated:\n%s", diff)
			}
			if got := w.condition(); got != "True DirectorySynced" {
				t.Errorf("condition = %s", got)
			}
		})
	}
}

var generation = regexp.MustCompile(`"generation":[0-9]+`)

// whatTenantsSee are the names of all Secrets, and the contents of those of tenants but for the generation, which a repeated pass
// may raise once more.
func whatTenantsSee(secrets map[string]map[string]string) map[string]string {
	seen := map[string]string{}
	for name, data := range secrets {
		seen[name] = ""
		if strings.HasPrefix(name, "tenant-") {
			seen[name] = generation.ReplaceAllString(fmt.Sprint(data), "")
		}
	}
	return seen
}

func TestAQuietDirectoryIsNotWritten(t *testing.T) {
	w := newDirectoryWorld(t, salestest.Authorized(10, marketplace.SyncPut, "u1"))
	if err := w.pass(); err != nil {
		t.Fatal(err)
	}
	w.writes = 0
	if err := w.pass(); err != nil || w.writes != 0 {
		t.Errorf("%d writes, %v", w.writes, err)
	}
	// Without any directory, nothing is read or said either.
	empty := newDirectoryWorld(t)
	if err := empty.pass(); err != nil || empty.writes != 0 || empty.condition() != "" {
		t.Errorf("%d writes, %q, %v", empty.writes, empty.condition(), err)
	}
}

func TestAFullDirectorySaysSoAndKeepsTheCalls(t *testing.T) {
	var calls []marketplace.Sync
	for i := range 300 {
		call := salestest.ApplicationCall(int64(i+1), "secret")
		call.Application.ID = fmt.Sprint("app-", i)
		calls = append(calls, call)
	}
	w := newDirectoryWorld(t, calls...)
	for range 12 {
		if _, err := w.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "sales", Name: "acme"}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.condition(); got != "False DirectoryFull" {
		t.Errorf("condition = %s", got)
	}
	kept := 0
	for name := range w.secrets() {
		if strings.Contains(name, "-call-") {
			kept++
		}
	}
	if kept == 0 {
		t.Error("the calls that do not fit are gone")
	}
}

func TestADirectoryThatWasRestoredWithoutOwnersIsTaken(t *testing.T) {
	w := newDirectoryWorld(t, salestest.Authorized(10, marketplace.SyncPut, "u1"))
	if err := w.pass(); err != nil {
		t.Fatal(err)
	}
	list := &corev1.SecretList{}
	if err := w.List(t.Context(), list, client.InNamespace("sales")); err != nil {
		t.Fatal(err)
	}
	for i := range list.Items {
		list.Items[i].OwnerReferences = nil
		if err := w.Update(t.Context(), &list.Items[i]); err != nil {
			t.Fatal(err)
		}
	}
	mpi := &v1alpha1.MarketplaceInstance{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "acme", UID: "uid-1"}}
	if err := w.Create(t.Context(), salestest.Kept(t, mpi, "MarketplaceInstance", salestest.Authorized(20, marketplace.SyncRemove, "u1"))); err != nil {
		t.Fatal(err)
	}
	if err := w.pass(); err != nil {
		t.Fatal(err)
	}
	for name, data := range w.secrets() {
		if strings.Contains(data["users-00.jsonl"], "u1") {
			t.Errorf("%s still has the user", name)
		}
	}
}

func TestATenantThatWasMadeAnewGetsEverythingAndAPausedOneNothing(t *testing.T) {
	w := newDirectoryWorld(t, salestest.Authorized(10, marketplace.SyncPut, "u1"))
	mpi := &v1alpha1.MarketplaceInstance{}
	set := func(state v1alpha1.Reconciliation) {
		if err := w.Get(t.Context(), client.ObjectKey{Namespace: "sales", Name: "acme"}, mpi); err != nil {
			t.Fatal(err)
		}
		mpi.Spec.Reconciliation = state
		if err := w.Update(t.Context(), mpi); err != nil {
			t.Fatal(err)
		}
	}
	set(v1alpha1.ReconciliationPaused)
	// It asks to be looked at again, for as long as it is paused.
	if err := w.pass(); err == nil || w.condition() != "Unknown DirectoryPending" || len(w.secrets()) != 2 {
		t.Fatalf("paused: %v, %s, %d Secrets", err, w.condition(), len(w.secrets()))
	}
	set(v1alpha1.ReconciliationActive)
	if err := w.pass(); err != nil || w.condition() != "True DirectorySynced" {
		t.Fatalf("active: %v, %s", err, w.condition())
	}
	want := w.secrets()

	namespace := v1alpha1.TenantNamespace("tenant-", "sales", "acme")
	if err := w.DeleteAllOf(t.Context(), &corev1.Secret{}, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	ns := &corev1.Namespace{}
	if err := w.Get(t.Context(), client.ObjectKey{Name: namespace}, ns); err != nil {
		t.Fatal(err)
	}
	if err := w.Delete(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	ns.UID, ns.ResourceVersion = "uid-ns-2", ""
	if err := w.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	if err := w.pass(); err != nil {
		t.Fatal(err)
	}
	got := w.secrets()
	delete(want["sales/acme-directory"], store.DeliveredKey)
	delete(got["sales/acme-directory"], store.DeliveredKey)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}
}

// Whoever deletes the first Secret loses the sign-on, and no user.
func TestADirectoryWithoutItsHeadIsRecovered(t *testing.T) {
	var names []string
	for i := range 9000 {
		names = append(names, fmt.Sprintf("user-%05d-with-a-rather-long-name@example.com", i))
	}
	w := newDirectoryWorld(t, salestest.Authorized(10, marketplace.SyncPut, names[:4500]...), salestest.Authorized(11, marketplace.SyncPut, names[4500:]...))
	if err := w.pass(); err != nil {
		t.Fatal(err)
	}
	want := w.secrets()
	head := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "acme-directory"}}
	if err := w.Delete(t.Context(), head); err != nil {
		t.Fatal(err)
	}
	mpi := &v1alpha1.MarketplaceInstance{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "acme", UID: "uid-1"}}
	if err := w.Create(t.Context(), salestest.Kept(t, mpi, "MarketplaceInstance", salestest.Authorized(12, marketplace.SyncRemove, "nobody"))); err != nil {
		t.Fatal(err)
	}
	if err := w.pass(); err != nil {
		t.Fatal(err)
	}
	got := w.secrets()
	for name, data := range want {
		if strings.HasPrefix(name, "tenant-") && data["index.json"] == "" && !cmp.Equal(data, got[name]) {
			t.Errorf("%s changed", name)
		}
	}
	if index := got[v1alpha1.TenantNamespace("tenant-", "sales", "acme")+"/stallkeeper-directory"]["index.json"]; !strings.Contains(index, `"users":9000`) {
		t.Errorf("index = %s", index)
	}
}

// readerCache is a cache that only reads.
type readerCache struct {
	cache.Cache
	reader client.Reader
}

func (c readerCache) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	return c.reader.Get(ctx, key, object, options...)
}

func (c readerCache) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	return c.reader.List(ctx, list, options...)
}
