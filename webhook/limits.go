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

const (
	// maxLarge is how many verified calls with a large body are at work at once.
	maxLarge = 16
	// maxLargeReading is how many large bodies of callers not yet verified are in memory at once.
	maxLargeReading = 48
)

// maxDiscarded is how many bytes of a body that is too large are still taken from the connection.
const maxDiscarded = 1 << 20

// limits keep a flood of calls from taking the memory, or the turn of the real ones.
type limits struct {
	// maxBody says the size in bytes of a body that is refused unread, by the path below the callback URL. One above ordinary
	// is large: of those fewer are in memory at once.
	maxBody  func(path string) int64
	ordinary int64

	// Bodies of callers that nobody has verified yet. When there are too many, the oldest makes room: a real call's body is
	// there within milliseconds, so the one that reads longest is the one that means to stay.
	mu                 sync.Mutex
	readers, largeOnes readers

	// verified holds one token for each verified call at work, large one more for each whose body is.
	verified, large chan struct{}
}

// readers are the bodies of one size that are being read.
type readers struct {
	most    int
	reading list.List // of *http.ResponseController, oldest first
}

func newLimits(ordinary int64, maxBody func(path string) int64, maxReading, maxVerified int) *limits {
	if maxBody == nil {
		maxBody = func(string) int64 { return ordinary }
	}
	return &limits{
		maxBody: maxBody, ordinary: ordinary, readers: readers{most: maxReading}, largeOnes: readers{most: maxLargeReading},
		verified: make(chan struct{}, maxVerified), large: make(chan struct{}, maxLarge),
	}
}

// read takes the whole body of a call to a path below the callback URL. It has to be there before ctx ends.
func (l *limits) read(ctx context.Context, w http.ResponseWriter, r *http.Request, path string) ([]byte, error) {
	maxBody, among := l.maxBody(path), &l.readers
	if maxBody > l.ordinary {
		among = &l.largeOnes
	}
	leave := l.startReading(ctx, w, among)
	whole := false
	defer func() { leave(whole) }()
	if r.ContentLength > maxBody {
		return nil, tooLarge(r, maxBody)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	whole = err == nil
	var exceeded *http.MaxBytesError
	switch {
	case err == nil:
		return body, nil
	case errors.As(err, &exceeded):
		return nil, tooLarge(r, maxBody)
	case errors.Is(err, os.ErrDeadlineExceeded), ctx.Err() != nil:
		return nil, errBodyLate
	}
	// The transport's own text may quote what was sent.
	return nil, fmt.Errorf("%w: the body can't be read", marketplace.ErrMalformed)
}

// tooLarge lets some more of the body pass unkept: a caller whose connection is closed while it still sends never sees the
// answer that says why.
func tooLarge(r *http.Request, maxBody int64) error {
	_, _ = io.CopyN(io.Discard, r.Body, maxDiscarded)
	return fmt.Errorf("%w: the body has more than %d bytes", marketplace.ErrTooLarge, maxBody)
}

// startReading makes room among the readers; leave gives the room back. After a whole body it takes the deadline off again: the server
// keeps reading from the connection to see whether the caller hangs up, and a deadline that passes there while the call is at work would
// end all later calls of the same connection. After half of a body the deadline stays, so that nobody waits for the rest, and the
// connection is closed.
func (l *limits) startReading(ctx context.Context, w http.ResponseWriter, among *readers) (leave func(whole bool)) {
	controller := http.NewResponseController(w)
	if deadline, ok := ctx.Deadline(); ok {
		// Without it a slow body could hold the call beyond the time for the answer. Writers that have no deadline are
		// those of tests, whose bodies are in memory.
		_ = controller.SetReadDeadline(deadline)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if among.reading.Len() >= among.most {
		oldest := among.reading.Remove(among.reading.Front())
		_ = oldest.(*http.ResponseController).SetReadDeadline(time.Unix(1, 0))
	}
	reader := among.reading.PushBack(controller)
	return func(whole bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		among.reading.Remove(reader) // does nothing for one that had to make room
		if !whole {
			w.Header().Set("Connection", "close")
			return
		}
		// Behind the lock, so that none that makes room comes after it.
		_ = controller.SetReadDeadline(time.Time{})
	}
}

// admit waits for one of the places of verified calls; leave gives it back. What a large body is decoded to takes several times
// its size, so those wait for one of their own places first.
func (l *limits) admit(ctx context.Context, size int) (leave func(), err error) {
	places := []chan struct{}{l.verified}
	if int64(size) > l.ordinary {
		places = []chan struct{}{l.large, l.verified}
	}
	taken := 0
	leave = func() {
		for _, place := range places[:taken] {
			<-place
		}
	}
	for _, place := range places {
		select {
		case place <- struct{}{}:
			taken++
		case <-ctx.Done():
			leave()
			return nil, errBusy
		}
	}
	return leave, nil
}
