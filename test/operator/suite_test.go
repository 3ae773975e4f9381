// Package operator_test plays sales against the operator as it is installed: its processes, with nothing but the tokens of
// the chart's ServiceAccounts and the arguments of the chart's Deployments, on a control plane of its own. Only KooGallery and
// the node are simulated.
//
//	control plane → chart → webhook, controller and login → Marketplaces and products → calls of KooGallery → what people see
//
// Run it with `go test ./test/operator -v -ginkgo.v`. What it needs it builds; the control plane's programs take minutes the
// first time, so `make controlplane` before is better. It ends what it has started, also when a spec fails or it runs out of
// time, and nothing else.
//
// Each spec looks at both sides: what the caller is answered, and what a person with kubectl sees. It has a product and an
// order of its own, so that any spec can be run alone with -ginkgo.focus.
package operator_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// The contents of the suite. One container keeps the order: the API server goes away when nobody else needs it, and what the
// processes have written is looked at when they have written everything.
var _ = Describe("Stallkeeper", func() {
	Describe("A whole sale", Ordered, wholeSale)
	Describe("A whole sale whose calls bring their orders", Ordered, broughtSales)
	Describe("A sale whose calls bring their orders", otherBroughtSales)
	Describe("A freeze that is no expiry", frozenEarly)
	Describe("A freeze that never comes", clockActs)
	Describe("The keys of a Marketplace", callbackKeys)
	Describe("A call that is not as it should be", badCalls)
	Describe("An order", badOrders)
	Describe("A product that can't run", badProducts)
	Describe("A chart", charts)
	Describe("A seller's own chart", sellersCharts)
	Describe("A chart on trial", trials)
	Describe("The debug cases", debugCases)
	Describe("What a buyer types", buyersTexts)
	Describe("A license", sellLicenses)
	Describe("A person", people)
	Describe("A tenant", tenants)
	Describe("A call that was lost", lostCalls)
	Describe("A sale by use", Ordered, salesByUse)
	Describe("A new revision", revisions)
	Describe("A command of the documentation", documented)
	Describe("A buyer's directory", directories)
	Describe("A user of a buyer's enterprise", logins)
	Describe("Until here", permissions)
	Describe("Without an API server", withoutAPIServer)
	Describe("In the end", secrecy)
	Describe("Of profiles", profiles)
})

// world is what all specs share.
var world struct {
	paths paths
	// clusterBegun is true from before the control plane is started: a start that fails is cleaned up too.
	clusterBegun bool
	cluster      *cluster
	webhook      *process
	controller   *process
	login        *process
	// callback is the address of the callback port; trust its authority.
	callback string
	// signOn is the address of the login server.
	signOn string
	trust  *authority
	// main is the Marketplace of all specs that need none of their own.
	main *connection
	// hidden are texts that must not be seen anywhere but in Secrets.
	hidden hidden
	// told are the messages of all answers.
	told told
}

func processes() []*process { return []*process{world.webhook, world.controller, world.login} }

func TestOperator(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(45 * time.Second)
	SetDefaultEventuallyPollingInterval(100 * time.Millisecond)
	// Without it an Eventually with a context waits as long as the context lasts.
	EnforceDefaultTimeoutsWhenUsingContexts()
	suite, reporter := GinkgoConfiguration()
	if deadline, ok := t.Deadline(); ok {
		// go test ends a late process on the spot. Ginkgo is given time to end the control plane first.
		suite.Timeout = min(suite.Timeout, time.Until(deadline)-45*time.Second)
	}
	RunSpecs(t, "Operator", suite, reporter)
}

var _ = BeforeSuite(func(ctx SpecContext) {
	By("building the operator")
	folder, err := os.MkdirTemp("", "stallkeeper-operator-")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, folder)
	world.paths, err = newPaths(folder)
	Expect(err).NotTo(HaveOccurred())
	Expect(build(ctx, world.paths)).To(Succeed())

	By("starting a control plane")
	world.clusterBegun = true
	world.cluster, err = startCluster(ctx, world.paths)
	Expect(err).NotTo(HaveOccurred())

	By("installing the chart")
	release, err := installChart(ctx, world.cluster)
	Expect(err).NotTo(HaveOccurred())

	By("starting the operator's processes")
	Expect(startOperator(ctx, release)).To(Succeed())

	By("connecting KooGallery")
	Expect(world.cluster.createOpenAPISecret(ctx)).To(Succeed())
	world.main = connect(ctx, "koogallery")
})

var _ = AfterSuite(func() {
	// The context of a suite that was interrupted has ended.
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	var errs []error
	for _, p := range processes() {
		if p != nil {
			errs = append(errs, p.stop(ctx))
		}
	}
	if world.clusterBegun {
		errs = append(errs, controlplane(ctx, world.paths, "down"))
	}
	Expect(errors.Join(errs...)).To(Succeed())
})

// A spec that failed is explained by what the processes said last.
var _ = ReportAfterEach(func(report SpecReport) {
	if !report.Failed() {
		return
	}
	for _, p := range processes() {
		if p != nil {
			AddReportEntry("the end of the log of "+p.name, p.endOfLog())
		}
	}
})
