package controllers

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

func TestWhatMetersWantOfATenant(t *testing.T) {
	wants := func(changes ...productChange) Extension {
		s := Sale{Instance: byUse()}
		l := ledgerOf(byUse(), product(changes...), nil, 0, day(1))
		return l.extension(s)
	}
	if got := wants(); got.Services != nil || got.Inputs != nil || got.Objects != nil {
		t.Errorf("without meters: %+v", got)
	}
	if got := wants(meteredBy()); got.Services != nil || got.Inputs != nil || got.Objects != nil {
		t.Errorf("a meter that asks a Prometheus changes the tenant's objects: %+v", got)
	}
	if diff := cmp.Diff([]workload.ServicePort{{Service: "web", Port: 80}}, wants(meteredBy(byHTTP)).Services); diff != "" {
		t.Errorf("a meter that asks the tenant (-want +got):\n%s", diff)
	}
}
