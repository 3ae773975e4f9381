package directory

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/directory"
	"github.com/stallkeeper/stallkeeper/directory/store"
)

const (
	// forwardTimeout bounds one request.
	forwardTimeout = 10 * time.Second
	// forwardChanges and forwardBytes bound the body of one request.
	forwardChanges = 500
	forwardBytes   = 512 << 10
	// forwardRequests is how many requests one pass makes, so that a large directory does not keep others waiting.
	forwardRequests = 16
)

// HeaderSignature is the header that a forwarded request is signed in: t=<Unix seconds>,v1=<hex HMAC-SHA256 of t, a dot and the
// body>, with the tenant's own key.
const HeaderSignature = "Stallkeeper-Signature"

// Forwarder tells the workload of each change of its directory, where the product asks for it. How that stands goes into the condition
// DirectorySynced, which the Reconciler writes.
type Forwarder struct {
	client.Client
	// APIReader reads Secrets, which are never cached.
	APIReader client.Reader
	// Calls is the cache of Reconciler.Calls.
	Calls cache.Cache
	Clock clock.PassiveClock
	// TenantPrefix begins the names of the tenants' namespaces.
	TenantPrefix string
	// HTTP makes the requests.
	HTTP *http.Client
	// Endpoints takes what is found.
	Endpoints *Endpoints
	// Metrics counts; nil counts nothing.
	Metrics *Metrics
}

// Reconcile tells one tenant what it was not told yet.
func (r *Forwarder) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	mpi := &v1alpha1.MarketplaceInstance{}
	err := r.Get(ctx, req.NamespacedName, mpi)
	gone := apierrors.IsNotFound(err)
	if err != nil && !gone {
		return ctrl.Result{}, err
	}
	if gone || !mpi.DeletionTimestamp.IsZero() {
		r.Endpoints.note(req.NamespacedName, report.Verdict{Absent: true})
		return ctrl.Result{}, nil
	}
	said, err := r.forward(ctx, mpi)
	r.Endpoints.note(req.NamespacedName, failedWith(said, err))
	result := ctrl.Result{Priority: ptr.To(queue.PriorityNormal)}
	if err != nil {
		return result, err
	}
	result.RequeueAfter = said.After
	return result, nil
}

// forward sends what is untold, request by request. The error is what is tried again after a pause that grows.
func (r *Forwarder) forward(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) (report.Verdict, error) {
	product, err := sale.ProductOf(ctx, r.Client, mpi)
	if err != nil || product == nil || product.Spec.Directory.Forward.ServiceRef.Name == "" {
		return report.Verdict{Absent: true}, err
	}
	stored, err := store.Open(ctx, r.APIReader, mpi)
	if err != nil {
		return unreadable(err)
	}
	if stored.HeadSecret == nil {
		return report.Verdict{Absent: true}, nil
	}
	cursor, err := openCursor(ctx, r.APIReader, mpi)
	if err != nil {
		return unreadable(err)
	}
	if stored.Told(cursor.Cursor) {
		return report.True(v1alpha1.ReasonDirectorySynced, fmt.Sprintf("The endpoint has accepted generation %d", stored.Generation)), nil
	}
	target, waiting, err := r.target(ctx, mpi, product)
	if err != nil || waiting.Status != "" {
		return waiting, err
	}
	if err := stored.LoadShards(ctx, stored.Untold(cursor.Cursor)); err != nil {
		return unreadable(err)
	}
	return r.send(ctx, stored, cursor, target)
}

// target is the endpoint of a tenant.
type target struct{ url, key string }

// target finds the endpoint, or says why the tenant can't be told now.
func (r *Forwarder) target(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, product *v1alpha1.MarketplaceProduct,
) (target, report.Verdict, error) {
	pending := func(when string) report.Verdict {
		return report.Unknown(v1alpha1.ReasonForwardPending, "Changes are sent to the endpoint when "+when).Again(queue.ForwardPendingRetry)
	}
	place, err := tenantPlace(ctx, r.Client, r.TenantPrefix, mpi)
	if err != nil || !place.ready {
		return target{}, pending("the tenant exists and may be changed"), err
	}
	if !running(mpi) {
		return target{}, pending("the tenant is running again"), nil
	}
	key, err := readTenantKey(ctx, r.APIReader, mpi, directory.ForForwarding)
	if err != nil || key == "" {
		return target{}, pending("the tenant has its key"), err
	}
	to := product.Spec.Directory.Forward
	host := net.JoinHostPort(to.ServiceRef.Name+"."+place.namespace.GetName()+".svc", strconv.Itoa(int(to.ServiceRef.Port)))
	return target{"http://" + host + to.Path, key}, report.Verdict{}, nil
}

// running says whether the tenant is one that shall run, by the condition of its own reconciler.
func running(mpi *v1alpha1.MarketplaceInstance) bool {
	suspended := meta.FindStatusCondition(mpi.Status.Conditions, v1alpha1.ConditionSuspended)
	return suspended != nil && suspended.Reason == v1alpha1.ReasonRunning
}

// forwardBody is the body of a request. docs/joint-operations.md describes it.
type forwardBody struct {
	// Generation is that of the directory; the changes lead up to it.
	Generation int64 `json:"generation"`
	// Changes are in their order. What was told may be told again.
	Changes []directory.Change `json:"changes"`
}

// send makes requests until everything is told, one fails, or the pass has made enough. After each that was taken the cursor is
// stored, so that what was told is not told again but for the last request of a pass that ended.
func (r *Forwarder) send(ctx context.Context, stored *store.Stored, cursor *storedCursor, to target) (report.Verdict, error) {
	for range forwardRequests {
		changes, next := stored.Changes(cursor.Cursor, forwardChanges, forwardBytes)
		if len(changes) > 0 {
			body, err := json.Marshal(forwardBody{Generation: stored.Generation, Changes: changes})
			if err != nil {
				return report.Verdict{}, fmt.Errorf("encoding changes: %w", err)
			}
			failure := r.post(ctx, to, body)
			r.Metrics.forwarded(stored.Instance.Namespace, failure == nil)
			if failure != nil {
				return failing(v1alpha1.ReasonForwardFailed, report.Shorten("The workload's endpoint does not accept directory changes: "+
					failure.Error()+". It must respond with 200 to 299; see docs/joint-operations.md")), failure
			}
		}
		if err := cursor.store(ctx, r.Client, stored.Instance, next); err != nil {
			return report.Verdict{}, err
		}
		if stored.Told(next) {
			return report.True(v1alpha1.ReasonDirectorySynced, fmt.Sprintf("The endpoint has accepted generation %d", stored.Generation)), nil
		}
	}
	return onTheirWay().Again(time.Millisecond), nil
}

// post makes one request. The error says what a person needs, does not change from one attempt to the next, and holds nothing of
// what was sent or answered.
func (r *Forwarder) post(ctx context.Context, to target, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, forwardTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s is not a valid address", to.url)
	}
	stamp := strconv.FormatInt(r.Clock.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(to.key))
	_, _ = io.WriteString(mac, stamp+".")
	_, _ = mac.Write(body)
	req.Header.Set(HeaderSignature, "t="+stamp+",v1="+hex.EncodeToString(mac.Sum(nil)))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "stallkeeper")
	resp, err := r.HTTP.Do(req)
	if err != nil {
		if ctx.Err() != nil || isTimeout(err) {
			return fmt.Errorf("%s did not respond within %s", to.url, forwardTimeout)
		}
		return fmt.Errorf("%s can't be reached", to.url)
	}
	defer func() { _ = resp.Body.Close() }()
	// Read to its end, a short answer leaves the connection to the next request.
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("%s responds with %d", to.url, resp.StatusCode)
	}
	return nil
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
