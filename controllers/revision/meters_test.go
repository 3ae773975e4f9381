package revision

import (
	"testing"

	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

func TestMetersAreNoPartOfARevision(t *testing.T) {
	before, err := ContentOf(salestest.Product(), Material{}).Name(salestest.Product())
	if err != nil {
		t.Fatal(err)
	}
	metered := salestest.Product(salestest.MeteredBy())
	if after, err := ContentOf(metered, Material{}).Name(metered); err != nil || after != before {
		t.Errorf("the revision is %s, and with a meter %s, %v", before, after, err)
	}
}
