package login

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/listener"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// Defaults of Options.
const (
	// DefaultMaxConcurrent is how many users a marketplace is asked about at once.
	DefaultMaxConcurrent = 64
	// DefaultAnswerTimeout is what may be spent on a request: within the server's time for writing an answer.
	DefaultAnswerTimeout = 9 * time.Second
)

// root begins the paths of instances, enterRoot those of products.
const (
	root      = "/login/"
	enterRoot = "/enter/"
)

// Log lines a second for what was refused, so that strangers can't fill the logs. The metrics count them all.
const (
	refusedLogRate  = 5
	refusedLogBurst = 20
)

// Options are what a Handler needs.
type Options struct {
	// Namespaces are the sales namespaces; paths that name another lead nowhere.
	Namespaces []string
	// URL is where browsers reach the handler: https, a host, and no path. Addresses are made from it and never from a request.
	URL string
	// Client reads instances, products and Marketplaces, from a cache.
	Client client.Reader
	// APIReader reads Secrets from the API server, by name.
	APIReader client.Reader
	// Protocols sign users in.
	Protocols map[v1alpha1.MarketplaceProtocol]marketplace.SignOn
	// Registerer takes the metrics.
	Registerer prometheus.Registerer
	Log        logr.Logger
	// ForwardedFor says that requests come by way of a proxy, which puts the address of each at the end of X-Forwarded-For. Without it all
	// users have the proxy's, and what one of them may get refused, all may.
	ForwardedFor bool
	// AllowLoopbackHTTP lets a front end be http:// on a loopback address. For tests only.
	AllowLoopbackHTTP bool

	// Clock gives the time; nil means the real one.
	Clock clock.PassiveClock
	// MaxConcurrent bounds the users about whom a marketplace is asked; 0 means DefaultMaxConcurrent.
	MaxConcurrent int
	// AnswerTimeout bounds a request; 0 means DefaultAnswerTimeout.
	AnswerTimeout time.Duration
}

// Handler signs users in and out. It is an http.Handler, safe for concurrent use.
type Handler struct {
	url           string
	forwardedFor  bool
	places        *places
	secrets       *secrets
	limits        *limits
	metrics       *metrics
	clock         clock.PassiveClock
	log           logr.Logger
	refusedLog    *rate.Limiter
	answerTimeout time.Duration
}

// NewHandler makes a Handler. It fails when Options lack something that has no default, or the metrics are registered.
func NewHandler(options Options) (*Handler, error) {
	host, err := publicHost(options.URL)
	switch {
	case err != nil:
		return nil, err
	case len(options.Namespaces) == 0:
		return nil, errors.New("at least one sales namespace is required")
	case options.Client == nil || options.APIReader == nil || options.Registerer == nil:
		return nil, errors.New("each of Client, APIReader and Registerer is required")
	}
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	metrics, err := newMetrics(options.Registerer)
	if err != nil {
		return nil, fmt.Errorf("registering the metrics: %w", err)
	}
	return &Handler{
		url: "https://" + host, forwardedFor: options.ForwardedFor,
		places: &places{
			namespaces: options.Namespaces, cached: options.Client, protocols: options.Protocols, loopbackHTTP: options.AllowLoopbackHTTP,
		},
		secrets: newSecrets(options.APIReader, options.Clock), limits: newLimits(cmp.Or(options.MaxConcurrent, DefaultMaxConcurrent), options.Clock),
		metrics: metrics, clock: options.Clock,
		log: options.Log, refusedLog: rate.NewLimiter(refusedLogRate, refusedLogBurst),
		answerTimeout: cmp.Or(options.AnswerTimeout, DefaultAnswerTimeout),
	}, nil
}

// publicHost is the host, with its port, of the URL where browsers reach us.
func publicHost(text string) (string, error) {
	address, err := url.Parse(text)
	if err != nil || address.Scheme != "https" || address.Host == "" || address.User != nil || strings.Trim(address.Path, "/") != "" ||
		address.RawQuery != "" || address.Fragment != "" {
		return "", errors.New("the URL at which browsers reach the sign-on bridge must be https:// and a host, without a path")
	}
	return address.Host, nil
}

// step is what a path does.
type step string

const (
	stepStart    step = "start"
	stepCallback step = "callback"
	stepLogout   step = "logout"
	stepEnter    step = "enter"
	stepNone     step = "none"
)

// steps are what paths do, without the two names in their middle.
var steps = map[string]step{
	enterRoot:                   stepEnter,
	root:                        stepStart,
	root + string(stepCallback): stepCallback,
	root + string(stepLogout):   stepLogout,
}

// visit is one request.
type visit struct {
	// instance is what the path names; with stepEnter a product.
	instance types.NamespacedName
	step     step
	query    url.Values
	// cookie is the sealed attempt that the browser brought.
	cookie string
	// address is where the browser is.
	address netip.Prefix
}

// ServeHTTP answers browsers, and on / that the server is there.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		// No browser sends a body here. Where it ends a proxy may see in another way than we do, and what follows would be the beginning of
		// another user's request.
		w.Header().Set("Connection", "close")
	}
	if r.Method != http.MethodConnect && (r.URL.Path == "/" || r.URL.Path == "") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprintln(w, "This is Stallkeeper's sign-on bridge.")
		return
	}
	begin := time.Now()
	v := routed(r)
	v.address = h.addressOf(r)
	ctx, cancel := context.WithTimeout(r.Context(), h.answerTimeout)
	defer cancel()
	result, err := h.process(ctx, r, v)
	if err != nil {
		again := ""
		if v.step != stepEnter {
			again = h.address(v.instance, stepStart)
		}
		result = refused(refusalOf(err), again)
	}
	if v.step == stepCallback && r.Method == http.MethodGet && result.cookie == nil && v.cookie != "" && !errors.Is(err, errState) {
		// A state is good for one callback, whatever came of it. That of another tab's sign-on is still to come: of a browser that opens
		// several at once nobody would get in.
		result.cookie = cookie(v.instance, "")
	}
	result.write(w, r)
	h.report(v, result.result, err, time.Since(begin))
}

// routed takes a request apart.
func routed(r *http.Request) visit {
	v := visit{step: stepNone, query: r.URL.Query()}
	parts := strings.Split(r.URL.Path, "/")
	if len(parts) < 4 || len(validation.IsDNS1123Label(parts[2]))+len(validation.IsDNS1123Subdomain(parts[3])) > 0 {
		return v
	}
	step, ok := steps["/"+parts[1]+"/"+strings.Join(parts[4:], "/")]
	if !ok || len(parts) > 5 || len(parts) == 5 && parts[4] == "" {
		return v
	}
	v.step, v.instance = step, types.NamespacedName{Namespace: parts[2], Name: parts[3]}
	if brought, err := r.Cookie(cookieName(v.instance)); err == nil {
		v.cookie = brought.Value
	}
	return v
}

// addressOf is where the browser is. Of X-Forwarded-For only the end is the proxy's word: what stands before it, whoever calls may have sent.
func (h *Handler) addressOf(r *http.Request) netip.Prefix {
	if told := r.Header.Values("X-Forwarded-For"); h.forwardedFor && len(told) > 0 {
		last := told[len(told)-1]
		last = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
		for _, form := range []string{last, net.JoinHostPort(last, "0")} { // with a port, and without
			if address := listener.AddressOf(form); address.IsValid() {
				return address
			}
		}
	}
	return listener.AddressOf(r.RemoteAddr)
}

// process is the way of every request.
func (h *Handler) process(ctx context.Context, r *http.Request, v visit) (result answer, err error) {
	defer h.recovered(v, &err)

	// A HEAD, with which programs look whether an address is good, must not use a code up or take the cookie away.
	if r.Method != http.MethodGet && (r.Method != http.MethodHead || v.step == stepCallback) {
		return answer{}, errMethod
	}
	if v.step == stepNone {
		return answer{}, errNotFound
	}
	if v.step == stepEnter {
		return h.enter(ctx, v)
	}
	at, err := h.places.find(ctx, v.instance)
	if err != nil {
		return answer{}, err
	}
	if v.step == stepLogout {
		return h.logout(ctx, v, at)
	}
	if err := at.runs(); err != nil {
		return answer{}, err
	}
	if v.step == stepCallback {
		return h.callback(ctx, v, at)
	}
	return h.start(ctx, v, at, v.query.Get("tenant"), 0)
}

// enter leads a user whom the marketplace sends, with the enterprise and a code, to the enterprise's instance. The code is dropped, as
// callback drops it.
func (h *Handler) enter(ctx context.Context, v visit) (answer, error) {
	enterprise := v.query.Get("tenant")
	instance, err := h.places.ofEnterprise(ctx, v.instance, enterprise)
	if err != nil {
		return answer{}, err
	}
	return redirect(h.address(instance, stepStart)+"?"+url.Values{"tenant": {enterprise}}.Encode(), resultLed, nil), nil
}

// start sends the browser to the marketplace, with an attempt in its cookie. enterprise is empty for the one that changed last; unasked is
// the attempt's.
func (h *Handler) start(ctx context.Context, v visit, at place, enterprise string, unasked int) (answer, error) {
	if _, err := h.places.frontEnd(at); err != nil {
		return answer{}, err
	}
	secrets, err := h.secrets.of(ctx, at.instance)
	if err != nil {
		return answer{}, err
	}
	client, err := secrets.client(enterprise, v.query.Get("app"))
	if err != nil {
		return answer{}, err
	}
	a := begin(client.TenantID, client.AppID, v.query.Get("return"), at.pkce)
	a.Unasked = unasked
	if unasked == 0 {
		// What the marketplace sends has none: the application that gets the token begins once more.
		if a.Nonce, err = nonceOf(v.query); err != nil {
			return answer{}, err
		}
	}
	location, err := at.signOn.AuthorizeURL(h.attempt(v, a, signOnClient(client)))
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", ofSignOn(err), err)
	}
	sealed, err := a.seal(secrets.cookieKey, v.instance, h.clock.Now())
	if err != nil {
		return answer{}, err
	}
	result := resultSent
	if unasked > 0 {
		result = resultRestarted
	}
	return redirect(location, result, cookie(v.instance, sealed)), nil
}

// callback takes the browser that comes back.
func (h *Handler) callback(ctx context.Context, v visit, at place) (answer, error) {
	returned := at.signOn.ReadReturn(v.query)
	secrets, err := h.secrets.of(ctx, at.instance)
	if err != nil {
		return answer{}, err
	}
	a, err := open(v.cookie, secrets.cookieKey, v.instance, h.clock.Now())
	if returned.State == "" && returned.Refused == "" && a.Unasked < maxUnasked {
		// What comes without our state may be another's code, by which the user would be signed in as that one. The user is
		// signed in at the marketplace already, and sees nothing of the detour.
		return h.start(ctx, v, at, returned.EnterpriseID, a.Unasked+1)
	}
	switch {
	case err != nil:
		return answer{}, err
	case subtle.ConstantTimeCompare([]byte(returned.State), []byte(a.State)) != 1:
		return answer{}, errState
	case returned.Refused == "access_denied":
		return answer{}, errDenied
	case returned.Refused != "" || returned.Code == "":
		return answer{}, fmt.Errorf("%w: authorize: %s", errSignOn, returned.Refused)
	}
	return h.signIn(ctx, v, at, a, secrets.tokenKey, returned.Code)
}

// signIn asks the marketplace who the user is, and the directory whether that one may come in.
func (h *Handler) signIn(ctx context.Context, v visit, at place, a attempt, tokenKey []byte, code string) (answer, error) {
	origin, err := h.places.frontEnd(at)
	if err != nil {
		return answer{}, err
	}
	leave, err := h.limits.enter(ctx, caller{v.instance, v.address}, a.State)
	if err != nil {
		return answer{}, err
	}
	proved := false
	defer func() { leave(proved) }()
	// Its state is used up. Who comes with a code that is none must not pass for a caller who is known, and keep others out with that.
	listener.Hold(ctx)
	h.metrics.inFlight.Inc()
	defer h.metrics.inFlight.Dec()
	// Anew: the enterprise may be gone, or its secret another one.
	all, err := h.secrets.directory(ctx, at.instance)
	if err != nil {
		return answer{}, err
	}
	client, err := known{clients: all.Clients()}.client(a.Enterprise, a.Application)
	if err != nil {
		return answer{}, err
	}
	is, err := at.signOn.SignedOn(ctx, h.attempt(v, a, signOnClient(client)), code)
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", ofSignOn(err), err)
	}
	proved = true
	listener.Vouch(ctx)
	if err := h.secrets.loadUsers(ctx, all, a, is.UserNames); err != nil {
		return answer{}, err
	}
	user, err := admit(all, a, is)
	if err != nil {
		return answer{}, err
	}
	token, err := signToken(tokenKey, h.url, at.instance.Name, user, a, h.clock.Now())
	if err != nil {
		return answer{}, err
	}
	page, err := handover(origin, at.path, token)
	if err != nil {
		return answer{}, fmt.Errorf("%w: making the page", errUnavailable)
	}
	return page, nil
}

// logout ends the marketplace's session, and leads back to the front end.
func (h *Handler) logout(ctx context.Context, v visit, at place) (answer, error) {
	origin, err := h.places.frontEnd(at)
	if err != nil {
		return answer{}, err
	}
	secrets, err := h.secrets.of(ctx, at.instance)
	if err != nil {
		return answer{}, err
	}
	client, err := secrets.client(v.query.Get("tenant"), v.query.Get("app"))
	if err != nil {
		return answer{}, err
	}
	location, err := at.signOn.LogoutURL(signOnClient(client), origin+"/")
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", ofSignOn(err), err)
	}
	return redirect(location, resultSent, nil), nil
}

func (h *Handler) attempt(v visit, a attempt, client marketplace.SignOnClient) marketplace.SignOnAttempt {
	return marketplace.SignOnAttempt{Client: client, RedirectURI: h.address(v.instance, stepCallback), State: a.State, Verifier: a.Verifier}
}

// address is where one step of an instance is reached.
func (h *Handler) address(instance types.NamespacedName, step step) string {
	address := h.url + root + instance.Namespace + "/" + instance.Name
	if step == stepStart {
		return address
	}
	return address + "/" + string(step)
}

// recovered turns a panic into a refusal. The value that was thrown may quote the request, so only its type is logged, and the way
// to it.
func (h *Handler) recovered(v visit, err *error) {
	thrown := recover()
	if thrown == nil {
		return
	}
	h.log.Error(nil, "Login handler panicked", "step", v.step, "type", fmt.Sprintf("%T", thrown), "stack", string(debug.Stack()))
	*err = errPanic
}

// report counts a request, and writes a line for one that was refused; others show from verbosity 1. No line says who the user is.
func (h *Handler) report(v visit, result string, err error, took time.Duration) {
	namespace := v.instance.Namespace
	if !slices.Contains(h.places.namespaces, namespace) {
		namespace = unknownLabel
	}
	h.metrics.answered(namespace, v.step, result, took)
	log := h.log.WithValues("step", v.step, "result", result, "took", took.Round(time.Millisecond).String())
	if result == errNotFound.reason {
		// What a stranger has made up.
		log.V(1).Info("Login refused")
		return
	}
	what := "instance"
	if v.step == stepEnter {
		what = "product"
	}
	log = log.WithValues(what, klog.KRef(v.instance.Namespace, v.instance.Name))
	switch {
	case err == nil:
		log.V(1).Info("Login answered")
	case h.refusedLog.Allow():
		log.Info("Login refused", "why", err.Error())
	}
}
