package listener

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
)

// quietListener is a port that nobody calls.
type quietListener struct {
	closed chan struct{}
	once   sync.Once
}

func (l *quietListener) Accept() (net.Conn, error) {
	<-l.closed
	return nil, net.ErrClosed
}

func (l *quietListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *quietListener) Addr() net.Addr { return &net.TCPAddr{} }

// TestReadinessEndsBeforeTheCalls runs on a clock of its own, on which the delay takes no time.
func TestReadinessEndsBeforeTheCalls(t *testing.T) {
	options := Options{Address: "127.0.0.1:0", Log: logr.Discard(), Registerer: prometheus.NewRegistry(), ShutdownDelay: 5 * time.Second}
	s, err := New(http.NotFoundHandler(), options)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.server.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		port := &quietListener{closed: make(chan struct{})}
		s.server.Listener = port
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error)
		if s.Ready(nil) == nil {
			t.Error("ready before it serves")
		}
		go func() { stopped <- s.Start(ctx) }()
		synctest.Wait()
		if err := s.Ready(nil); err != nil {
			t.Errorf("not ready while it serves: %v", err)
		}

		cancel()
		synctest.Wait()
		if s.Ready(nil) == nil {
			t.Error("ready after the end was asked for")
		}
		time.Sleep(options.ShutdownDelay - time.Nanosecond)
		synctest.Wait()
		select {
		case <-port.closed:
			t.Error("the port was closed before the delay was over")
		default:
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}
