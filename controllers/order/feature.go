package order

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/subscription/orders"
)

// Feature has the instance's reconciler say how it stands with a sale's orders, in the write of the status that it makes anyway. A status
// of its own would be one more write for each sale and for each change of its spec.
func Feature(findings *Findings) sale.Feature {
	return sale.Feature{
		Extend: func(_ context.Context, s sale.Sale, _ time.Time) (sale.Extension, error) {
			said := findings.verdict(s.Instance)
			return sale.Extension{Orders: &said}, nil
		},
		Wakes: findings.wakes,
	}
}

// Findings are what the passes of this process have found of orders that are not applied. Lost, the condition stays as it is until the
// order is looked up again. The zero Findings are empty.
type Findings struct {
	mu sync.Mutex
	by map[types.NamespacedName]finding
	// instances is the queue of the instance's reconciler; nil before it runs.
	instances queue.Queue
}

type finding struct {
	uid     types.UID
	verdict report.Verdict
}

// wakes takes the queue of those that are to be woken.
func (f *Findings) wakes(instances queue.Queue) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.instances = instances
}

// note takes what a pass has found, and wakes the instance if that is news. What was applied needs no word: it is in the spec.
func (f *Findings) note(mpi *v1alpha1.MarketplaceInstance, found report.Verdict) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := client.ObjectKeyFromObject(mpi)
	known := f.by[key]
	if _, nothing := settled(mpi); nothing {
		delete(f.by, key)
		return
	}
	if known.uid != mpi.UID {
		known = finding{uid: mpi.UID}
	}
	if found.IsZero() && known.verdict.IsZero() {
		// The first pass has failed before it learned anything.
		found = report.Unknown(v1alpha1.ReasonOrderPending, "The order is being read")
	}
	found.After = 0
	if found.IsZero() || found == untold(0) || found == known.verdict {
		return
	}
	if f.by == nil {
		f.by = map[types.NamespacedName]finding{}
	}
	f.by[key] = finding{uid: mpi.UID, verdict: found}
	if f.instances != nil {
		queue.Enqueue(f.instances, key, queue.PrioritySale)
	}
}

func (f *Findings) forget(key types.NamespacedName) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.by, key)
}

// verdict is what there is to say of a sale's orders; the zero Verdict while an order is to be read that no pass has looked at yet.
func (f *Findings) verdict(mpi *v1alpha1.MarketplaceInstance) report.Verdict {
	if said, ok := settled(mpi); ok {
		return said
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if known := f.by[client.ObjectKeyFromObject(mpi)]; known.uid == mpi.UID {
		return known.verdict
	}
	return report.Verdict{}
}

// settled is what the spec alone says of a sale's orders; false while one of them is to be read.
func settled(mpi *v1alpha1.MarketplaceInstance) (report.Verdict, bool) {
	sub := mpi.Spec.Subscription
	switch {
	case sub == nil:
		return report.Verdict{Absent: true}, true
	case sub.Entitlement.State == v1alpha1.EntitlementReleased:
		return report.True(v1alpha1.ReasonReleased, "The sale has ended; its orders are no longer read"), true
	case len(orders.AllPending(sub)) > 0:
		return report.Verdict{}, false
	}
	if waits, said := waitsForLicense(mpi); waits {
		return said, true
	}
	return allApplied(), true
}

// untold waits without a word for what comes in a moment.
func untold(after time.Duration) report.Verdict {
	return report.Verdict{Status: metav1.ConditionUnknown, After: after}
}

func allApplied() report.Verdict {
	return report.True(v1alpha1.ReasonOrderResolved, "All orders are read and applied")
}
