package directory

import (
	"context"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
)

// Endpoints is what the Forwarder has last found of each tenant's endpoint. The Reconciler, which alone writes the condition, reads it
// there. What is lost with a process is found again by the Forwarder's first pass; until then the Reconciler goes by the stored cursor.
type Endpoints struct {
	mu    sync.Mutex
	said  map[types.NamespacedName]report.Verdict
	queue queue.Queue
}

// NewEndpoints makes what one Reconciler and one Forwarder share.
func NewEndpoints() *Endpoints { return &Endpoints{said: map[types.NamespacedName]report.Verdict{}} }

// source lets the Reconciler look at an instance again when something else was found of its endpoint.
func (e *Endpoints) source() source.Source {
	return source.Func(func(_ context.Context, q queue.Queue) error {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.queue = q
		return nil
	})
}

// note keeps what was found of an endpoint; an absent verdict forgets it.
func (e *Endpoints) note(instance types.NamespacedName, found report.Verdict) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	before, known := e.said[instance]
	found.After = 0
	if found.Absent {
		delete(e.said, instance)
	} else {
		e.said[instance] = found
	}
	if changed := found.Absent == known || known && before != found; changed && e.queue != nil {
		e.queue.Add(queue.Request{NamespacedName: instance})
	}
}

// of is what was last found; not ok when nothing was.
func (e *Endpoints) of(instance types.NamespacedName) (found report.Verdict, ok bool) {
	if e == nil {
		return report.Verdict{}, false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	found, ok = e.said[instance]
	return found, ok
}

// forwarded is the verdict on a directory that the tenant has, with that on its endpoint: it is synced only once the endpoint has taken
// everything too, where the product has one.
func (r *Reconciler) forwarded(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, stored *storedDirectory, has report.Verdict,
) (report.Verdict, error) {
	product, err := sale.ProductOf(ctx, r.Client, mpi)
	if err != nil || product == nil || product.Spec.Directory.Forward.ServiceRef.Name == "" {
		return has, err
	}
	cursor, err := openCursor(ctx, r.APIReader, mpi)
	if err != nil {
		return unreadable(err)
	}
	if stored.Told(cursor.Cursor) {
		has.Message += fmt.Sprintf("; its endpoint has accepted generation %d", stored.Generation)
		return has, nil
	}
	found, ok := r.Endpoints.of(client.ObjectKeyFromObject(mpi))
	if ok && found.Status != metav1.ConditionTrue {
		return found.Again(has.After), nil
	}
	return onTheirWay().Again(has.After), nil
}

func onTheirWay() report.Verdict {
	return report.Unknown(v1alpha1.ReasonForwarding, "Changes are being sent to the endpoint")
}
