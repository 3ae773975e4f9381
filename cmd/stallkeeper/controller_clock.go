package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

const (
	clockSkewTimeout = 3 * time.Second
	// maxClockSkews is the longest answer that is read, in bytes.
	maxClockSkews = 1 << 20
	// clockSkewFresh is how old a measurement may be. A marketplace that calls no more says nothing about today's clock.
	clockSkewFresh = 15 * time.Minute
)

// clockSkews asks the webhook servers how far off the marketplaces' clocks are. Only they see the calls, and they may not
// write Marketplaces.
type clockSkews struct{ url string }

// measuredSkew is one entry of the answer.
type measuredSkew struct {
	Namespace   string    `json:"namespace"`
	Marketplace string    `json:"marketplace"`
	Seconds     float64   `json:"seconds"`
	ObservedAt  time.Time `json:"observedAt"`
}

// of is the skew of one Marketplace; zero when none was measured lately.
func (c *clockSkews) of(ctx context.Context, marketplace types.NamespacedName) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, clockSkewTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("querying the clock skew: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("querying the clock skew: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("querying the clock skew: HTTP %d", resp.StatusCode)
	}
	var measured []measuredSkew
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxClockSkews)).Decode(&measured); err != nil {
		return 0, fmt.Errorf("reading the clock skew: %w", err)
	}
	for _, skew := range measured {
		if skew.Namespace == marketplace.Namespace && skew.Marketplace == marketplace.Name &&
			time.Since(skew.ObservedAt) < clockSkewFresh {
			return time.Duration(skew.Seconds * float64(time.Second)), nil
		}
	}
	return 0, nil
}
