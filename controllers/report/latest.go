package report

import (
	"time"

	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// Latest is an instance as the API server has answered this process's last write of it, for as long as the cache shows an older one.
// An event may wake a pass in between, which would otherwise miss its own write and say all of it again. The zero Latest is empty.
type Latest struct {
	answer *v1alpha1.MarketplaceInstance
	until  time.Time
}

// latestFor is how long an answer may be newer than the cache. A cluster that was restored from a backup counts from a lower version, and
// its cache would never catch up.
const latestFor = 10 * time.Second

// Keep notes what the API server has answered.
func (l *Latest) Keep(answer *v1alpha1.MarketplaceInstance, now time.Time) {
	l.answer, l.until = answer.DeepCopy(), now.Add(latestFor)
}

// Of is the newer one of what the cache shows and what was answered. It is the caller's own copy.
func (l *Latest) Of(cached *v1alpha1.MarketplaceInstance, now time.Time) *v1alpha1.MarketplaceInstance {
	if l.answer == nil {
		return cached
	}
	order, err := resourceversion.CompareResourceVersion(cached.ResourceVersion, l.answer.ResourceVersion)
	if err != nil || order >= 0 || cached.UID != l.answer.UID || !now.Before(l.until) {
		l.answer = nil
		return cached
	}
	return l.answer.DeepCopy()
}
