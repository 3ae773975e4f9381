package operator_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/directory"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// directories are what KooGallery says of a buyer's enterprise, from before there is an order until the last user is gone.
func directories() {
	It("reaches the tenant: the OAuth2 client, the users and the departments, and what changes of them", func(ctx SpecContext) {
		private, err := rsa.GenerateKey(rand.Reader, 3072)
		Expect(err).NotTo(HaveOccurred())
		kitKey, secret, enterprise := random(20), random(20), "tenant-"+random(8)
		realName, mobile := "Real User "+random(6), "138"+random(8)
		for what, text := range map[string]string{
			"the Kit's key": kitKey, "a client secret": secret, "a user's real name": realName, "a user's phone number": mobile,
			"a user's account": "zhang.san." + enterprise,
		} {
			world.hidden.add(what, text)
		}
		c := connect(ctx, "joint")
		c.setKeys(ctx, map[string]string{
			koogallery.KeyAccess: c.key, koogallery.KeyKit: kitKey,
			koogallery.KeyKitPrivate: string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)})),
		})
		offer(ctx, product("joint", shop, listedBy(c)), ready)
		kit := func() koogallerytest.Kit { return c.callerWith(kitKey).Kit() }

		By("applying for the credentials, before there is an order")
		// The keys are read again within ten seconds.
		Eventually(ctx, func(g Gomega) {
			exchange, err := kit().TenantSync(ctx, koogallerytest.KitTenant{
				TenantID: enterprise, TenantCode: "acme", Name: "Acme", DomainName: "https://login.example.com", Flag: koogallery.FlagAdd,
			})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(exchange.ResultCode).To(Equal(koogallery.ResultSuccess))
			g.Expect(exchange.Problems).To(BeEmpty())
		}).Should(Succeed())
		application := koogallerytest.KitApplication{
			TenantID: enterprise, AppID: "app-1", ClientID: "client-1", ClientSecret: secret, PublicKey: &private.PublicKey, Flag: koogallery.FlagAdd,
		}
		answered(c.callerWith(kitKey).KitV1().ApplicationSync(ctx, application))(koogallery.ResultSuccess)
		debug := c.callerWith(kitKey).With(koogallerytest.Options{Debug: true}).Kit()
		answered(debug.ApplicationSync(ctx, application))(koogallery.ResultSuccess)

		By("buying, and authorizing users")
		s := c.buys(ctx, "joint", orderOptions{quantity: 1})
		users := koogallerytest.KitUsers{InstanceID: s.id, TenantID: enterprise, AppID: "app-1", Flag: koogallery.FlagAdd, Users: []koogallerytest.KitUser{
			{UserName: "zhang.san." + enterprise, Name: realName, OrgCode: "d1", Role: "admin", Enable: "true", Mobile: mobile},
			{UserName: "li.si." + enterprise, Name: realName, OrgCode: "d2", Role: "user", Enable: "false"},
		}}
		answered(kit().AuthSync(ctx, users))(koogallery.ResultSuccess)
		answered(kit().AllOrgSync(ctx, s.id, enterprise, koogallerytest.KitDepartment{Code: "d1", Name: "D1"}, koogallerytest.KitDepartment{Code: "d2", Name: "D2", ParentCode: "d1"}))(koogallery.ResultSuccess)
		answered(kit().AuthSync(ctx, koogallerytest.KitUsers{
			InstanceID: "never-sold", TenantID: enterprise, AppID: "app-1", Flag: koogallery.FlagAdd, Users: users.Users,
		}))(koogallery.ResultUnknownInstance)
		s.becomes(ctx, look{conditions: map[string]string{"DirectorySynced": "True DirectorySynced: 2 users and 2 departments", "Ready": "True InstanceReady"}})

		namespace := tenantNamespace(s.id)
		oauth := tenantSecret(ctx, namespace, v1alpha1.OAuthSecretName)
		Expect(oauth).To(And(HaveKeyWithValue("clientSecret", []byte(secret)), HaveKeyWithValue("domainName", []byte("https://login.example.com"))))
		shard := tenantSecret(ctx, namespace, v1alpha1.TenantDirectoryShardName(0))
		Expect(string(shard["users-00.jsonl"])).To(And(
			ContainSubstring(`"userName":"zhang.san.`+enterprise+`","authorized":true,"enabled":true,"role":"Admin"`),
			ContainSubstring(`"userName":"li.si.`+enterprise+`","authorized":true,"enabled":false,"role":"User"`)))
		Expect(string(shard["departments-00.jsonl"])).To(ContainSubstring(`"code":"d2","name":"D2","parentCode":"d1"`))

		By("withdrawing one and deleting the other")
		withdrawn := users
		withdrawn.Flag, withdrawn.Users = koogallery.FlagWithdraw, users.Users[:1]
		answered(kit().AuthSync(ctx, withdrawn))(koogallery.ResultSuccess)
		deleted := users
		deleted.Flag, deleted.Users = koogallery.FlagDelete, users.Users[1:]
		answered(kit().AuthSync(ctx, deleted))(koogallery.ResultSuccess)
		answered(kit().AuthSync(ctx, deleted))(koogallery.ResultSuccess)
		Eventually(ctx, func() string {
			return string(tenantSecret(ctx, namespace, v1alpha1.TenantDirectoryShardName(0))["users-00.jsonl"])
		}).Should(And(ContainSubstring(`"authorized":false`), Not(ContainSubstring("li.si"))))
		Eventually(ctx, func() int { return waitingCalls(ctx) }).Should(BeZero())
	})

	It("of 50,000 users is taken in 100 calls and reaches the tenant in full", func(ctx SpecContext) {
		kitKey, enterprise := random(20), "tenant-"+random(8)
		world.hidden.add("the Kit's key", kitKey)
		c := connect(ctx, "joint-large")
		c.setKeys(ctx, map[string]string{koogallery.KeyAccess: c.key, koogallery.KeyKit: kitKey})
		offer(ctx, product("joint-large", shop, listedBy(c)), ready)
		s := c.buys(ctx, "joint-large", orderOptions{quantity: 1})
		Eventually(ctx, func(g Gomega) {
			exchange, err := c.callerWith(kitKey).With(koogallerytest.Options{Debug: true}).Kit().TenantSync(ctx, koogallerytest.KitTenant{TenantID: enterprise})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(exchange.ResultCode).To(Equal(koogallery.ResultSuccess))
		}).Should(Succeed())

		const calls = 100
		begin, slowest := time.Now(), time.Duration(0)
		for from := range calls {
			users := koogallerytest.KitUsers{InstanceID: s.id, TenantID: enterprise, AppID: "app-1", Flag: koogallery.FlagAdd}
			for i := range marketplace.MaxSyncUsers {
				number := from*marketplace.MaxSyncUsers + i
				users.Users = append(users.Users, koogallerytest.KitUser{
					UserName: fmt.Sprintf("user-%06d@example.com", number), Name: fmt.Sprintf("用户 %d", number), OrgCode: fmt.Sprintf("d%d", number%100),
					Role: "user", Enable: "true", Mobile: fmt.Sprintf("138%08d", number), Email: fmt.Sprintf("user-%06d@example.com", number),
				})
			}
			exchange := answered(c.callerWith(kitKey).Kit().AuthSync(ctx, users))(koogallery.ResultSuccess)
			slowest = max(slowest, exchange.Latency)
		}
		sent := time.Since(begin)
		var index directory.Index
		Eventually(ctx, func(g Gomega) {
			g.Expect(json.Unmarshal(tenantSecret(ctx, tenantNamespace(s.id), v1alpha1.TenantDirectoryName)[v1alpha1.DirectoryIndexKey], &index)).To(Succeed())
			g.Expect(index.Users).To(Equal(calls * marketplace.MaxSyncUsers))
		}).WithTimeout(3 * time.Minute).Should(Succeed())
		AddReportEntry("50,000 users", fmt.Sprintf("%d calls sent in %s, the slowest answered in %s; all with the tenant after %s, in %d Secrets",
			calls, sent.Round(time.Millisecond), slowest.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond), index.Shards))
		lines := 0
		for shard := range index.Shards {
			lines += strings.Count(string(tenantSecret(ctx, tenantNamespace(s.id), v1alpha1.TenantDirectoryShardName(shard))[fmt.Sprintf("users-%02d.jsonl", shard)]), "\n")
		}
		Expect(lines).To(Equal(calls * marketplace.MaxSyncUsers))
	})
}

// tenantSecret is the data of a Secret in a tenant's namespace; nothing without one.
func tenantSecret(ctx SpecContext, namespace, name string) map[string][]byte {
	GinkgoHelper()
	secret := &corev1.Secret{}
	Expect(client.IgnoreNotFound(world.cluster.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, secret))).To(Succeed())
	return secret.Data
}

// waitingCalls counts the synchronizations that no directory holds yet.
func waitingCalls(ctx SpecContext) int {
	GinkgoHelper()
	list := &corev1.SecretList{}
	Expect(world.cluster.List(ctx, list, client.InNamespace(salesNamespace), client.HasLabels{v1alpha1.InstanceLabel},
		client.MatchingLabels{v1alpha1.CallLabel: string(v1alpha1.CallSync)})).To(Succeed())
	return len(list.Items)
}
