package controllers

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// leading is a collector of a process that leads. Each controller's cache shows all objects: what two of them say of the cluster would be
// summed up to twice as much.
type leading struct {
	prometheus.Collector
	// elected is closed once the process leads; it ends when it leads no more.
	elected <-chan struct{}
}

// Collect gives nothing before the process leads.
func (l leading) Collect(metrics chan<- prometheus.Metric) {
	select {
	case <-l.elected:
		l.Collector.Collect(metrics)
	default:
	}
}

// register has the leader give its metrics.
func register(registerer prometheus.Registerer, elected <-chan struct{}, collectors ...prometheus.Collector) error {
	if registerer == nil {
		return nil
	}
	for _, collector := range collectors {
		if err := registerer.Register(leading{collector, elected}); err != nil {
			return fmt.Errorf("registering the metrics: %w", err)
		}
	}
	return nil
}
