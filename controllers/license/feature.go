package license

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
	"github.com/stallkeeper/stallkeeper/subscription/licenses"
)

// Feature holds a sale until its license code is activated, and tells the workload which licenses were asked for.
func Feature() sale.Feature {
	return sale.Feature{Reserved: []workload.Reserved{{Kind: "ConfigMap", Name: v1alpha1.LicenseRequestsName}}, Extend: func(
		_ context.Context, s sale.Sale, _ time.Time,
	) (sale.Extension, error) {
		e := sale.Extension{Unresolved: notActivated(s.Instance)}
		if !wantsLicenses(s.Instance, s.Product) {
			return e, nil
		}
		// Marketplaces ask about the sale of such a product only when its buyer wants a license, which may be days later.
		e.MayStaySilent = true
		document, err := licenses.Document(s.Instance.Spec.Subscription)
		if err != nil {
			return sale.Extension{}, fmt.Errorf("encoding the license requests: %w", err)
		}
		e.Objects = []*unstructured.Unstructured{requestsConfigMap(document)}
		e.Inputs = map[string]string{"licenses": "wanted"}
		return e, nil
	}}
}

// notActivated says why a license code sells nothing yet; nil when it does, or there is none.
func notActivated(mpi *v1alpha1.MarketplaceInstance) *report.Verdict {
	if mpi.Spec.Subscription == nil || licenses.IsActivated(mpi.Spec.Subscription) {
		return nil
	}
	waits := report.Unknown(v1alpha1.ReasonWaitingForActivation, "Waiting for the activation of the license code")
	// Nothing is delivered before the activation, so that what stands in the way is the activation's.
	said := meta.FindStatusCondition(mpi.Status.Conditions, v1alpha1.ConditionLicensed)
	if said != nil && said.Status == metav1.ConditionFalse {
		waits = report.False(said.Reason, said.Message)
	}
	return &waits
}

// wantsLicenses says whether a tenant is told which licenses were asked for: always where the product speaks of licenses, so
// that pods can mount the ConfigMap before the first request.
func wantsLicenses(mpi *v1alpha1.MarketplaceInstance, product *v1alpha1.MarketplaceProduct) bool {
	sub := mpi.Spec.Subscription
	return sub != nil && len(sub.LicenseRequests) > 0 || product != nil && product.Spec.License != (v1alpha1.ProductLicense{})
}

// requestsConfigMap is the object by which a tenant is told which licenses were asked for.
func requestsConfigMap(document string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": v1alpha1.LicenseRequestsName},
		"data": map[string]any{v1alpha1.LicenseRequestsKey: document},
	}}
}
