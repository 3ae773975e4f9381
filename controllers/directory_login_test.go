package controllers

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

func TestATenantHasTheKeyOfItsLoginWhileTheProductHasOne(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-login")
	x.operate()
	x.sells(withAccess)
	mpi := x.bought("acme")
	x.create(salestest.Kept(t, mpi, "MarketplaceInstance", salestest.EnterpriseCall(10)), salestest.Kept(t, mpi, "MarketplaceInstance", salestest.ApplicationCall(11, "a-secret")))
	x.says("acme", v1alpha1.ConditionDirectorySynced, "True DirectorySynced")
	namespace := x.says("acme", v1alpha1.ConditionReady, "True InstanceReady").Status.Namespace
	oauth := func() map[string][]byte { return x.secret(namespace, v1alpha1.OAuthSecretName).Data }
	x.eventually(oauth).Should(And(HaveKey(v1alpha1.OAuthClientIDKey), Not(HaveKey(v1alpha1.LoginTokenKey))))
	untouched := x.secret(namespace, v1alpha1.TenantDirectoryName).ResourceVersion

	product := &v1alpha1.MarketplaceProduct{}
	product.Namespace, product.Name = x.name, mpi.Spec.ProductRef.Name
	revision := x.instance("acme").Status.Revision
	change(x, product, func(p *v1alpha1.MarketplaceProduct) { p.Spec.Login.Path = "/sso" })
	x.eventually(func() int { return len(oauth()[v1alpha1.LoginTokenKey]) }).Should(Equal(64))
	x.Expect(x.instance("acme").Status.Revision).To(Equal(revision))
	x.Expect(x.secret(namespace, v1alpha1.TenantDirectoryName).ResourceVersion).To(Equal(untouched))
	first := oauth()[v1alpha1.LoginTokenKey]

	change(x, product, func(p *v1alpha1.MarketplaceProduct) { p.Spec.Login = v1alpha1.ProductLogin{} })
	x.eventually(oauth).Should(And(HaveKey(v1alpha1.OAuthClientIDKey), Not(HaveKey(v1alpha1.LoginTokenKey))))
	change(x, product, func(p *v1alpha1.MarketplaceProduct) { p.Spec.Login.Path = "/login/sso" })
	x.eventually(oauth).Should(HaveKeyWithValue(v1alpha1.LoginTokenKey, first))
}

func TestAnInstanceSaysWhichEnterprisesItIsOf(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-enterprises")
	x.operate()
	x.sells(withAccess)
	mpi := x.bought("acme")
	other := salestest.EnterpriseCall(12)
	other.EnterpriseID = "t2"
	x.create(salestest.Kept(t, mpi, "MarketplaceInstance", salestest.EnterpriseCall(10)), salestest.Kept(t, mpi, "MarketplaceInstance", other))
	enterprises := func() []string { return x.instance("acme").Status.Enterprises }
	both := ConsistOf(v1alpha1.EnterpriseHash("t1"), v1alpha1.EnterpriseHash("t2"))
	x.eventually(enterprises).Should(both)
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	x.Expect(enterprises()).To(both)

	x.erase("acme", func(status *v1alpha1.MarketplaceInstanceStatus) { status.Enterprises = nil })
	x.eventually(enterprises).Should(both)

	gone := marketplace.Sync{EnterpriseID: "t2", At: time.UnixMilli(20), Action: marketplace.SyncRemove, Enterprise: &marketplace.Enterprise{}}
	x.create(salestest.Kept(t, mpi, "MarketplaceInstance", gone))
	x.eventually(enterprises).Should(ConsistOf(v1alpha1.EnterpriseHash("t1")))
}

func TestALoginsPathIsWithinTheApplication(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-login-refused")
	for path, want := range map[string]string{
		"sso": "path must begin with one slash", "//evil.example.com": "path must begin with one slash", "/a//b": "path must begin with one slash",
		"/a?b=c": "path must begin with one slash", "/a#b": "path must begin with one slash", "/\\a": "path must begin with one slash",
	} {
		p := here(x, salestest.Product(withAccess, func(p *v1alpha1.MarketplaceProduct) { p.Spec.Login.Path = path }))
		x.Expect(x.client.Create(t.Context(), p)).To(MatchError(ContainSubstring(want)), path)
	}
	for _, path := range []string{"/", "/sso", "/a/b.c-d/"} {
		p := here(x, salestest.Product(withAccess, func(p *v1alpha1.MarketplaceProduct) { p.Spec.Login.Path = path }))
		x.Expect(x.client.Create(t.Context(), p, client.DryRunAll)).To(Succeed(), path)
	}
	p := here(x, salestest.Product(withAccess, func(p *v1alpha1.MarketplaceProduct) { p.Spec.Login.Path = "/sso" }))
	p.Spec.Template, p.Spec.Isolation = v1alpha1.ProductTemplate{}, v1alpha1.Isolation{}
	for i := range p.Spec.Plans {
		p.Spec.Plans[i].Quota = nil
	}
	x.Expect(x.client.Create(t.Context(), p)).To(MatchError(ContainSubstring("without a template there is none")))
}
