package webhook

import (
	"time"

	"k8s.io/klog/v2"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// Lines a second for calls that nobody has verified, so that strangers can't fill the logs. The metrics count them all.
const (
	strangerLogRate  = 5
	strangerLogBurst = 20
)

// logAnswer writes one line for a call that changed something or was refused; others show from verbosity 1. It names what a
// person compares with the marketplace's console, and nothing of the request besides.
func (h *Handler) logAnswer(c *call, code string, took time.Duration) {
	log := h.log.WithValues(
		"marketplace", klog.KRef(c.target.Namespace, c.target.Name), "code", code, "took", took.Round(time.Millisecond).String())
	switch err := c.outcome.Err; {
	case err != nil && !c.verified:
		if h.strangerLog.Allow() {
			log.Info("Callback refused", "reason", reasonOf(err), "why", err.Error())
		}
		return
	case err != nil:
		log = log.WithValues("reason", reasonOf(err), "why", err.Error())
	}
	log = log.WithValues("activity", c.event.Activity, "scene", c.event.Scene, "debug", c.event.Test,
		"instance", c.instanceID(), "order", c.event.OrderID)
	if c.outcome.Err != nil {
		log.Info("Callback refused")
		return
	}
	if c.event.Test || reads[c.event.Kind] {
		log.V(1).Info("Callback answered")
		return
	}
	log.Info("Callback recorded")
}

// reads are the events that change nothing that was sold; the marketplace makes them often.
var reads = map[marketplace.Kind]bool{marketplace.Query: true, marketplace.Check: true}

func (c *call) instanceID() string {
	if c.event.Kind == marketplace.Purchase {
		return c.outcome.Instance.ID
	}
	return c.event.InstanceID
}
