package directory

import (
	"context"
	"time"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// Feature opens the tenant's endpoint that is told of changes of its directory.
func Feature() sale.Feature {
	return sale.Feature{
		Extend: func(_ context.Context, s sale.Sale, _ time.Time) (sale.Extension, error) {
			return sale.Extension{Services: forwardServices(s.Product)}, nil
		},
		// They are applied by another field owner.
		Reserved: []workload.Reserved{
			{Kind: "Secret", Name: v1alpha1.OAuthSecretName}, {Kind: "Secret", Name: v1alpha1.TenantDirectoryName, AnySuffix: true},
		},
		PlanServices: func(product *v1alpha1.MarketplaceProduct, _ string) []workload.ServicePort {
			return forwardServices(product)
		},
	}
}

func forwardServices(product *v1alpha1.MarketplaceProduct) []workload.ServicePort {
	if product == nil || product.Spec.Directory.Forward.ServiceRef.Name == "" {
		return nil
	}
	forward := product.Spec.Directory.Forward
	return []workload.ServicePort{{Service: forward.ServiceRef.Name, Port: forward.ServiceRef.Port}}
}
