package tenant

import (
	flags "flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/controllers/apply"
)

// tenants numbers the tenants on the real API server, so that each sequence has its own.
var tenants atomic.Int64

// sequences is how many the real API server plays; more with STALLKEEPER_SEQUENCES.
func sequences(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("STALLKEEPER_SEQUENCES"))
	if err != nil {
		return 15
	}
	return n
}

// TestWhateverHappensOnTheRealAPIServer plays the same sequences as the test on the API server in memory.
func TestWhateverHappensOnTheRealAPIServer(t *testing.T) {
	backend, err := client.New(rest.CopyConfig(realConfig(t)), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	without := map[string]string{}
	for name, text := range templates {
		// The custom kind is not installed, and a port belongs to the whole cluster.
		without[name] = strings.ReplaceAll(text, hibernate, "")
	}
	delete(without, "port")
	delete(without, "renamed")
	left, failing := sequences(t), false
	sameSequences(t, flags.Lookup("rapid.checks").DefValue)
	rapid.Check(t, func(t *rapid.T) {
		if left--; left < 0 && !failing {
			return // the API server in memory plays the others
		}
		done := false
		defer func() { failing = failing || !done }()
		name := fmt.Sprintf("random-%d", tenants.Add(1))
		w := worldOn(&server{Client: backend}, &world{
			revisions: without, target: rapid.SampledFrom([]string{"plain", "scaled", "locked"}).Draw(t, "first"), space: "tenant-" + name,
			owner: apply.Owner{Name: name, Namespace: "sales", UID: types.UID("uid-" + name)}, kinds: builtIn,
		})
		defer func() {
			w.deletes("Service", "web") // the range of addresses has an end
		}()
		(&model{world: w}).play(t)
		done = true
	})
}
