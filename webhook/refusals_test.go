package webhook_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
	"github.com/stallkeeper/stallkeeper/webhook"
)

func TestBadCallsAreRefusedAndChangeNothing(t *testing.T) {
	tests := map[string]struct {
		call a
		with func(*koogallerytest.Caller)
		want string
	}{
		"a wrong signature": {
			call: status("i1", "FREEZE"), with: func(c *koogallerytest.Caller) { c.Options.WrongKey = true }, want: "000001",
		},
		"too old": {
			call: status("i1", "FREEZE"), with: func(c *koogallerytest.Caller) { c.Options.Skew = -61 * time.Second }, want: "000002",
		},
		"from the future": {
			call: status("i1", "FREEZE"), with: func(c *koogallerytest.Caller) { c.Options.Skew = 61 * time.Second }, want: "000002",
		},
		"not JSON":                 {call: send("activity=updateInstanceStatus"), want: "000002"},
		"a JSON text":              {call: send(`"updateInstanceStatus"`), want: "000002"},
		"nothing":                  {call: send(""), want: "000002"},
		"in UTF-16":                {call: send("\xff\xfe{\x00}\x00"), want: "000002"},
		"bytes that are no UTF-8":  {call: send("{\"activity\":\"updateInstanceStatus\",\"instanceId\":\"i1\xff\",\"status\":\"FREEZE\"}"), want: "000002"},
		"an unknown activity":      {call: send(`{"activity":"danceInstance","instanceId":"i1"}`), want: "000002"},
		"an unknown status":        {call: status("i1", "MELT"), want: "000002"},
		"an unknown scene":         {call: refresh("i1", "BIRTHDAY", "R1", day(60)), want: "000002"},
		"a field that is missing":  {call: send(`{"activity":"updateInstanceStatus","status":"FREEZE"}`), want: "000002"},
		"a field that is too long": {call: status(strings.Repeat("i", 257), "FREEZE"), want: "000002"},
		"a body that is too big": {
			call: send(`{"a":"` + strings.Repeat("x", koogallery.MaxBody) + `"}`), with: func(c *koogallerytest.Caller) { c.Options.AnyKey = true }, want: "000002",
		},
		"an instance that nobody knows": {call: status("i2", "FREEZE"), want: "000003"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, []client.Object{instance("i1")})
			before := s.stored("i1")
			caller := s.caller
			if tc.with != nil {
				tc.with(&caller)
			}
			s.doWith(caller, tc.call, tc.want)
			if diff := cmp.Diff(before, s.stored("i1")); diff != "" {
				t.Errorf("a refused call changed:\n%s", diff)
			}
		})
	}
}

// signed is a call as KooGallery makes it, for tests that then spoil it.
func signed(s *stand, body []byte) *http.Request {
	s.Helper()
	timestamp := strconv.FormatInt(s.clock.Now().UnixMilli(), 10)
	signature := koogallery.Sign([]byte(accessKey), "nonce", timestamp, body)
	values := url.Values{"signature": {signature}, "timestamp": {timestamp}, "nonce": {"nonce"}}
	request := httptest.NewRequest(http.MethodPost, "/v1/sales/koogallery?"+values.Encode(), bytes.NewReader(body))
	request.Header.Set("Content-Type", "application/json;charset=utf8")
	return request
}

func (s *stand) code(request *http.Request) string {
	s.Helper()
	recorder := httptest.NewRecorder()
	s.handler.ServeHTTP(recorder, request)
	answer := koogallery.Response{}
	if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil {
		s.Fatalf("%d %q: %v", recorder.Code, recorder.Body, err)
	}
	return answer.ResultCode
}

func TestABodyInAnotherEncodingIsRefused(t *testing.T) {
	s := newStand(t, []client.Object{instance("i1")})
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	if _, err := writer.Write([]byte(`{"activity":"releaseInstance","instanceId":"i1"}`)); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	request := signed(s, packed.Bytes())
	request.Header.Set("Content-Encoding", "gzip")
	if code := s.code(request); code != "000002" {
		t.Errorf("answered %s, want 000002", code)
	}
}

func TestABodyThatHidesItsSizeIsRefused(t *testing.T) {
	s := newStand(t, nil)
	request := signed(s, nil)
	// Without a length the body is only known to be too big when it was read.
	request.Body, request.ContentLength = io.NopCloser(endless{}), -1
	if code := s.code(request); code != "000002" {
		t.Errorf("answered %s, want 000002", code)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestAnUnknownMarketplaceIsAnsweredAsAWrongSignature(t *testing.T) {
	s := newStand(t, nil)
	shape := func(path string, wrongKey bool) string {
		caller := s.caller
		caller.URL = strings.Replace(caller.URL, "/v1/sales/koogallery", path, 1)
		caller.Options.WrongKey = wrongKey
		exchange, err := newInstance(context.Background(), caller)
		if err != nil {
			t.Fatal(err)
		}
		exchange.Header.Del("Date")
		if exchange.Header.Get(koogallery.HeaderBodySign) != "" {
			t.Error("an answer to a call that proved nothing is signed")
		}
		text, err := json.Marshal([]any{exchange.Status, exchange.Header, exchange.Body})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	want := shape("/v1/sales/koogallery", true)
	for _, path := range []string{"/v1/sales/none", "/v1/kube-system/koogallery", "/v1/sales/NONE", "/v1/sales/none/", "/v1/sales/a b"} {
		// Whether whoever calls has a key of anything is of no matter there.
		if diff := cmp.Diff(want, shape(strings.ReplaceAll(path, " ", "%20"), path == "/v1/sales/none")); diff != "" {
			t.Errorf("%s differs from a wrong signature:\n%s", path, diff)
		}
	}
	if got := s.counted("stallkeeper_callback_rejections_total", "UnknownMarketplace"); got != 5 {
		t.Errorf("%v rejections are counted as UnknownMarketplace, want 5", got)
	}
}

// keyless is a Marketplace whose Secret nobody has made.
func keyless() *v1alpha1.Marketplace {
	mp := connection("keyless")
	mp.Spec.KooGallery.CallbackSecretRef.Name = "not-made"
	return mp
}

// What can be no call is answered everywhere in one way, whether there are keys or not and whether the API server can be asked.
func TestWhatIsNoCallTellsNothingOfAMarketplace(t *testing.T) {
	for state, down := range map[string]bool{"while the API server answers": false, "while it does not": true} {
		s := newStand(t, []client.Object{keyless()}, func(s *stand) {
			s.options.APIReader = interceptor.NewClient(s.world, interceptor.Funcs{
				Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
					if _, isKey := object.(*corev1.Secret); down && (!isKey || key.Name != "callback-keys") {
						return away
					}
					return c.Get(ctx, key, object, options...)
				},
			})
		})
		hex := strings.Repeat("0a", 32)
		for name, request := range map[string]struct{ method, below, body string }{
			"nothing":                       {http.MethodGet, "", ""},
			"a method of no interface":      {http.MethodPut, "?signature=" + hex, "{}"},
			"a path of no interface":        {http.MethodPost, "/none?signature=" + hex, "{}"},
			"no signature":                  {http.MethodPost, "?timestamp=1&nonce=n", "{}"},
			"no nonce":                      {http.MethodPost, "?timestamp=1&signature=" + hex, "{}"},
			"a signature that is none":      {http.MethodPost, "?timestamp=1&nonce=n&signature=zz", "{}"},
			"two signatures":                {http.MethodPost, "?timestamp=1&nonce=n&signature=" + hex + "&signature=" + hex, "{}"},
			"a body that is too large":      {http.MethodPost, "?timestamp=1&nonce=n&signature=" + hex, strings.Repeat("x", koogallery.MaxBody+1)},
			"a query that is too long":      {http.MethodGet, "?authToken=" + strings.Repeat("x", koogallery.MaxQuery), ""},
			"a call of the Kit without any": {http.MethodPost, koogallery.KitV2Path + "tenantSync", "{}"},
		} {
			shape := func(marketplace string) string {
				recorder := httptest.NewRecorder()
				s.handler.ServeHTTP(recorder, httptest.NewRequest(request.method, "/v1/sales/"+marketplace+request.below, strings.NewReader(request.body)))
				return fmt.Sprint(recorder.Code, recorder.Header(), recorder.Body)
			}
			want := shape("koogallery")
			for _, other := range []string{"keyless", "none", "NONE"} {
				if diff := cmp.Diff(want, shape(other)); diff != "" {
					t.Errorf("%s, %s to %s, -want +got:\n%s", state, name, other, diff)
				}
			}
		}
	}
}

// A call that may be the marketplace's is told to come again as long as nobody can say that it is not, and is stored then.
func TestACallThatNobodyCanVerifyIsToldToComeAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		down                 bool
		keyed, keyless, none string
	}{
		"while the API server answers": {false, "000001", "000005", "000001"},
		"while it does not":            {true, "000005", "000005", "000005"},
	} {
		t.Run(name, func(t *testing.T) {
			down := false
			s := newStand(t, []client.Object{keyless()}, func(s *stand) {
				s.options.APIReader = interceptor.NewClient(s.world, interceptor.Funcs{
					Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
						if down {
							return away
						}
						return c.Get(ctx, key, object, options...)
					},
				})
			})
			s.do(query("i1"), "000003") // so that its keys are known
			down = tc.down
			shapes := map[string]string{}
			for marketplace, want := range map[string]string{"koogallery": tc.keyed, "keyless": tc.keyless, "none": tc.none} {
				forged := signed(s, []byte(`{"activity":"newInstance"}`))
				forged.URL.Path = "/v1/sales/" + marketplace
				forged.URL.RawQuery = strings.Replace(forged.URL.RawQuery, "nonce=", "nonce=x", 1)
				recorder := httptest.NewRecorder()
				s.handler.ServeHTTP(recorder, forged)
				if !strings.Contains(recorder.Body.String(), want) {
					t.Errorf("%s answers %s, want %s", marketplace, recorder.Body, want)
				}
				shapes[marketplace] = fmt.Sprint(recorder.Code, recorder.Header(), recorder.Body)
			}
			if tc.keyless == tc.none && shapes["keyless"] != shapes["none"] || shapes["koogallery"] != shapes["none"] {
				t.Errorf("a stranger sees which there are: %v", shapes)
			}

			down = false
			keys := callbackSecret(map[string]string{"accessKey": "keyless-key"})
			keys.Name = "not-made"
			if err := s.world.Create(t.Context(), keys); err != nil {
				t.Fatal(err)
			}
			s.after(10 * time.Second)
			caller := s.withKey("keyless-key")
			caller.URL = strings.Replace(caller.URL, "koogallery", "keyless", 1)
			s.doWith(caller, newInstance, "000004")
		})
	}
}

// Strangers make up paths of any length, and the log has a line for some of them.
func TestALineOfTheLogIsShort(t *testing.T) {
	s := newStand(t, nil)
	long := strings.Repeat("made-up\u00e9.", 1500)
	for _, path := range []string{"/v1/" + long + "/koogallery", "/v1/sales/" + long, "/v1/sales/koogallery/" + long, "/v1/sales/" + strings.Repeat("a", 15<<10)} {
		request := httptest.NewRequest(http.MethodPost, "/", nil)
		request.URL.Path = path
		s.code(request)
	}
	lines := strings.Split(s.log.text(), "\n")
	if len(lines) != 4 {
		t.Errorf("%d lines", len(lines))
	}
	for _, line := range lines {
		if len(line) >= 1<<10 || strings.Contains(line, "made-up") {
			t.Errorf("a line has %d bytes: %.100s", len(line), line)
		}
	}
}

func TestANonceCountsForOneConnectionOnly(t *testing.T) {
	s := newStand(t, []client.Object{connection("second")})
	s.caller.Nonce = func() string { return "same" }
	s.do(query("i1"), "000003")
	caller := s.caller
	caller.URL = strings.Replace(caller.URL, "koogallery", "second", 1)
	s.doWith(caller, query("i1"), "000003")
	s.do(query("i2"), "000001")
}

func TestNothingIsTakenForAMarketplaceWhoseKeyAnOlderOneHas(t *testing.T) {
	second := connection("second")
	second.Status.Conditions = []metav1.Condition{{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonCallbackKeyShared,
	}}
	s := newStand(t, []client.Object{second, instance("i1")})
	caller := s.caller
	caller.URL = strings.Replace(caller.URL, "koogallery", "second", 1)
	bought := s.doWith(caller, newInstance, "000005")
	s.doWith(caller, query("i1"), "000005")
	instances := &v1alpha1.MarketplaceInstanceList{}
	if err := s.world.List(t.Context(), instances); err != nil || len(instances.Items) != 1 {
		t.Errorf("%d instances, error %v", len(instances.Items), err)
	}
	if got := s.counted("stallkeeper_callback_rejections_total", "KeyShared"); got != 2 {
		t.Errorf("%v rejections are counted as KeyShared, want 2", got)
	}
	s.do(query("i1"), "000004")

	// The same bytes are a sale once the key is the Marketplace's own: nothing of them is remembered.
	if err := s.world.Get(t.Context(), client.ObjectKeyFromObject(second), second); err != nil {
		t.Fatal(err)
	}
	second.Status.Conditions[0].Reason = v1alpha1.ReasonMarketplaceReady
	if err := s.world.Update(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	s.doWith(caller, replay(bought), "000004")
}

func TestAForgedNonceIsNotRemembered(t *testing.T) {
	s := newStand(t, []client.Object{instance("i1")})
	s.caller.Nonce = func() string { return "same" }
	forger := s.caller
	forger.Options.WrongKey = true
	s.doWith(forger, query("i1"), "000001")
	s.do(query("i1"), "000004")
}

func TestTheClockSkewIsMeasuredUntilAGoodCall(t *testing.T) {
	s := newStand(t, nil)
	late := s.caller
	late.Options.Skew = -90 * time.Second
	s.doWith(late, query("i1"), "000002")
	want := []webhook.ClockSkew{{Namespace: "sales", Marketplace: "koogallery", Seconds: -90, ObservedAt: day(0)}}
	if diff := cmp.Diff(want, s.handler.ClockSkews()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	recorder := httptest.NewRecorder()
	s.handler.ServeClockSkews(recorder, nil)
	served := `[{"namespace":"sales","marketplace":"koogallery","seconds":-90,"observedAt":"2026-01-01T00:00:00Z"}]` + "\n"
	if diff := cmp.Diff(served, recorder.Body.String()); diff != "" {
		t.Errorf("-want +served:\n%s", diff)
	}

	forger := late
	forger.Options = koogallerytest.Options{Skew: time.Hour, WrongKey: true}
	s.doWith(forger, query("i1"), "000001")
	if got := s.handler.ClockSkews()[0].Seconds; got != -90 {
		t.Errorf("a forged call set the skew to %v", got)
	}

	s.clock.SetTime(day(0).Add(time.Minute))
	s.do(query("i1"), "000003")
	want[0].Seconds, want[0].ObservedAt = 0, day(0).Add(time.Minute)
	if diff := cmp.Diff(want, s.handler.ClockSkews()); diff != "" {
		t.Errorf("after a good call, -want +got:\n%s", diff)
	}
}

func TestPathsThatAreNoCallbacks(t *testing.T) {
	s := newStand(t, nil)
	tests := map[string]int{
		"/": http.StatusOK, "/favicon.ico": http.StatusNotFound, "/v1": http.StatusNotFound, "/v1/": http.StatusNotFound,
		"/v1/sales": http.StatusNotFound, "/v1/sales/": http.StatusNotFound, "/v2/sales/koogallery": http.StatusNotFound,
		"/metrics": http.StatusNotFound, "/clock-skew": http.StatusNotFound, "/v1//koogallery": http.StatusNotFound,
	}
	for path, want := range tests {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodHead} {
			recorder := httptest.NewRecorder()
			s.handler.ServeHTTP(recorder, httptest.NewRequest(method, path, nil))
			if recorder.Code != want || !strings.Contains(recorder.Body.String(), "/v1/{namespace}/{marketplace}") {
				t.Errorf("%s %s: %d %q, want %d", method, path, recorder.Code, recorder.Body, want)
			}
			if recorder.Header().Get("Connection") != "close" {
				t.Errorf("%s %s: the connection of a stranger is kept", method, path)
			}
		}
	}
}

// What looks for a proxy that anybody may use finds none.
func TestNobodyIsConnected(t *testing.T) {
	s := newStand(t, nil)
	recorder := httptest.NewRecorder()
	s.handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodConnect, "example.com:443", nil))
	if recorder.Code != http.StatusMethodNotAllowed {
		t.Errorf("answered %d", recorder.Code)
	}
}

// panicking is a marketplace whose decoder has a mistake.
type panicking struct{ marketplace.Callbacks }

func (panicking) Decode(req marketplace.Request) (marketplace.Event, error) {
	panic(errors.New("cannot cope with " + string(req.Body)))
}

func TestAPanicIsAnsweredAndSaysNothingOfTheRequest(t *testing.T) {
	s := newStand(t, nil, func(s *stand) {
		s.options.Protocols[v1alpha1.ProtocolKooGallery] = func(secret map[string][]byte, _ webhook.Settings) (marketplace.Callbacks, error) {
			callbacks, err := koogallery.NewCallbacks(secret)
			return panicking{callbacks}, err
		}
	})
	s.do(newInstance, "000005")
	if got := s.counted("stallkeeper_callback_rejections_total", "Panic"); got != 1 {
		t.Errorf("%v panics are counted", got)
	}
	if log := s.log.text(); !strings.Contains(log, "panicked") || strings.Contains(log, orderID) {
		t.Errorf("the log says\n%s", log)
	}
}

// counted is the value of the series of a counter that has a label with a value.
func (s *stand) counted(name, label string) float64 {
	s.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, pair := range metric.GetLabel() {
				if pair.GetValue() == label {
					return metric.GetCounter().GetValue()
				}
			}
		}
	}
	return 0
}

func TestMetricsCountByActivityAndCode(t *testing.T) {
	s := newStand(t, []client.Object{instance("i1")})
	s.do(query("i1"), "000004")
	s.do(query("i1"), "000004")
	s.do(send(`{"activity":"danceInstance"}`), "000002")
	stranger := s.caller
	stranger.URL = strings.Replace(stranger.URL, "koogallery", "made-up", 1)
	if _, err := newInstance(context.Background(), stranger); err != nil {
		t.Fatal(err)
	}
	want := `
# HELP stallkeeper_callbacks_total Callbacks answered, by the marketplace's activity and result code.
# TYPE stallkeeper_callbacks_total counter
stallkeeper_callbacks_total{activity="other",code="000001",marketplace="unknown",namespace="unknown"} 1
stallkeeper_callbacks_total{activity="other",code="000002",marketplace="koogallery",namespace="sales"} 1
stallkeeper_callbacks_total{activity="queryInstance",code="000004",marketplace="koogallery",namespace="sales"} 2
`
	if err := testutil.GatherAndCompare(s.registry, strings.NewReader(want), "stallkeeper_callbacks_total"); err != nil {
		t.Error(err)
	}
}

func TestLogsHoldNoSecrets(t *testing.T) {
	elsewhere := subscribed(func(sub *v1alpha1.Subscription) { sub.OrderID = "another order" })
	s := newStand(t, []client.Object{instance("i1", provisioned, withCredentials, elsewhere), accessSecret("i1")})
	signatures := []string{}
	s.caller.Nonce = func() string {
		signatures = append(signatures, "nonce-"+strconv.Itoa(len(signatures)))
		return signatures[len(signatures)-1]
	}
	buyer := `,"mobilePhone":"13800000000","email":"buyer@example.com","customerName":"Ada Lovelace"}`
	s.do(newInstance, "000004")
	s.do(query("i1"), "000000")
	s.do(send(`{"activity":"updateInstanceStatus","instanceId":"i1","status":"FREEZE"`+buyer), "000000")
	s.do(send(`{"activity":"updateInstanceStatus","instanceId":"i1","status":"MELT"`+buyer), "000002")
	s.do(send(`{"activity":"releaseInstance"`+buyer), "000002")
	s.do(send(`not JSON `+buyer), "000002")
	forger := s.caller
	forger.Options.WrongKey = true
	s.doWith(forger, send(`{"activity":"releaseInstance"`+buyer), "000001")
	late := s.caller
	late.Options.Skew = time.Hour
	s.doWith(late, send(`{"activity":"releaseInstance"`+buyer), "000002")

	log := s.log.text()
	if !strings.Contains(log, "Callback recorded") || !strings.Contains(log, "Callback refused") {
		t.Fatalf("the log is not about callbacks:\n%s", log)
	}
	secrets := slices.Concat(signatures, []string{accessKey, "initial-password", "the-seed", "13800000000", "buyer@example.com", "Ada Lovelace",
		"signature=", "timestamp=", "nobody-has-this"})
	for _, secret := range secrets {
		if strings.Contains(log, secret) {
			t.Errorf("the log contains %q:\n%s", secret, log)
		}
	}
}
