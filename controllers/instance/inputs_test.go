package instance

import (
	"testing"

	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// A tenant is not touched because the operator was upgraded to one with another feature, and it is when a feature wants something.
func TestInputsFollowWhatFeaturesWant(t *testing.T) {
	r := &Reconciler{Permissions: salestest.Permissions()}
	with := func(extensions ...sale.Extension) string {
		s := sale.Sale{Instance: salestest.Sale()}
		for _, e := range extensions {
			s = s.With(e)
		}
		digest, err := r.inputs(&pass{target: "shop-1", Sale: s})
		if err != nil {
			t.Fatal(err)
		}
		return digest
	}
	if with() != with(sale.Extension{}) {
		t.Error("a feature that wants nothing changes the inputs")
	}
	for name, e := range map[string]sale.Extension{
		"a port":   {Services: []workload.ServicePort{{Service: "web", Port: 80}}},
		"an input": {Inputs: map[string]string{"feature": "wanted"}},
	} {
		if with() == with(e) {
			t.Errorf("%s changes nothing", name)
		}
	}
}
