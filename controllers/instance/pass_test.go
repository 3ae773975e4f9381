package instance

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/lifecycle"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/tenant"
)

func TestTheRecordedPeriodsHoldWhereTheProductSaysNothing(t *testing.T) {
	const day = 24 * time.Hour
	product := salestest.Product(func(p *v1alpha1.MarketplaceProduct) {
		p.Spec.Lifecycle.GracePeriodSeconds, p.Spec.Lifecycle.RetentionPeriodSeconds = ptr.To(int64(60*86400)), ptr.To(int64(90*86400))
	})
	recorded := tenant.Periods{Grace: 60 * day, Retention: 90 * day, Deletes: true}
	namespace := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{
		"name": "tenant-acme-x", "annotations": map[string]any{tenant.PeriodsAnnotation: recorded.String()},
	}}}
	unrecorded := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": "tenant-acme-x"}}}
	gone := func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Subscription.Plan = "gone" }
	fromRecord := lifecycle.Policy{Grace: 60 * day, Retention: 90 * day, DeleteUnpaid: true}
	never := lifecycle.Policy{Grace: 15 * day, Retention: math.MaxInt64}
	tests := map[string]struct {
		mpi       *v1alpha1.MarketplaceInstance
		product   *v1alpha1.MarketplaceProduct
		namespace *unstructured.Unstructured
		want      lifecycle.Policy
	}{
		"the product's, whatever was recorded":      {salestest.Sale(), product, namespace, lifecycle.Policy{Grace: 60 * day, Retention: 90 * day}},
		"the product is gone":                       {salestest.Sale(), nil, namespace, fromRecord},
		"the plan is gone":                          {salestest.Sale(gone), product, namespace, fromRecord},
		"nothing was recorded: never":               {salestest.Sale(), nil, unrecorded, never},
		"the product is gone, and nothing is there": {salestest.Sale(), nil, nil, never},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := sale.Of(tc.mpi, tc.product, protocol.Protocol{DefaultGrace: 15 * day}, "tenant-acme-x")
			if diff := cmp.Diff(tc.want, policyOf(s, tenant.Standing{Name: "tenant-acme-x", Namespace: tc.namespace})); diff != "" {
				t.Errorf("policy (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnUnknownRetentionNeverEnds(t *testing.T) {
	mpi := salestest.Sale(salestest.Entitled(v1alpha1.EntitlementReleased, v1alpha1.EntitlementByMarketplace, 1))
	s := sale.Of(mpi, nil, protocol.Protocol{}, "t")
	s.Policy = policyOf(s, tenant.Standing{Name: "t"})
	if d := s.Decide(salestest.Day(365 * 200)); d.Phase != lifecycle.Suspend {
		t.Errorf("after 200 years the tenant is %s", d.Phase)
	}
}

// A sale whose order is not known any more stops like any other, and nothing is made only to be stopped.
func TestAnUnresolvedSaleIsStoppedWhereItStands(t *testing.T) {
	mpi := salestest.Sale(salestest.UnknownOrder, salestest.Entitled(v1alpha1.EntitlementFrozen, v1alpha1.EntitlementExpired, 1))
	namespace := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": "t"}}}
	for name, tc := range map[string]struct {
		standing tenant.Standing
		want     lifecycle.Phase
	}{
		"a tenant that stands": {tenant.Standing{Name: "t", Namespace: namespace}, lifecycle.Suspend},
		"no tenant":            {tenant.Standing{Name: "t"}, lifecycle.Nothing},
	} {
		t.Run(name, func(t *testing.T) {
			p := &pass{Sale: sale.Of(mpi, nil, protocol.Protocol{}, "t"), standing: tc.standing, now: salestest.Day(2), memory: newMemory()}
			p.decide()
			if p.decision.Phase != tc.want {
				t.Errorf("the decision is %s by %s, want %s", p.decision.Phase, p.decision.Rule, tc.want)
			}
		})
	}
}
