// Package e2e_test plays sales with Stallkeeper as it ships: its image in real pods, installed with Helm as the README tells,
// called from outside by the simulator binary. Nothing is simulated but KooGallery.
//
//	image → chart → webhook and controllers in pods → calls of KooGallery → tenants that answer over HTTP
//
// Run it with `make e2e`, which brings up a control plane with a real node, or with `make e2e KUBECONFIG=… IMAGE=…` on any other
// cluster. It refuses a cluster that Stallkeeper is installed on, and leaves nothing behind there. What can't be proved on a
// cluster is skipped, and said at the end.
//
// The variables that test/e2e/run.sh sets: E2E_KUBECONFIG, E2E_IMAGE E2E_RELEASED_CHART (path) and where there is one E2E_RELEASED_IMAGE,
// E2E_STALLKEEPER, E2E_HELM and E2E_KUBECTL (paths), and for a cluster of our own E2E_CONTROLPLANE (its program) and
// E2E_CLUSTER_DIR.
package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The namespaces that the run makes.
const (
	systemNamespace      = "stallkeeper-system"
	salesNamespace       = "sales"
	marketplaceNamespace = "e2e-marketplace"
	visitorsNamespace    = "e2e-visitors"
)

// world is what all specs share.
var world struct {
	root     string // the repository
	dir      string // files of this run
	kube     client.Client
	keys     keys
	trust    *authority
	callback *door // to the webhook's Service
	orders   *door // to the fake open API's
	url      string
	released string   // the archive of the chart that was released last
	began    bool     // whether there is something to remove
	remarks  []string // what the run has measured, and what it could not prove
}

// remark is told at the end.
func remark(format string, args ...any) {
	world.remarks = append(world.remarks, fmt.Sprintf(format, args...))
}

// releasedImage is the image of the chart that was released last, or the one that is tried where that can't be had.
func releasedImage() string {
	if image := os.Getenv("E2E_RELEASED_IMAGE"); image != "" {
		return image
	}
	remark("the released chart ran with the image that is tried: there is none of its own here")
	return os.Getenv("E2E_IMAGE")
}

// ours says whether the cluster is the one that make e2e has started for this run.
func ours() bool { return os.Getenv("E2E_CONTROLPLANE") != "" }

func TestEndToEnd(t *testing.T) {
	if os.Getenv("E2E_KUBECONFIG") == "" {
		t.Skip("this needs a cluster with real nodes: run make e2e")
	}
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(90 * time.Second)
	// Without it, what has a context waits until the whole run is over.
	EnforceDefaultTimeoutsWhenUsingContexts()
	SetDefaultEventuallyPollingInterval(250 * time.Millisecond)
	suite, reporter := GinkgoConfiguration()
	RunSpecs(t, "Stallkeeper as it ships", suite, reporter)
}

var _ = BeforeSuite(func(ctx SpecContext) {
	var err error
	world.root, err = rootAbove()
	Expect(err).NotTo(HaveOccurred())
	world.dir = GinkgoT().TempDir()
	world.keys = newKeys()
	world.kube, err = connect()
	Expect(err).NotTo(HaveOccurred())

	By("making sure that nobody's installation is disturbed")
	Expect(refuseInstalled(ctx)).To(Succeed())
	world.began = true

	By("starting KooGallery's open API, and a place that visitors come from")
	world.trust, err = newAuthority()
	Expect(err).NotTo(HaveOccurred())
	startSurroundings(ctx)

	By("installing the chart that was released last with Helm, as the README tells")
	prepareInstall(ctx)
	world.released = os.Getenv("E2E_RELEASED_CHART")
	if version, err := currentVersion(); strings.HasSuffix(world.released, "stallkeeper-"+version+".tgz") {
		remark("no former release is kept yet in charts/released: version %s was upgraded to itself, with a changed value", version)
	} else {
		Expect(err).NotTo(HaveOccurred())
	}
	began := time.Now()
	helmInstall(ctx, world.released, releasedImage())
	remark("from helm install to two webhooks and two controllers that are ready: %.1f s", time.Since(began).Seconds())
	prepareSales(ctx)
	world.callback, err = openDoor(ctx, systemNamespace, "stallkeeper-webhook", 443)
	Expect(err).NotTo(HaveOccurred())

	By("connecting the marketplace and describing the products")
	describeProducts(ctx)
})

var _ = AfterSuite(func() {
	if world.callback != nil {
		world.callback.close()
	}
	fmt.Fprintf(GinkgoWriter, "\nWhat the run has seen:\n  %s\n", strings.Join(world.remarks, "\n  "))
	if !world.began || ours() {
		return // a cluster of our own is removed as a whole
	}
	// The context of a suite that was interrupted has ended.
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	Expect(removeEverything(ctx)).To(Succeed())
})

// A spec that failed is explained by what the processes said last.
var _ = ReportAfterEach(func(report SpecReport) {
	if !report.Failed() || world.kube == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for _, args := range [][]string{
		{"get", "pods", "-A", "-o", "wide"},
		{"get", "mkt,mpp,mkr,mpi", "-A"},
		{"logs", "-n", systemNamespace, "-l", "app.kubernetes.io/component=controller", "--tail=15", "--prefix"},
		{"logs", "-n", systemNamespace, "-l", "app.kubernetes.io/component=webhook", "--tail=10", "--prefix"},
	} {
		output, _ := kubectl(ctx, "", args...)
		AddReportEntry("kubectl "+strings.Join(args, " "), output)
	}
})

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// rootAbove finds the repository above the current folder.
func rootAbove() (string, error) {
	folder, err := os.Getwd()
	for ; err == nil && folder != "/"; folder = filepath.Dir(folder) {
		if exists(filepath.Join(folder, "charts", "stallkeeper")) {
			return folder, nil
		}
	}
	return "", fmt.Errorf("finding the repository: the run starts in a folder of it (%w)", os.ErrNotExist)
}
