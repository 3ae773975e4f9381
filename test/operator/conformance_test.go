package operator_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// verdicts are what `stallkeeper simulate conformance` prints.
type verdicts struct {
	OK    bool
	Cases []struct {
		Generation koogallerytest.Generation
		Name       string
		Calls      int
		OK         bool
		Problems   []string
	}
}

// notGood are the cases that are not good, with why.
func (v verdicts) notGood() (names []string) {
	for _, c := range v.Cases {
		if !c.OK {
			names = append(names, string(c.Generation)+" "+c.Name)
			names = append(names, c.Problems...)
		}
	}
	return names
}

// debugCases are those that KooGallery plays every day.
func debugCases() {
	var c *connection
	var play func(ctx SpecContext, address string) (verdicts, int)
	BeforeEach(func(ctx SpecContext) {
		c = connect(ctx, "conformance-"+random(3))
		private, err := rsa.GenerateKey(rand.Reader, 3072)
		Expect(err).NotTo(HaveOccurred())
		privateDER, err := x509.MarshalPKCS8PrivateKey(private)
		Expect(err).NotTo(HaveOccurred())
		publicDER, err := x509.MarshalPKIXPublicKey(private.Public())
		Expect(err).NotTo(HaveOccurred())
		public := filepath.Join(GinkgoT().TempDir(), "kit.pem")
		Expect(os.WriteFile(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER}), 0o600)).To(Succeed())
		keys := map[string]string{
			koogallery.KeyAccess: c.key, koogallery.KeyLicense: random(20), koogallery.KeyNotify: random(20), koogallery.KeyKit: random(20),
			koogallery.KeyKitPrivate: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: privateDER})),
		}
		for name, key := range keys {
			world.hidden.add("the key "+name+" of "+c.name, key)
		}
		c.setKeys(ctx, keys)
		// The keys are read again within ten seconds.
		Eventually(ctx, func() string {
			kit := c.callerWith(keys[koogallery.KeyKit]).With(koogallerytest.Options{Debug: true}).Kit()
			exchange, err := kit.TenantSync(ctx, koogallerytest.KitTenant{TenantID: "debug"})
			Expect(err).NotTo(HaveOccurred())
			return exchange.ResultCode
		}).Should(Equal(koogallery.ResultSuccess))
		// The cases as this process knows them: the binary is made from the same source.
		all := koogallerytest.Conformance{
			Caller: c.caller(), LicenseKey: keys[koogallery.KeyLicense], NotifyKey: keys[koogallery.KeyNotify], KitKey: keys[koogallery.KeyKit],
			KitPublicKey: &private.PublicKey,
		}.Cases()

		play = func(ctx SpecContext, address string) (verdicts, int) {
			GinkgoHelper()
			output, err := run(ctx, world.paths.dir, []string{
				"ACCESS_KEY=" + c.key, "LICENSE_ACCESS_KEY=" + keys[koogallery.KeyLicense], "NOTIFY_ACCESS_KEY=" + keys[koogallery.KeyNotify],
				"KIT_ACCESS_KEY=" + keys[koogallery.KeyKit],
			}, world.paths.stallkeeper, "simulate", "conformance", "--url", address, "--ca-file", world.trust.root,
				"--kit-public-key-file", public, "--output", "json")
			code := 0
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				code, err = exit.ExitCode(), nil
			}
			Expect(err).NotTo(HaveOccurred())
			var told verdicts
			Expect(json.Unmarshal([]byte(output), &told)).To(Succeed(), "it printed %q", output)
			played := map[koogallerytest.Generation]int{}
			for _, one := range told.Cases {
				Expect(one.Calls).To(BeNumerically(">", 0), "%s %s made no call", one.Generation, one.Name)
				played[one.Generation]++
			}
			for _, generation := range koogallerytest.Generations() {
				Expect(played[generation]).To(BeNumerically(">", 0), "no case of %s was played", generation)
			}
			Expect(told.Cases).To(HaveLen(len(all)), "every case is played")
			return told, code
		}
	})

	It("are all good, in every generation", func(ctx SpecContext) {
		told, code := play(ctx, c.url)
		Expect(told.notGood()).To(BeEmpty())
		Expect(told.OK).To(BeTrue())
		Expect(code).To(Equal(0))
	})

	It("are not good behind a proxy that drops the answers' signatures", func(ctx SpecContext) {
		target, err := url.Parse(world.callback)
		Expect(err).NotTo(HaveOccurred())
		proxy := &httputil.ReverseProxy{
			Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
			Transport:      &http.Transport{TLSClientConfig: world.trust.client},
			ModifyResponse: func(answer *http.Response) error { answer.Header.Del("Body-Sign"); return nil },
		}
		server := httptest.NewServer(proxy)
		DeferCleanup(server.Close)
		path, err := url.Parse(c.url)
		Expect(err).NotTo(HaveOccurred())
		told, code := play(ctx, server.URL+path.Path)
		Expect(code).To(Equal(1))
		Expect(told.OK).To(BeFalse())
		Expect(told.notGood()).To(ContainElement(ContainSubstring("Body-Sign")))
	})
}
