package report

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

func TestTheNewerOfTheCacheAndTheAnswerCounts(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	of := func(uid types.UID, version string) *v1alpha1.MarketplaceInstance {
		mpi := &v1alpha1.MarketplaceInstance{}
		mpi.UID, mpi.ResourceVersion = uid, version
		return mpi
	}
	for name, tc := range map[string]struct {
		cached *v1alpha1.MarketplaceInstance
		after  time.Duration
		want   string
	}{
		"the cache is behind":           {of("u", "9"), 0, "10"},
		"the cache shows the write":     {of("u", "10"), 0, "10"},
		"the cache is ahead":            {of("u", "11"), 0, "11"},
		"another instance of that name": {of("v", "9"), 0, "9"},
		"a cluster that was restored":   {of("u", "9"), latestFor, "9"},
	} {
		t.Run(name, func(t *testing.T) {
			latest := &Latest{}
			latest.Keep(of("u", "10"), now)
			for range 2 {
				if got := latest.Of(tc.cached, now.Add(tc.after)).ResourceVersion; got != tc.want {
					t.Errorf("version %s counts, want %s", got, tc.want)
				}
			}
		})
	}
}
