package operator_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// badCall is a call that must be refused. order is the id that a purchase in it has.
type badCall struct {
	call    func(ctx context.Context, c koogallerytest.Caller, order string) (*koogallerytest.Exchange, error)
	code    string
	message string // a part of it
	reason  string // in the metrics
}

// badCalls are answered with a clear error, counted by reason, and leave nothing behind.
func badCalls() {
	send := func(body string) func(context.Context, koogallerytest.Caller, string) (*koogallerytest.Exchange, error) {
		return func(ctx context.Context, c koogallerytest.Caller, order string) (*koogallerytest.Exchange, error) {
			return c.Send(ctx, []byte(strings.ReplaceAll(body, "ORDER", order)))
		}
	}
	purchase := func(options koogallerytest.Options) func(context.Context, koogallerytest.Caller, string) (*koogallerytest.Exchange, error) {
		return func(ctx context.Context, c koogallerytest.Caller, order string) (*koogallerytest.Exchange, error) {
			return c.With(options).NewInstance(ctx, order, "1")
		}
	}
	DescribeTable("is refused", func(ctx SpecContext, bad badCall) {
		order := "BAD" + random(8)
		before := rejections(ctx, bad.reason)
		exchange, err := bad.call(ctx, world.main.caller(), order)
		Expect(answered(exchange, err)(bad.code).ResultMsg).To(ContainSubstring(bad.message))
		// The metric is counted after the answer was written.
		Eventually(ctx, func() int { return rejections(ctx, bad.reason) }).Should(BeNumerically(">", before))
		nothingSold(ctx, order)
	},
		Entry("with a wrong signature", badCall{
			purchase(koogallerytest.Options{WrongKey: true}), koogallery.ResultUnauthenticated, "authentication failed", "Unauthenticated",
		}),
		Entry("that is not JSON", badCall{
			send(`activity=newInstance&orderId=ORDER&orderLineId=1`), koogallery.ResultInvalidParameter, "not a JSON object", "Malformed",
		}),
		Entry("that ends in the middle", badCall{
			send(`{"activity":"newInstance","orderId":"ORDER"`), koogallery.ResultInvalidParameter, "not JSON", "Malformed",
		}),
		Entry("that has a field twice", badCall{
			send(`{"activity":"newInstance","orderId":"ORDER","orderId":"ORDER","orderLineId":"1"}`),
			koogallery.ResultInvalidParameter, `the body repeats the field "orderId"`, "Malformed",
		}),
		Entry("in GBK", badCall{
			send("{\"activity\":\"newInstance\",\"orderId\":\"ORDER\",\"orderLineId\":\"1\",\"buyer\":\"\xc2\xf2\xbc\xd2\"}"),
			koogallery.ResultInvalidParameter, "not UTF-8", "Malformed",
		}),
		Entry("in UTF-16", badCall{
			send("\xff\xfe{\x00\"\x00a\x00\"\x00:\x001\x00}\x00"), koogallery.ResultInvalidParameter, "byte order mark", "Malformed",
		}),
		Entry("that says it is in another encoding", badCall{
			withHeader("Content-Type", "application/json;charset=GBK"), koogallery.ResultInvalidParameter, "UTF-8", "Malformed",
		}),
		Entry("that is compressed", badCall{
			withHeader("Content-Encoding", "gzip"), koogallery.ResultInvalidParameter, "compressed", "Malformed",
		}),
		Entry("with a field that is too long", badCall{
			send(`{"activity":"newInstance","orderId":"ORDER` + strings.Repeat("x", 256) + `","orderLineId":"1"}`),
			koogallery.ResultInvalidParameter, "orderId has more than 256 characters", "Malformed",
		}),
		Entry("with a field that is missing", badCall{
			send(`{"activity":"newInstance","orderId":"ORDER"}`), koogallery.ResultInvalidParameter, "orderLineId is missing", "Malformed",
		}),
		Entry("with a field of another type", badCall{
			send(`{"activity":"newInstance","orderId":["ORDER"],"orderLineId":"1"}`),
			koogallery.ResultInvalidParameter, "orderId must be a string", "Malformed",
		}),
		Entry("of an unknown activity", badCall{
			send(`{"activity":"sellEverything","orderId":"ORDER"}`), koogallery.ResultInvalidParameter, `"sellEverything" is unknown`, "Malformed",
		}),
		Entry("about an instance that is unknown", badCall{
			func(ctx context.Context, c koogallerytest.Caller, order string) (*koogallerytest.Exchange, error) {
				return c.QueryInstance(ctx, instanceOf(order))
			}, koogallery.ResultUnknownInstance, "does not exist", "UnknownInstance",
		}),
		Entry("about an id that is not ours", badCall{
			func(ctx context.Context, c koogallerytest.Caller, _ string) (*koogallerytest.Exchange, error) {
				return c.ReleaseInstance(ctx, "../../kube-system", "", "")
			}, koogallery.ResultUnknownInstance, "does not exist", "UnknownInstance",
		}),
		Entry("to a Marketplace that does not exist", badCall{
			func(ctx context.Context, c koogallerytest.Caller, order string) (*koogallerytest.Exchange, error) {
				c.URL = world.callback + "/v1/" + salesNamespace + "/nobody"
				exchange, err := c.NewInstance(ctx, order, "1")
				if exchange != nil {
					// The answer can't be signed with a key that nobody has.
					exchange.Problems = nil
				}
				return exchange, err
			}, koogallery.ResultUnauthenticated, "authentication failed", "UnknownMarketplace",
		}),
	)

	It("is refused when its body is too big, without a signature, because it was not read", func(ctx SpecContext) {
		before := rejections(ctx, "TooLarge")
		exchange, err := send(`{"activity":"newInstance","orderId":"ORDER","orderLineId":"1","more":"`+strings.Repeat("x", koogallery.MaxBody)+`"}`)(
			ctx, world.main.caller(), "BAD"+random(8))
		Expect(err).NotTo(HaveOccurred())
		Expect(exchange.ResultCode).To(Equal(koogallery.ResultInvalidParameter))
		Eventually(ctx, func() int { return rejections(ctx, "TooLarge") }).Should(BeNumerically(">", before))
	})

	It("is answered again when it is repeated byte by byte, and the first stays stored", func(ctx SpecContext) {
		order := "REPLAY" + random(8)
		first, err := world.main.caller().NewInstance(ctx, order, "1")
		answered(first, err)(koogallery.ResultInProgress)
		answered(world.main.caller().Replay(ctx, first))(koogallery.ResultInProgress)
		_, err = instance(ctx, first.InstanceID)
		Expect(err).NotTo(HaveOccurred())
	})

	It("is refused when its time is off, and the connection says by how much", func(ctx SpecContext) {
		c := connect(ctx, "skewed")
		order := "STALE" + random(8)
		exchange, err := c.caller().With(koogallerytest.Options{Skew: -5 * time.Minute}).NewInstance(ctx, order, "1")
		Expect(answered(exchange, err)(koogallery.ResultInvalidParameter).ResultMsg).To(ContainSubstring("within 60 s"))
		nothingSold(ctx, order)
		mp := &v1alpha1.Marketplace{}
		mp.Namespace, mp.Name = salesNamespace, c.name
		Eventually(ctx, func(g Gomega) {
			g.Expect(world.cluster.Get(ctx, client.ObjectKeyFromObject(mp), mp)).To(Succeed())
			g.Expect(conditionMissing(mp.Status.Conditions, "Ready", "False ClockSkew: about 5m", mp.Generation)).To(BeEmpty())
		}).Should(Succeed())
		Expect(row(ctx, "mkt", c.name)).To(And(HaveKeyWithValue("READY", "False"), HaveKeyWithValue("REASON", "ClockSkew")))
	})

	It("that only tries us out changes nothing, whatever it names", func(ctx SpecContext) {
		order := "DEBUG" + random(8)
		debug := world.main.caller().With(koogallerytest.Options{Debug: true})
		Expect(answered(debug.NewInstance(ctx, order, "1"))(koogallery.ResultSuccess).InstanceID).To(Equal(instanceOf(order)))
		answered(debug.QueryInstance(ctx, instanceOf(order)))(koogallery.ResultSuccess)
		answered(debug.ReleaseInstance(ctx, "of-nobody", "", ""))(koogallery.ResultSuccess)
		nothingSold(ctx, order)
	})

	It("may release what is gone already, if it ever was ours", func(ctx SpecContext) {
		answered(world.main.caller().ReleaseInstance(ctx, instanceOf("GONE"+random(8)), "", ""))(koogallery.ResultSuccess)
	})
}

// instanceOf is the id of the sale of an order's line 1.
func instanceOf(order string) string {
	return marketplace.InstanceName(string(v1alpha1.ProtocolKooGallery), string(v1alpha1.KooGalleryInternational), order, "1")
}

func nothingSold(ctx SpecContext, order string) {
	GinkgoHelper()
	_, err := instance(ctx, instanceOf(order))
	Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the order has an instance: %v", err)
}

// rejections are how many calls were refused for the reason, of whatever connection.
func rejections(ctx SpecContext, reason string) int {
	GinkgoHelper()
	text, err := metrics(ctx)
	Expect(err).NotTo(HaveOccurred())
	total := 0
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "stallkeeper_callback_rejections_total{") || !strings.Contains(line, fmt.Sprintf("reason=%q", reason)) {
			continue
		}
		count, err := strconv.Atoi(strings.TrimSpace(line[strings.LastIndexByte(line, ' '):]))
		Expect(err).NotTo(HaveOccurred())
		total += count
	}
	return total
}

// withHeader is a well-signed purchase with another header than KooGallery's.
func withHeader(name, value string) func(context.Context, koogallerytest.Caller, string) (*koogallerytest.Exchange, error) {
	return func(ctx context.Context, c koogallerytest.Caller, order string) (*koogallerytest.Exchange, error) {
		body := fmt.Appendf(nil, `{"activity":"newInstance","orderId":%q,"orderLineId":"1"}`, order)
		if value == "gzip" {
			var packed bytes.Buffer
			writer := gzip.NewWriter(&packed)
			_, _ = writer.Write(body) // a buffer takes everything
			_ = writer.Close()
			body = packed.Bytes()
		}
		nonce, timestamp := random(32), strconv.FormatInt(time.Now().UnixMilli(), 10)
		query := url.Values{
			"nonce": {nonce}, "timestamp": {timestamp}, "signature": {koogallery.Sign([]byte(c.AccessKey), nonce, timestamp, body)},
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"?"+query.Encode(), bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set(name, value)
		answer, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: c.TLS, DisableKeepAlives: true}}).Do(req)
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close()
		content, err := io.ReadAll(answer.Body)
		if err != nil {
			return nil, err
		}
		var response koogallery.Response
		err = json.Unmarshal(content, &response)
		return &koogallerytest.Exchange{Body: string(content), ResultCode: response.ResultCode, ResultMsg: response.ResultMsg}, err
	}
}
