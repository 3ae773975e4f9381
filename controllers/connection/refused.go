package connection

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/report"
)

// maxRefusedText is how much of what a sale says about its order stands in the connection's condition.
const maxRefusedText = 300

// refusedOrders says which sales the marketplace refuses to give an order of; the zero verdict when it is none. Mock orders are public:
// keys that may read them can be another seller's, or lose their rights later, and then only real orders tell.
func (r *Reconciler) refusedOrders(ctx context.Context, mp *v1alpha1.Marketplace) (report.Verdict, error) {
	instances := &v1alpha1.MarketplaceInstanceList{}
	// They are only read, and there may be thousands.
	if err := r.List(ctx, instances, client.InNamespace(mp.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return report.Verdict{}, fmt.Errorf("listing the instances: %w", err)
	}
	var names []string
	said := map[string]string{}
	for i := range instances.Items {
		if mpi := &instances.Items[i]; connectionOf(mpi) == mp.Name {
			if refused := refusedOrder(mpi); refused != "" {
				names, said[mpi.Name] = append(names, mpi.Name), refused
			}
		}
	}
	if len(names) == 0 {
		return report.Verdict{}, nil
	}
	// The first by name, so that the text does not change with the order of the list.
	first := slices.Min(names)
	return report.False(v1alpha1.ReasonOrdersRefused, fmt.Sprintf("The marketplace refuses to let the orders of %s be read, such as that of"+
		" instance %q: %s. They are asked for again every minute", sales(len(names)), first, strings.TrimSuffix(said[first], "."))), nil
}

func sales(count int) string {
	if count == 1 {
		return "1 sale"
	}
	return fmt.Sprintf("%d sales", count)
}

// connectionOf is the Marketplace of a sale; empty for what is none, or has ended.
func connectionOf(mpi *v1alpha1.MarketplaceInstance) string {
	sub := mpi.Spec.Subscription
	if sub == nil || sub.Entitlement.State == v1alpha1.EntitlementReleased || !mpi.DeletionTimestamp.IsZero() {
		return ""
	}
	return sub.Marketplace
}

// refusedOrder is what a sale says about an order that the marketplace refuses; empty when it refuses none.
func refusedOrder(mpi *v1alpha1.MarketplaceInstance) string {
	resolved := meta.FindStatusCondition(mpi.Status.Conditions, v1alpha1.ConditionOrderResolved)
	if resolved == nil || resolved.Status != metav1.ConditionFalse || resolved.Reason != v1alpha1.ReasonOrderAPIRefused {
		return ""
	}
	return report.Cut(resolved.Message, maxRefusedText)
}

// refusals lets those changes of sales through after which the connection may have something else to say.
func refusals() predicate.Predicate {
	says := func(object client.Object) string {
		mpi, ok := object.(*v1alpha1.MarketplaceInstance)
		if !ok || connectionOf(mpi) == "" {
			return ""
		}
		return refusedOrder(mpi)
	}
	return predicate.Funcs{
		// At the start each connection is looked at anyway.
		CreateFunc:  func(event.CreateEvent) bool { return false },
		UpdateFunc:  func(e event.UpdateEvent) bool { return says(e.ObjectOld) != says(e.ObjectNew) },
		DeleteFunc:  func(e event.DeleteEvent) bool { return says(e.Object) != "" },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

// ofSale wakes the connection of a sale, also one that has just ended.
func ofSale() handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(_ context.Context, object client.Object) []reconcile.Request {
		mpi, ok := object.(*v1alpha1.MarketplaceInstance)
		if !ok || mpi.Spec.Subscription == nil {
			return nil
		}
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: mpi.Namespace, Name: mpi.Spec.Subscription.Marketplace}}}
	})
}
