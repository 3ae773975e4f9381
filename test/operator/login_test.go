package operator_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// logins are users who come in through the login server, and one who does not any more.
func logins() {
	It("reaches the tenant's front end with a token of that tenant, until the authorization is withdrawn", func(ctx SpecContext) {
		private, err := rsa.GenerateKey(rand.Reader, 3072)
		Expect(err).NotTo(HaveOccurred())
		kitKey, secret, enterprise := random(20), random(20), "tenant-"+random(8)
		admin := "zhang.san." + enterprise
		world.hidden.add("a client secret", secret)
		world.hidden.add("a user's account", admin)
		fake := koogallerytest.NewSignOn(koogallerytest.SignOnOptions{ClientID: "client-1", ClientSecret: secret, PKCE: koogallerytest.PKCEAccepted})
		signOn := httptest.NewServer(fake)
		DeferCleanup(signOn.Close)
		tokens := make(chan string, 10)
		frontEnd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost && r.URL.Path == "/sso" {
				tokens <- r.PostFormValue("token")
			}
			_, _ = io.WriteString(w, "the application")
		}))
		DeferCleanup(frontEnd.Close)

		By("selling to an enterprise")
		c := connect(ctx, "logins")
		c.setKeys(ctx, map[string]string{
			koogallery.KeyAccess: c.key, koogallery.KeyKit: kitKey,
			koogallery.KeyKitPrivate: string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)})),
		})
		offer(ctx, product("logins", shop, listedBy(c), func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Access.FrontEndURL, p.Spec.Login.Path = frontEnd.URL+"/", "/sso"
		}), ready)
		s := c.buys(ctx, "logins", orderOptions{quantity: 1})
		kit := c.callerWith(kitKey).Kit()
		// The keys are read again within ten seconds.
		Eventually(ctx, func(g Gomega) {
			exchange, err := kit.TenantSync(ctx, koogallerytest.KitTenant{
				InstanceID: s.id, TenantID: enterprise, TenantCode: "acme", Name: "Acme", DomainName: signOn.URL, Flag: koogallery.FlagAdd,
			})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(exchange.ResultCode).To(Equal(koogallery.ResultSuccess))
		}).Should(Succeed())
		answered(kit.ApplicationSync(ctx, koogallerytest.KitApplication{
			InstanceID: s.id, TenantID: enterprise, AppID: "app-1", ClientID: "client-1", ClientSecret: secret, PublicKey: &private.PublicKey, Flag: koogallery.FlagAdd,
		}))(koogallery.ResultSuccess)
		users := koogallerytest.KitUsers{InstanceID: s.id, TenantID: enterprise, AppID: "app-1", Flag: koogallery.FlagAdd, Users: []koogallerytest.KitUser{
			{UserName: admin, Name: "Real Name", OrgCode: "d1", Role: "admin", Enable: "true"},
		}}
		answered(kit.AuthSync(ctx, users))(koogallery.ResultSuccess)
		s.becomes(ctx, look{conditions: map[string]string{"DirectorySynced": "True DirectorySynced: 1 users and 0 departments", "Ready": "True InstanceReady"}})

		By("coming from KooGallery's portal, which knows the product and the enterprise")
		fake.SignIn(koogallerytest.SignOnUser{Tenant: enterprise, UserName: admin})
		page := shownAt(ctx, fake.Portal(world.signOn+"/enter/"+salesNamespace+"/logins"), http.StatusOK)
		action := regexp.MustCompile(`action="([^"]+)"`).FindStringSubmatch(page)
		token := regexp.MustCompile(`name="token" value="([^"]+)"`).FindStringSubmatch(page)
		Expect(action).NotTo(BeNil())
		Expect(html.UnescapeString(action[1])).To(Equal(frontEnd.URL + "/sso"))
		world.hidden.add("a user's token", html.UnescapeString(token[1]))
		answer, err := http.PostForm(html.UnescapeString(action[1]), url.Values{"token": {html.UnescapeString(token[1])}})
		Expect(err).NotTo(HaveOccurred())
		Expect(answer.Body.Close()).To(Succeed())

		parsed, err := jwt.ParseSigned(<-tokens, []jose.SignatureAlgorithm{jose.HS256})
		Expect(err).NotTo(HaveOccurred())
		var claims jwt.Claims
		key := tenantSecret(ctx, tenantNamespace(s.id), v1alpha1.OAuthSecretName)[v1alpha1.LoginTokenKey]
		world.hidden.add("the key of a tenant's logins", string(key))
		Expect(parsed.Claims(key, &claims)).To(Succeed())
		Expect(claims.Subject).To(Equal(admin))
		Expect(claims.ValidateWithLeeway(jwt.Expected{Issuer: world.signOn, AnyAudience: jwt.Audience{s.id}, Time: time.Now()}, time.Second)).To(Succeed())

		By("being shut out")
		users.Flag = koogallery.FlagWithdraw
		answered(kit.AuthSync(ctx, users))(koogallery.ResultSuccess)
		Expect(shownAt(ctx, world.signOn+"/login/"+salesNamespace+"/"+s.id, http.StatusForbidden)).To(ContainSubstring("Withdrawn"))
		Expect(tokens).To(BeEmpty())
	})
}

// shownAt is the page that a new browser ends at, once it has the status.
func shownAt(ctx SpecContext, address string, status int) string {
	GinkgoHelper()
	var page []byte
	Eventually(ctx, func(g Gomega) {
		jar, err := cookiejar.New(nil)
		g.Expect(err).NotTo(HaveOccurred())
		browser := &http.Client{Jar: jar, Transport: &http.Transport{TLSClientConfig: world.trust.client, DisableKeepAlives: true}}
		answer, err := browser.Get(address)
		g.Expect(err).NotTo(HaveOccurred())
		defer answer.Body.Close()
		page, err = io.ReadAll(answer.Body)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(answer.StatusCode).To(Equal(status), string(page))
	}).Should(Succeed())
	return string(page)
}
