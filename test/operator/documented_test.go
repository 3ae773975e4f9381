package operator_test

import (
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// documented are commands as the pages have them, with a shell, on a sale that fits.
func documented() {
	for _, page := range documentedPages() {
		It("does what "+filepath.Base(page)+" says", func(ctx SpecContext) { playPage(ctx, page) }, SpecTimeout(5*time.Minute))
	}

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
