package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// Defaults of Options.
const (
	// DefaultAnswerTimeout is what may be spent on a call, so that its answer is there within 4 s: a second before the shortest
	// timeout that a marketplace documents.
	DefaultAnswerTimeout = 3800 * time.Millisecond
	// DefaultPace is longer than what the API server takes for what is asked of it about a call.
	DefaultPace = 50 * time.Millisecond
	// DefaultMaxConcurrent is how many verified calls are at work at once.
	DefaultMaxConcurrent = 256
	// DefaultMaxReading is how many bytes of bodies of callers not yet verified are in memory at once; large ones have 16 MiB of their own.
	DefaultMaxReading = 12 << 20
	// DefaultMaxBody is the size in bytes of a body that is refused unread.
	DefaultMaxBody = 1 << 20
)

// callbackRoot begins the path of every callback URL.
const callbackRoot = "/v1/"

// noName stands for a name that no object can have.
const noName = "(invalid)"

// Options are what a Handler needs.
type Options struct {
	// Namespaces are the sales namespaces; paths that name another lead nowhere.
	Namespaces []string
	// Client reads Marketplaces and MarketplaceInstances, from a cache that has the Indexes, and writes instances.
	Client client.Client
	// APIReader reads from the API server: Secrets, and what the cache does not have.
	APIReader client.Reader
	// Protocols are the marketplaces that are understood.
	Protocols map[v1alpha1.MarketplaceProtocol]Protocol
	// Decoy stands for every Marketplace that does not exist, so that a stranger can't tell whether one does. It holds keys
	// that nobody has.
	Decoy marketplace.Callbacks
	// Registerer takes the metrics.
	Registerer prometheus.Registerer
	Log        logr.Logger

	// Clock gives the time that calls are checked against, and ends their waiting; nil means the real one.
	Clock clock.Clock
	// AnswerTimeout bounds a call from its headers to its answer; 0 means DefaultAnswerTimeout.
	AnswerTimeout time.Duration
	// Pace is what the time until a stranger's answer is a multiple of; 0 means DefaultPace, and a negative one none.
	Pace time.Duration
	// MaxConcurrent bounds the verified calls at work; 0 means DefaultMaxConcurrent.
	MaxConcurrent int
	// MaxWaiting bounds the purchases that wait for what their answers have to carry; 0 means DefaultMaxWaiting.
	MaxWaiting int
	// MaxReading bounds the bodies in memory that nobody has verified yet, in bytes; 0 means DefaultMaxReading. One below MaxBody would
	// have no room for it.
	MaxReading int64
	// MaxBody bounds a body, in bytes; 0 means DefaultMaxBody.
	MaxBody int64
	// MaxBodyOf bounds the bodies of single paths below the callback URL, where they are larger; nil means none are.
	MaxBodyOf func(path string) int64
}

// Handler answers callbacks. It is an http.Handler, safe for concurrent use.
type Handler struct {
	connections   *connections
	limits        *limits
	arrivals      *arrivals
	nonces        *nonces
	tokens        *tokens
	recorder      *recorder
	skews         *skews
	metrics       *metrics
	clock         clock.Clock
	log           logr.Logger
	strangerLog   *rate.Limiter
	answerTimeout time.Duration
	pace          time.Duration
}

// NewHandler makes a Handler. It fails when Options lack something that has no default, or the metrics are registered.
func NewHandler(options Options) (*Handler, error) {
	switch {
	case len(options.Namespaces) == 0:
		return nil, errors.New("at least one sales namespace is required")
	case options.Client == nil || options.APIReader == nil || options.Decoy == nil || options.Registerer == nil:
		return nil, errors.New("each of Client, APIReader, Decoy and Registerer is required")
	}
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	metrics, err := newMetrics(options.Registerer)
	if err != nil {
		return nil, fmt.Errorf("registering the metrics: %w", err)
	}
	return &Handler{
		connections: &connections{
			namespaces: options.Namespaces,
			cached:     options.Client,
			live:       options.APIReader,
			lookups:    rate.NewLimiter(liveLookups, liveLookups),
			keys:       newKeyring(options.APIReader, options.Protocols, options.Clock),
			decoy:      options.Decoy,
		},
		limits: newLimits(
			orDefault(options.MaxBody, DefaultMaxBody), options.MaxBodyOf,
			orDefault(options.MaxReading, DefaultMaxReading),
			orDefault(options.MaxConcurrent, DefaultMaxConcurrent),
		),
		arrivals:      newArrivals(orDefault(options.MaxWaiting, DefaultMaxWaiting)),
		nonces:        newNonces(),
		tokens:        newTokens(),
		recorder:      &recorder{client: options.Client, live: options.APIReader, clock: options.Clock, writes: newWrites()},
		skews:         &skews{},
		metrics:       metrics,
		clock:         options.Clock,
		log:           options.Log,
		strangerLog:   rate.NewLimiter(strangerLogRate, strangerLogBurst),
		answerTimeout: orDefault(options.AnswerTimeout, DefaultAnswerTimeout),
		pace:          orDefault(options.Pace, DefaultPace),
	}, nil
}

func orDefault[T int | int64 | time.Duration](value, otherwise T) T {
	if value == 0 {
		return otherwise
	}
	return value
}

// call is what is known about one callback so far.
type call struct {
	// target is the Marketplace that the path names, whether it exists or not, or noName where no object can have that name; path is what
	// stands below the callback URL.
	target types.NamespacedName
	path   string
	// arrived is when its header was there.
	arrived time.Time

	connection connection
	// noKeys is why there are no keys to verify it by, nil if there are or if there is no Marketplace.
	noKeys   error
	proof    marketplace.Proof
	verified bool
	// digest is of the verified call; earlier is the same call that was answered before, nil for most.
	digest  callDigest
	earlier *answered
	event   marketplace.Event
	outcome marketplace.Outcome
}

// ServeHTTP answers callbacks, and on / that the server is there, because marketplaces verify the bare domain.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, ok := routed(r.URL.Path)
	if !ok {
		closeAfter(w)
	}
	switch {
	case ok:
		h.callback(w, r, c)
	case r.Method == http.MethodConnect:
		// Its path is empty, and success would look like a proxy's that anybody may use.
		writeText(w, http.StatusMethodNotAllowed, "Method not allowed.")
	case r.URL.Path == "/" || r.URL.Path == "":
		writeText(w, http.StatusOK, "This is Stallkeeper. Send callbacks to "+callbackRoot+"{namespace}/{marketplace}.")
	default:
		writeText(w, http.StatusNotFound, "Not found. Send callbacks to "+callbackRoot+"{namespace}/{marketplace}.")
	}
}

// closeAfter keeps a connection for no other call, after one of somebody who has proved nothing: where it ends a proxy may see in another
// way than we do, and what follows would be the beginning of another caller's.
func closeAfter(w http.ResponseWriter) { w.Header().Set("Connection", "close") }

// routed takes a path apart.
func routed(path string) (*call, bool) {
	below, ok := strings.CutPrefix(path, callbackRoot)
	parts := strings.SplitN(below, "/", 3)
	if !ok || len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		return nil, false
	}
	// A line of the log says which Marketplace was called: what a stranger makes up would else fill it, in any length.
	c := &call{target: types.NamespacedName{Namespace: noName, Name: noName}}
	if len(validation.IsDNS1123Label(parts[0])) == 0 {
		c.target.Namespace = parts[0]
	}
	if len(validation.IsDNS1123Subdomain(parts[1])) == 0 {
		c.target.Name = parts[1]
	}
	if len(parts) == 3 {
		// A marketplace that appends its paths to a callback URL that ends with a slash makes two of it.
		c.path = "/" + strings.TrimLeft(parts[2], "/")
	}
	return c, true
}

// callback answers one callback in the time that there is for it.
func (h *Handler) callback(w http.ResponseWriter, r *http.Request, c *call) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), h.answerTimeout)
	defer cancel()
	c.connection, c.arrived = connection{Callbacks: h.connections.decoy}, h.clock.Now()

	if err := h.process(ctx, w, r, c); err != nil {
		c.outcome.Err = err
	}
	if c.verified && c.earlier == nil && isFinal(c.outcome.Err) {
		h.nonces.add(c.target, c.proof.Nonce, answered{c.digest, c.outcome.Err})
	}
	answer := h.encode(c)
	if c.proof.KeyName == "" {
		h.keepPace(ctx, c)
	}
	if !c.verified {
		closeAfter(w)
	}
	maps.Copy(w.Header(), answer.Header)
	w.WriteHeader(answer.Status)
	// A caller that went away will call again.
	_, _ = w.Write(answer.Body)

	h.metrics.answered(c, answer.Code, time.Since(start))
	h.logAnswer(c, answer.Code, time.Since(start))
}

// encode puts the outcome into the marketplace's words.
func (h *Handler) encode(c *call) (answer marketplace.Answer) {
	var err error
	defer func() {
		if err != nil {
			answer = marketplace.Answer{Status: http.StatusInternalServerError}
		}
	}()
	defer h.recovered(c, &err)
	return c.connection.Encode(c.proof, c.event, c.outcome)
}

// process is the way of every callback: screen, limit, verify, decode, record, and for some purchases, wait for what the answer has to
// carry. What it learns it leaves in c for the answer.
func (h *Handler) process(ctx context.Context, w http.ResponseWriter, r *http.Request, c *call) (err error) {
	defer h.recovered(c, &err)

	// Where there are no keys it goes on with the decoy's, so that only a call which has the form of a real one is told to come again.
	c.connection, c.noKeys = h.connections.open(ctx, c.target)
	req := marketplace.Request{Method: r.Method, Path: c.path, Query: r.URL.RawQuery, Header: r.Header}
	if err := c.screen(req); err != nil {
		_ = h.workAsForUnknown(ctx, c) // no body makes it a call
		return err
	}
	if r.Header.Get("Expect") != "" {
		// The first read of the body tells the caller to go on.
		h.keepPace(ctx, c)
	}
	body, looked, err := h.limits.read(ctx, w, r, c.path)
	if err != nil {
		return err
	}
	req.Body = body
	err = h.verify(c, req)
	looked()
	if err != nil {
		if failed := h.workAsForUnknown(ctx, c); failed != nil && errors.Is(err, marketplace.ErrUnauthenticated) {
			return failed
		}
		return err
	}
	if c.connection.sharesKey() {
		// It may be captured from the other one, and makes nobody known.
		return errKeyShared
	}
	return h.work(ctx, c, req)
}

// record takes a place among the verified calls at work, decodes the call and stores it.
func (h *Handler) record(ctx context.Context, c *call, req marketplace.Request) error {
	leave, err := h.limits.admit(ctx, len(req.Body))
	if err != nil {
		return err
	}
	defer leave()
	h.metrics.inFlight.Inc()
	defer h.metrics.inFlight.Dec()
	if c.event, err = c.connection.Decode(req); err != nil {
		return err
	}
	c.event.LicensesOnly = c.proof.LicensesOnly
	if len(c.event.Notes) > 0 {
		h.log.Info("Callback has optional fields that can't be decoded", "marketplace", klog.KRef(c.target.Namespace, c.target.Name),
			"activity", c.event.Activity, "order", c.event.OrderID, "fields", c.event.Notes)
	}
	if c.earlier != nil && !tells[c.event.Kind] {
		// It was stored, or refused for good, and what came after it may have changed things again.
		return c.earlier.err
	}
	c.outcome = h.recorder.record(ctx, c.connection.marketplace, c.event)
	return c.outcome.Err
}

// screen refuses a call that no body can make authentic, before there is memory for one.
func (c *call) screen(req marketplace.Request) error {
	screener, ok := c.connection.Callbacks.(marketplace.Screener)
	if !ok {
		return nil
	}
	err := screener.Screen(req)
	if c.connection.marketplace == nil && errors.Is(err, marketplace.ErrUnauthenticated) {
		return errUnknownMarketplace
	}
	return err
}

// verify checks the signature and the time over the raw bytes, and that no other call with its nonce was answered before.
func (h *Handler) verify(c *call, req marketplace.Request) (err error) {
	now := h.clock.Now()
	c.proof, err = c.connection.Verify(req, now)
	if c.connection.marketplace == nil || c.noKeys != nil {
		c.proof = marketplace.Proof{} // of the decoy
		if err != nil && !errors.Is(err, marketplace.ErrUnauthenticated) {
			return err
		}
		return cmp.Or(c.noKeys, errUnknownMarketplace)
	}
	switch {
	case errors.Is(err, marketplace.ErrStale) && !c.proof.SentAt.IsZero():
		h.observeSkew(c.target, c.proof.SentAt.Sub(now), now)
		return err
	case err != nil:
		return err
	}
	if !c.proof.SentAt.IsZero() {
		h.observeSkew(c.target, 0, now)
	}
	c.digest = digestOf(req, c.proof)
	if before, ok := h.nonces.find(c.target, c.proof.Nonce); ok {
		if before.call != c.digest {
			return marketplace.ErrReplayed
		}
		c.earlier = &before
	}
	c.verified = true
	return nil
}

// workAsForUnknown does for a call that proved nothing to a Marketplace what was done for one that does not exist, where the cache is not
// all that is asked: else the time of the same answer would tell a stranger which Marketplaces there are. What is found is of no matter. That
// nothing could be asked is the answer there, and has to be the answer here.
func (h *Handler) workAsForUnknown(ctx context.Context, c *call) error {
	if c.connection.marketplace == nil || c.proof.KeyName != "" || !h.connections.lookups.Allow() {
		return nil
	}
	err := h.connections.live.Get(ctx, c.target, &v1alpha1.Marketplace{})
	if err != nil && !apierrors.IsNotFound(err) {
		return unavailable("reading Marketplace "+c.target.String(), err)
	}
	return nil
}

// keepPace waits until the time since a call arrived is a multiple of the pace. A stranger could else tell by the time of an answer what was
// read for it: the keys of a Marketplace, now and then, are read only of one that exists.
func (h *Handler) keepPace(ctx context.Context, c *call) {
	if h.pace < 0 {
		return
	}
	timer := h.clock.NewTimer(h.pace - h.clock.Since(c.arrived)%h.pace)
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-ctx.Done():
	}
}

func (h *Handler) observeSkew(target types.NamespacedName, skew time.Duration, now time.Time) {
	h.skews.observe(target, skew, now)
	h.metrics.clockSkew(target, skew)
}

// recovered turns a panic into the answer to call again. The value that was thrown may quote the request, so only its type
// is logged, and the way to it.
func (h *Handler) recovered(c *call, err *error) {
	thrown := recover()
	if thrown == nil {
		return
	}
	h.log.Error(nil, "Callback handler panicked", "marketplace", klog.KRef(c.target.Namespace, c.target.Name),
		"type", fmt.Sprintf("%T", thrown), "stack", string(debug.Stack()))
	*err = errPanic
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text)
}
