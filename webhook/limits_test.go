package webhook

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// slowBody is a body that never comes; it ends when its connection's deadline is set to the past.
type slowBody struct {
	http.ResponseWriter
	started, ended chan struct{}
}

func newSlowBody() *slowBody {
	return &slowBody{httptest.NewRecorder(), make(chan struct{}), make(chan struct{})}
}

func (b *slowBody) SetReadDeadline(deadline time.Time) error {
	if deadline.Before(time.Now()) {
		close(b.ended)
	}
	return nil
}

func (b *slowBody) Read([]byte) (int, error) {
	close(b.started)
	<-b.ended
	return 0, errors.New("the connection broke")
}

func (b *slowBody) Close() error { return nil }

func TestASlowBodyMakesRoomForTheNextOne(t *testing.T) {
	l := newLimits(1<<10, nil, 2*(1<<10+1), 1)
	failed := make(chan error)
	slow := []*slowBody{newSlowBody(), newSlowBody()}
	for _, body := range slow {
		go func() {
			_, _, err := l.read(context.Background(), body, httptest.NewRequest(http.MethodPost, "/", body), "")
			failed <- err
		}()
		<-body.started
	}
	body, _, err := l.read(context.Background(), httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader("a call")), "")
	if err != nil || string(body) != "a call" {
		t.Errorf("the third call read %q, %v", body, err)
	}
	if err := <-failed; !errors.Is(err, marketplace.ErrMalformed) {
		t.Errorf("the slow body failed with %v", err)
	}
	select {
	case <-slow[0].ended:
	case <-slow[1].ended:
		t.Error("the later one had to make room")
	}
	close(slow[1].ended)
	<-failed
}

// lastBytes is a body whose last bytes come while another one takes its room.
type lastBytes struct {
	io.Reader
	meanwhile func()
}

func (b *lastBytes) Read(p []byte) (int, error) {
	n, _ := b.Reader.Read(p)
	b.meanwhile()
	return n, io.EOF
}

// The server reads on from a connection whose body is there, and what ends that reading ends every later call of the connection.
func TestABodyThatMadeRoomAtItsEndLeavesNoConnection(t *testing.T) {
	l := newLimits(1<<10, nil, 1<<10+1, 1)
	full := func() {
		other := l.bodies.start(context.Background(), httptest.NewRecorder())
		defer other.giveBack()
		if err := other.grow(context.Background(), 1<<10+1); err != nil {
			t.Errorf("the other one has no room: %v", err)
		}
	}
	w := httptest.NewRecorder()
	body, _, err := l.read(context.Background(), w, httptest.NewRequest(http.MethodPost, "/", &lastBytes{strings.NewReader("a call"), full}), "")
	if err != nil || string(body) != "a call" {
		t.Errorf("read %q, %v", body, err)
	}
	if w.Header().Get("Connection") != "close" {
		t.Error("the connection is kept for another call")
	}
}

func TestVerifiedCallsWaitForAPlaceAsLongAsTheyHaveTime(t *testing.T) {
	l := newLimits(1<<10, nil, 1<<10, 1)
	leave, err := l.admit(context.Background(), 1)
	if err != nil {
		t.Fatal(err)
	}
	expired, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.admit(expired, 1); !errors.Is(err, marketplace.ErrUnavailable) {
		t.Errorf("without time: %v, want unavailable", err)
	}
	admitted := make(chan error)
	go func() {
		_, err := l.admit(context.Background(), 1)
		admitted <- err
	}()
	leave()
	if err := <-admitted; err != nil {
		t.Errorf("with time: %v", err)
	}
}

func TestALargeBodyIsReadWhereItsPathHasThem(t *testing.T) {
	l := newLimits(8, func(path string) int64 { return map[string]int64{"/large": 16}[path] + 8 }, 64, 20)
	read := func(path string, size int) error {
		_, _, err := l.read(context.Background(), httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", size))), path)
		return err
	}
	if err := read("/large", 24); err != nil {
		t.Errorf("24 bytes: %v", err)
	}
	for path, size := range map[string]int{"/large": 25, "": 9} {
		if err := read(path, size); !errors.Is(err, marketplace.ErrTooLarge) {
			t.Errorf("%d bytes to %q: %v", size, path, err)
		}
	}
	var leave func()
	for range maxLarge {
		var err error
		if leave, err = l.admit(context.Background(), 24); err != nil {
			t.Fatal(err)
		}
	}
	expired, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.admit(expired, 24); !errors.Is(err, marketplace.ErrUnavailable) {
		t.Errorf("one large body too many: %v", err)
	}
	small, err := l.admit(context.Background(), 8)
	if err != nil {
		t.Errorf("a small one beside them: %v", err)
	}
	small()
	leave()
	if _, err := l.admit(context.Background(), 24); err != nil {
		t.Errorf("after one has left: %v", err)
	}
}
