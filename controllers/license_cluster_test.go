package controllers

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	testingclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/license"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription/licenses"
)

func TestALicenseCodeBecomesASale(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-code")
	x.licenses.mints("PL1", "P1")
	x.operate()
	x.sells(listedAs("P1"))
	x.connects("koogallery", keys())
	x.enters("acme", "PL1")
	mpi := x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	x.says("acme", v1alpha1.ConditionLicensed, "True LicenseActivated")
	x.says("acme", v1alpha1.ConditionOrderResolved, "True OrderResolved")
	sub := mpi.Spec.Subscription
	x.Expect([]any{mpi.Spec.ProductRef.Name, sub.Plan, *sub.Quantity, sub.OrderID, sub.Entitlement.State}).
		To(Equal([]any{"shop", "small", int32(3), "CS-PL1", v1alpha1.EntitlementActive}))
	x.eventually(func() v1alpha1.ExpirySource { return x.instance("acme").Spec.Subscription.ExpirySource }).
		Should(Equal(v1alpha1.ExpiryFromQuery), "the activation's date is an estimate; the first query tells the right one")
	x.Expect(x.client.Get(t.Context(), client.ObjectKey{Namespace: mpi.Status.Namespace, Name: "web"}, &appsv1.Deployment{})).To(Succeed())
}

func TestWhatKeepsALicenseCodeFromBeingActivated(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-refused")
	refused := func(kind error) func(*licenseCode) { return func(c *licenseCode) { c.err = licenseError(kind) } }
	x.licenses.mints("PL-uncollected", "P1", refused(marketplace.ErrLicenseNotCollected))
	x.licenses.mints("PL-keys", "P1", refused(marketplace.ErrLicenseRefused))
	x.licenses.mints("PL-invalid", "P1", refused(marketplace.ErrLicenseInvalid))
	x.licenses.mints("PL-down", "P1", refused(marketplace.ErrUnavailable))
	x.licenses.mints("PL-state", "P1", refused(marketplace.ErrLicenseActivated))
	x.licenses.mints("PL-odd", "P1", func(c *licenseCode) { c.activated, c.State = true, "ODD" })
	x.licenses.mints("PL-twice", "P1")
	x.operate()
	x.sells(withoutTemplate)
	x.connects("koogallery", keys())
	x.connects("without-keys", nil)
	x.enters("first", "PL-twice")
	x.says("first", v1alpha1.ConditionReady, "True InstanceReady")

	of := func(mp string) salestest.InstanceChange {
		return func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Subscription.Marketplace = mp }
	}
	chosen := func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.ProductRef.Name, mpi.Spec.Plan = "shop", "small" }
	tests := map[string]struct {
		code, want string
		change     salestest.InstanceChange
	}{
		"uncollected": {"PL-uncollected", "False LicenseNotCollected", of("koogallery")},
		"unknown":     {"PL-never-minted", "False LicenseUnknown", of("koogallery")},
		"keys":        {"PL-keys", "False LicenseAPIRefused", of("koogallery")},
		"invalid":     {"PL-invalid", "False LicenseRefused", of("koogallery")},
		"state":       {"PL-state", "False LicenseRefused", of("koogallery")},
		"down":        {"PL-down", "Unknown LicenseAPIUnavailable", of("koogallery")},
		"odd":         {"PL-odd", "False LicenseStateUnknown", of("koogallery")},
		"second":      {"PL-twice", "False LicenseDuplicate", of("koogallery")},
		"no-keys":     {"PL-1", "False CredentialsMissing", of("without-keys")},
		"no-shop":     {"PL-1", "False MarketplaceNotFound", of("gone")},
		"by-a-person": {"PL-nobody-knows", "False LicenseUnknown", chosen},
	}
	for name, tc := range tests {
		x.enters(name, tc.code, tc.change)
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			mpi := x.says(name, v1alpha1.ConditionLicensed, tc.want)
			x.Expect(mpi.Spec.Subscription.License.ActivationTime.IsZero()).To(BeTrue())
			x.says(name, v1alpha1.ConditionOrderResolved, "Unknown WaitingForActivation")
			if tc.want[0] == 'F' {
				x.says(name, v1alpha1.ConditionReady, tc.want)
				x.Expect(x.instance(name).Status.State).To(Equal(v1alpha1.StateBlocked))
			}
			x.says(name, v1alpha1.ConditionProvisioned, "Unknown WaitingForOrder")
			for _, c := range mpi.Status.Conditions {
				x.Expect(c.Message).NotTo(ContainSubstring("PL-"), "a code lets its holder use what was sold")
			}
		})
	}
}

// The answer of an activation that was lost can't be had again, and with it goes what was sold.
func TestAnActivationWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-lost")
	x.licenses.mints("PL1", "P1", func(c *licenseCode) { c.activated = true })
	x.orders.Answers["CS1"] = sold(func(o *marketplace.Order) { o.Items[0].SKUCode, o.Items[0].ProductID = "shop-small", "P1" })
	x.operate()
	x.sells(withoutTemplate)
	x.connects("koogallery", keys())
	mpi := x.enters("acme", "PL1")
	x.says("acme", v1alpha1.ConditionLicensed, "True LicenseActivated")
	x.says("acme", v1alpha1.ConditionReady, "False LicenseOrderUnknown")
	change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Subscription.OrderID = "CS1" })
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	x.Expect(x.instance("acme").Spec.Subscription.CustomerID).To(Equal("customer-7"))
}

func TestACodeOfAnUnlistedProductRunsOnceItIsListed(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-unlisted")
	x.licenses.mints("PL1", "P9")
	x.operate()
	p := x.sells(withoutTemplate)
	x.connects("koogallery", keys())
	x.enters("acme", "PL1")
	x.says("acme", v1alpha1.ConditionReady, "False UnknownSKU")
	change(x, p, listedAs("P9"))
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	x.Expect(*x.instance("acme").Spec.Subscription.Quantity).To(Equal(int32(3)))
}

func TestASaleWithoutAWorkload(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-bare")
	x.licenses.mints("PL1", "P1")
	x.operate()
	x.sells(withoutTemplate)
	x.connects("koogallery", keys())
	mpi := x.enters("acme", "PL1")
	x.says("acme", v1alpha1.ConditionProvisioned, "True Provisioned")
	ready := x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	x.Expect([]any{ready.Status.State, ready.Status.Namespace, ready.Status.Access.FrontEndURL, ready.Status.Access.Memo}).
		To(Equal([]any{v1alpha1.StateRunning, "", "https://licences.example.com/acme", "3 seats"}))
	namespaces := &corev1.NamespaceList{}
	x.Expect(x.client.List(t.Context(), namespaces, client.MatchingLabels{v1alpha1.InstanceNamespaceLabel: x.name})).To(Succeed())
	x.Expect(namespaces.Items).To(BeEmpty())

	pause := func(r v1alpha1.Reconciliation) {
		change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Reconciliation = r })
	}
	pause(v1alpha1.ReconciliationPaused)
	x.says("acme", v1alpha1.ConditionPaused, "True ReconciliationPaused")
	paused := x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	x.Expect([]any{paused.Status.Access, paused.Status.Revision}).To(Equal([]any{ready.Status.Access, ready.Status.Revision}))
	pause(v1alpha1.ReconciliationActive)
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")

	freeze := func(state v1alpha1.EntitlementState, reason v1alpha1.EntitlementReason, since time.Time) {
		change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) {
			mpi.Spec.Subscription.Entitlement = v1alpha1.Entitlement{State: state, Reason: reason, Time: metav1.NewTime(since)}
		})
	}
	freeze(v1alpha1.EntitlementFrozen, v1alpha1.EntitlementExpired, time.Now())
	x.says("acme", v1alpha1.ConditionSuspended, "True Expired")
	frozen := x.says("acme", v1alpha1.ConditionReady, "False Expired")
	x.Expect([]any{frozen.Status.State, frozen.Status.Access.FrontEndURL}).
		To(Equal([]any{v1alpha1.StateSuspended, "https://licences.example.com/acme"}))
	freeze(v1alpha1.EntitlementActive, "", time.Now())
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	freeze(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, time.Now())
	released := x.says("acme", v1alpha1.ConditionProvisioned, "False Removed")
	x.says("acme", v1alpha1.ConditionLicensed, "False Released")
	x.Expect(released.Status.State).To(Equal(v1alpha1.StateReleased))
	x.Expect(x.client.Delete(t.Context(), mpi)).To(Succeed())
	x.gone("acme")
}

func TestWhatTheAPIServerTakesOfLicenses(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-rules")
	refused := func(err error, message string) { t.Helper(); x.Expect(err).To(MatchError(ContainSubstring(message))) }
	mpi := x.enters("acme", "PL1")
	without := mpi.DeepCopy()
	without.Spec.Subscription.License = v1alpha1.License{}
	without.Spec.Subscription.Entitlement.State = v1alpha1.EntitlementActive
	refused(x.client.Update(t.Context(), without), "license can't be added or removed")
	other := mpi.DeepCopy()
	other.Spec.Subscription.InstanceID = "PL2"
	refused(x.client.Update(t.Context(), other), "can't be changed")
	plain := here(x, salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Subscription.Entitlement = v1alpha1.Entitlement{} }))
	plain.Name = "plain"
	refused(x.client.Create(t.Context(), plain), "entitlement is required")

	p := here(x, salestest.Product(withoutTemplate))
	p.Spec.Isolation.Egress = v1alpha1.EgressAll
	refused(x.client.Create(t.Context(), p), "without a template there is none")
	p = here(x, salestest.Product(withoutTemplate))
	x.create(p)
	p.Spec.Template.Inline = salestest.Web
	refused(x.client.Update(t.Context(), p), "template can't be added")
}

// Nobody may lose data because a product was deleted and made again without its template.
func TestAWorkloadOutlivesItsProductsTemplate(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-template")
	x.operate()
	p := x.sells()
	x.buys("acme")
	running := x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	x.Expect(x.client.Delete(t.Context(), p)).To(Succeed())
	x.sells(withoutTemplate)
	mpi := x.says("acme", v1alpha1.ConditionProvisioned, "False ProductChanged")
	x.Expect(mpi.Status.Revision).To(Equal(running.Status.Revision))
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	x.Expect(x.client.Get(t.Context(), client.ObjectKey{Namespace: running.Status.Namespace, Name: "web"}, &appsv1.Deployment{})).To(Succeed())
}

// asksFor stores a request for a license as the webhook server does.
func (x *shop) asksFor(mpi *v1alpha1.MarketplaceInstance, keys ...string) {
	x.t.Helper()
	change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) {
		for _, key := range keys {
			mpi.Spec.Subscription.LicenseRequests = append(mpi.Spec.Subscription.LicenseRequests, v1alpha1.LicenseRequest{
				Key: key, ID: key, DeviceFingerprint: "device of " + key, RequestTime: metav1.Now(),
			})
		}
	})
}

func (x *shop) gives(namespace, name string, data map[string][]byte) {
	x.t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: data}
	if err := x.client.Create(x.t.Context(), secret); err != nil {
		x.Expect(x.client.Update(x.t.Context(), secret)).To(Succeed())
	}
}

func TestLicensesAreDelivered(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-delivery")
	x.operate()
	x.sells()
	x.connects("koogallery", keys())
	mpi := here(x, salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription.ExpiryTime = metav1.NewTime(time.Now().Add(time.Hour))
	}))
	x.create(mpi)
	ready := x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	x.Expect(ready.Status.Conditions).NotTo(ContainElement(HaveField("Type", HavePrefix("License"))), "most sales have no licenses")

	x.asksFor(mpi, "E1", "E2")
	waiting := x.says("acme", v1alpha1.ConditionLicensed, "Unknown LicenseAwaited")
	x.Expect(fmt.Sprint(waiting.Status.Conditions)).To(And(ContainSubstring(`Secret "acme-licenses"`), ContainSubstring("E1, E2")))
	requests := &corev1.ConfigMap{}
	x.eventually(func() string {
		_ = x.client.Get(t.Context(), client.ObjectKey{Namespace: ready.Status.Namespace, Name: v1alpha1.LicenseRequestsName}, requests)
		return requests.Data[v1alpha1.LicenseRequestsKey]
	}).Should(And(ContainSubstring(`"deviceFingerprint": "device of E1"`), ContainSubstring(`"delivered": false`)))

	// Neither another Secret of the tenant's nor one under the name in somebody else's namespace is looked at.
	x.gives(ready.Status.Namespace, v1alpha1.TenantLicensesSecretName, map[string][]byte{"E1": []byte("from the workload\n")})
	x.gives(x.name, "acme-licenses", map[string][]byte{"E2.dat": {0xFF, 0}, "E22": []byte("another's")})
	done := x.says("acme", v1alpha1.ConditionLicensed, "True LicenseDelivered")
	x.Expect(x.licenses.uploaded("E1")).To(Equal(upload{"", "from the workload"}))
	x.Expect(x.licenses.uploaded("E2")).To(Equal(upload{"E2.dat", "\xFF\x00"}))
	for _, request := range done.Spec.Subscription.LicenseRequests {
		x.Expect(request.DeliveryTime.IsZero()).To(BeFalse())
		x.Expect(request.Digest).To(HaveLen(64))
	}
	x.Expect(fmt.Sprintf("%+v", done)).NotTo(ContainSubstring("from the workload"))
	x.eventually(func() string {
		_ = x.client.Get(t.Context(), client.ObjectKeyFromObject(requests), requests)
		return requests.Data[v1alpha1.LicenseRequestsKey]
	}).ShouldNot(ContainSubstring(`"delivered": false`))
}

func TestWhatKeepsALicenseFromBeingDelivered(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-undelivered")
	x.licenses.refuses(licenseError(marketplace.ErrLicenseInvalid), nil)
	x.operate()
	x.sells(withoutTemplate)
	x.connects("koogallery", keys())
	mpi := here(x, salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription.ExpiryTime = metav1.NewTime(time.Now().Add(time.Hour))
	}))
	x.create(mpi)
	x.gives(x.name, "acme-licenses", map[string][]byte{"E1": []byte("SECRET-LICENCE")})
	x.asksFor(mpi, "E1")
	refused := x.says("acme", v1alpha1.ConditionLicensed, "False LicenseRefused")
	x.Expect(fmt.Sprintf("%+v", refused)).NotTo(ContainSubstring("SECRET-LICENCE"))

	look := func(value string) { x.touch("acme", value) }
	x.gives(x.name, "acme-licenses", map[string][]byte{"E1": []byte("\n")})
	look("empty")
	x.says("acme", v1alpha1.ConditionLicensed, "False LicenseInvalid")

	change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) {
		salestest.Entitled(v1alpha1.EntitlementFrozen, v1alpha1.EntitlementByMarketplace, 1)(mpi)
	})
	x.says("acme", v1alpha1.ConditionLicensed, "Unknown LicenseHeld")
	x.gives(x.name, "acme-licenses", map[string][]byte{"E1": []byte("good")})
	x.licenses.refuses(licenseError(marketplace.ErrUnavailable), nil)
	change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) { salestest.Entitled(v1alpha1.EntitlementActive, "", 2)(mpi) })
	x.says("acme", v1alpha1.ConditionLicensed, "Unknown LicenseAPIUnavailable")
	x.Expect(x.licenses.uploaded("E1")).To(Equal(upload{}))
	x.licenses.refuses(nil, nil)
	x.says("acme", v1alpha1.ConditionLicensed, "True LicenseDelivered")
}

// asker is the daily query with a clock of the test's.
func (x *shop) asker(now time.Time) (*license.QueryReconciler, *testingclock.FakePassiveClock, *events.FakeRecorder) {
	fake, recorder := testingclock.NewFakePassiveClock(now), events.NewFakeRecorder(1000)
	return &license.QueryReconciler{
		Client: x.client, APIReader: x.client, Clock: fake, Recorder: recorder,
		Clients: protocol.Clients{Secrets: x.client, Namespace: x.name, Protocols: protocol.Protocols{v1alpha1.ProtocolKooGallery: {
			NewLicenseClient: func(protocol.OpenAPI) (marketplace.LicenseClient, error) { return x.licenses, nil },
		}}},
		Interval: license.DefaultQueryInterval, Metrics: license.NewMetrics(x.client),
	}, fake, recorder
}

// answered are the queries that the metrics count as answered, and as failed.
func (x *shop) answered(r *license.QueryReconciler) []float64 {
	x.t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(r.Metrics)
	families, err := registry.Gather()
	x.Expect(err).NotTo(HaveOccurred())
	counts := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if family.GetName() == "stallkeeper_license_queries_total" && label.GetName() == "result" {
					counts[label.GetValue()] = metric.GetCounter().GetValue()
				}
			}
		}
	}
	return []float64{counts["Answered"], counts["Failed"]}
}

func (x *shop) asks(r *license.QueryReconciler) (time.Duration, error) {
	result, err := r.Reconcile(x.t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: x.name, Name: "koogallery"}})
	return result.RequeueAfter, err
}

// activated creates the instance of a code that was activated on day 0.
func (x *shop) activated(name, code string) {
	x.t.Helper()
	x.licenses.mints(code, "P1", func(c *licenseCode) { c.activated, c.ExpiresAt = true, salestest.Day(30) })
	x.enters(name, code, func(mpi *v1alpha1.MarketplaceInstance) {
		told := marketplace.LicenseCode{OrderID: "CS-" + code, ProductID: "P1", Quantity: ptr.To(int32(1)), ExpiresAt: salestest.Day(29)}
		mpi.Spec.Subscription = licenses.Activated(mpi.Spec.Subscription, told, salestest.Day(0))
	})
}

func TestTheDailyQueryFindsCallsThatNeverCame(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-query")
	x.connects("koogallery", keys())
	for _, name := range []string{"alive", "renewed", "over", "gone", "odd"} {
		x.activated(name, "PL-"+name)
	}
	r, clock, recorder := x.asker(salestest.Day(0))
	pause, err := x.asks(r)
	x.Expect(err).NotTo(HaveOccurred())
	x.Expect(pause).To(Equal(queue.QueryPause))
	x.Expect(x.licenses.questions()).To(ConsistOf(HaveLen(5)), "one question about all")
	x.Expect(x.instance("alive").Spec.Subscription.ExpiryTime.Time).To(BeTemporally("==", salestest.Day(30)), "the query is trusted, the activation is not")

	restarted, _, _ := x.asker(salestest.Day(0))
	pause, err = x.asks(restarted)
	x.Expect(err).NotTo(HaveOccurred())
	x.Expect(x.licenses.questions()).To(BeEmpty(), "once a day is enough, also after a restart")
	x.Expect(pause).To(And(BeNumerically(">=", 20*time.Hour), BeNumerically("<=", 24*time.Hour)))

	x.licenses.sets("PL-renewed", func(c *licenseCode) { c.ExpiresAt = salestest.Day(60) })
	x.licenses.sets("PL-over", func(c *licenseCode) { c.State = marketplace.LicenseExpired })
	x.licenses.sets("PL-gone", func(c *licenseCode) { c.State = marketplace.LicenseReleased })
	x.licenses.sets("PL-odd", func(c *licenseCode) { c.State = "RELEASED_PERHAPS" })
	clock.SetTime(salestest.Day(30))
	_, err = x.asks(r)
	x.Expect(err).NotTo(HaveOccurred())
	x.Expect(x.licenses.questions()).To(ConsistOf(HaveLen(5), ConsistOf("PL-over"), ConsistOf("PL-gone"), ConsistOf("PL-odd")),
		"what would take something from a buyer is asked twice")
	of := func(name string) string {
		sub := x.instance(name).Spec.Subscription
		return fmt.Sprintf("%s %s until %s", sub.Entitlement.State, sub.Entitlement.Reason, sub.ExpiryTime.UTC().Format(time.DateOnly))
	}
	x.Expect([]string{of("alive"), of("renewed"), of("over"), of("gone"), of("odd")}).To(Equal([]string{
		"Active  until 2026-01-31", "Active  until 2026-03-02", "Frozen Expired until 2026-01-31", "Released Marketplace until 2026-01-31",
		"Active  until 2026-01-31",
	}))
	x.Expect(licenses.EndedByQuery(x.instance("gone").Spec.Subscription)).To(BeTrue())
	x.Expect(x.instance("odd").Spec.Subscription.License.State).To(Equal(v1alpha1.LicenseUnknown))
	clock.SetTime(salestest.Day(31))
	_, err = x.asks(r)
	x.Expect(err).NotTo(HaveOccurred())
	x.Expect(x.licenses.questions()).To(HaveExactElements(ConsistOf("PL-alive", "PL-renewed", "PL-over", "PL-odd")), "bad news is news once")
	close(recorder.Events)
	var told []string
	for event := range recorder.Events {
		told = append(told, event)
	}
	x.Expect(told).To(ConsistOf(ContainSubstring("LicenseQueryRenewal"), ContainSubstring("LicenseQueryExpiry"), ContainSubstring("LicenseQueryRelease")))
}

func TestOneBadCodeDoesNotKeepTheOthersFromBeingAskedAbout(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-badcode")
	x.connects("koogallery", keys())
	x.activated("good", "PL-good")
	x.activated("bad", "PL-bad")
	x.licenses.sets("PL-bad", func(c *licenseCode) { c.activated = false })
	r, clock, _ := x.asker(salestest.Day(1))
	_, err := x.asks(r)
	x.Expect(err).NotTo(HaveOccurred())
	x.Expect(x.licenses.questions()).To(ConsistOf(HaveLen(2), ConsistOf("PL-good"), ConsistOf("PL-bad")))
	x.Expect(x.instance("good").Spec.Subscription.License.State).To(Equal(v1alpha1.LicenseActive))
	x.Expect(x.instance("bad").Spec.Subscription.License.LastQueryTime.IsZero()).To(BeTrue())
	x.Expect(x.answered(r)).To(Equal([]float64{1, 1}))

	pause, err := x.asks(r)
	x.Expect(err).NotTo(HaveOccurred())
	x.Expect(pause).To(Equal(queue.QueryFirst), "it is asked about again after a while")
	clock.SetTime(salestest.Day(1).Add(queue.QueryFirst))
	_, err = x.asks(r)
	x.Expect(err).NotTo(HaveOccurred())
	x.Expect(x.licenses.questions()).To(ConsistOf(ConsistOf("PL-bad")))
	pause, err = x.asks(r)
	x.Expect(err).NotTo(HaveOccurred())
	x.Expect(pause).To(Equal(2 * queue.QueryFirst))
}

func TestThousandsOfCodesAreAskedAboutInBatches(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-batches")
	x.connects("koogallery", keys())
	for i := range 150 {
		x.activated(fmt.Sprintf("c%d", i), fmt.Sprintf("PL%d", i))
	}
	r, _, _ := x.asker(salestest.Day(1))
	for range 3 {
		_, err := x.asks(r)
		x.Expect(err).NotTo(HaveOccurred())
	}
	x.Expect(x.licenses.questions()).To(HaveExactElements(HaveLen(100), HaveLen(50)))
}

func TestNothingIsConcludedFromAnAPIThatIsAway(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-away")
	x.connects("koogallery", keys())
	x.activated("a", "PL-a")
	x.activated("b", "PL-b")
	before := []any{x.instance("a").Spec, x.instance("b").Spec}
	x.licenses.refuses(nil, licenseError(marketplace.ErrLicenseRefused))
	r, _, _ := x.asker(salestest.Day(1))
	_, err := x.asks(r)
	x.Expect(err).To(MatchError(marketplace.ErrLicenseRefused))
	x.Expect(x.answered(r)).To(Equal([]float64{0, 2}))
	x.Expect([]any{x.instance("a").Spec, x.instance("b").Spec}).To(Equal(before))
}
