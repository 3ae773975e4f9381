package controllers

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	directories "github.com/stallkeeper/stallkeeper/controllers/directory"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/directory"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// endpoint is a workload's, as an http.RoundTripper. It answers 200 unless it is told otherwise.
type endpoint struct {
	mu     sync.Mutex
	status int
	taken  []directory.Change
	last   *http.Request
	body   []byte
}

// RoundTrip implements http.RoundTripper.
func (e *endpoint) RoundTrip(req *http.Request) (*http.Response, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var told struct {
		Generation int64              `json:"generation"`
		Changes    []directory.Change `json:"changes"`
	}
	if err := json.Unmarshal(body, &told); err != nil {
		return nil, err
	}
	e.last, e.body = req, body
	if e.status != 0 {
		return &http.Response{StatusCode: e.status, Body: io.NopCloser(strings.NewReader("Real Name")), Header: http.Header{"Location": {"http://elsewhere/"}}}, nil
	}
	e.taken = append(e.taken, told.Changes...)
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody}, nil
}

func (e *endpoint) answers(status int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status = status
}

// asked is the last request with its body; nil if there was none.
func (e *endpoint) asked() (*http.Request, []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last, e.body
}

// told is what was taken, one word for each change.
func (e *endpoint) told() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var words []string
	for _, change := range e.taken {
		word := change.Change + ":" + string(change.Kind)
		if change.User != nil {
			word += ":" + change.User.UserName
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func TestChangesAreForwardedInOrder(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-forward")
	x.operate()
	x.sells(salestest.Forwards, withAccess, salestest.Inline(salestest.Web+salestest.Settings+salestest.WebService("8080")))
	mpi := x.bought("acme")
	x.create(salestest.Kept(t, mpi, "MarketplaceInstance", salestest.Authorized(10, marketplace.SyncPut, "u1")), salestest.Kept(t, mpi, "MarketplaceInstance", salestest.EnterpriseCall(11)))
	x.eventually(x.endpoint.told).Should(And(ContainSubstring("Put:Enterprise"), ContainSubstring("Put:User:u1")))

	x.says("acme", v1alpha1.ConditionDirectorySynced, "True DirectorySynced")
	namespace := x.instance("acme").Status.Namespace
	key := x.secret(namespace, v1alpha1.TenantDirectoryName).Data[v1alpha1.DirectoryForwardKey]
	last, body := x.endpoint.asked()
	x.Expect(last.URL.String()).To(Equal("http://web." + namespace + ".svc:8080/internal/directory"))
	x.Expect(signed(last.Header.Get(directories.HeaderSignature), key, body)).To(BeTrue())
	policy := &networkingv1.NetworkPolicy{}
	x.Expect(x.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "tenant"}, policy)).To(Succeed())
	rules := policy.Spec.Ingress
	x.Expect(rules).To(HaveLen(2))
	x.Expect(rules[1].Ports).To(ConsistOf(HaveField("Port", ptr.To(intstr.FromString("http")))), "the port of the pods behind the Service, and no other")
	x.Expect(rules[1].From[0].PodSelector.MatchLabels).To(Equal(salestest.Permissions().Controller.Labels))

	// What it does not take is told again, and nothing else waits for it.
	x.endpoint.answers(http.StatusInternalServerError)
	x.create(salestest.Kept(t, mpi, "MarketplaceInstance", salestest.Authorized(20, marketplace.SyncRemove, "u1")))
	failed := x.says("acme", v1alpha1.ConditionDirectorySynced, "False DirectoryForwardFailed")
	x.Expect(fmt.Sprint(failed.Status.Conditions)).To(And(ContainSubstring("responds with 500"), Not(ContainSubstring("Real"))))
	x.endpoint.answers(0)
	x.eventually(x.endpoint.told).Should(HaveSuffix("Removed:User:u1"))
	x.says("acme", v1alpha1.ConditionDirectorySynced, "True DirectorySynced")

	// A process that starts anew goes on where the former was.
	before := x.endpoint.told()
	x.running.stop()
	x.operate()
	x.create(salestest.Kept(t, mpi, "MarketplaceInstance", salestest.Authorized(30, marketplace.SyncPut, "u2")))
	x.eventually(x.endpoint.told).Should(Equal(before + " Put:User:u2"))

	change(x, mpi, func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.DesiredState = v1alpha1.DesiredStateSuspended })
	x.says("acme", v1alpha1.ConditionSuspended, "True SuspensionRequested")
	x.create(salestest.Kept(t, mpi, "MarketplaceInstance", salestest.Authorized(40, marketplace.SyncPut, "u3")))
	x.says("acme", v1alpha1.ConditionDirectorySynced, "Unknown DirectoryForwardPending")

	product := &v1alpha1.MarketplaceProduct{}
	product.Namespace, product.Name = x.name, mpi.Spec.ProductRef.Name
	change(x, product, func(p *v1alpha1.MarketplaceProduct) { p.Spec.Directory = v1alpha1.Directory{} })
	synced := x.says("acme", v1alpha1.ConditionDirectorySynced, "True DirectorySynced")
	x.Expect(fmt.Sprint(synced.Status.Conditions)).NotTo(ContainSubstring("endpoint"), "the product has none any more")
	x.eventually(func() map[string][]byte { return x.secret(namespace, v1alpha1.TenantDirectoryName).Data }).ShouldNot(HaveKey(v1alpha1.DirectoryForwardKey))
}

// signed checks a signature as a workload would.
func signed(header string, key, body []byte) bool {
	stamp, given, ok := strings.Cut(strings.TrimPrefix(header, "t="), ",v1=")
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(stamp + "."))
	mac.Write(body)
	return ok && len(key) > 0 && hmac.Equal([]byte(given), []byte(hex.EncodeToString(mac.Sum(nil))))
}

// A tenant that was stopped by a rule that nobody but the reconcilers knows of is no endpoint that fails.
func TestAStoppedTenantIsToldLater(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-forward-stop")
	x.operate()
	x.sells(salestest.Forwards, salestest.Inline(salestest.Web+salestest.Settings+salestest.WebService("8080")), salestest.MeteredBy(salestest.ByRecords, func(m *salestest.Metered) {
		m.Package = v1alpha1.UsagePackage{Size: "50", WhenUsedUp: v1alpha1.UsedUpSuspend}
	}))
	x.endpoint.answers(http.StatusInternalServerError)
	ago := func(hours int) metav1.Time {
		return metav1.NewTime(time.Now().Add(-time.Duration(hours) * time.Hour).Truncate(time.Second))
	}
	tests := map[string]func(*v1alpha1.Subscription){
		v1alpha1.ReasonNotAcknowledged: func(sub *v1alpha1.Subscription) {
			sub.PurchaseTime, sub.Acknowledgement.State = ago(48), v1alpha1.AcknowledgementAwaited
		},
		v1alpha1.ReasonPackageUsedUp: func(sub *v1alpha1.Subscription) {
			sub.PurchaseTime, sub.ChargingMode = ago(48), v1alpha1.ChargingMeteredPackage
		},
	}
	for reason, by := range tests {
		t.Run(reason, func(t *testing.T) {
			name := strings.ToLower(reason)
			mpi := x.bought(name, by)
			if reason == v1alpha1.ReasonPackageUsedUp {
				x.create(&v1alpha1.UsageRecord{ObjectMeta: metav1.ObjectMeta{Namespace: x.name, Name: "all"}, Spec: v1alpha1.UsageRecordSpec{
					InstanceRef: v1alpha1.InstanceReference{Name: name}, Meter: "requests", StartTime: ago(3), EndTime: ago(2), Value: "50",
					Delivery: v1alpha1.UsageDelivery{PushTime: ago(1)},
				}})
			}
			x.says(name, v1alpha1.ConditionReady, "False "+reason)
			x.create(salestest.Kept(t, mpi, "MarketplaceInstance", salestest.Authorized(10, marketplace.SyncPut, "u1")), salestest.Kept(t, mpi, "MarketplaceInstance", salestest.EnterpriseCall(11)))
			told := x.says(name, v1alpha1.ConditionDirectorySynced, "Unknown DirectoryForwardPending")
			x.Expect(fmt.Sprint(told.Status.Conditions)).To(ContainSubstring("are sent to the endpoint when the tenant is running again"))
		})
	}
	last, _ := x.endpoint.asked()
	x.Expect(last).To(BeNil(), "nothing is sent to a tenant that does not run")
}
