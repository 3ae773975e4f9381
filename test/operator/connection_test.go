package operator_test

import (
	"cmp"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// openAPISecret is the one Secret that the chart lets the controller read in its own namespace.
const openAPISecret = "koogallery-openapi"

// The credentials of the fake open APIs, and what the fake buyers would not like to be seen.
var (
	ak, sk       = random(10), random(20)
	buyersPhone  = "+86 159 " + strconv.Itoa(int(time.Now().UnixNano()%1e8))
	buyersMail   = "buyer-" + random(6) + "@example.com"
	buyersName   = "Real Name " + random(6)
	buyersUserID = "user-" + random(6)
)

func (c *cluster) createOpenAPISecret(ctx context.Context) error {
	world.hidden.add("the open API's sk", sk)
	world.hidden.add("the open API's ak", ak)
	world.hidden.add("the buyer's phone number", buyersPhone)
	world.hidden.add("the buyer's mail address", buyersMail)
	world.hidden.add("the buyer's real name", buyersName)
	return c.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: openAPISecret},
		StringData: map[string]string{v1alpha1.OpenAPIAccessKeyID: ak, v1alpha1.OpenAPISecretKey: sk},
	})
}

// allCallVersions are all calls that a Marketplace may accept, those of the weaker signatures too.
var allCallVersions = []v1alpha1.KooGalleryCallVersion{
	v1alpha1.CallVersionSaaSV2, v1alpha1.CallVersionSaaSV1, v1alpha1.CallVersionLicenseV2, v1alpha1.CallVersionLicenseV1,
	v1alpha1.CallVersionOnlineLicense, v1alpha1.CallVersionKitV2, v1alpha1.CallVersionKitV1, v1alpha1.CallVersionOrderNotification,
}

// connection is a Marketplace with KooGallery's side of it.
type connection struct {
	name string
	key  string
	api  *koogallerytest.OpenAPI
	url  string // of the callbacks
}

// connect makes a Marketplace whose open API is a fake of its own, and waits until it is ready.
func connect(ctx SpecContext, name string, change ...func(*v1alpha1.Marketplace)) *connection {
	GinkgoHelper()
	c := &connection{name: name, key: random(20)}
	c.api = koogallerytest.NewOpenAPI(koogallerytest.OpenAPIOptions{AK: ak, SK: sk, AccessKey: c.key})
	server := httptest.NewServer(c.api)
	DeferCleanup(server.Close)
	world.hidden.add("the access key of "+name, c.key)
	c.setKeys(ctx, map[string]string{"accessKey": c.key})
	mp := &v1alpha1.Marketplace{
		ObjectMeta: metav1.ObjectMeta{Namespace: salesNamespace, Name: name},
		Spec: v1alpha1.MarketplaceSpec{
			Protocol: v1alpha1.ProtocolKooGallery,
			KooGallery: v1alpha1.KooGallery{
				Site: v1alpha1.KooGalleryInternational, CallVersions: allCallVersions,
				CallbackSecretRef: v1alpha1.SecretReference{Name: name + "-callbacks"},
				API:               v1alpha1.KooGalleryAPI{CredentialsSecretName: openAPISecret, URL: server.URL},
			},
		},
	}
	for _, f := range change {
		f(mp)
	}
	create(ctx, mp)
	Eventually(ctx, func(g Gomega) {
		g.Expect(world.cluster.Get(ctx, client.ObjectKeyFromObject(mp), mp)).To(Succeed())
		g.Expect(mp.Status.CallbackPath).To(Equal("/v1/" + salesNamespace + "/" + name))
		g.Expect(mp.Status.Conditions).NotTo(BeEmpty())
	}).Should(Succeed())
	c.url = world.callback + mp.Status.CallbackPath
	return c
}

// serve serves at an address until the spec ends.
func serve(address string, handler http.Handler) {
	GinkgoHelper()
	listener, err := net.Listen("tcp", address)
	Expect(err).NotTo(HaveOccurred())
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler}}
	server.Start()
	DeferCleanup(server.Close)
}

// setKeys writes the Secret of the callbacks' keys.
func (c *connection) setKeys(ctx SpecContext, keys map[string]string) {
	GinkgoHelper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: salesNamespace, Name: c.name + "-callbacks"}}
	secret.Data = map[string][]byte{}
	for name, value := range keys {
		secret.Data[name] = []byte(value)
	}
	if err := world.cluster.Create(ctx, secret); err != nil {
		Expect(world.cluster.Update(ctx, secret)).To(Succeed())
	}
}

// caller makes KooGallery's calls. Its signatures are noted, so that they can be looked for where they must not be.
func (c *connection) caller() koogallerytest.Caller { return c.callerWith(c.key) }

func (c *connection) callerWith(key string) koogallerytest.Caller {
	return koogallerytest.Caller{URL: c.url, AccessKey: key, TLS: world.trust.client, Nonce: func() string {
		nonce := strings.ToUpper(random(32))
		world.hidden.add("a nonce of a call", nonce)
		return nonce
	}}
}

// answered checks what KooGallery makes of an answer: that there is one, that nothing in it is wrong, and its code.
func answered(exchange *koogallerytest.Exchange, err error) func(code string) *koogallerytest.Exchange {
	GinkgoHelper()
	Expect(err).NotTo(HaveOccurred())
	world.told.add(exchange.ResultMsg)
	return func(code string) *koogallerytest.Exchange {
		GinkgoHelper()
		Expect(exchange.Problems).To(BeEmpty(), "what KooGallery objects to in the answer %s", exchange.Redacted().Body)
		Expect(exchange.ResultCode).To(Equal(code), "the answer is %s", exchange.Redacted().Body)
		return exchange
	}
}

// orderOptions are what an order says besides id, type and what it sells.
type orderOptions struct {
	sku      string
	quantity int32
	expires  time.Time
	// attributes are what the buyer typed, by name.
	attributes map[string]string
	customer   string
	// charging is the charging mode; PERIOD when empty.
	charging string
}

// skuOf is the SKU code that means a product.
func skuOf(product string) string { return "sku-" + product }

// sells makes an order known to the open API: somebody has bought. Its line is the order's id with -000001.
func (c *connection) sells(orderID, orderType string, o orderOptions) {
	GinkgoHelper()
	line := koogallerytest.OrderLine{
		OrderLineID: orderID + "-000001", ChargingMode: cmp.Or(o.charging, "PERIOD"), PeriodType: "month", PeriodNumber: 1,
		ProductInfo: []koogallerytest.ProductInfo{{
			ProductID: "product-of-" + o.sku, SKUCode: o.sku, ProductName: "Web shop", LinearValue: ptr.To(o.quantity),
		}},
	}
	if !o.expires.IsZero() {
		line.ExpireTime = o.expires.UTC().Format("20060102150405")
	}
	order := koogallerytest.OrderInfo{
		OrderID: orderID, OrderType: orderType, CreateTime: time.Now().UTC().Format("20060102150405"),
		OrderLine: []koogallerytest.OrderLine{line},
		BuyerInfo: &koogallerytest.BuyerInfo{
			CustomerID: ptr.To("customer-1"), CustomerName: ptr.To(o.customer), CustomerRealName: &buyersName, UserID: &buyersUserID,
			CustomerType: ptr.To(1), MobilePhone: &buyersPhone, Email: &buyersMail,
		},
	}
	for name, value := range o.attributes {
		order.ExtendParams = append(order.ExtendParams, koogallerytest.Param{Name: name, Value: value})
	}
	content, err := json.Marshal(order)
	Expect(err).NotTo(HaveOccurred())
	Expect(c.api.AddOrder(content)).To(Succeed())
}

// sale is one sale with its instance.
type sale struct {
	*connection
	order string
	sku   string
	id    string // the instance's id and name
}

// newOrder is a sale that KooGallery has not called about yet.
func (c *connection) newOrder(product string, o orderOptions) *sale {
	GinkgoHelper()
	s := &sale{connection: c, order: "CS" + strings.ToUpper(random(8)), sku: skuOf(product)}
	s.id = s.instanceID()
	if o.sku == "" {
		o.sku = s.sku
	}
	c.sells(s.order, "NEW", o)
	return s
}

// buys places an order and has KooGallery call about it. The purchase is stored, and its instance on the way.
func (c *connection) buys(ctx SpecContext, product string, o orderOptions) *sale {
	GinkgoHelper()
	s := c.newOrder(product, o)
	s.purchase(ctx, koogallery.ResultInProgress)
	return s
}

// instanceID is the id that the sale has to get.
func (s *sale) instanceID() string {
	return marketplace.InstanceName(string(v1alpha1.ProtocolKooGallery), string(v1alpha1.KooGalleryInternational), s.order, s.line())
}

func (s *sale) line() string { return s.order + "-000001" }

// purchase calls newInstance, and checks that the answer names the sale's instance.
func (s *sale) purchase(ctx SpecContext, code string) {
	GinkgoHelper()
	Expect(answered(s.caller().NewInstance(ctx, s.order, s.line()))(code).InstanceID).To(Equal(s.id))
}

// query asks for the access data.
func (s *sale) query(ctx SpecContext, code string) *koogallerytest.Exchange {
	GinkgoHelper()
	return answered(s.caller().QueryInstance(ctx, s.id))(code)
}

// upgrade sells another quantity from now on.
func (s *sale) upgrade(ctx SpecContext, quantity int32) {
	GinkgoHelper()
	order := s.order + "-UP" + random(2)
	s.sells(order, "CHANGE", orderOptions{sku: s.sku, quantity: quantity})
	answered(s.caller().UpgradeInstance(ctx, s.id, order, order+"-000001"))(koogallery.ResultSuccess)
}

// renew pays until another date.
func (s *sale) renew(ctx SpecContext, until time.Time) {
	GinkgoHelper()
	order := s.order + "-RE" + random(2)
	answered(s.caller().RefreshInstance(ctx, koogallerytest.RefreshOptions{
		Scene: koogallery.SceneRenewal, OrderID: order, OrderLineID: order + "-000001", InstanceID: s.id, ExpireTime: until,
	}))(koogallery.ResultSuccess)
}

func (s *sale) freeze(ctx SpecContext) {
	GinkgoHelper()
	answered(s.caller().UpdateInstanceStatus(ctx, s.id, koogallery.StatusFreeze))(koogallery.ResultSuccess)
}

func (s *sale) unfreeze(ctx SpecContext) {
	GinkgoHelper()
	answered(s.caller().UpdateInstanceStatus(ctx, s.id, koogallery.StatusUnfreeze))(koogallery.ResultSuccess)
}

func (s *sale) release(ctx SpecContext) {
	GinkgoHelper()
	answered(s.caller().ReleaseInstance(ctx, s.id, "", ""))(koogallery.ResultSuccess)
}

// told are the messages that callers were answered with. It is safe for concurrent use.
type told struct {
	mu       sync.Mutex
	messages strings.Builder
}

func (t *told) add(message string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = t.messages.WriteString(message + "\n") // memory takes everything
}

func (t *told) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.messages.String()
}

// hidden are texts that must not be seen. It is safe for concurrent use.
type hidden struct {
	mu    sync.Mutex
	texts map[string]string // what it is, by text
}

func (h *hidden) add(what, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.texts == nil {
		h.texts = map[string]string{}
	}
	h.texts[text] = what
}

// seenIn says which of the texts stand in a text.
func (h *hidden) seenIn(text string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []string
	for secret, what := range h.texts {
		if strings.Contains(text, secret) {
			found = append(found, what)
		}
	}
	return found
}
