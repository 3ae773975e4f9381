package operator_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// shellBlock is a block of commands in a page.
var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// documentedPatches are the lines of all pages that patch one of our kinds, by page.
func documentedPatches() map[string][]string {
	GinkgoHelper()
	pages, err := filepath.Glob(filepath.Join(world.paths.root, "docs", "*.md"))
	Expect(err).NotTo(HaveOccurred())
	found := map[string][]string{}
	for _, page := range pages {
		content, err := os.ReadFile(page)
		Expect(err).NotTo(HaveOccurred())
		for _, block := range shellBlock.FindAllStringSubmatch(string(content), -1) {
			for line := range strings.Lines(block[1]) {
				if regexp.MustCompile(`^ *kubectl patch (mkt|mpp|mpi) `).MatchString(line) {
					found[filepath.Base(page)] = append(found[filepath.Base(page)], strings.TrimSpace(line))
				}
			}
		}
	}
	return found
}

// documented are commands as the pages have them, with a shell, on a sale that fits.
func documented() {
	It("is taken by the API server and its policies, whichever page has it", func(ctx SpecContext) {
		p := offer(ctx, product("documented", web), ready)
		s := world.main.buys(ctx, "documented", orderOptions{quantity: 1, expires: time.Now().Add(time.Hour)})
		s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(1)})
		// Those about a package need another instance to name, and the API server does not look for it.
		names := strings.NewReplacer(" NAME ", " "+s.id+" ", " PACKAGE ", " "+s.id+" ", "INSTANCE", "another", " hello ", " "+p.Name+" ",
			" koogallery ", " "+world.main.name+" ")
		seen := 0
		for page, lines := range documentedPatches() {
			for _, line := range lines {
				seen++
				command := "ME=$(kubectl auth whoami -o jsonpath='{.status.userInfo.username}')\n" +
					strings.Replace(line, "kubectl patch", "kubectl --namespace "+salesNamespace+" patch --dry-run=server", 1)
				_, err := run(ctx, world.paths.dir, []string{
					"KUBECONFIG=" + world.paths.kubeconfig(), "PATH=" + filepath.Dir(world.paths.kubectl()) + ":" + os.Getenv("PATH"),
				}, "sh", "-c", names.Replace(command))
				Expect(err).NotTo(HaveOccurred(), "%s: %s", page, line)
			}
		}
		Expect(seen).To(BeNumerically(">", 15), "the expression does not find the pages' commands any more")
	})

	It("that rotates a key leaves the Secret's other keys alone", func(ctx SpecContext) {
		c := connect(ctx, "rotated-by-hand")
		c.setKeys(ctx, map[string]string{"accessKey": c.key, "licenseAccessKey": random(20)})
		files := GinkgoT().TempDir()
		next := random(20)
		world.hidden.add("the next access key, from a file", next)
		Expect(os.WriteFile(filepath.Join(files, "accessKeyNext"), []byte(next), 0o600)).To(Succeed())
		content, err := os.ReadFile(filepath.Join(world.paths.root, "docs", "guide.md"))
		Expect(err).NotTo(HaveOccurred())
		_, after, found := strings.Cut(string(content), "**Callback key.**")
		Expect(found).To(BeTrue(), "guide.md does not say how the callback key is changed")
		commands := shellBlock.FindStringSubmatch(after)[1]
		_, err = run(ctx, files, []string{
			"KUBECONFIG=" + world.paths.kubeconfig(), "PATH=" + filepath.Dir(world.paths.kubectl()) + ":" + os.Getenv("PATH"),
		}, "sh", "-ec", strings.ReplaceAll(commands, "koogallery-callbacks", c.name+"-callbacks"))
		Expect(err).NotTo(HaveOccurred())
		secret := tenantSecret(ctx, salesNamespace, c.name+"-callbacks")
		Expect(secret).To(And(HaveLen(2), HaveKeyWithValue("accessKey", []byte(next)), HaveKey("licenseAccessKey")))
	})

	It("finds sales by field", func(ctx SpecContext) {
		offer(ctx, product("found", web), ready)
		s := world.main.buys(ctx, "found", orderOptions{quantity: 1})
		s.becomes(ctx, look{state: v1alpha1.StateRunning, web: pods(1)})
		output, err := world.cluster.kubectl(ctx, "get", "mpi", "--field-selector",
			"spec.subscription.orderID="+s.order+",status.state=Running,status.effective.plan=team", "-o", "name")
		Expect(err).NotTo(HaveOccurred())
		Expect(strings.TrimSpace(output)).To(Equal("marketplaceinstance." + v1alpha1.GroupVersion.Group + "/" + s.id))
	})

	It("waits for what the controller has not seen yet", func(ctx SpecContext) {
		p := product("awaited", web)
		create(ctx, p)
		output, err := world.cluster.kubectl(ctx, "wait", "mpp", p.Name, "--for=condition=Ready", "--timeout=30s")
		Expect(err).NotTo(HaveOccurred())
		Expect(output).To(ContainSubstring("condition met"))
		bad := product("awaited-in-vain", web+"\n{{ fail \"no\" }}")
		create(ctx, bad)
		_, err = world.cluster.kubectl(ctx, "wait", "mpp", bad.Name, "--for=condition=Stalled", "--timeout=30s")
		Expect(err).NotTo(HaveOccurred())
	})
}
