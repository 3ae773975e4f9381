package controllers

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/stallkeeper/stallkeeper/controllers/instance"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// The caches of two controllers show the same instances, and a Prometheus reads both.
func TestTwoControllersCountEachInstanceOnce(t *testing.T) {
	cache := fake.NewClientBuilder().WithScheme(salestest.NewTestScheme(t)).WithObjects(salestest.Sale()).Build()
	leads, waits := make(chan struct{}), make(chan struct{})
	close(leads)
	sum := 0.0
	for _, elected := range []chan struct{}{leads, waits} {
		registry := prometheus.NewRegistry()
		if err := register(registry, elected, instance.Metrics{Reader: cache}); err != nil {
			t.Fatal(err)
		}
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			for _, metric := range family.GetMetric() {
				sum += metric.GetGauge().GetValue()
			}
		}
	}
	if sum != 1 {
		t.Errorf("two controllers count %v instances, want 1", sum)
	}
}
