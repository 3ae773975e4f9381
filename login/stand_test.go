package login_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/directory"
	"github.com/stallkeeper/stallkeeper/directory/store"
	"github.com/stallkeeper/stallkeeper/login"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/signon"
)

const (
	publicURL    = "https://login.example.com"
	enterprise   = "enterprise-1"
	application  = "app-1"
	clientSecret = "client-secret-in-plain"
	startPath    = "/login/sales/sold"
	callbackPath = startPath + "/callback"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// stand is a login server over an API server in memory, KooGallery's sign-on, and a tenant's front end, with a browser before them.
type stand struct {
	*testing.T
	world    client.Client
	options  login.Options
	handler  *login.Handler
	signOn   *koogallerytest.SignOn
	frontEnd *frontEnd
	browser  *browser
	clock    *testingclock.FakeClock
	registry *prometheus.Registry
	log      *logLines
	calls    []marketplace.Sync
}

type logLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *logLines) add(_, args string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, args)
}

func (l *logLines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

func (l *logLines) logger() logr.Logger { return funcr.New(l.add, funcr.Options{Verbosity: 10}) }

// frontEnd is what a tenant's application has got.
type frontEnd struct {
	posts []*http.Request
	// tokens are those that were posted to /sso.
	tokens []string
}

func (f *frontEnd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		_ = r.ParseForm()
		f.posts = append(f.posts, r)
		if r.URL.Path == "/sso" {
			f.tokens = append(f.tokens, r.PostForm.Get("token"))
		}
	}
	_, _ = io.WriteString(w, "the application")
}

// browser keeps cookies and follows redirects, to the three hosts there are.
type browser struct {
	*http.Client
	// seen is every address that it was at, with its query.
	seen []string
	// pages are the bodies of the login server's answers.
	pages []string
	// address is where it is, as http.Request.RemoteAddr has it.
	address string
	// forwarded is the X-Forwarded-For with which a proxy hands its requests on; empty for none.
	forwarded string
}

func newBrowser(hosts map[string]http.Handler) *browser {
	jar, _ := cookiejar.New(nil)
	b := &browser{}
	b.Client = &http.Client{Jar: jar, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		b.seen = append(b.seen, r.URL.String())
		handler, ok := hosts[r.URL.Host]
		if !ok {
			return nil, fmt.Errorf("no host %s", r.URL.Host)
		}
		recorder := httptest.NewRecorder()
		if r.Body == nil {
			r.Body = http.NoBody
		}
		r.RemoteAddr = b.address
		if b.forwarded != "" {
			r.Header.Set("X-Forwarded-For", b.forwarded)
		}
		handler.ServeHTTP(recorder, r)
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		result := recorder.Result()
		result.Request = r
		return result, nil
	})}
	return b
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// page is what a browser shows.
type page struct {
	status int
	url    *url.URL
	header http.Header
	body   string
}

func (b *browser) open(t *testing.T, address string) page {
	t.Helper()
	answer, err := b.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	return b.shown(t, answer)
}

func (b *browser) shown(t *testing.T, answer *http.Response) page {
	t.Helper()
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Request.URL.Host == "login.example.com" {
		b.pages = append(b.pages, string(body))
	}
	return page{answer.StatusCode, answer.Request.URL, answer.Header, string(body)}
}

var (
	formAction = regexp.MustCompile(`<form method="post" action="([^"]+)">`)
	formToken  = regexp.MustCompile(`name="token" value="([^"]+)"`)
	reasonWord = regexp.MustCompile(`<code>([A-Za-z]+)</code>`)
)

// submit posts the form of a page, as its script does.
func (b *browser) submit(t *testing.T, p page) {
	t.Helper()
	action, token := formAction.FindStringSubmatch(p.body), formToken.FindStringSubmatch(p.body)
	if action == nil || token == nil {
		t.Fatalf("no form: %d %s", p.status, p.body)
	}
	answer, err := b.PostForm(html.UnescapeString(action[1]), url.Values{"token": {html.UnescapeString(token[1])}})
	if err != nil {
		t.Fatal(err)
	}
	b.shown(t, answer)
}

// newStand serves a sold instance whose enterprise has users. The changes come before the handler is made.
func newStand(t *testing.T, changes ...func(*stand)) *stand {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	s := &stand{
		T: t, clock: testingclock.NewFakeClock(noon), registry: prometheus.NewRegistry(), log: &logLines{}, frontEnd: &frontEnd{},
		world: fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.MarketplaceInstance{}).
			WithIndex(&v1alpha1.MarketplaceInstance{}, login.EnterpriseField, login.EnterprisesOf).
			WithObjects(theMarketplace(), theProduct(), theInstance("sold"), theSeed("sold")).Build(),
	}
	s.signOn = koogallerytest.NewSignOn(koogallerytest.SignOnOptions{ClientID: "client-1", ClientSecret: clientSecret, PKCE: koogallerytest.PKCEAccepted})
	s.told(joined(noon.Add(-time.Hour)), app(noon.Add(-time.Hour), clientSecret), usersSync(noon.Add(-time.Hour), marketplace.SyncPut,
		marketplace.User{UserName: "zhang.san", Name: "Real Name", Role: marketplace.RoleAdmin, Mobile: "13800001111", Email: "real@example.com"},
		marketplace.User{UserName: "li.si", Role: marketplace.RoleUser},
		marketplace.User{UserName: "wang.wu", Role: marketplace.RoleUser, Disabled: true},
	))
	hosts := map[string]http.Handler{"unified.example.com": s.signOn, "sold.app.example.com": s.frontEnd}
	s.options = login.Options{
		Namespaces: []string{"sales"}, URL: publicURL, Client: s.world, APIReader: s.world, Registerer: s.registry, Log: s.log.logger(), Clock: s.clock,
		Protocols: map[v1alpha1.MarketplaceProtocol]marketplace.SignOn{
			v1alpha1.ProtocolKooGallery: &signon.SignOn{HTTP: &http.Client{Transport: newBrowser(hosts).Transport}},
		},
	}
	for _, change := range changes {
		change(s)
	}
	var err error
	if s.handler, err = login.NewHandler(s.options); err != nil {
		t.Fatal(err)
	}
	hosts["login.example.com"] = s.handler
	s.browser = newBrowser(hosts)
	s.signIn("zhang.san")
	return s
}

// anotherBrowser has no cookie.
func (s *stand) anotherBrowser() *browser {
	return newBrowser(map[string]http.Handler{"unified.example.com": s.signOn, "sold.app.example.com": s.frontEnd, "login.example.com": s.handler})
}

// signIn signs a user in at KooGallery.
func (s *stand) signIn(userName string) {
	s.signOn.SignIn(koogallerytest.SignOnUser{Tenant: enterprise, UserName: userName, Name: "Real Name", Email: "real@example.com", Mobile: "13800001111"})
}

// told folds calls into the instance's directory, and writes it as the controller does.
func (s *stand) told(calls ...marketplace.Sync) {
	s.Helper()
	s.calls = append(s.calls, calls...)
	d := directory.New()
	_ = d.Load(0, nil)
	if err := d.Fold(s.calls); err != nil {
		s.Fatal(err)
	}
	head, err := d.EncodeHead()
	if err != nil {
		s.Fatal(err)
	}
	shard, err := d.EncodeShard(0)
	if err != nil {
		s.Fatal(err)
	}
	s.put(v1alpha1.DirectorySecretName("sold"), map[string][]byte{store.HeadKey: head})
	s.put(v1alpha1.DirectoryShardName("sold", 0), map[string][]byte{store.ShardKey: shard})
}

func (s *stand) put(name string, data map[string][]byte) {
	s.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: "sales", Name: name, OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "x", Name: "sold", UID: "uid-of-sold"}},
	}, Data: data}
	ctx := context.Background()
	if err := client.IgnoreNotFound(s.world.Delete(ctx, secret.DeepCopy())); err != nil {
		s.Fatal(err)
	}
	if err := s.world.Create(ctx, secret); err != nil {
		s.Fatal(err)
	}
}

func (s *stand) make(objects ...client.Object) {
	s.Helper()
	for _, object := range objects {
		if err := s.world.Create(context.Background(), object); err != nil {
			s.Fatal(err)
		}
	}
}

// changed changes a stored object, its status too.
func changed[T client.Object](s *stand, object T, name string, change func(T)) {
	s.Helper()
	ctx := context.Background()
	if err := s.world.Get(ctx, types.NamespacedName{Namespace: "sales", Name: name}, object); err != nil {
		s.Fatal(err)
	}
	change(object)
	status := object.DeepCopyObject().(client.Object)
	if err := s.world.Update(ctx, object); err != nil {
		s.Fatal(err)
	}
	if _, has := client.Object(object).(*v1alpha1.MarketplaceInstance); has {
		status.SetResourceVersion(object.GetResourceVersion())
		if err := s.world.Status().Update(ctx, status); err != nil {
			s.Fatal(err)
		}
	}
}

func (s *stand) instance(change func(*v1alpha1.MarketplaceInstance)) {
	s.Helper()
	changed(s, &v1alpha1.MarketplaceInstance{}, "sold", change)
}

func theMarketplace() *v1alpha1.Marketplace {
	return &v1alpha1.Marketplace{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "koogallery"},
		Spec:       v1alpha1.MarketplaceSpec{Protocol: v1alpha1.ProtocolKooGallery, KooGallery: v1alpha1.KooGallery{Site: v1alpha1.KooGalleryInternational}},
	}
}

func theProduct() *v1alpha1.MarketplaceProduct {
	return &v1alpha1.MarketplaceProduct{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "joint"},
		Spec:       v1alpha1.MarketplaceProductSpec{Login: v1alpha1.ProductLogin{Path: "/sso"}},
	}
}

func theInstance(name string) *v1alpha1.MarketplaceInstance {
	mpi := &v1alpha1.MarketplaceInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: name, UID: types.UID("uid-of-" + name)},
		Spec: v1alpha1.MarketplaceInstanceSpec{
			ProductRef: v1alpha1.ProductReference{Name: "joint"},
			Subscription: &v1alpha1.Subscription{
				Marketplace: "koogallery", InstanceID: name, Entitlement: v1alpha1.Entitlement{State: v1alpha1.EntitlementActive},
			},
		},
		Status: v1alpha1.MarketplaceInstanceStatus{
			Enterprises: []string{v1alpha1.EnterpriseHash(enterprise)},
			Revision:    "joint-1", Access: v1alpha1.InstanceAccess{FrontEndURL: "https://" + name + ".app.example.com/start?x=1"},
		},
	}
	meta.SetStatusCondition(&mpi.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionProvisioned, Status: metav1.ConditionTrue, Reason: "Provisioned"})
	return mpi
}

// seedOf differs from instance to instance.
func seedOf(name string) []byte { return []byte(strings.Repeat(name+"-seed-", 8)) }

func theSeed(name string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: v1alpha1.AccessSecretName(name)},
		Data:       map[string][]byte{v1alpha1.AccessSeedKey: seedOf(name), "password": []byte("initial-password")},
	}
}

func joined(at time.Time) marketplace.Sync {
	return marketplace.Sync{
		EnterpriseID: enterprise, At: at, Action: marketplace.SyncPut,
		Enterprise: &marketplace.Enterprise{Code: "acme", Name: "Acme", DomainName: "unified.example.com"},
	}
}

func app(at time.Time, secret string) marketplace.Sync {
	return marketplace.Sync{
		EnterpriseID: enterprise, At: at, Action: marketplace.SyncPut,
		Application: &marketplace.Application{ID: application, ClientID: "client-1", ClientSecret: secret},
	}
}

func usersSync(at time.Time, action marketplace.SyncAction, users ...marketplace.User) marketplace.Sync {
	for i := range users {
		users[i].ApplicationID = application
	}
	return marketplace.Sync{EnterpriseID: enterprise, At: at, Action: action, Users: users}
}

// says is what a token says.
type says struct {
	jwt.Claims
	TenantID string `json:"tenant_id"`
	AppID    string `json:"app_id"`
	Role     string `json:"role"`
	ReturnTo string `json:"return_to"`
	Nonce    string `json:"nonce"`
}

// verified checks a token as docs/login.md tells an application to, with the key that the tenant's Secret holds.
func verified(token, instance string, now time.Time) (says, error) {
	var is says
	key := hex.EncodeToString(directory.DeriveKey(seedOf(instance), directory.ForLoginTokens))
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return is, err
	}
	if err := parsed.Claims([]byte(key), &is); err != nil {
		return is, err
	}
	return is, is.ValidateWithLeeway(jwt.Expected{Issuer: publicURL, AnyAudience: jwt.Audience{instance}, Time: now}, 0)
}

// counted is how often a request of a step came to a result.
func (s *stand) counted(step, result string) int {
	s.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "stallkeeper_login_requests_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			if labels["step"] == step && labels["result"] == result {
				return int(metric.GetCounter().GetValue())
			}
		}
	}
	return 0
}
