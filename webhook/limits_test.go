package webhook

import (
	"context"
	"errors"
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
	l := newLimits(1<<10, 2, 1)
	failed := make(chan error)
	slow := []*slowBody{newSlowBody(), newSlowBody()}
	for _, body := range slow {
		go func() {
			_, err := l.read(context.Background(), body, httptest.NewRequest(http.MethodPost, "/", body))
			failed <- err
		}()
		<-body.started
	}
	body, err := l.read(context.Background(), httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader("a call")))
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

func TestVerifiedCallsWaitForAPlaceAsLongAsTheyHaveTime(t *testing.T) {
	l := newLimits(1<<10, 1, 1)
	leave, err := l.admit(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	expired, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.admit(expired); !errors.Is(err, marketplace.ErrUnavailable) {
		t.Errorf("without time: %v, want unavailable", err)
	}
	admitted := make(chan error)
	go func() {
		_, err := l.admit(context.Background())
		admitted <- err
	}()
	leave()
	if err := <-admitted; err != nil {
		t.Errorf("with time: %v", err)
	}
}
