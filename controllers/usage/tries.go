package usage

import (
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/stallkeeper/stallkeeper/controllers/queue"
)

// forgetTries is how long after its next try a record is remembered that never came again.
const forgetTries = 2 * time.Hour

// tries is what a process remembers of the pushes to one marketplace. Lost, records are tried again at once.
type tries struct {
	by map[types.UID]try
	// sent is what was last pushed under each id, also of records that are gone.
	sent map[string]sent
	// pauses are those of records that a marketplace did not take because it did not answer.
	pauses *queue.Backoff
}

// sent is an amount that was pushed, whatever became of it.
type sent struct {
	record types.UID
	value  string
	until  time.Time
}

// rememberSent is how long an id is remembered whose push had no answer: for as long as usage can be charged. rememberTaken is the same
// of one that was accepted, of which there are many more.
const (
	rememberSent  = 22 * 24 * time.Hour
	rememberTaken = 48 * time.Hour
)

// differing takes the records out whose id stands for another amount already: that of a record which was deleted, or of another instance
// with the same id. The marketplace keeps the first one, and would be taken to have accepted the second. A record of which that was said
// once stays out in the next process too, which does not know the first amount.
func (t *tries) differing(due []duePush, now time.Time) (fit, differ []duePush) {
	maps.DeleteFunc(t.sent, func(_ string, s sent) bool { return now.After(s.until) })
	return partition(due, func(push duePush) bool {
		before, known := t.sent[push.record.ID]
		if !known {
			return !saidToDiffer(push.object)
		}
		return before.record == push.object.UID || before.value == push.record.Value
	})
}

// sending notes the records that a call is about to push.
func (t *tries) sending(batch []duePush, now time.Time) {
	for _, push := range batch {
		t.sent[push.record.ID] = sent{push.object.UID, push.record.Value, now.Add(rememberSent)}
	}
}

// taken shortens how long a record is remembered that was accepted.
func (t *tries) taken(push duePush, now time.Time) {
	if s, known := t.sent[push.record.ID]; known {
		s.until = now.Add(rememberTaken)
		t.sent[push.record.ID] = s
	}
}

// withdrawn forgets what was pushed of a record of which a person has found that the marketplace shows nothing.
func (t *tries) withdrawn(record types.UID) {
	maps.DeleteFunc(t.sent, func(_ string, s sent) bool { return s.record == record })
}

// unsent forgets a record that the marketplace has refused: another amount can stand in its place.
func (t *tries) unsent(push duePush) { delete(t.sent, push.record.ID) }

// try is what became of a record's last push.
type try struct {
	// next is when it may be tried again.
	next time.Time
	// refused is true if the record itself was not accepted; accepted if it was, and only the cache or the store is behind.
	refused, accepted bool
}

func (r *PushReconciler) newTries() *tries {
	return &tries{by: map[types.UID]try{}, sent: map[string]sent{}, pauses: queue.NewBackoff(queue.PushFirst, queue.PushLast, r.Clock)}
}

// ready are the records that may be tried now, and when the next one may.
func (t *tries) ready(due []duePush, now time.Time) (ready []duePush, next time.Time) {
	t.pauses.GC()
	maps.DeleteFunc(t.by, func(_ types.UID, last try) bool { return now.Sub(last.next) > forgetTries })
	for _, push := range due {
		if last := t.by[push.object.UID]; now.Before(last.next) {
			next = queue.Earliest(next, last.next)
			continue
		}
		ready = append(ready, push)
	}
	return ready, next
}

// split takes the records out that the marketplace has accepted already.
func (t *tries) split(due []duePush) (open, accepted []duePush) {
	return partition(due, func(push duePush) bool { return !t.by[push.object.UID].accepted })
}

// batches are the records of the new interface, those that were refused before apart from the others.
func (t *tries) batches(due []duePush) [][]duePush {
	batched, _ := partition(due, func(push duePush) bool { return !push.old })
	fresh, suspect := partition(batched, func(push duePush) bool { return !t.by[push.object.UID].refused })
	return slices.DeleteFunc([][]duePush{fresh, suspect}, func(batch []duePush) bool { return len(batch) == 0 })
}

func partition(due []duePush, wanted func(duePush) bool) (yes, no []duePush) {
	for _, push := range due {
		if wanted(push) {
			yes = append(yes, push)
		} else {
			no = append(no, push)
		}
	}
	return yes, no
}

// failed notes a push that failed. asked is how long the marketplace wants to be left alone; 0 if it has not said.
func (t *tries) failed(uid types.UID, refused bool, asked time.Duration, now time.Time) {
	pause := queue.RefusedPushRetry
	if !refused {
		t.pauses.Next(string(uid), now)
		pause = t.pauses.Get(string(uid))
	}
	t.by[uid] = try{refused: refused, next: now.Add(max(pause, asked))}
}

func (t *tries) succeeded(uid types.UID, now time.Time) {
	t.pauses.Reset(string(uid))
	t.by[uid] = try{accepted: true, next: now}
}
