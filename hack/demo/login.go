package main

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// enterprise is the enterprise that buys the product with a login.
const (
	enterprise = "demo-enterprise"
	clientID   = "demo-client"
)

// signOn is what signing in needs: KooGallery's sign-on, the bridge, and the front end of the tenant.
type signOn struct {
	koogallery string // URL of the fake sign-on
	bridge     string // URL of `stallkeeper login`
	frontEnd   *frontEnd
}

// startSignOn starts KooGallery's sign-on, which is the simulator, the bridge as the chart would run it, and the tenant's front end.
func (d *demo) startSignOn(ctx context.Context) error {
	ports, err := freePorts(4)
	if err != nil {
		return err
	}
	d.signOn = signOn{koogallery: "http://" + ports[0], bridge: "https://" + ports[1]}
	fake, err := d.start("sign-on", []string{"CLIENT_SECRET=" + d.keys.clientSecret},
		d.paths.stallkeeper(), "simulate", "sign-on", "--bind-address", ports[0], "--client-id", clientID)
	if err != nil {
		return err
	}
	if err := d.untilReady(ctx, fake, func() error { return answers(ports[0]) }); err != nil {
		return err
	}
	if d.signOn.frontEnd, err = d.startFrontEnd(ctx); err != nil {
		return err
	}
	return d.startDeployed(ctx, loginProcess, ports[3], map[string]string{
		"bind-address": ports[1], "metrics-bind-address": ports[2], "health-probe-bind-address": ports[3], "url": d.signOn.bridge,
		"tls-cert-file": d.paths.certificate(), "tls-private-key-file": d.paths.privateKey(),
	})
}

// answers tries whether somebody listens.
func answers(address string) error {
	connection, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return err
	}
	return connection.Close()
}

// frontEnd stands for the tenant's application, because the demo's pods run nothing. It does what docs/login.md asks of one, with the key
// that a pod would find in its mounted Secret.
type frontEnd struct {
	url    string
	issuer string
	key    func(ctx context.Context) ([]byte, error)

	mu       sync.Mutex
	instance string          // whose application it is
	used     map[string]bool // jti of tokens
}

func (d *demo) startFrontEnd(ctx context.Context) (*frontEnd, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the tenant's front end: %w", err)
	}
	f := &frontEnd{url: "http://" + listener.Addr().String(), issuer: d.signOn.bridge, used: map[string]bool{}}
	f.key = func(ctx context.Context) ([]byte, error) {
		secret := &corev1.Secret{}
		key := client.ObjectKey{Namespace: v1alpha1.TenantNamespace(v1alpha1.DefaultTenantPrefix, salesNamespace, f.instance), Name: v1alpha1.OAuthSecretName}
		err := d.kube.Get(ctx, key, secret)
		return secret.Data[v1alpha1.LoginTokenKey], err
	}
	server := &http.Server{Handler: f, ReadHeaderTimeout: 5 * time.Second}
	// It ends with the demo.
	go func() { _ = server.Serve(listener) }()
	return f, nil
}

// serves says whose application it is.
func (f *frontEnd) serves(instance string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.instance = instance
}

func (f *frontEnd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/sso" {
		_, _ = io.WriteString(w, "Nobody is signed in.")
		return
	}
	greeting, err := f.welcome(r)
	switch {
	case errors.Is(err, errBegunElsewhere):
		f.begin(w, r)
	case err != nil:
		http.Error(w, err.Error(), http.StatusForbidden)
	default:
		_, _ = io.WriteString(w, greeting)
	}
}

// nonceCookie binds a sign-on to the browser that it was begun in. An application with https:// calls its own __Host-, with Secure and
// SameSite=None; the demo has no https:// front end.
const nonceCookie = "login-nonce"

// errBegunElsewhere is a token that says nothing of the browser, such as one of KooGallery's portal.
var errBegunElsewhere = errors.New("the sign-on was not begun here")

// begin sends a browser to the bridge.
func (f *frontEnd) begin(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	address := f.issuer + "/login/" + salesNamespace + "/" + f.instance
	f.mu.Unlock()
	nonce := rand.Text()
	http.SetCookie(w, &http.Cookie{Name: nonceCookie, Value: nonce, Path: "/", MaxAge: 600, HttpOnly: true}) //nolint:gosec // it is http://
	http.Redirect(w, r, address+"?nonce="+nonce, http.StatusSeeOther)
}

// welcome verifies a token and greets its user.
func (f *frontEnd) welcome(r *http.Request) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key, err := f.key(r.Context())
	if err != nil || len(key) == 0 {
		return "", errors.New("there is no key yet")
	}
	token, err := jwt.ParseSigned(r.PostFormValue("token"), []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return "", errors.New("that is no token")
	}
	var (
		claims jwt.Claims
		user   struct {
			Role  string `json:"role"`
			Nonce string `json:"nonce"`
		}
	)
	if err := token.Claims(key, &claims, &user); err != nil {
		return "", errors.New("the token is not signed with the tenant's key")
	}
	expected := jwt.Expected{Issuer: f.issuer, AnyAudience: jwt.Audience{f.instance}, Time: time.Now()}
	if err := claims.ValidateWithLeeway(expected, 5*time.Second); err != nil || claims.Expiry == nil || claims.ID == "" || f.used[claims.ID] {
		return "", errors.New("the token is too old, was used, or is another tenant's")
	}
	f.used[claims.ID] = true
	if user.Nonce == "" {
		return "", errBegunElsewhere
	}
	if own, err := r.Cookie(nonceCookie); err != nil || subtle.ConstantTimeCompare([]byte(own.Value), []byte(user.Nonce)) != 1 {
		return "", errors.New("the sign-on was begun in another browser")
	}
	return fmt.Sprintf("Welcome, %s. You are here as %s.", claims.Subject, user.Role), nil
}

// browser is a browser with its cookies.
type browser struct{ *http.Client }

func (d *demo) newBrowser() (browser, error) {
	authority, err := os.ReadFile(d.paths.authority())
	if err != nil {
		return browser{}, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	jar, err := cookiejar.New(nil)
	return browser{&http.Client{
		Jar: jar, Timeout: 15 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
	}}, err
}

// shown is what a browser ends at.
type shown struct {
	status int
	url    *url.URL
	text   string
}

var (
	form   = regexp.MustCompile(`<form method="post" action="([^"]+)"><input type="hidden" name="token" value="([^"]+)">`)
	title  = regexp.MustCompile(`<h1>([^<]+)</h1>`)
	reason = regexp.MustCompile(`<code>([^<]+)</code>`)
)

// open goes to an address, follows redirects, and posts the form of a page that does so by a script.
func (b browser) open(ctx context.Context, address string) (shown, error) {
	page, err := b.send(ctx, http.MethodGet, address, nil)
	if err != nil {
		return shown{}, err
	}
	// Twice, where the application begins a sign-on of its own.
	for range 2 {
		found := form.FindStringSubmatch(page.text)
		if found == nil {
			break
		}
		page, err = b.send(ctx, http.MethodPost, html.UnescapeString(found[1]), url.Values{"token": {html.UnescapeString(found[2])}})
		if err != nil {
			return shown{}, err
		}
	}
	return page, nil
}

func (b browser) send(ctx context.Context, method, address string, values url.Values) (shown, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(values.Encode()))
	if err != nil {
		return shown{}, err
	}
	if values != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := b.Do(request)
	if err != nil {
		return shown{}, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	return shown{answer.StatusCode, answer.Request.URL, string(text)}, err
}

// enterpriseSignsOn sells to an enterprise, and lets its users in, and out.
func (d *demo) enterpriseSignsOn(ctx context.Context, s *sale) error {
	if err := d.sellJoint(ctx, s); err != nil {
		return err
	}
	address := d.signOn.bridge + "/login/" + salesNamespace + "/" + s.instance
	// KooGallery's portal knows one address for the product, and sends a code that nobody has asked for.
	portal := d.signOn.bridge + "/enter/" + salesNamespace + "/joint?code=unasked&tenant=" + enterprise
	for _, comes := range []struct{ user, at, role string }{{"zhang.san", portal, "Admin"}, {"li.si", address, "User"}} {
		welcome := fmt.Sprintf("Welcome, %s. You are here as %s.", comes.user, comes.role)
		if err := d.untilShown(ctx, comes.user, comes.at, welcome, "is told: "+welcome); err != nil {
			return err
		}
	}
	if _, err := d.koogallery(ctx, s, "kit-users", "(takes the application back from li.si)", "--flag", "3", "--user", "li.si",
		"--instance", s.instance, "--tenant-id", enterprise); err != nil {
		return err
	}
	if err := d.untilShown(ctx, "li.si", address, "Withdrawn", ""); err != nil {
		return err
	}
	return d.logsOut(ctx, address)
}

// sellJoint sells, and tells of the enterprise, its application and two users, as KooGallery does.
func (d *demo) sellJoint(ctx context.Context, s *sale) error {
	if err := d.postOrder(ctx, s.order, "NEW", s.skuCode, 1, s.expires); err != nil {
		return err
	}
	result, err := d.koogallery(ctx, s, "purchase", s.order, "--order", s.order)
	if err != nil {
		return err
	}
	s.instance = result.Answer.InstanceID
	d.signOn.frontEnd.serves(s.instance)
	of := []string{"--instance", s.instance, "--tenant-id", enterprise}
	for _, call := range []struct {
		verb, detail string
		flags        []string
	}{
		{"kit-tenant", "(the enterprise, and where its users sign in)", []string{"--order", s.order, "--domain", d.signOn.koogallery}},
		{"kit-application", "(the OAuth2 client)", []string{
			"--client-id", clientID, "--client-secret", d.keys.clientSecret, "--public-key-file", d.paths.kitPublicKey(),
		}},
		{"kit-users", "(zhang.san as admin)", []string{"--user", "zhang.san", "--role", "admin"}},
		{"kit-users", "(li.si as user)", []string{"--user", "li.si"}},
	} {
		if _, err := d.koogallery(ctx, s, call.verb, call.detail, append(call.flags, of...)...); err != nil {
			return err
		}
	}
	return d.untilTrue(ctx, s, stepTimeout, "running, and has its users and the key of its login", func(instance *v1alpha1.MarketplaceInstance, _ world) string {
		return joined(
			conditionMissing(instance, v1alpha1.ConditionReady, metav1.ConditionTrue, ""),
			conditionMissing(instance, v1alpha1.ConditionDirectorySynced, metav1.ConditionTrue, v1alpha1.ReasonDirectorySynced),
		)
	})
}

// untilShown signs a user in at KooGallery and opens the application in a new browser, until it shows the text. The operator's processes
// may need a moment to see what changed.
func (d *demo) untilShown(ctx context.Context, user, address, want, says string) error {
	var page shown
	err := d.until(ctx, stepTimeout, user+" is shown "+want, func(ctx context.Context) (string, error) {
		b, err := d.newBrowser()
		if err != nil {
			return "", err
		}
		if _, err := b.send(ctx, http.MethodPost, d.signOn.koogallery+"/session", url.Values{"userName": {user}, "tenant": {enterprise}}); err != nil {
			return "", err
		}
		page, err = b.open(ctx, address)
		return missingWhen(!strings.Contains(page.text, want), "%d: %s", page.status, firstMatch(title, page.text)), err
	})
	if err != nil {
		return err
	}
	if says == "" {
		says = fmt.Sprintf("is refused with %d: %s (%s)", page.status, firstMatch(title, page.text), firstMatch(reason, page.text))
	}
	d.out.true("%s opens the application, and %s", user, says)
	return nil
}

func firstMatch(pattern *regexp.Regexp, text string) string {
	if found := pattern.FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return text
}

// logsOut ends the session at KooGallery, and sees that it has ended.
func (d *demo) logsOut(ctx context.Context, address string) error {
	b, err := d.newBrowser()
	if err != nil {
		return err
	}
	page, err := b.open(ctx, address+"/logout")
	if err != nil {
		return fmt.Errorf("logging out: %w", err)
	}
	if page.url.String() != d.signOn.frontEnd.url+"/" || page.status != http.StatusOK {
		return fmt.Errorf("logging out ended with %d at %s", page.status, page.url)
	}
	if page, err = b.open(ctx, address); err != nil || !strings.Contains(page.text, "sign in") {
		return fmt.Errorf("after logging out KooGallery does not ask who the user is: %d %s %w", page.status, page.text, err)
	}
	d.out.true("after logging out the user is back at the application, and KooGallery asks anew who it is")
	return nil
}
