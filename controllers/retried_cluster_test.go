package controllers

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
)

// What is tried again and again for the same reason needs a person: the status names it after a while, and no sooner.
func TestWhatIsTriedAgainForLongIsNamed(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-retried")
	clock := clocktesting.NewFakePassiveClock(time.Now())
	x.clock = clock
	x.sellsWithoutOperator()
	o := x.operate("instance")
	o.requests.lose("/deployments/web")
	x.bought("acme")
	x.says("acme", v1alpha1.ConditionProvisioned, "Unknown "+v1alpha1.ReasonApplyFailed)
	message := func() string { return condition(x.instance("acme"), v1alpha1.ConditionProvisioned).Message }
	x.Expect(message()).To(Equal("Reconciling the tenant failed; retrying"))
	clock.SetTime(clock.Now().Add(queue.PodsFirst))
	x.eventually(message).Should(HavePrefix("Reconciling the tenant failed; retrying: Deployment/web"))
	o.requests.lose("")
	x.ready("acme")
}
