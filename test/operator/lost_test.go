package operator_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// bought says that a sale was made a while ago, and if it was asked for, then too.
func (s *sale) bought(ctx SpecContext, ago time.Duration) {
	GinkgoHelper()
	at := metav1.NewTime(time.Now().Add(-ago).Truncate(time.Second))
	s.edit(ctx, func(mpi *v1alpha1.MarketplaceInstance) {
		metav1.SetMetaDataAnnotation(&mpi.ObjectMeta, v1alpha1.EditSubscriptionAnnotation, v1alpha1.Allow)
	})
	s.edit(ctx, func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription.PurchaseTime = at
		if !mpi.Spec.Subscription.Acknowledgement.Time.IsZero() {
			mpi.Spec.Subscription.Acknowledgement.Time = at
		}
	})
}

// lostCalls are calls whose answer, or that themselves, did not arrive.
func lostCalls() {
	acknowledged := func(want string) look {
		return look{state: v1alpha1.StateRunning, web: pods(1), conditions: map[string]string{"Acknowledged": want}}
	}

	It("stops a sale of which KooGallery does not know, and resumes it at the first query", func(ctx SpecContext) {
		offer(ctx, product("unheard", web), ready)
		lost := world.main.buys(ctx, "unheard", orderOptions{quantity: 1})
		lost.becomes(ctx, acknowledged("Unknown AwaitingAcknowledgement: has not queried this instance yet"))

		By("leaving alone what KooGallery has asked for")
		other := world.main.buys(ctx, "unheard", orderOptions{quantity: 1})
		other.becomes(ctx, acknowledged("Unknown AwaitingAcknowledgement"))
		other.query(ctx, koogallery.ResultSuccess)
		other.becomes(ctx, acknowledged("True Acknowledged"), func(g Gomega, mpi *v1alpha1.MarketplaceInstance, _ tenant) {
			g.Expect(mpi.Spec.Subscription.Acknowledgement.By).To(Equal(v1alpha1.AcknowledgedByQuery))
		})
		other.bought(ctx, 5*time.Hour)
		other.becomes(ctx, acknowledged("True Acknowledged"))

		By("stopping the other")
		lost.bought(ctx, 4*time.Hour)
		stopped := look{state: v1alpha1.StateBlocked, web: pods(0), conditions: map[string]string{
			"Acknowledged": "False NotAcknowledged: " + lost.order,
			"Ready":        "False NotAcknowledged", "Suspended": "True NotAcknowledged",
		}}
		mpi, _ := lost.becomes(ctx, stopped)
		Expect(mpi.Status.Timetable.DeletionTime.IsZero()).To(BeTrue())
		Eventually(ctx, func() (string, error) {
			return world.cluster.kubectl(ctx, "describe", "mpi", lost.id, "-n", salesNamespace)
		}).Should(MatchRegexp(`Warning +NotAcknowledged `))

		By("resuming it at the first call that names it")
		lost.query(ctx, koogallery.ResultSuccess)
		lost.becomes(ctx, acknowledged("True Acknowledged"))
	})

	It("believes a person who has looked the order up", func(ctx SpecContext) {
		offer(ctx, product("lookedup", web), ready)
		s := world.main.buys(ctx, "lookedup", orderOptions{quantity: 1})
		s.becomes(ctx, acknowledged("Unknown AwaitingAcknowledgement"))
		_, err := world.cluster.kubectl(ctx, "patch", "mpi", s.id, "-n", salesNamespace, "--type=merge",
			"-p", `{"spec":{"subscription":{"acknowledgement":{"state":"Received","by":"Person"}}}}`)
		Expect(err).To(MatchError(ContainSubstring("spec.correction")), "only machines write what the marketplace has said")
		who, err := world.cluster.kubectl(ctx, "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
		Expect(err).NotTo(HaveOccurred())
		s.edit(ctx, func(mpi *v1alpha1.MarketplaceInstance) {
			mpi.Spec.Correction = v1alpha1.Correction{
				ID: "ticket-1", Reason: "the console shows the order", By: strings.TrimSpace(who), Acknowledgement: v1alpha1.AcknowledgementReceived,
			}
		})
		looked := acknowledged("True Acknowledged")
		looked.conditions["Corrected"] = "True CorrectionApplied"
		mpi, _ := s.becomes(ctx, looked)
		last := mpi.Spec.Subscription.Calls[len(mpi.Spec.Subscription.Calls)-1]
		Expect([]string{last.Operation, last.ID, last.By}).To(Equal([]string{v1alpha1.OperationCorrection, "ticket-1", strings.TrimSpace(who)}))
		Expect(last.Time.IsZero()).To(BeFalse())
	})

	It("forgets the notification of an order whose call came, and keeps the others", func(ctx SpecContext) {
		offer(ctx, product("notified", web), ready)
		s := world.main.buys(ctx, "notified", orderOptions{quantity: 1})
		unknown := "CS-" + strings.ToUpper(random(8))
		answered(world.main.caller().OrderNotify(ctx, s.order, s.line()))(koogallery.ResultSuccess)
		answered(world.main.caller().OrderNotify(ctx, unknown, unknown+"-000001"))(koogallery.ResultSuccess)
		Eventually(ctx, func() ([]string, error) {
			secrets := &corev1.SecretList{}
			err := world.cluster.List(ctx, secrets, client.InNamespace(salesNamespace), client.MatchingLabels{
				v1alpha1.CallLabel: string(v1alpha1.CallNotification), v1alpha1.MarketplaceLabel: world.main.name,
			})
			var orders []string
			for _, secret := range secrets.Items {
				orders = append(orders, string(secret.Data[v1alpha1.CallOrderIDKey]))
			}
			return orders, err
		}).WithTimeout(time.Minute).Should(ConsistOf(unknown))
		Expect(row(ctx, "mkt", world.main.name)).To(HaveKeyWithValue("CALLSRECEIVED", "True"))
	})

	It("says why an instance may not be changed", func(ctx SpecContext) {
		offer(ctx, product("checked", shop, func(p *v1alpha1.MarketplaceProduct) {
			p.Spec.Plans[0].Values = values(map[string]any{"replicas": "{{ .quantity | toInt }}", "size": "{{ mul 2 .quantity }}Gi"})
			p.Spec.Plans = append([]v1alpha1.Plan{{
				Name: "small", Values: values(map[string]any{"replicas": 1, "size": "1Gi"}),
				Listings: []v1alpha1.Listing{{Marketplace: world.main.name, SKUs: []string{"sku-checked-small"}}},
			}}, p.Spec.Plans...)
			p.Spec.Template.Inline = strings.ReplaceAll(p.Spec.Template.Inline, "storage: 1Gi", "storage: {{ .Values.size }}")
		}), ready)
		s := world.main.buys(ctx, "checked", orderOptions{quantity: 3, expires: time.Now().Add(time.Hour)})
		mpi, _ := s.becomes(ctx, running(3))
		Expect(mpi.Status.PlanLimits).To(Equal([]v1alpha1.PlanLimit{
			{Plan: "small", MinimumQuantity: 4, Claim: "StatefulSet/data/data"},
			{Plan: "team", MinimumQuantity: 3, Claim: "StatefulSet/data/data"},
		}))
		ask := func(sku string, quantity int32, code string) string {
			GinkgoHelper()
			return answered(s.caller().ChangeInstanceCheck(ctx, s.id, koogallerytest.Product{
				SKUCode: sku, LinearValue: ptr.To(quantity),
			}))(code).ResultMsg
		}
		ask(s.sku, 3, koogallery.ResultSuccess)
		Expect(ask(s.sku, 2, koogallery.ResultInvalidParameter)).To(ContainSubstring("would shrink the volume StatefulSet/data/data below what its data may need; the minimum is 3"))
		Expect(ask("sku-checked-small", 3, koogallery.ResultInvalidParameter)).To(ContainSubstring("the minimum is 4"))
		Expect(ask("sku-nobody-has", 3, koogallery.ResultInvalidParameter)).To(ContainSubstring("sku-nobody-has"))
		s.edit(ctx, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.QuantityInUse = ptr.To(int32(5)) })
		Eventually(ctx, func() string {
			exchange, err := s.caller().ChangeInstanceCheck(ctx, s.id, koogallerytest.Product{SKUCode: s.sku, LinearValue: ptr.To(int32(4))})
			Expect(err).NotTo(HaveOccurred())
			return exchange.ResultMsg
		}).Should(ContainSubstring("the quantity 4 is below the 5 in use"))
	})
}
