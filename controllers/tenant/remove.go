package tenant

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/controllers/apply"
)

// ErrTimeUnknown says that the API server's time is not known. Nothing is deleted then.
var ErrTimeUnknown = errors.New("the API server's response has no Date header")

// ServerTime keeps the time of the API server's last answer, from its Date header. Its Wrap goes into the rest.Config of the client that
// reads live.
type ServerTime struct {
	mu   sync.Mutex
	last time.Time
}

// Wrap notes the time of each answer of a transport.
func (s *ServerTime) Wrap(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(req *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(req)
		if err == nil {
			s.note(response.Header.Get("Date"))
		}
		return response, err
	})
}

func (s *ServerTime) note(date string) {
	at, err := http.ParseTime(date)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = at
}

// Last is the time of the last answer, to the second; false before the first one.
func (s *ServerTime) Last() (time.Time, bool) {
	if s == nil {
		return time.Time{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, !s.last.IsZero()
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Reading is a tenant's namespace as the API server showed it a moment ago: what a removal is decided on.
type Reading struct {
	// Namespace is the whole object, with its record of the [Periods]; nil if there is none, or none that records the instance.
	Namespace *unstructured.Unstructured
	// Now is the API server's time. What a clock of ours says later counts for nothing.
	Now time.Time
}

// ReadForRemoval reads the namespace past all caches, together with the API server's time. The caller reads its own objects live as well,
// and decides again on what it has read.
func (t *Tenants) ReadForRemoval(ctx context.Context, namespace string, owner apply.Owner, server *ServerTime) (Reading, error) {
	ns := newObject(apply.NamespaceKind, "", namespace)
	err := t.Live.Get(ctx, client.ObjectKeyFromObject(ns), ns)
	if client.IgnoreNotFound(err) != nil {
		return Reading{}, fmt.Errorf("reading namespace %s: %w", namespace, err)
	}
	now, ok := server.Last()
	if !ok {
		return Reading{}, ErrTimeUnknown
	}
	if apierrors.IsNotFound(err) || !apply.Recorded(ns, owner) {
		return Reading{Now: now}, nil
	}
	return Reading{Namespace: ns, Now: now}, nil
}

// Remove deletes the namespace of a reading with everything in it, if it still is the very same: its UID and its resource version. It
// gives a conflict if anything about it has changed since, and the caller decides again.
func (t *Tenants) Remove(ctx context.Context, r Reading) error {
	if r.Namespace == nil || r.Namespace.GetDeletionTimestamp() != nil {
		return nil
	}
	version := r.Namespace.GetResourceVersion()
	err := t.Client.Delete(ctx, like(r.Namespace), client.Preconditions{UID: ptr.To(r.Namespace.GetUID()), ResourceVersion: &version})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting namespace %s: %w", r.Namespace.GetName(), err)
	}
	return nil
}
