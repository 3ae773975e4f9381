package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// soakSales is how many sales the calls of a soak are about: as many at its end as at its beginning.
const soakSales = 200

// sample is what the process takes at one moment.
type sample struct {
	at                           time.Duration
	goroutines, files, heap, rss float64
}

// TestSoak makes mixed calls, one in a hundred of them malformed, and looks whether anything grows. Two hours at 200 calls a second are
// what make bench-large does.
func TestSoak(t *testing.T) {
	s := newStand(t)
	lasts, perSecond := duration(t, "SOAK_DURATION", 3*time.Minute), number(t, "SOAK_RATE", 200)
	var made, late, failed, refused atomic.Int64
	calls := make(chan int, perSecond)
	var workers sync.WaitGroup
	for range 64 {
		workers.Go(func() {
			for n := range calls {
				made.Add(1)
				malformed := n%100 == 99
				answered, err := s.mixed(t.Context(), n, malformed)
				switch {
				case err != nil || answered == koogallery.ResultInternalError:
					failed.Add(1)
				case malformed && answered == koogallery.ResultSuccess:
					t.Errorf("call %d is malformed, and a success", n)
				case malformed:
					refused.Add(1)
				}
			}
		})
	}
	begun := time.Now()
	samples := s.watch(t, lasts, func(n int) {
		select {
		case calls <- n:
		default:
			late.Add(1) // the machine makes no more
		}
	}, perSecond)
	close(calls)
	workers.Wait()
	t.Logf("%d calls in %s (%.0f a second; %d more were not made for want of workers): %d malformed ones refused, %d calls not answered or unavailable",
		made.Load(), time.Since(begun).Round(time.Second), float64(made.Load())/time.Since(begun).Seconds(), late.Load(), refused.Load(), failed.Load())
	for _, x := range samples {
		t.Logf("%8s  %4.0f goroutines  %4.0f files  %4.0f MiB in use  %4.0f MiB resident", x.at.Round(time.Second), x.goroutines, x.files, x.heap/(1<<20), x.rss/(1<<20))
	}
	if refused.Load() == 0 || failed.Load()*100 > made.Load() {
		t.Errorf("%d malformed calls were refused, and %d of %d failed", refused.Load(), failed.Load(), made.Load())
	}
	if late.Load()*20 > made.Load() {
		t.Errorf("the machine makes %d of %d calls only, so that nothing is shown at %d a second", made.Load(), made.Load()+late.Load(), perSecond)
	}
	flat(t, samples)
}

// flat compares the last third of the samples with the middle one: in the first one caches fill. What is remembered against replays fills
// for three minutes, at most 30 MB.
func flat(t *testing.T, samples []sample) {
	t.Helper()
	if len(samples) < 6 {
		t.Fatalf("only %d samples", len(samples))
	}
	third := len(samples) / 3
	highest := func(of []sample, value func(sample) float64) float64 {
		most := 0.0
		for _, x := range of {
			most = max(most, value(x))
		}
		return most
	}
	for what, check := range map[string]struct {
		value func(sample) float64
		room  float64
	}{
		"goroutines": {func(x sample) float64 { return x.goroutines }, 100},
		"files":      {func(x sample) float64 { return x.files }, 100},
		"memory":     {func(x sample) float64 { return x.rss }, 30 << 20},
	} {
		middle, end := highest(samples[third:2*third], check.value), highest(samples[2*third:], check.value)
		if end > middle*1.1+check.room {
			t.Errorf("%s grow from %.0f to %.0f", what, middle, end)
		}
	}
	if most := highest(samples, func(x sample) float64 { return x.rss }); most >= memoryLimit {
		t.Errorf("%.0f bytes are in memory", most)
	}
}

// watch asks for calls at a rate until the time is over, and takes thirty samples meanwhile.
func (s *stand) watch(t *testing.T, lasts time.Duration, call func(n int), perSecond int) []sample {
	t.Helper()
	const wanted = 30
	var samples []sample
	begun := time.Now()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for n := 0; time.Since(begun) < lasts; <-tick.C {
		for due := int(time.Since(begun).Seconds() * float64(perSecond)); n < due; n++ {
			call(n)
		}
		if time.Since(begun) < time.Duration(len(samples)+1)*lasts/wanted {
			continue
		}
		got, err := s.gauges(t.Context(), "go_goroutines", "process_open_fds", "go_memstats_heap_inuse_bytes", "process_resident_memory_bytes")
		if err != nil {
			t.Fatalf("the webhook's metrics: %v", err)
		}
		samples = append(samples, sample{
			time.Since(begun), got["go_goroutines"], got["process_open_fds"], got["go_memstats_heap_inuse_bytes"], got["process_resident_memory_bytes"],
		})
	}
	return samples
}

// mixed makes the nth call, of whatever kind, and says how it was answered.
func (s *stand) mixed(ctx context.Context, n int, malformed bool) (string, error) {
	sale := n % soakSales
	order := fmt.Sprintf("SOAK%d", sale)
	id := marketplace.InstanceName("KooGallery", "International", order, "1")
	caller := s.caller
	var exchange *koogallerytest.Exchange
	var err error
	switch pick := rand.IntN(10); {
	case malformed && pick < 5:
		exchange, err = caller.Send(ctx, []byte(`{"activity":"newInstance","orderId":["`+order+`"]`))
	case malformed:
		caller.Options.WrongKey = true
		exchange, err = caller.NewInstance(ctx, order, "1")
	case pick < 4 || n < soakSales:
		exchange, err = caller.NewInstance(ctx, order, "1")
	case pick < 7:
		exchange, err = caller.QueryInstance(ctx, id)
	case pick < 8:
		exchange, err = caller.UpdateInstanceStatus(ctx, id, koogallery.StatusFreeze)
	case pick < 9:
		exchange, err = caller.UpdateInstanceStatus(ctx, id, koogallery.StatusUnfreeze)
	default:
		exchange, err = caller.With(koogallerytest.Options{Debug: true}).NewInstance(ctx, order, "1")
	}
	if err != nil {
		return "", err
	}
	return exchange.ResultCode, nil
}
