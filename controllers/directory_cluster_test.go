package controllers

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/directory"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// bought is an instance of a sale whose product is given.
func (x *shop) bought(name string, changes ...func(*v1alpha1.Subscription)) *v1alpha1.MarketplaceInstance {
	x.t.Helper()
	return x.buys(name, func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription = &v1alpha1.Subscription{
			Marketplace: "koogallery", InstanceID: name, OrderID: "CS1", OrderLineID: "CS1-1", Plan: "small",
			Entitlement: v1alpha1.Entitlement{State: v1alpha1.EntitlementActive},
			Items:       []v1alpha1.SoldItem{{ProductID: "p1"}},
		}
		for _, change := range changes {
			change(mpi.Spec.Subscription)
		}
		mpi.Spec.Plan = ""
	})
}

// users are the lines of a tenant's users, in all shards.
func (x *shop) users(namespace string) string {
	x.t.Helper()
	index := x.index(namespace)
	var lines strings.Builder
	for shard := range index.Shards {
		secret := &corev1.Secret{}
		err := x.client.Get(x.t.Context(), client.ObjectKey{Namespace: namespace, Name: v1alpha1.TenantDirectoryShardName(shard)}, secret)
		if client.IgnoreNotFound(err) != nil {
			x.t.Fatal(err)
		}
		lines.Write(secret.Data[fmt.Sprintf("users-%02d.jsonl", shard)])
	}
	return lines.String()
}

func (x *shop) index(namespace string) directory.Index {
	secret := &corev1.Secret{}
	index := directory.Index{}
	if err := x.client.Get(x.t.Context(), client.ObjectKey{Namespace: namespace, Name: v1alpha1.TenantDirectoryName}, secret); err == nil {
		x.Expect(json.Unmarshal(secret.Data[v1alpha1.DirectoryIndexKey], &index)).To(Succeed())
	}
	return index
}

// waitingCalls counts the calls about instances that are left.
func (x *shop) waitingCalls() int {
	list := &corev1.SecretList{}
	x.Expect(x.client.List(x.t.Context(), list, client.InNamespace(x.name), client.HasLabels{v1alpha1.CallLabel, v1alpha1.InstanceLabel})).To(Succeed())
	return len(list.Items)
}

func TestATenantGetsItsDirectory(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-directory")
	connection := &v1alpha1.Marketplace{
		ObjectMeta: metav1.ObjectMeta{Namespace: x.name, Name: "koogallery"},
		Spec: v1alpha1.MarketplaceSpec{
			Protocol:   v1alpha1.ProtocolKooGallery,
			KooGallery: v1alpha1.KooGallery{Site: v1alpha1.KooGalleryChina, CallbackSecretRef: v1alpha1.SecretReference{Name: "keys"}},
		},
	}
	x.create(connection)
	// The credentials come before there is an order, and another enterprise's too.
	x.create(salestest.Kept(t, connection, "Marketplace", salestest.EnterpriseCall(1)), salestest.Kept(t, connection, "Marketplace", salestest.ApplicationCall(2, "first-secret")))
	other := salestest.EnterpriseCall(1)
	other.EnterpriseID = "t2"
	x.create(salestest.Kept(t, connection, "Marketplace", other))
	x.operate()
	x.sells(withAccess)
	mpi := x.bought("acme")
	x.create(salestest.Kept(t, mpi, "MarketplaceInstance", salestest.Authorized(10, marketplace.SyncPut, "u1", "u2")))
	// An older deletion that comes late.
	x.create(salestest.Kept(t, mpi, "MarketplaceInstance", salestest.Authorized(5, marketplace.SyncRemove, "u1")))

	x.says("acme", v1alpha1.ConditionDirectorySynced, "True DirectorySynced")
	namespace := v1alpha1.TenantNamespace(v1alpha1.DefaultTenantPrefix, x.name, "acme")
	x.eventually(x.waitingCalls).Should(BeZero())
	x.eventually(func() string { return x.users(namespace) }).Should(And(ContainSubstring(`"userName":"u1"`), ContainSubstring(`"userName":"u2"`)))
	oauth := x.secret(namespace, v1alpha1.OAuthSecretName)
	x.Expect(oauth.Type).To(Equal(corev1.SecretTypeOpaque))
	x.Expect(oauth.Data).To(And(
		HaveKeyWithValue("clientId", []byte("client-1")), HaveKeyWithValue("clientSecret", []byte("first-secret")),
		HaveKeyWithValue("domainName", []byte("https://login.example.com")), HaveKeyWithValue("tenantId", []byte("t1")), HaveKeyWithValue("appId", []byte("a1")),
	))
	x.Expect(x.index(namespace)).To(And(HaveField("Users", 2), HaveField("Tenants", HaveLen(1))))

	// A repeat of what is folded already changes nothing and goes.
	before := x.secret(namespace, v1alpha1.TenantDirectoryName).ResourceVersion
	x.create(salestest.Kept(t, mpi, "MarketplaceInstance", salestest.Authorized(10, marketplace.SyncPut, "u1", "u2")))
	x.eventually(x.waitingCalls).Should(BeZero())
	// New credentials for the enterprise, again without an instance.
	x.create(salestest.Kept(t, connection, "Marketplace", salestest.ApplicationCall(20, "second-secret")))
	x.eventually(func() string { return string(x.secret(namespace, v1alpha1.OAuthSecretName).Data["clientSecret"]) }).Should(Equal("second-secret"))
	x.Expect(x.secret(namespace, v1alpha1.TenantDirectoryShardName(0)).ManagedFields).To(HaveLen(1))

	x.create(salestest.Kept(t, mpi, "MarketplaceInstance", salestest.Authorized(30, marketplace.SyncRemove, "u1")), salestest.Kept(t, mpi, "MarketplaceInstance", salestest.Authorized(31, marketplace.SyncWithdraw, "u2")))
	x.eventually(func() string { return x.users(namespace) }).Should(And(
		Not(ContainSubstring("u1")), ContainSubstring(`"userName":"u2","authorized":false`)))
	x.Expect(x.secret(namespace, v1alpha1.TenantDirectoryName).ResourceVersion).NotTo(Equal(before))

	// The instance's own reconciler takes none of it for its own.
	x.touch("acme", "again")
	status, err := json.Marshal(x.instance("acme").Status)
	x.Expect(err).NotTo(HaveOccurred())
	x.Expect(string(status)).NotTo(Or(ContainSubstring("Real"), ContainSubstring("secret\""), ContainSubstring("u2"), ContainSubstring("Secret/stallkeeper")))
}

func TestADirectoryWaitsForItsTenant(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-directory-waits")
	x.operate()
	mpi := x.bought("acme")
	x.create(salestest.Kept(t, mpi, "MarketplaceInstance", salestest.Authorized(10, marketplace.SyncPut, "u1")))
	x.says("acme", v1alpha1.ConditionDirectorySynced, "Unknown DirectoryPending")
	x.eventually(x.waitingCalls).Should(BeZero())
	x.sells()
	x.says("acme", v1alpha1.ConditionDirectorySynced, "True DirectorySynced")
}

func TestSuspendedTenantsAreKeptUpToDateAndReleasedOnesForgotten(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-directory-ends")
	x.operate()
	x.sells(func(p *v1alpha1.MarketplaceProduct) { p.Spec.Lifecycle.RetentionPeriodSeconds = ptr.To(int64(1)) })
	mpi := x.bought("acme")
	x.create(salestest.Kept(t, mpi, "MarketplaceInstance", salestest.Authorized(10, marketplace.SyncPut, "u1")))
	x.says("acme", v1alpha1.ConditionDirectorySynced, "True DirectorySynced")
	change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.DesiredState = v1alpha1.DesiredStateSuspended })
	x.says("acme", v1alpha1.ConditionSuspended, "True SuspensionRequested")
	x.create(salestest.Kept(t, mpi, "MarketplaceInstance", salestest.Authorized(20, marketplace.SyncRemove, "u1")))
	namespace := x.instance("acme").Status.Namespace
	x.eventually(func() int { return x.index(namespace).Users }).Should(BeZero())

	change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription.Entitlement = v1alpha1.Entitlement{
			State: v1alpha1.EntitlementReleased, Reason: v1alpha1.EntitlementByMarketplace, Time: metav1.NewTime(time.Now().Add(-time.Minute)),
		}
	})
	x.namespaceGoes(namespace)
	for _, name := range []string{v1alpha1.DirectorySecretName("acme"), v1alpha1.DirectoryShardName("acme", 0)} {
		x.eventually(func() bool {
			err := x.client.Get(t.Context(), client.ObjectKey{Namespace: x.name, Name: name}, &corev1.Secret{})
			return apierrors.IsNotFound(err)
		}).Should(BeTrue(), name)
	}
	x.eventually(func() []metav1.Condition { return x.instance("acme").Status.Conditions }).
		ShouldNot(ContainElement(HaveField("Type", v1alpha1.ConditionDirectorySynced)))
}

func TestWhatCannotBeReadIsSaidAndStopsNothingElse(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-directory-broken")
	x.operate()
	x.sells()
	mpi := x.bought("acme")
	broken := salestest.Kept(t, mpi, "MarketplaceInstance", salestest.Authorized(10, marketplace.SyncPut, "u1"))
	broken.Data[v1alpha1.CallSyncKey] = []byte("Real Name")
	x.create(broken, salestest.Kept(t, mpi, "MarketplaceInstance", salestest.Authorized(11, marketplace.SyncPut, "u2")))
	said := x.says("acme", v1alpha1.ConditionDirectorySynced, "False DirectoryUnreadable")
	x.Expect(fmt.Sprint(said.Status.Conditions)).To(And(ContainSubstring(broken.Name), Not(ContainSubstring("Real Name"))))
	namespace := v1alpha1.TenantNamespace(v1alpha1.DefaultTenantPrefix, x.name, "acme")
	x.eventually(func() string { return x.users(namespace) }).Should(ContainSubstring("u2"))
	x.Expect(x.client.Delete(t.Context(), broken)).To(Succeed())
	x.says("acme", v1alpha1.ConditionDirectorySynced, "True DirectorySynced")
}

func TestAnEndpointIsAServiceOfTheTenantAndNothingElse(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-forward-refused")
	for name, tc := range map[string]struct {
		forward v1alpha1.DirectoryForward
		want    string
	}{
		"another namespace's Service": {v1alpha1.DirectoryForward{ServiceRef: v1alpha1.ServicePortReference{Name: "web.kube-system", Port: 80}, Path: "/"}, "must be the name of a Service"},
		"a path with a query":         {v1alpha1.DirectoryForward{ServiceRef: v1alpha1.ServicePortReference{Name: "web", Port: 80}, Path: "/a?b=c"}, "path must begin with a slash"},
		"a path without a slash":      {v1alpha1.DirectoryForward{ServiceRef: v1alpha1.ServicePortReference{Name: "web", Port: 80}, Path: "a"}, "path must begin with a slash"},
		"no port":                     {v1alpha1.DirectoryForward{ServiceRef: v1alpha1.ServicePortReference{Name: "web"}, Path: "/"}, "spec.directory.forward.serviceRef.port"},
	} {
		p := here(x, salestest.Product(func(p *v1alpha1.MarketplaceProduct) { p.Spec.Directory.Forward = tc.forward }))
		x.Expect(x.client.Create(t.Context(), p)).To(MatchError(ContainSubstring(tc.want)), name)
	}
}
