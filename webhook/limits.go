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

	"github.com/stallkeeper/stallkeeper/listener"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

const (
	// maxLarge is how many verified calls with a large body are at work at once.
	maxLarge = 8
	// maxLargeReading is how many bytes of large bodies of callers not yet verified are in memory at once.
	maxLargeReading = 16 << 20
	// firstBuffer is what a body begins with, in bytes: most real ones have fewer. It grows as the body arrives, so that a caller who only
	// promises one costs no more.
	firstBuffer = 2 << 10
	// maxDiscarded is how many bytes of a body that is too large are still taken from the connection.
	maxDiscarded = 1 << 20
)

// limits keep a flood of calls from taking the memory, or the turn of the real ones.
type limits struct {
	// maxBody says the size in bytes of a body that is refused unread, by the path below the callback URL. One above ordinary
	// is large: of those fewer are in memory at once.
	maxBody  func(path string) int64
	ordinary int64

	bodies, largeBodies bodies

	// verified holds one token for each verified call at work, large one more for each whose body is.
	verified, large chan struct{}
}

// bodies are those of one size of callers that nobody has verified yet, from their first byte to the answer whether the signature holds.
// When they take too much, the oldest that is still being read makes room: a real call's body is there within milliseconds, so the one that
// reads longest is the one that means to stay.
type bodies struct {
	most int64

	mu      sync.Mutex
	held    int64
	reading list.List // of *body, oldest first
	// freed is closed when some are given back, for those who wait.
	freed chan struct{}
}

// body is one of them.
type body struct {
	of         *bodies
	controller *http.ResponseController
	held       int64
	// place is nil once it is read, or had to make room.
	place *list.Element
	cut   bool
}

func newLimits(ordinary int64, maxBody func(path string) int64, maxReading int64, maxVerified int) *limits {
	if maxBody == nil {
		maxBody = func(string) int64 { return ordinary }
	}
	return &limits{
		maxBody: maxBody, ordinary: ordinary,
		bodies: bodies{most: maxReading, freed: make(chan struct{})}, largeBodies: bodies{most: maxLargeReading, freed: make(chan struct{})},
		verified: make(chan struct{}, maxVerified), large: make(chan struct{}, maxLarge),
	}
}

// read takes the whole body of a call to a path below the callback URL. It has to be there before ctx ends. It counts among those that
// nobody has verified until verified is called, once.
func (l *limits) read(ctx context.Context, w http.ResponseWriter, r *http.Request, path string) (content []byte, verified func(), err error) {
	if r.ContentLength == 0 {
		// The server reads on from the connection already, and must meet no deadline there.
		return nil, func() {}, nil
	}
	maxBody, among := l.maxBody(path), &l.bodies
	if maxBody > l.ordinary && (r.ContentLength < 0 || r.ContentLength > l.ordinary) {
		among = &l.largeBodies
		listener.ExpectLarge(ctx)
	}
	b := among.start(ctx, w)
	defer func() {
		b.end(w, err == nil)
		if err != nil {
			b.giveBack()
		}
	}()
	if r.ContentLength > maxBody {
		return nil, nil, tooLarge(r, maxBody)
	}
	content, err = b.readAll(ctx, http.MaxBytesReader(w, r.Body, maxBody), r.ContentLength, maxBody)
	var exceeded *http.MaxBytesError
	switch {
	case err == nil:
		return content, b.giveBack, nil
	case errors.Is(err, errBusy):
		return nil, nil, err
	case errors.As(err, &exceeded):
		return nil, nil, tooLarge(r, maxBody)
	case errors.Is(err, os.ErrDeadlineExceeded), ctx.Err() != nil:
		return nil, nil, errBodyLate
	}
	// The transport's own text may quote what was sent.
	return nil, nil, fmt.Errorf("%w: reading the body failed", marketplace.ErrMalformed)
}

// tooLarge lets some more of the body pass unkept: a caller whose connection is closed while it still sends never sees the
// answer that says why.
func tooLarge(r *http.Request, maxBody int64) error {
	_, _ = io.CopyN(io.Discard, r.Body, maxDiscarded)
	return fmt.Errorf("%w: the body has more than %d bytes", marketplace.ErrTooLarge, maxBody)
}

// start puts a body among those that are being read.
func (all *bodies) start(ctx context.Context, w http.ResponseWriter) *body {
	b := &body{of: all, controller: http.NewResponseController(w)}
	if deadline, ok := ctx.Deadline(); ok {
		// Without it a slow body could hold the call beyond the time for the answer. Writers that have no deadline are
		// those of tests, whose bodies are in memory.
		_ = b.controller.SetReadDeadline(deadline)
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	b.place = all.reading.PushBack(b)
	return b
}

// readAll reads a body of a length, -1 for one that is not told, and of maxBody bytes at most. The error is errBusy when there is no
// memory for it in time.
func (b *body) readAll(ctx context.Context, from io.Reader, length, maxBody int64) ([]byte, error) {
	// One byte more than there is, to see its end.
	whole := maxBody + 1
	if length >= 0 {
		whole = length + 1
	}
	var content []byte
	for {
		if len(content) == cap(content) {
			// At last all of it: to double it once more would take twice what is needed.
			size := min(max(firstBuffer, 2*int64(cap(content))), whole)
			if size <= int64(cap(content)) {
				size = int64(cap(content)) + 1
			}
			if err := b.grow(ctx, size); err != nil {
				return nil, err
			}
			larger := make([]byte, len(content), size)
			copy(larger, content)
			content = larger
		}
		n, err := from.Read(content[len(content):cap(content)])
		content = content[:len(content)+n]
		switch {
		case errors.Is(err, io.EOF):
			return content, nil
		case err != nil:
			return nil, err
		}
	}
}

// grow waits for room for a body of a size, which takes the place of what it had.
func (b *body) grow(ctx context.Context, size int64) error {
	for {
		freed, ok := b.tryGrow(size)
		if ok {
			return nil
		}
		if freed == nil {
			return errBusy
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return errBusy
		}
	}
}

// tryGrow makes room. Where that can't be done, it says what to wait for: nil when waiting is of no use, because the body itself has to
// make room.
func (b *body) tryGrow(size int64) (freed <-chan struct{}, ok bool) {
	all := b.of
	all.mu.Lock()
	defer all.mu.Unlock()
	for !b.cut && all.held-b.held+size > all.most {
		oldest := all.reading.Front()
		if oldest == nil || oldest.Value.(*body) == b {
			// All others are whole and about to be verified, or b is the one that reads longest.
			break
		}
		oldest.Value.(*body).makeRoom()
	}
	switch {
	case b.cut:
		return nil, false
	case all.held-b.held+size > all.most:
		return all.freed, false
	}
	all.held += size - b.held
	b.held = size
	return nil, true
}

// makeRoom ends a body that is being read. Its owner holds the lock.
func (b *body) makeRoom() {
	b.cut = true
	b.leaveReading()
	b.of.held -= b.held
	b.held = 0
	_ = b.controller.SetReadDeadline(time.Unix(1, 0)) // the read ends
	b.of.tellFreed()                                  // and so does its waiting for more
}

// tellFreed wakes those that wait for room. Its caller holds the lock.
func (all *bodies) tellFreed() {
	close(all.freed)
	all.freed = make(chan struct{})
}

func (b *body) leaveReading() {
	if b.place != nil {
		b.of.reading.Remove(b.place)
		b.place = nil
	}
}

// end says that a body is not read any more. After a whole one it takes the deadline off again: the server
// keeps reading from the connection to see whether the caller hangs up, and a deadline that passes there while the call is at work would
// end all later calls of the same connection. After half of a body the deadline stays, so that nobody waits for the rest, and the
// connection is closed. So it is after one that had to make room with its last byte: that deadline may have passed there.
func (b *body) end(w http.ResponseWriter, whole bool) {
	b.of.mu.Lock()
	defer b.of.mu.Unlock()
	b.leaveReading()
	if !whole || b.cut {
		w.Header().Set("Connection", "close")
		return
	}
	// Behind the lock, so that none that makes room comes after it.
	_ = b.controller.SetReadDeadline(time.Time{})
}

// giveBack gives its memory back, and tells those who wait for some.
func (b *body) giveBack() {
	b.of.mu.Lock()
	defer b.of.mu.Unlock()
	if b.held > 0 {
		b.of.held -= b.held
		b.held = 0
		b.of.tellFreed()
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
