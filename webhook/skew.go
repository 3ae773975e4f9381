package webhook

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// ClockSkewPath is where the metrics port serves the clock skews. The controller asks there, because the callback server
// must not write Marketplaces.
const ClockSkewPath = "/clock-skew"

// ClockSkew is how far a marketplace's clock was from ours in its last well-signed call.
type ClockSkew struct {
	Namespace   string `json:"namespace"`
	Marketplace string `json:"marketplace"`
	// Seconds is how far the marketplace's clock is ahead of ours, negative when it is behind. 0 when the last well-signed
	// call was within the window.
	Seconds float64 `json:"seconds"`
	// ObservedAt is the time of that call by our clock. Of several replicas' answers the latest counts.
	ObservedAt time.Time `json:"observedAt"`
}

// skews hold one ClockSkew for each Marketplace that was called.
type skews struct {
	mu     sync.Mutex
	latest map[types.NamespacedName]ClockSkew
}

func (s *skews) observe(target types.NamespacedName, skew time.Duration, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest == nil {
		s.latest = map[types.NamespacedName]ClockSkew{}
	}
	s.latest[target] = ClockSkew{
		Namespace: target.Namespace, Marketplace: target.Name, Seconds: skew.Seconds(), ObservedAt: now.UTC(),
	}
}

func (s *skews) snapshot() []ClockSkew {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]ClockSkew, 0, len(s.latest))
	for _, skew := range s.latest {
		all = append(all, skew)
	}
	slices.SortFunc(all, func(a, b ClockSkew) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Marketplace, b.Marketplace))
	})
	return all
}

// ClockSkews are the clock skews of all Marketplaces that were called since the start, ordered by namespace and name.
func (h *Handler) ClockSkews() []ClockSkew { return h.skews.snapshot() }

// ServeClockSkews answers ClockSkews as a JSON array.
func (h *Handler) ServeClockSkews(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	// A caller that went away is no concern of ours.
	_ = json.NewEncoder(w).Encode(h.ClockSkews())
}
