package usage

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

func TestWhatMetersWantOfATenant(t *testing.T) {
	wants := func(changes ...salestest.ProductChange) sale.Extension {
		s := sale.Sale{Instance: byUse()}
		l := ledgerOf(byUse(), salestest.Product(changes...), nil, 0, salestest.Day(1))
		return l.extension(s)
	}
	if got := wants(); got.Services != nil || got.Inputs != nil || got.Objects != nil {
		t.Errorf("without meters: %+v", got)
	}
	if got := wants(salestest.MeteredBy()); got.Services != nil || got.Inputs != nil || got.Objects != nil {
		t.Errorf("a meter that asks a Prometheus changes the tenant's objects: %+v", got)
	}
	if diff := cmp.Diff([]workload.ServicePort{{Service: "web", Port: 80}}, wants(salestest.MeteredBy(salestest.ByHTTP)).Services); diff != "" {
		t.Errorf("a meter that asks the tenant (-want +got):\n%s", diff)
	}
}
