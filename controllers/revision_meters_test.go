package controllers

import "testing"

func TestMetersAreNoPartOfARevision(t *testing.T) {
	before, err := contentOf(product(), nil).name(product())
	if err != nil {
		t.Fatal(err)
	}
	metered := product(meteredBy())
	if after, err := contentOf(metered, nil).name(metered); err != nil || after != before {
		t.Errorf("the revision is %s, and with a meter %s, %v", before, after, err)
	}
}
