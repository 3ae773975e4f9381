package instance

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// A product and its first tenant are often applied together, and a registry may be down: neither is a failure of the tenant's.
func TestATenantIsStalledByItsProductOnlyWhileSomebodyMustAct(t *testing.T) {
	for name, tc := range map[string]struct {
		ready *metav1.Condition
		want  metav1.ConditionStatus
	}{
		"a product that was not looked at": {nil, metav1.ConditionUnknown},
		"one whose chart can't be fetched": {&metav1.Condition{Status: metav1.ConditionUnknown, ObservedGeneration: 2}, metav1.ConditionUnknown},
		"one that was bad before a change": {&metav1.Condition{Status: metav1.ConditionFalse, ObservedGeneration: 1}, metav1.ConditionUnknown},
		"one that is bad":                  {&metav1.Condition{Status: metav1.ConditionFalse, ObservedGeneration: 2}, metav1.ConditionFalse},
	} {
		t.Run(name, func(t *testing.T) {
			product := salestest.Product()
			product.Generation, product.Status = 2, v1alpha1.MarketplaceProductStatus{}
			if tc.ready != nil {
				tc.ready.Type = v1alpha1.ConditionReady
				meta.SetStatusCondition(&product.Status.Conditions, *tc.ready)
			}
			got := noRevision(sale.Sale{Instance: salestest.Sale(), Product: product})
			if got.Status != tc.want || got.Reason != v1alpha1.ReasonProductNotReady {
				t.Errorf("it is %s %s, want %s", got.Status, got.Reason, tc.want)
			}
		})
	}
}
