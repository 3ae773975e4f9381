package main

import (
	"bytes"
	"context"
	"crypto/rand"
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
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
	"github.com/stallkeeper/stallkeeper/webhook"
)

const (
	shopPath       = "/v1/sales/koogallery"
	shopLicenseKey = "license-key-of-the-test"
	shopNotifyKey  = "notify-key-of-the-test"
)

// shop is our callback server over an API server in memory.
type shop struct {
	http.Handler
	world client.Client
	clock *testingclock.FakeClock
}

func newShop(t testing.TB) *shop {
	t.Helper()
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		&v1alpha1.Marketplace{
			ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "koogallery"},
			Spec: v1alpha1.MarketplaceSpec{
				Protocol: v1alpha1.ProtocolKooGallery, KooGallery: v1alpha1.KooGallery{
					CallVersions: allVersions(), Site: v1alpha1.KooGalleryChina, CallbackSecretRef: v1alpha1.SecretReference{Name: "keys"},
				},
			},
		},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "keys"}, Data: map[string][]byte{
			koogallery.KeyAccess: []byte(testKey), koogallery.KeyAccess + koogallery.NextSuffix: []byte(testKey + "-next"),
			koogallery.KeyLicense: []byte(shopLicenseKey), koogallery.KeyNotify: []byte(shopNotifyKey),
			koogallery.KeyKit: []byte(testKitKey),
		}},
	)
	for field, values := range webhook.Indexes {
		builder = builder.WithIndex(&v1alpha1.MarketplaceInstance{}, field, values)
	}
	decoy, err := koogallery.NewCallbacks(map[string][]byte{koogallery.KeyAccess: []byte("nobody-has-this")})
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{world: builder.Build(), clock: testingclock.NewFakeClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))}
	s.Handler, err = webhook.NewHandler(webhook.Options{
		Namespaces: []string{"sales"}, Client: s.world, APIReader: s.world, Decoy: decoy,
		Protocols:  map[v1alpha1.MarketplaceProtocol]webhook.Protocol{v1alpha1.ProtocolKooGallery: koogalleryCallbacks},
		Registerer: prometheus.NewRegistry(), Log: logr.Discard(), Clock: s.clock, MaxBody: koogallery.MaxBody, MaxBodyOf: koogallery.MaxBodyOf,
		Pace: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// conformance plays the debug cases against a handler, by the clock of a shop.
func conformance(t *testing.T, s *shop, handler http.Handler, args ...string) (report conformanceReport, code int) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	t.Setenv(envURL, server.URL+shopPath)
	t.Setenv(envAccessKey, testKey)
	t.Setenv(envLicenseKey, shopLicenseKey)
	t.Setenv(envNotifyKey, shopNotifyKey)
	t.Setenv(envKitKey, testKitKey)
	t.Setenv(envCAFile, "")
	cmd := newConformanceCommand(s.clock.Now)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(append([]string{"-o", "json"}, args...))
	err := cmd.ExecuteContext(t.Context())
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		code = coded.ExitCode()
	} else if err != nil {
		t.Fatalf("the error %v has no exit code", err)
	}
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%v in:\n%s", err, &out)
	}
	return report, code
}

func TestOurServerPassesEveryDebugCase(t *testing.T) {
	s := newShop(t)
	report, code := conformance(t, s, s)
	for _, c := range report.Cases {
		if !c.OK {
			t.Errorf("%s, %s: %s, %q", c.Generation, c.Name, c.ResultCode, c.Problems)
		}
	}
	if code != 0 || !report.OK || report.Summary.Good != len(report.Cases) {
		t.Errorf("exit code %d, summary %+v", code, report.Summary)
	}
	played := map[koogallerytest.Generation]int{}
	for _, c := range report.Cases {
		played[c.Generation]++
	}
	for _, generation := range koogallerytest.Generations() {
		if played[generation] == 0 || generationTitles[generation] == "" {
			t.Errorf("%s has no case or no title", generation)
		}
	}
	for _, list := range []client.ObjectList{&v1alpha1.MarketplaceInstanceList{}, &corev1.SecretList{}} {
		if err := s.world.List(context.Background(), list); err != nil {
			t.Fatal(err)
		}
		switch made := list.(type) {
		case *v1alpha1.MarketplaceInstanceList:
			if len(made.Items) != 0 {
				t.Errorf("debug calls made %d instances", len(made.Items))
			}
		case *corev1.SecretList:
			if len(made.Items) != 1 {
				t.Errorf("debug calls made %d Secrets", len(made.Items)-1)
			}
		}
	}
}

// spoil answers as the shop does, but for what change does to the answer. It is signed again afterwards, with the key that it was
// signed with before.
func spoil(s *shop, change func(r *http.Request, a *shopAnswer)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder := httptest.NewRecorder()
		s.ServeHTTP(recorder, r)
		answer := &shopAnswer{status: recorder.Code, header: recorder.Header(), signatureName: koogallery.HeaderBodySign}
		raw := recorder.Body.Bytes()
		if json.Unmarshal(raw, &answer.body) != nil {
			answer.raw = raw
		}
		for _, key := range []string{testKey, shopLicenseKey, shopNotifyKey, testKitKey} {
			if recorder.Header().Get(koogallery.HeaderBodySign) == koogallery.BodySign([]byte(key), raw) {
				answer.key = key
			}
		}
		answer.header.Del(koogallery.HeaderBodySign)
		change(r, answer)
		answer.write(w)
	})
}

// shopAnswer is an answer that is about to be spoilt.
type shopAnswer struct {
	status int
	header http.Header
	// body is the JSON object; raw counts where it is set.
	body map[string]any
	raw  []byte
	// added comes after the body and is not signed.
	added string
	// key signs; signatureName is the header, empty for none.
	key, signatureName string
}

func (a *shopAnswer) write(w http.ResponseWriter) {
	body := a.raw
	if body == nil {
		body, _ = json.Marshal(a.body)
	}
	if a.key != "" && a.signatureName != "" {
		a.header[a.signatureName] = []string{koogallery.BodySign([]byte(a.key), body)}
	}
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(append(body, a.added...))
}

func (a *shopAnswer) code() any { return a.body["resultCode"] }

// appInfo is that of the first instance; nil when there is none.
func (a *shopAnswer) appInfo() map[string]any {
	if app, ok := a.body["appInfo"].(map[string]any); ok {
		return app
	}
	if info := a.firstInfo(); info != nil {
		app, _ := info["appInfo"].(map[string]any)
		return app
	}
	return nil
}

func (a *shopAnswer) firstInfo() map[string]any {
	list, _ := a.body["info"].([]any)
	if len(list) == 0 {
		return nil
	}
	info, _ := list[0].(map[string]any)
	return info
}

// mislead answers as the shop does to another request than the one that came, where change says so.
func mislead(s *shop, change func(query url.Values, body []byte) (changed bool)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if query := r.URL.Query(); change(query, body) {
			r.URL.RawQuery = query.Encode()
		}
		s.ServeHTTP(w, r)
	})
}

// sign signs a request of either form anew.
func sign(key string, query url.Values, body []byte) {
	if query.Has("authToken") {
		params := map[string]string{}
		for name := range query {
			params[name] = query.Get(name)
		}
		query.Set("authToken", koogallery.AuthToken([]byte(key), params))
		return
	}
	query.Set("signature", koogallery.Sign([]byte(key), query.Get("nonce"), query.Get("timestamp"), body))
}

// signer is the key that made a good signature over the bytes that came; empty when none did.
func signer(query url.Values, body []byte) string {
	for _, key := range []string{testKey, shopLicenseKey, shopNotifyKey} {
		want := koogallery.Sign([]byte(key), query.Get("nonce"), query.Get("timestamp"), body)
		if strings.EqualFold(want, query.Get("signature")) {
			return key
		}
	}
	return ""
}

func TestConformanceFindsEachBrokenRule(t *testing.T) {
	every := func(c caseDocument) bool { return c.Name != "the bare domain" }
	proven := func(c caseDocument) bool {
		return every(c) && !slices.ContainsFunc([]string{
			"a wrong signature", "signed with another key", "a wrong authToken", "on the way", "no signature", "no timestamp", "no nonce", "no authToken",
			"a body of 256 KiB",
		}, func(name string) bool { return strings.HasSuffix(c.Name, name) })
	}
	named := func(names ...string) func(caseDocument) bool {
		return func(c caseDocument) bool {
			return slices.ContainsFunc(names, func(name string) bool { return strings.HasSuffix(c.Name, name) })
		}
	}
	of := func(activity string, generations ...koogallerytest.Generation) func(caseDocument) bool {
		return func(c caseDocument) bool {
			return c.Activity == activity && slices.Contains(generations, c.Generation) && !strings.HasPrefix(c.Rule, "is refused")
		}
	}
	answers := func(change func(a *shopAnswer)) func(*shop) http.Handler {
		return func(s *shop) http.Handler {
			return spoil(s, func(r *http.Request, a *shopAnswer) {
				if a.body != nil {
					change(a)
				}
			})
		}
	}
	counted := 0
	tests := map[string]struct {
		server func(*shop) http.Handler
		// bad are the cases that find it.
		bad func(caseDocument) bool
		// want is in every problem.
		want string
	}{
		"no Body-Sign":              {answers(func(a *shopAnswer) { a.signatureName = "" }), proven, "Body-Sign has to be there once, it is there 0 times"},
		"Body-Sign in another case": {answers(func(a *shopAnswer) { a.signatureName = "Body-sign" }), proven, "it has to be Body-Sign in this case"},
		// An answer to a call that proves nothing is not signed.
		"Body-Sign of other bytes": {answers(func(a *shopAnswer) { a.added = "\n" }), proven, "the signature in Body-Sign is wrong"},
		"another content type": {answers(func(a *shopAnswer) { a.header.Set("Content-Type", "text/html") }), every,
			`the Content-Type is "text/html"`},
		"HTTP status 500":          {answers(func(a *shopAnswer) { a.status = 500 }), every, "the HTTP status is 500, it has to be 200"},
		"no resultMsg":             {answers(func(a *shopAnswer) { delete(a.body, "resultMsg") }), every, "resultMsg is missing"},
		"a resultMsg of 256":       {answers(func(a *shopAnswer) { a.body["resultMsg"] = strings.Repeat("x", 256) }), every, "resultMsg has 256 characters"},
		"a text instead of JSON":   {answers(func(a *shopAnswer) { a.raw = []byte("success") }), every, "the body is not a JSON object"},
		"no resultCode":            {answers(func(a *shopAnswer) { delete(a.body, "resultCode") }), every, "resultCode"},
		"the bare domain is a 404": {func(s *shop) http.Handler { return spoil(s, onDomain(404)) }, named("the bare domain"), "HTTP status is 404"},
		"000003 to a probe": {answers(func(a *shopAnswer) {
			if a.code() == "000000" && a.body["instanceId"] == nil && a.body["info"] == nil {
				a.body["resultCode"] = "000003"
			}
		}), func(c caseDocument) bool {
			asks := []string{"newInstance", "queryInstance", "getLicense"}
			return every(c) && !slices.Contains(asks, c.Activity) && !strings.HasPrefix(c.Rule, "is refused")
		}, `the result code is "000003"`},
		"in progress in a debug purchase": {answers(func(a *shopAnswer) {
			if a.body["instanceId"] != nil && a.body["license"] == nil {
				a.body["resultCode"] = "000004"
				delete(a.body, "appInfo")
			}
		}), func(c caseDocument) bool {
			buys := of("newInstance", koogallerytest.SaaSV2, koogallerytest.SaaSV1, koogallerytest.OnlineLicense)(c)
			return buys || named("of a purchase", "replayed with its nonce")(c)
		}, `the result code is "000004"`},
		"another instanceId for the same order": {answers(func(a *shopAnswer) {
			if a.body["instanceId"] != nil {
				counted++
				a.body["instanceId"] = fmt.Sprint("i-", counted)
			}
		}), func(c caseDocument) bool {
			return of(c.Activity, c.Generation)(c) && (c.Activity == "newInstance" || c.Activity == "getLicense") &&
				(strings.HasSuffix(c.Name, "again") || strings.HasSuffix(c.Name, "accepted by the buyer"))
		}, "another instanceId"},
		"another license for the same order": {answers(func(a *shopAnswer) {
			if a.body["license"] != nil {
				counted++
				a.body["license"] = fmt.Sprint("LICENSE-", counted)
			}
		}), named("getLicense, again"), "another license"},
		"no instanceId": {answers(func(a *shopAnswer) { delete(a.body, "instanceId") }), func(c caseDocument) bool {
			buys := of("newInstance", koogallerytest.SaaSV2, koogallerytest.SaaSV1, koogallerytest.OnlineLicense)(c)
			return buys || of("getLicense", koogallerytest.License1)(c) || named("of a purchase", "replayed with its nonce")(c)
		}, "instanceId is missing"},
		"a frontEndUrl of 513": {answers(func(a *shopAnswer) {
			if app := a.appInfo(); app != nil {
				app["frontEndUrl"] = strings.Repeat("x", 513)
			}
		}), showsAccess, "frontEndUrl has 513 characters"},
		"no frontEndUrl": {answers(func(a *shopAnswer) {
			if app := a.appInfo(); app != nil {
				delete(app, "frontEndUrl")
			}
		}), showsAccess, "frontEndUrl is missing"},
		"no appInfo in V1": {answers(func(a *shopAnswer) { delete(a.body, "appInfo") }), func(c caseDocument) bool {
			return of("newInstance", koogallerytest.SaaSV1)(c) || c.Generation == koogallerytest.SaaSV1 && named("of a purchase")(c)
		}, "appInfo is missing"},
		"a plain password in V1": {answers(func(a *shopAnswer) {
			if app := a.appInfo(); app != nil && a.body["encryptType"] != nil {
				app["password"] = "plain"
			}
		}), func(c caseDocument) bool { return showsAccess(c) && c.Generation == koogallerytest.SaaSV1 }, "password can't be decrypted"},
		"an unknown encryptType": {answers(func(a *shopAnswer) {
			if a.body["encryptType"] != nil {
				a.body["encryptType"] = "3"
			}
		}), func(c caseDocument) bool { return showsAccess(c) && c.Generation == koogallerytest.SaaSV1 }, `the encryptType is "3"`},
		"no usageInfo": {answers(func(a *shopAnswer) {
			if info := a.firstInfo(); info != nil {
				delete(info, "usageInfo")
			}
		}), named("queryInstance, usage"), "usageInfo is missing"},
		"an instance less than asked for": {answers(func(a *shopAnswer) {
			if list, ok := a.body["info"].([]any); ok && len(list) > 1 {
				a.body["info"] = list[1:]
			}
		}), named("two instances that never existed", "100 instances that never existed"), "info lacks an instance"},
		"another code for a wrong signature": {answers(func(a *shopAnswer) {
			if a.code() == "000001" {
				a.body["resultCode"] = "000005"
			}
		}), func(c caseDocument) bool { return c.Rule == "is refused with 000001" }, "it has to be 000001"},
		"an answer after 6 s": {func(s *shop) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s.ServeHTTP(w, r)
				s.clock.SetTime(s.clock.Now().Add(6 * time.Second))
			})
		}, every, "the answer took 6s"},
		"any signature is accepted": {func(s *shop) http.Handler {
			return mislead(s, func(query url.Values, body []byte) bool {
				// The access key may sign calls of every kind. What the right key has signed is left alone.
				forged := query.Has("signature") && signer(query, body) == "" && !bytes.Contains(body, []byte(`"zzz"`))
				if token := query.Get("authToken"); token != "" {
					params := query.Encode()
					forged = true
					for _, key := range []string{testKey, shopLicenseKey} {
						if sign(key, query, body); query.Encode() == params {
							return false
						}
					}
				}
				if forged {
					sign(testKey, query, body)
				}
				return forged
			})
		}, named("a wrong signature", "a wrong authToken", "on the way"), "the call is accepted"},
		"a signature is not demanded": {func(s *shop) http.Handler {
			return mislead(s, func(query url.Values, body []byte) bool {
				missing := query.Has("nonce") && !query.Has("signature")
				if missing {
					sign(testKey, query, body)
				}
				return missing
			})
		}, named("no signature"), "the call is accepted"},
		"a nonce counts twice": {func(s *shop) http.Handler {
			return mislead(s, func(query url.Values, body []byte) bool {
				key := signer(query, body)
				if key == "" || !query.Has("nonce") {
					return false
				}
				query.Set("nonce", rand.Text())
				sign(key, query, body)
				return true
			})
		}, named("replayed with its nonce"), "the call is accepted"},
		"time does not count": {func(s *shop) http.Handler {
			return mislead(s, func(query url.Values, body []byte) bool {
				key := signer(query, body)
				if key == "" || !query.Has("timestamp") {
					return false
				}
				query.Set("timestamp", strconv.FormatInt(s.clock.Now().UnixMilli(), 10))
				sign(key, query, body)
				return true
			})
		}, named("five minutes old", "five minutes ahead"), "the call is accepted"},
		"plus signs are blanks": {func(s *shop) http.Handler {
			// To write the query anew is to escape the blanks that bare plus signs were taken for.
			return mislead(s, func(query url.Values, _ []byte) bool { return query.Has("authToken") })
		}, named("bare plus signs"), `the result code is "000001"`},
		"an unknown activity is fine": {func(s *shop) http.Handler {
			return spoil(s, func(_ *http.Request, a *shopAnswer) {
				if text, ok := a.body["resultMsg"].(string); ok && strings.Contains(text, "danceInstance") {
					a.body["resultCode"] = "000000"
				}
			})
		}, named("an unknown activity"), "the call is accepted"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			report, code := conformance(t, s, tc.server(s))
			if code != exitAnswer || report.OK {
				t.Errorf("exit code %d, want %d", code, exitAnswer)
			}
			for _, c := range report.Cases {
				if c.OK == tc.bad(c) {
					t.Errorf("%s, %s: good is %t, problems %q", c.Generation, c.Name, c.OK, c.Problems)
				}
				for _, problem := range c.Problems {
					if !strings.Contains(problem, tc.want) {
						t.Errorf("%s, %s: %q, want only problems with %q", c.Generation, c.Name, problem, tc.want)
					}
				}
			}
		})
	}
}

// showsAccess are the cases in whose answers there is an appInfo.
func showsAccess(c caseDocument) bool {
	shows := c.Activity == "queryInstance" || c.Activity == "newInstance" && c.Generation == koogallerytest.SaaSV1
	return shows && !strings.HasPrefix(c.Rule, "is refused")
}

// onDomain answers calls of the bare domain with a status.
func onDomain(status int) func(*http.Request, *shopAnswer) {
	return func(r *http.Request, a *shopAnswer) {
		if r.URL.Path == "/" {
			a.status = status
		}
	}
}

// While a key is changed both are good, and who has one kind of key only needs no other.
func TestConformanceWorksWithTheKeysThereAre(t *testing.T) {
	tests := map[string]struct{ basic, license, notify, generation string }{
		"the next key":         {testKey + "-next", shopLicenseKey, shopNotifyKey, ""},
		"the license key only": {shopLicenseKey, "", "", "license-code,online-license,license-v1"},
		"the other key only":   {shopNotifyKey, "", "", "order-notification"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			args := []string{"--access-key", tc.basic, "--license-access-key", orText(tc.license, tc.basic), "--notify-access-key", orText(tc.notify, tc.basic)}
			if tc.generation != "" {
				args = append(args, "--generation", tc.generation)
			}
			report, code := conformance(t, s, s, args...)
			if code != 0 {
				for _, c := range report.Cases {
					if !c.OK {
						t.Errorf("%s, %s: %q", c.Generation, c.Name, c.Problems)
					}
				}
			}
		})
	}
}

func TestConformanceChoosesCases(t *testing.T) {
	s := newShop(t)
	report, code := conformance(t, s, s, "--generation", "saas-v1,license-v1", "--product-type", "one-time")
	for _, c := range report.Cases {
		chosen := c.Generation == koogallerytest.SaaSV1 || c.Generation == koogallerytest.License1
		if !chosen || !slices.Contains(c.ProductTypes, koogallerytest.OneTime) {
			t.Errorf("%s, %s was played", c.Generation, c.Name)
		}
	}
	if code != 0 || len(report.Cases) < 10 {
		t.Errorf("exit code %d with %d cases", code, len(report.Cases))
	}
}

// Of several replicas each takes a call once.
func TestConformanceTakesReplicasIntoAccount(t *testing.T) {
	one, other := newShop(t), newShop(t)
	var calls atomic.Int32
	report, code := conformance(t, one, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		other.clock.SetTime(one.clock.Now())
		[]*shop{one, other}[calls.Add(1)%2].ServeHTTP(w, r)
	}), "--generation", "saas-v2")
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	at := slices.IndexFunc(report.Cases, func(c caseDocument) bool { return strings.HasSuffix(c.Name, "replayed with its nonce") })
	if notes := report.Cases[at].Notes; len(notes) != 1 || !strings.Contains(notes[0], "refused when it was sent 2 times") {
		t.Errorf("notes = %q", notes)
	}
}

func TestConformanceGivesUpOnSilence(t *testing.T) {
	s := newShop(t)
	var calls atomic.Int32
	report, code := conformance(t, s, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		calls.Add(1)
		panic(http.ErrAbortHandler)
	}))
	if code != exitAnswer || report.Summary.Good != 0 || calls.Load() != 3 {
		t.Errorf("exit code %d, summary %+v after %d calls", code, report.Summary, calls.Load())
	}
	if got := report.Cases[2].Problems; len(got) != 1 || !strings.Contains(got[0], "there was no answer") {
		t.Errorf("problems = %q", got)
	}
	if got := report.Cases[3].Problems; len(got) != 1 || !strings.Contains(got[0], "not called") {
		t.Errorf("problems = %q", got)
	}
}

func TestConformanceReadsWell(t *testing.T) {
	report := newConformanceReport("https://192.0.2.1/v1/sales/koogallery", []koogallerytest.CaseResult{
		{
			Case: koogallerytest.Case{
				Generation: koogallerytest.SaaSV2, Types: koogallerytest.ProductTypes(), Activity: "newInstance", Basis: koogallerytest.Documented,
			},
			Answers: []*koogallerytest.Exchange{{Status: 200, ResultCode: "000000", Latency: 1500 * time.Millisecond}},
		},
		{
			Case: koogallerytest.Case{
				Generation: koogallerytest.SaaSV2, Types: []koogallerytest.ProductType{koogallerytest.Period}, Activity: "refreshInstance",
				Scene: "RENEWAL", Title: "again", Basis: koogallerytest.Inferred,
			},
			Answers:  []*koogallerytest.Exchange{{Status: 200, ResultCode: "0\x1b[31m"}},
			Problems: []string{"it has \x1b[31m in it"},
			Notes:    []string{"it is late"},
		},
		{
			Case:     koogallerytest.Case{Generation: koogallerytest.OrderNotification, Types: koogallerytest.ProductTypes(), Activity: "orderNotify"},
			Problems: []string{"there was no answer"},
		},
	})
	want := `SaaS V2.0
  CASE                              PRODUCT TYPES  HTTP  CODE     TIME     VERDICT
  newInstance                       all            200   000000   1500 ms  good
  refreshInstance RENEWAL, again *  period         200   invalid  0 ms     not good
      - it has \u001b[31m in it
      note: it is late

Order notification
  CASE         PRODUCT TYPES  HTTP  CODE  TIME  VERDICT
  orderNotify  all            -     -     0 ms  not good
      - there was no answer

* not stated in KooGallery's documentation: inferred from it, or Stallkeeper's interpretation
Note: the seller console does not accept this URL: KooGallery wants a domain name, not an IP address
Verdict: not good, 1 of 3 cases are good
`
	want = strings.ReplaceAll(want, `\u001b`, `\x1b`)
	if diff := cmp.Diff(want, report.text()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// allVersions are all versions of calls, also the weak ones.
func allVersions() []v1alpha1.KooGalleryCallVersion {
	var all []v1alpha1.KooGalleryCallVersion
	for _, version := range koogallery.AllVersions() {
		all = append(all, v1alpha1.KooGalleryCallVersion(version))
	}
	return all
}
