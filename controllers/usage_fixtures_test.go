package controllers

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/license"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/render"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/usage"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/openapi"
)

// meteredShop is a shop that sells by use, with a clock that a test moves. Its tenants are kept by a running controller; usage is
// counted and pushed pass by pass.
type meteredShop struct {
	*shop
	clock *clocktesting.FakeClock
	// api is the marketplace's open API.
	api *koogallerytest.OpenAPI
	url string
	// arrives is called when a call arrives at it.
	arrives atomic.Pointer[func()]
	// source is the Prometheus and every tenant's Service.
	source *meterSource
	// start is 17 minutes past a full hour.
	start time.Time
	count *usage.Reconciler
	push  *usage.PushReconciler
}

const usageKey = "callback-key"

func newMeteredShop(t *testing.T, name string) *meteredShop {
	t.Helper()
	x := &meteredShop{shop: newShop(t, name), source: newMeterSource(t)}
	// The API server's clock says when records were written: ours must not be behind.
	x.start = time.Now().UTC().Truncate(time.Hour).Add(time.Hour + 17*time.Minute)
	x.clock = clocktesting.NewFakeClock(x.start)
	x.shop.clock = x.clock
	x.api = koogallerytest.NewOpenAPI(koogallerytest.OpenAPIOptions{AK: "ak-1", SK: "sk-of-the-seller", AccessKey: usageKey, Clock: x.clock.Now})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if arrives := x.arrives.Load(); arrives != nil {
			(*arrives)()
		}
		x.api.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	x.url = server.URL
	x.protocol = protocol.Protocol{
		MaxUsageAge: openapi.MaxUsageAge,
		NewUsagePusher: func(api protocol.OpenAPI, keys map[string][]byte) (marketplace.UsagePusher, error) {
			return openapi.Pusher{Client: &openapi.Client{
				BaseURL: x.url, AK: api.AccessKeyID, SK: api.SecretKey, AccessKey: string(keys["accessKey"]), Clock: x.clock.Now,
			}}, nil
		},
	}
	x.operate("instance", "product", "marketplace")
	x.connects("koogallery", keys())
	callbacks := keys()
	callbacks.ObjectMeta = metav1.ObjectMeta{Namespace: x.name, Name: "koogallery-callback"}
	callbacks.Data = map[string][]byte{"accessKey": []byte(usageKey)}
	x.create(callbacks)
	x.restart()
	return x
}

// restart forgets everything that the process remembers.
func (x *meteredShop) restart() {
	sales := sale.Reader{
		Client: x.running.client, Protocols: x.protocols(), TenantPrefix: v1alpha1.DefaultTenantPrefix,
		Features: []sale.Feature{license.Feature(), usage.Feature(x.running.client)},
	}
	x.count = &usage.Reconciler{
		Client: x.running.client, APIReader: x.client, Clock: x.clock, Recorder: x.running.recorder, Sales: sales, PrometheusURL: x.source.url, Retention: 35 * 24 * time.Hour,
		Prometheus: http.DefaultClient, Tenants: x.source.client, Renderer: render.InProcess{},
	}
	x.push = &usage.PushReconciler{
		Client: x.running.client, APIReader: x.client, Clock: x.clock, Recorder: x.running.recorder,
		Clients: protocol.Clients{Secrets: x.client, Namespace: x.name, Protocols: x.protocols()}, Sales: sales,
	}
}

// sellsByUse creates an instance that is billed by usage, since the start.
func (x *meteredShop) sellsByUse(name string, changes ...salestest.InstanceChange) *v1alpha1.MarketplaceInstance {
	x.t.Helper()
	mpi := here(x.shop, salestest.Sale(append([]salestest.InstanceChange{func(mpi *v1alpha1.MarketplaceInstance) {
		sub := mpi.Spec.Subscription
		sub.InstanceID, sub.ChargingMode = name, v1alpha1.ChargingMetered
		sub.Items = []v1alpha1.SoldItem{{SKU: "shop-small", ProductID: "product-1"}}
		sub.ExpiryTime, sub.ExpirySource = metav1.Time{}, ""
		sub.StartTime, sub.Entitlement.Time = metav1.NewTime(x.start), metav1.NewTime(x.start)
	}}, changes...)...))
	mpi.Name = name
	x.create(mpi)
	x.says(name, v1alpha1.ConditionReady, "True InstanceReady")
	return mpi
}

func packageOf(quantity int32) salestest.InstanceChange {
	return func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription.ChargingMode, mpi.Spec.Subscription.Quantity = v1alpha1.ChargingMeteredPackage, ptr.To(quantity)
	}
}

// pass counts an instance's usage once, and pushes what is due, until the cache shows what was written.
func (x *meteredShop) pass(name string) {
	x.t.Helper()
	x.counts(name)
	x.pushes()
	x.counts(name)
}

func (x *meteredShop) counts(name string) {
	x.t.Helper()
	x.eventually(func() string {
		if err := x.seen(name); err != "" {
			return err
		}
		result, err := x.count.Reconcile(x.t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: x.name, Name: name}})
		if err != nil {
			return err.Error()
		}
		if result.RequeueAfter > 0 && result.RequeueAfter <= queue.NotDoneRetry {
			return "there is more to count"
		}
		return ""
	}).Should(BeEmpty())
	x.eventually(func() string { return x.seen(name) }).Should(BeEmpty())
}

func (x *meteredShop) pushes() {
	x.t.Helper()
	_, err := x.push.Reconcile(x.t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: x.name, Name: "koogallery"}})
	x.Expect(err).NotTo(HaveOccurred())
}

// seen says what the cache does not show yet of the instance and its records.
func (x *meteredShop) seen(name string) string {
	key := client.ObjectKey{Namespace: x.name, Name: name}
	live, cached := &v1alpha1.MarketplaceInstance{}, &v1alpha1.MarketplaceInstance{}
	x.Expect(client.IgnoreNotFound(x.client.Get(x.t.Context(), key, live))).To(Succeed())
	x.Expect(client.IgnoreNotFound(x.running.client.Get(x.t.Context(), key, cached))).To(Succeed())
	if live.ResourceVersion != cached.ResourceVersion {
		return "the cache is behind with the instance"
	}
	versions := func(reader client.Reader) []string {
		list := &v1alpha1.UsageRecordList{}
		x.Expect(reader.List(x.t.Context(), list, client.InNamespace(x.name))).To(Succeed())
		var found []string
		for _, record := range list.Items {
			found = append(found, record.Name+record.ResourceVersion)
		}
		slices.Sort(found)
		return found
	}
	if !slices.Equal(versions(x.client), versions(x.running.client)) {
		return "the cache is behind with the records"
	}
	return ""
}

// records are an instance's records by their beginning, each as "begin end value state reason", with minutes since the start's hour.
func (x *meteredShop) records(name string) []string {
	x.t.Helper()
	list := &v1alpha1.UsageRecordList{}
	x.Expect(x.client.List(x.t.Context(), list, client.InNamespace(x.name))).To(Succeed())
	slices.SortFunc(list.Items, func(a, b v1alpha1.UsageRecord) int {
		return cmp.Or(a.Spec.StartTime.Compare(b.Spec.StartTime.Time), a.Spec.EndTime.Compare(b.Spec.EndTime.Time))
	})
	var told []string
	for _, r := range list.Items {
		if r.Spec.InstanceRef.Name != name {
			continue
		}
		words := []string{x.minute(r.Spec.StartTime.Time), x.minute(r.Spec.EndTime.Time), r.Spec.Value, string(r.Status.State)}
		ready := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionReady)
		if !slices.Contains([]string{v1alpha1.ReasonPushed, v1alpha1.ReasonSettled, v1alpha1.ReasonPending}, ready.Reason) {
			words = append(words, ready.Reason)
		}
		told = append(told, strings.Join(words, " "))
	}
	return told
}

// minute is an instant as hours and minutes since the start's full hour.
func (x *meteredShop) minute(t time.Time) string {
	minutes := int(t.Sub(x.start.Truncate(time.Hour)).Minutes())
	return fmt.Sprintf("%d:%02d", minutes/60, minutes%60)
}

// pushed are what the marketplace has accepted, as "instance value".
func (x *meteredShop) pushed() []string {
	var told []string
	for _, used := range x.api.Usage() {
		told = append(told, used.InstanceID+" "+strings.Trim(string(used.UsageValue), `"`))
	}
	return told
}

// meterSource answers like a Prometheus and like a tenant's Service.
type meterSource struct {
	mu     sync.Mutex
	url    string
	client *http.Client
	// down is the status that everything is answered with; 0 for a sound answer.
	down int
	// value is the answer about an interval; its minutes when nil.
	value   func(minutes int) string
	queries []string
}

func newMeterSource(t *testing.T) *meterSource {
	s := &meterSource{}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	// Every Service of every tenant is at this address.
	s.client = &http.Client{Transport: salestest.RoundTripper(func(req *http.Request) (*http.Response, error) {
		there := req.Clone(req.Context())
		there.URL.Host = strings.TrimPrefix(server.URL, "http://")
		there.Header.Set("Asked", req.URL.Host)
		return http.DefaultTransport.RoundTrip(there)
	})}
	return s
}

func (s *meterSource) set(down int, value func(minutes int) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down, s.value = down, value
}

func (s *meterSource) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.queries)
}

func (s *meterSource) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != 0 {
		w.WriteHeader(s.down)
		return
	}
	query, minutes := r.URL.Query(), 0
	if r.URL.Path == "/usage" {
		s.queries = append(s.queries, r.Header.Get("Asked"))
		from, err1 := time.Parse(time.RFC3339, query.Get("from"))
		to, err2 := time.Parse(time.RFC3339, query.Get("to"))
		if err1 == nil && err2 == nil {
			minutes = int(to.Sub(from).Minutes())
		}
	} else {
		s.queries = append(s.queries, query.Get("query"))
		_, rest, _ := strings.Cut(query.Get("query"), "[")
		length, _, _ := strings.Cut(rest, "s]")
		seconds, _ := strconv.Atoi(length)
		minutes = seconds / 60
	}
	value := strconv.Itoa(minutes)
	if s.value != nil {
		value = s.value(minutes)
	}
	if r.URL.Path == "/usage" {
		_, _ = fmt.Fprintf(w, `{"value": %q}`, value)
		return
	}
	_, _ = fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,%q]}]}}`, value)
}
