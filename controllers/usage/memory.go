package usage

import (
	"time"

	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
)

// memory is what a process remembers of one instance's meters to save work. Lost, it costs a few calls.
type memory struct {
	// stopSeen is when a pass first saw that the tenant has to be stopped.
	stopSeen time.Time
	// leftSeen is when a pass first saw that the plan does not have a meter any more, by the meter.
	leftSeen map[string]time.Time
	// silent are the sources that have not answered, by meter; pauses how long each is left alone.
	silent map[string]silence
	pauses *queue.Backoff
	// announced is what events were made of, by condition.
	announced report.Announced
}

// silence is why a source has not answered, and when it is asked again.
type silence struct {
	problem report.Verdict
	next    time.Time
}

func (r *Reconciler) newMemory() *memory {
	return &memory{
		leftSeen: map[string]time.Time{}, silent: map[string]silence{},
		pauses: queue.NewBackoff(queue.AskFirst, queue.AskLast, r.Clock), announced: report.Announced{},
	}
}

// left is when a pass first saw that the plan does not have a meter any more.
func (m *memory) left(meter string, now time.Time) time.Time {
	seen, known := m.leftSeen[meter]
	if !known {
		seen = now
		m.leftSeen[meter] = seen
	}
	return seen
}

// failed notes that a source has not answered, and returns when it is asked again.
func (m *memory) failed(meter string, problem report.Verdict, now time.Time) time.Time {
	m.pauses.Next(meter, now)
	next := now.Add(m.pauses.Get(meter))
	m.silent[meter] = silence{problem, next}
	return next
}

// answered forgets that a source had not answered.
func (m *memory) answered(meter string) {
	m.pauses.Reset(meter)
	delete(m.silent, meter)
}
