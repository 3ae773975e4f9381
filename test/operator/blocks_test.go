package operator_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// Every block of commands of a page is run as it stands, in the page's order, but for names: those of the page stand for what this
// suite has. A block that says "not run: REASON" behind its sh is left out; docs_test.go looks at those.

// shellBlock finds the blocks of commands of a page: what is said about running them, and the commands.
var shellBlock = regexp.MustCompile("(?ms)^ *```sh([^\n]*)\n(.*?)^ *```")

// documentedPages are the pages that tell people what to type.
func documentedPages() []string {
	root := filepath.Join("..", "..")
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		panic(err) // the pattern is a constant
	}
	return append(pages, filepath.Join(root, "README.md"), filepath.Join(root, "charts", "stallkeeper", "README.md"),
		filepath.Join(root, "config", "samples", "README.md"))
}

// playedPage is a page with what its commands find.
type playedPage struct {
	name, folder, system string
	*connection
	next string // the key that follows
}

// playedBlock is one block on the page.
type playedBlock struct {
	*playedPage
	text    string
	product *v1alpha1.MarketplaceProduct
	sale    *sale
	record  string
	output  string
}

// playPage runs the blocks of a page.
func playPage(ctx SpecContext, path string) {
	GinkgoHelper()
	content, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred())
	var page *playedPage
	for _, block := range shellBlock.FindAllStringSubmatch(string(content), -1) {
		if strings.Contains(block[1], "not run: ") {
			continue
		}
		if page == nil {
			page = preparePage(ctx, path)
		}
		b := &playedBlock{playedPage: page, text: block[2]}
		By(strings.TrimSpace(strings.SplitN(strings.TrimSpace(b.text), "\n", 2)[0]))
		b.prepare(ctx)
		b.play(ctx)
		b.check(ctx)
	}
}

// preparePage makes a connection and the files that a page's commands read.
func preparePage(ctx SpecContext, path string) *playedPage {
	GinkgoHelper()
	name := "docs-" + random(4)
	p := &playedPage{name: filepath.Base(path), folder: GinkgoT().TempDir(), system: name + "-system", next: random(20)}
	p.connection = connect(ctx, name)
	kit, err := rsa.GenerateKey(rand.Reader, 3072)
	Expect(err).NotTo(HaveOccurred())
	privateDER, err := x509.MarshalPKCS8PrivateKey(kit)
	Expect(err).NotTo(HaveOccurred())
	publicDER, err := x509.MarshalPKIXPublicKey(kit.Public())
	Expect(err).NotTo(HaveOccurred())
	certificate, err := os.ReadFile(world.trust.certificate)
	Expect(err).NotTo(HaveOccurred())
	key, err := os.ReadFile(world.trust.privateKey)
	Expect(err).NotTo(HaveOccurred())
	files := map[string]string{
		koogallery.KeyAccess: p.key, koogallery.KeyAccess + koogallery.NextSuffix: p.next,
		koogallery.KeyLicense: random(20), koogallery.KeyNotify: random(20), koogallery.KeyKit: random(20),
		koogallery.KeyKitPrivate: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: privateDER})),
		"kitPublicKey":           string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER})),
		"ak":                     ak, "sk": sk, "license": "a license", "license.txt": "a license",
		"tls.crt": string(certificate), "tls.key": string(key), "login.crt": string(certificate), "login.key": string(key),
	}
	for file, text := range files {
		if file != "license" && file != "license.txt" && !strings.Contains(text, "CERTIFICATE") && file != "kitPublicKey" {
			world.hidden.add("the file "+file+" of "+p.name, text)
		}
		Expect(os.WriteFile(filepath.Join(p.folder, file), []byte(text), 0o600)).To(Succeed())
	}
	Expect(os.Mkdir(filepath.Join(p.folder, "bin"), 0o700)).To(Succeed())
	Expect(os.Symlink(world.paths.stallkeeper, filepath.Join(p.folder, "bin", "stallkeeper"))).To(Succeed())
	return p
}

// has says whether the block has one of the texts.
func (b *playedBlock) has(texts ...string) bool {
	for _, text := range texts {
		if strings.Contains(b.text, text) {
			return true
		}
	}
	return false
}

// prepare makes what the block's commands are about, and removes what they make.
func (b *playedBlock) prepare(ctx SpecContext) {
	GinkgoHelper()
	b.product = product("docs-"+random(5), web, listedBy(b.connection), meteredByRecords)
	if b.has("NAME", "PACKAGE", "RECORD", "hello") && !b.has("kubectl apply") {
		offer(ctx, b.product, ready)
	}
	if b.has("NAME", "PACKAGE", "RECORD") {
		b.sale = b.buys(ctx, b.product.Name, orderOptions{quantity: 1, charging: "ON_DEMAND"})
		b.sale.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(1)})
	}
	if b.has("RECORD") {
		mpi, err := b.sale.instance(ctx)
		Expect(err).NotTo(HaveOccurred())
		b.record = b.sale.id + "-by-hand"
		begins, lasts, becomes := mpi.Spec.Subscription.StartTime.Time, time.Second, v1alpha1.UsagePushed
		if b.has("delete urec") {
			// What the marketplace was told can't be deleted.
			lasts, becomes = time.Hour, v1alpha1.UsagePending
		}
		create(ctx, &v1alpha1.UsageRecord{
			ObjectMeta: metav1.ObjectMeta{Namespace: salesNamespace, Name: b.record},
			Spec: v1alpha1.UsageRecordSpec{
				InstanceRef: v1alpha1.InstanceReference{Name: b.sale.id}, Meter: "gigabytes", Value: "1",
				StartTime: metav1.NewTime(begins), EndTime: metav1.NewTime(begins.Add(lasts)),
			},
		})
		Eventually(ctx, func() string { return row(ctx, "urec", b.record)["STATE"] }).Should(BeEquivalentTo(becomes))
	}
	if b.has("state=Blocked") {
		blocked := "docs-" + random(5)
		create(ctx, &v1alpha1.MarketplaceInstance{
			ObjectMeta: metav1.ObjectMeta{Namespace: salesNamespace, Name: blocked},
			Spec:       v1alpha1.MarketplaceInstanceSpec{ProductRef: v1alpha1.ProductReference{Name: "no-such-product"}},
		})
		Eventually(ctx, func() string { return row(ctx, "mpi", blocked)["STATE"] }).Should(BeEquivalentTo(v1alpha1.StateBlocked))
	}
	if b.has("simulate") {
		mp := &v1alpha1.Marketplace{ObjectMeta: metav1.ObjectMeta{Namespace: salesNamespace, Name: b.connection.name}}
		change(ctx, mp, func(mp *v1alpha1.Marketplace) { mp.Spec.KooGallery.CallVersions = allCallVersions })
	}
	b.prepareSecrets(ctx)
	// The samples, under the names of this block.
	config := filepath.Join(world.paths.root, "config", "samples")
	Expect(filepath.WalkDir(config, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		to := filepath.Join(b.folder, strings.TrimPrefix(path, world.paths.root))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		return os.WriteFile(to, []byte(b.named(string(content))), 0o600)
	})).To(Succeed())
}

// prepareSecrets makes the Secrets that the commands change, and removes those that they create.
func (b *playedBlock) prepareSecrets(ctx SpecContext) {
	GinkgoHelper()
	callbacks := b.connection.name + "-callbacks"
	var err error
	ignore := func(args ...string) {
		_, kubectlErr := world.cluster.kubectl(ctx, args...)
		if kubectlErr != nil {
			err = kubectlErr
		}
	}
	switch {
	case b.has("create secret generic koogallery-callbacks") && !b.has("--dry-run=client"):
		ignore("delete", "secret", callbacks, "--ignore-not-found")
	case b.has("patch secret koogallery-callbacks"):
		// What else is in it has to stay.
		b.setKeys(ctx, map[string]string{"accessKey": b.key, "licenseAccessKey": random(20)})
	case b.has("simulate"):
		b.setKeys(ctx, b.allKeys())
	}
	if b.has("create rolebinding products") {
		ignore("delete", "rolebinding", "products", "--ignore-not-found")
	}
	if b.has("patch secret NAME-directory") {
		ignore("create", "secret", "generic", b.sale.id+"-directory", "--from-literal=delivered.json={}")
	}
	if b.has("-n stallkeeper-system") && !b.has("create namespace stallkeeper-system") {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: b.system}}
		Expect(client.IgnoreAlreadyExists(world.cluster.Create(ctx, namespace))).To(Succeed())
	}
	if b.has("patch secret koogallery-openapi") {
		ignore("create", "secret", "generic", openAPISecret, "-n", b.system, "--from-literal=other=x")
	}
	Expect(err).NotTo(HaveOccurred())
}

// allKeys are the keys of the page's files.
func (b *playedBlock) allKeys() map[string]string {
	GinkgoHelper()
	keys := map[string]string{}
	for _, name := range []string{
		koogallery.KeyAccess, koogallery.KeyAccess + koogallery.NextSuffix, koogallery.KeyLicense, koogallery.KeyNotify, koogallery.KeyKit,
		koogallery.KeyKitPrivate,
	} {
		content, err := os.ReadFile(filepath.Join(b.folder, name))
		if os.IsNotExist(err) {
			continue // the key that follows has become the key
		}
		Expect(err).NotTo(HaveOccurred())
		keys[name] = string(content)
	}
	return keys
}

// named is a text of the page with the names of this block.
func (b *playedBlock) named(text string) string {
	id := ""
	if b.sale != nil {
		id = b.sale.id
	}
	return strings.NewReplacer(
		"https://shop.example.com/v1/sales/koogallery", b.url,
		"tenant-NAME-4bhlfe", tenantNamespace(id), "NAME", id, "PACKAGE", id, "RECORD", b.record, "INSTANCE", "another",
		"USER", "somebody", "REPLACE-ME", skuOf(b.product.Name),
		"koogallery-openapi", openAPISecret, "koogallery", b.connection.name, "hello", b.product.Name,
		"stallkeeper-system", b.system,
	).Replace(text)
}

// play runs the block. What a caller may do is known to the server within ten seconds, so that calls are made again.
func (b *playedBlock) play(ctx SpecContext) {
	GinkgoHelper()
	if b.has("simulate") {
		Eventually(ctx, b.shell).WithTimeout(time.Minute).WithPolling(time.Second).Should(Succeed(), "%s:\n%s", b.playedPage.name, b.text)
		return
	}
	Expect(b.shell(ctx)).To(Succeed(), "%s:\n%s", b.playedPage.name, b.text)
}

func (b *playedBlock) shell(ctx context.Context) error {
	output, err := run(ctx, b.folder, []string{
		"KUBECONFIG=" + world.paths.kubeconfig(), "PATH=" + filepath.Dir(world.paths.kubectl()) + ":" + os.Getenv("PATH"),
		"CA_FILE=" + world.trust.root,
	}, "bash", "-euo", "pipefail", "-c", b.named(b.text))
	b.output = output
	if err != nil {
		return fmt.Errorf("%w\n%s", err, output)
	}
	return nil
}

// check looks at what the block has done.
func (b *playedBlock) check(ctx SpecContext) {
	GinkgoHelper()
	if b.has("kubectl get") {
		Expect(strings.TrimSpace(b.output)).NotTo(BeEmpty(), "%s: the commands show nothing:\n%s", b.playedPage.name, b.text)
	}
	if b.has("mv accessKeyNext accessKey") {
		secret := tenantSecret(ctx, salesNamespace, b.connection.name+"-callbacks")
		Expect(secret).To(And(HaveLen(2), HaveKeyWithValue("accessKey", []byte(b.next)), HaveKey("licenseAccessKey")))
	}
	if b.has("patch secret koogallery-openapi") {
		Expect(tenantSecret(ctx, b.system, openAPISecret)).To(And(HaveLen(3), HaveKeyWithValue("ak", []byte(ak)), HaveKey("other")))
	}
	if b.has(`"rollout":{"state":"Active"}`) {
		Expect(world.cluster.Get(ctx, client.ObjectKeyFromObject(b.product), b.product)).To(Succeed())
		Expect(b.product.Spec.Rollout.State).To(Equal(v1alpha1.RolloutActive))
	}
	if b.sale == nil {
		return
	}
	mpi, err := b.sale.instance(ctx)
	if b.has("kubectl delete mpi") {
		Eventually(ctx, func() bool {
			_, err := b.sale.instance(ctx)
			return apierrors.IsNotFound(err)
		}).Should(BeTrue(), "the instance is still there")
		return
	}
	Expect(err).NotTo(HaveOccurred())
	if b.has(`"quantity":null`) {
		Expect(mpi.Spec.Quantity).To(BeNil())
		Expect(mpi.Spec.DesiredState).To(Equal(v1alpha1.DesiredStateRunning))
		Expect(mpi.Spec.Reconciliation).To(Equal(v1alpha1.ReconciliationActive))
	}
	if b.has(`"lifecycle":null`) {
		Expect(mpi.Spec.Lifecycle).To(Equal(v1alpha1.InstanceLifecycle{}))
	}
	if b.has("/spec/correction") && b.playedPage.name == "guide.md" {
		b.corrected(ctx)
	}
}

// corrected waits until the block's last correction stands in the sale.
func (b *playedBlock) corrected(ctx SpecContext) {
	GinkgoHelper()
	tickets := regexp.MustCompile(`TICKET-\d`).FindAllString(b.text, -1)
	Eventually(ctx, func(g Gomega) {
		mpi, err := b.sale.instance(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		last := fmt.Sprintf("%q", tickets[len(tickets)-1])
		g.Expect(conditionMissing(mpi.Status.Conditions, v1alpha1.ConditionCorrected, "True CorrectionApplied: "+last, mpi.Generation)).To(BeEmpty())
	}).Should(Succeed())
}

// meteredByRecords has a meter whose use is written by hand, and whatever else the pages' commands ask of a product.
func meteredByRecords(p *v1alpha1.MarketplaceProduct) {
	p.Spec.Meters = []v1alpha1.Meter{{Name: "gigabytes", Unit: "GB", Interval: v1alpha1.MeterHourly, Records: &v1alpha1.MeterRecords{}}}
	p.Spec.Plans[0].Meters = []v1alpha1.PlanMeter{{Name: "gigabytes"}}
}
