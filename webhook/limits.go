package webhook

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// maxDiscarded is how many bytes of a body that is too large are still taken from the connection.
const maxDiscarded = 1 << 20

// limits keep a flood of calls from taking the memory, or the turn of the real ones.
type limits struct {
	maxBody int64

	// Bodies of callers that nobody has verified yet. When there are too many, the oldest makes room: a real call's body is
	// there within milliseconds, so the one that reads longest is the one that means to stay.
	mu         sync.Mutex
	maxReading int
	reading    list.List // of *http.ResponseController, oldest first

	// verified holds one token for each verified call at work.
	verified chan struct{}
}

func newLimits(maxBody int64, maxReading, maxVerified int) *limits {
	return &limits{maxBody: maxBody, maxReading: maxReading, verified: make(chan struct{}, maxVerified)}
}

// read takes the whole body, which has to be there before ctx ends.
func (l *limits) read(ctx context.Context, w http.ResponseWriter, r *http.Request) ([]byte, error) {
	leave := l.startReading(ctx, w)
	defer leave()
	if r.ContentLength > l.maxBody {
		return nil, l.tooLarge(r)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, l.maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return body, nil
	case errors.As(err, &tooLarge):
		return nil, l.tooLarge(r)
	case errors.Is(err, os.ErrDeadlineExceeded), ctx.Err() != nil:
		return nil, errBodyLate
	}
	// The transport's own text may quote what was sent.
	return nil, fmt.Errorf("%w: the body can't be read", marketplace.ErrMalformed)
}

// tooLarge lets some more of the body pass unkept: a caller whose connection is closed while it still sends never sees the
// answer that says why.
func (l *limits) tooLarge(r *http.Request) error {
	_, _ = io.CopyN(io.Discard, r.Body, maxDiscarded)
	return fmt.Errorf("%w: the body has more than %d bytes", marketplace.ErrTooLarge, l.maxBody)
}

// startReading makes room among the readers; leave gives the room back.
func (l *limits) startReading(ctx context.Context, w http.ResponseWriter) (leave func()) {
	controller := http.NewResponseController(w)
	if deadline, ok := ctx.Deadline(); ok {
		// Without it a slow body could hold the call beyond the time for the answer. Writers that have no deadline are
		// those of tests, whose bodies are in memory.
		_ = controller.SetReadDeadline(deadline)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reading.Len() >= l.maxReading {
		oldest := l.reading.Remove(l.reading.Front())
		_ = oldest.(*http.ResponseController).SetReadDeadline(time.Unix(1, 0))
	}
	reader := l.reading.PushBack(controller)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.reading.Remove(reader) // does nothing for one that had to make room
	}
}

// admit waits for one of the places of verified calls; leave gives it back.
func (l *limits) admit(ctx context.Context) (leave func(), err error) {
	select {
	case l.verified <- struct{}{}:
		return func() { <-l.verified }, nil
	case <-ctx.Done():
		return nil, errBusy
	}
}
