package connection

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	testingclock "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// notifiedOf is the Secret of an order's notification.
func notifiedOf(order, line string, at time.Time) *corev1.Secret {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "sales", Name: "koogallery-call-" + strings.ToLower(order+line), UID: types.UID(order + line),
			CreationTimestamp: metav1.NewTime(at),
			Labels: map[string]string{
				v1alpha1.CallLabel: string(v1alpha1.CallNotification), v1alpha1.MarketplaceLabel: "koogallery",
			},
		},
		Type: v1alpha1.CallSecretType,
		Data: map[string][]byte{v1alpha1.CallOrderIDKey: []byte(order), v1alpha1.CallOrderLineIDKey: []byte(line)},
	}
	return secret
}

// watched is a connection over an API server in memory.
type watched struct {
	*testing.T
	client   client.Client
	clock    *testingclock.FakeClock
	recorder *events.FakeRecorder
	asked    map[string]int
	orders   *salestest.OrderAPI
	Reconciler
}

func watch(t *testing.T, objects ...client.Object) *watched {
	t.Helper()
	mp := &v1alpha1.Marketplace{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "koogallery", UID: "uid-mp"}}
	mp.Spec.Protocol, mp.Spec.KooGallery.CallbackSecretRef.Name, mp.Spec.KooGallery.API.CredentialsSecretName = v1alpha1.ProtocolKooGallery, "callback", "openapi"
	callback := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "callback"}}
	openAPI := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: "openapi"},
		Data:       map[string][]byte{v1alpha1.OpenAPIAccessKeyID: []byte("a"), v1alpha1.OpenAPISecretKey: []byte("s")},
	}
	w := &watched{
		T: t, clock: testingclock.NewFakeClock(salestest.Day(1)), recorder: events.NewFakeRecorder(100), asked: map[string]int{},
		orders: &salestest.OrderAPI{Answers: map[string]salestest.OrderAnswer{}},
		client: fake.NewClientBuilder().WithScheme(salestest.NewTestScheme(t)).WithStatusSubresource(mp).
			WithObjects(mp, callback, openAPI).WithObjects(objects...).Build(),
	}
	w.orders.Asked = func(order string) { w.asked[order]++ }
	w.Reconciler = Reconciler{
		Client: w.client, APIReader: w.client, Clock: w.clock, Recorder: w.recorder,
		Clients: protocol.Clients{Secrets: w.client, Namespace: "system", Protocols: protocol.Protocols{v1alpha1.ProtocolKooGallery: {
			CheckCallbackKeys: func(map[string][]byte) error { return nil },
			NewOrderReader:    func(protocol.OpenAPI) (marketplace.OrderReader, error) { return w.orders, nil },
		}}},
	}
	return w
}

// pass is the condition after a pass.
func (w *watched) pass() metav1.Condition {
	w.Helper()
	key := types.NamespacedName{Namespace: "sales", Name: "koogallery"}
	result, err := w.Reconcile(w.Context(), ctrl.Request{NamespacedName: key})
	if err != nil || result.RequeueAfter != queue.ConnectionRecheck {
		w.Fatalf("result %v, error %v", result, err)
	}
	mp := &v1alpha1.Marketplace{}
	if err := w.client.Get(w.Context(), key, mp); err != nil {
		w.Fatal(err)
	}
	return *meta.FindStatusCondition(mp.Status.Conditions, v1alpha1.ConditionCallsReceived)
}

// kept are the orders whose notifications are kept.
func (w *watched) kept() []string {
	w.Helper()
	secrets := &corev1.SecretList{}
	if err := w.client.List(w.Context(), secrets, client.HasLabels{v1alpha1.CallLabel}); err != nil {
		w.Fatal(err)
	}
	orders := map[string]bool{}
	for _, secret := range secrets.Items {
		orders[string(secret.Data[v1alpha1.CallOrderIDKey])] = true
	}
	return slices.Sorted(maps.Keys(orders))
}

func TestACallThatDoesNotComeIsNoticed(t *testing.T) {
	just, old := salestest.Day(1).Add(-callDue+time.Second), salestest.Day(1).Add(-callDue)
	byProduct := salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription.OrderLineID = "p1"
		mpi.Spec.Subscription.Items = []v1alpha1.SoldItem{{ProductID: "p1"}}
		mpi.Spec.Subscription.Calls[0].OrderLineID = "p1"
	})
	renewed := salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription.Calls = append(mpi.Spec.Subscription.Calls, v1alpha1.Call{OrderID: "r1", OrderLineID: "r1-1"})
	})
	elsewhere := salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Subscription.Marketplace = "another" })
	otherLabel := notifiedOf("o9", "o9-1", old)
	otherLabel.Labels[v1alpha1.CallLabel] = string(v1alpha1.CallOrder)
	otherType := notifiedOf("o9", "o9-1", old)
	otherType.Type = corev1.SecretTypeOpaque
	ofAnother := notifiedOf("o9", "o9-1", old)
	ofAnother.Labels[v1alpha1.MarketplaceLabel] = "another"
	tests := map[string]struct {
		objects []client.Object
		want    string
		kept    []string
	}{
		"nothing was notified":                     {nil, "True CallsReceived", nil},
		"the purchase is known":                    {[]client.Object{salestest.Sale(), notifiedOf("o1", "o1-1", old)}, "True CallsReceived", nil},
		"a renewal is known":                       {[]client.Object{renewed, notifiedOf("r1", "r1-1", old)}, "True CallsReceived", nil},
		"the call is not due yet":                  {[]client.Object{notifiedOf("o1", "o1-1", just)}, "True CallsReceived", []string{"o1"}},
		"the call is due":                          {[]client.Object{notifiedOf("o1", "o1-1", old)}, "False CallMissing", []string{"o1"}},
		"another line of the order is known":       {[]client.Object{salestest.Sale(), notifiedOf("o1", "o1-2", old)}, "False CallMissing", []string{"o1"}},
		"an older call that names no line":         {[]client.Object{salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Subscription.OrderLineID = "" }), notifiedOf("o1", "o1-2", old)}, "True CallsReceived", nil},
		"an older call that names a product":       {[]client.Object{byProduct, notifiedOf("o1", "o1-1", old)}, "True CallsReceived", nil},
		"the order is known to another connection": {[]client.Object{elsewhere, notifiedOf("o1", "o1-1", old)}, "False CallMissing", []string{"o1"}},
		"an order that gives something back":       {[]client.Object{notifiedOf("back", "back-1", old)}, "True CallsReceived", nil},
		"the last moment that it is kept":          {[]client.Object{notifiedOf("o1", "o1-1", salestest.Day(1).Add(-notificationsKept+time.Second))}, "False CallMissing", []string{"o1"}},
		"after a week it is forgotten":             {[]client.Object{notifiedOf("o1", "o1-1", salestest.Day(1).Add(-notificationsKept))}, "True CallsReceived", nil},
		"one without an order is forgotten":        {[]client.Object{notifiedOf("", "", just)}, "True CallsReceived", nil},
		"what another call has said is left alone": {[]client.Object{otherLabel}, "True CallsReceived", []string{"o9"}},
		"a Secret of another type is left alone":   {[]client.Object{otherType}, "True CallsReceived", []string{"o9"}},
		"another connection's is left alone":       {[]client.Object{ofAnother}, "True CallsReceived", []string{"o9"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := watch(t, tc.objects...)
			w.orders.Answers["o1"] = salestest.OrderAnswer{Order: marketplace.Order{Type: marketplace.OrderPurchase}}
			w.orders.Answers["back"] = salestest.OrderAnswer{Order: marketplace.Order{Type: marketplace.OrderUnsubscription}}
			condition := w.pass()
			if got := string(condition.Status) + " " + condition.Reason; got != tc.want {
				t.Errorf("%s: %s; want %s", got, condition.Message, tc.want)
			}
			if diff := cmp.Diff(tc.kept, w.kept()); diff != "" {
				t.Errorf("kept (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAMissingCallIsAnnouncedOnceAndClearsWhenItComes(t *testing.T) {
	w := watch(t, notifiedOf("o1", "o1-1", salestest.Day(1).Add(-time.Hour)))
	for range 3 {
		if condition := w.pass(); condition.Status != metav1.ConditionFalse || !strings.Contains(condition.Message, `"o1"`) {
			t.Fatalf("%+v", condition)
		}
		w.clock.Step(queue.ConnectionRecheck)
	}
	if len(w.recorder.Events) != 1 || !strings.HasPrefix(<-w.recorder.Events, "Warning CallMissing") {
		t.Error("it is not announced by one warning")
	}
	// The order API knows nothing of the order: it is asked again after a while, not at every pass.
	if w.asked["o1"] != 1 {
		t.Errorf("asked %d times for the order, want once", w.asked["o1"])
	}
	if err := w.client.Create(t.Context(), salestest.Sale()); err != nil {
		t.Fatal(err)
	}
	if condition := w.pass(); condition.Status != metav1.ConditionTrue || len(w.kept()) != 0 {
		t.Errorf("%+v, kept %v", condition, w.kept())
	}
}

func TestAnOrderAPIThatIsAwayKeepsNoCallFromBeingNoticed(t *testing.T) {
	w := watch(t, notifiedOf("back", "back-1", salestest.Day(1).Add(-time.Hour)))
	w.orders.Answers["back"] = salestest.OrderAnswer{Err: errors.New("away")}
	if condition := w.pass(); condition.Status != metav1.ConditionFalse {
		t.Errorf("%+v", condition)
	}
	w.orders.Answers["back"] = salestest.OrderAnswer{Order: marketplace.Order{Type: marketplace.OrderUnsubscription}}
	w.clock.Step(queue.OrderProblemRetry)
	if condition := w.pass(); condition.Status != metav1.ConditionTrue || len(w.kept()) != 0 {
		t.Errorf("%+v, kept %v", condition, w.kept())
	}
}

func TestManyMissingCallsAreNamedInAMessageThatFits(t *testing.T) {
	var objects []client.Object
	for i := range 40 {
		objects = append(objects, notifiedOf(fmt.Sprintf("%s-%02d", strings.Repeat("x", 80), i), "", salestest.Day(1).Add(-time.Hour)))
	}
	w := watch(t, objects...)
	var condition metav1.Condition
	for range 2 {
		condition = w.pass()
	}
	if !strings.Contains(condition.Message, "and 30 more") || len(condition.Message) > 2000 {
		t.Errorf("%d bytes: %s", len(condition.Message), condition.Message)
	}
}

// paged answers lists of Secrets in pages of at most two, as the API server does with many.
type paged struct{ client.Client }

func (p paged) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	if err := p.Client.List(ctx, list, options...); err != nil {
		return err
	}
	secrets, ok := list.(*corev1.SecretList)
	if !ok {
		return nil
	}
	asked := &client.ListOptions{}
	asked.ApplyOptions(options)
	from, _ := strconv.Atoi(asked.Continue)
	to := min(from+2, len(secrets.Items))
	if secrets.Items = secrets.Items[from:to]; len(secrets.Items) == 2 {
		secrets.Continue = strconv.Itoa(to)
	}
	return nil
}

// Whichever notifications the API server lists first: those whose calls came are settled, and the one that is missing is named.
func TestEveryNotificationIsLookedAt(t *testing.T) {
	old := salestest.Day(1).Add(-time.Hour)
	var objects []client.Object
	for i := range 9 {
		order := fmt.Sprintf("n%d", i)
		objects = append(objects, notifiedOf(order, "", old))
		if i < 8 {
			objects = append(objects, salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) {
				mpi.Name, mpi.UID = "sale-"+order, types.UID("uid-"+order)
				mpi.Spec.Subscription.OrderID, mpi.Spec.Subscription.Calls = order, nil
			}))
		}
	}
	w := watch(t, objects...)
	w.APIReader = paged{w.client}
	if condition := w.pass(); condition.Status != metav1.ConditionFalse || !strings.Contains(condition.Message, `"n8"`) {
		t.Errorf("%s: %s", condition.Reason, condition.Message)
	}
	if diff := cmp.Diff([]string{"n8"}, w.kept()); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}

func TestAnOrderThatIsForgottenIsNamedOnce(t *testing.T) {
	w := watch(t, notifiedOf("o1", "o1-1", salestest.Day(1).Add(-notificationsKept)))
	w.pass()
	w.pass()
	if len(w.recorder.Events) != 1 {
		t.Fatalf("%d events", len(w.recorder.Events))
	}
	if event := <-w.recorder.Events; !strings.HasPrefix(event, "Warning CallMissing") || !strings.Contains(event, `"o1"`) {
		t.Error(event)
	}
}

// Keys are taken back at the marketplace's console, and nothing in the cluster changes then.
func TestCredentialsThatAreRevokedAreNoticed(t *testing.T) {
	w := watch(t)
	known := w.Clients.Protocols[v1alpha1.ProtocolKooGallery]
	known.SampleOrder = "MOCK"
	w.Clients.Protocols[v1alpha1.ProtocolKooGallery] = known
	w.orders.Answers["MOCK"] = salestest.OrderAnswer{Order: marketplace.Order{Type: marketplace.OrderPurchase}}
	ready := func() string {
		w.pass()
		mp := &v1alpha1.Marketplace{}
		if err := w.client.Get(t.Context(), types.NamespacedName{Namespace: "sales", Name: "koogallery"}, mp); err != nil {
			t.Fatal(err)
		}
		return meta.FindStatusCondition(mp.Status.Conditions, v1alpha1.ConditionReady).Reason
	}
	if got := ready(); got != v1alpha1.ReasonMarketplaceReady {
		t.Fatal(got)
	}
	w.orders.Answers["MOCK"] = salestest.OrderAnswer{Err: &marketplace.CallError{Kind: marketplace.ErrOrderRefused}}
	if got := ready(); got != v1alpha1.ReasonMarketplaceReady || w.asked["MOCK"] != 1 {
		t.Errorf("%s, asked %d times within the hour", got, w.asked["MOCK"])
	}
	w.clock.Step(time.Hour)
	if got := ready(); got != v1alpha1.ReasonAPICredentialsRefused {
		t.Error(got)
	}
}
