package listener

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
)

// The time in which a request has to arrive bounds neither its answer nor what follows on its connection: net/http takes the deadline off
// before it reads on to see whether the caller hangs up, and one that passed there would end the contexts of all later requests.
func TestAnAnswerMayTakeLongerThanARequest(t *testing.T) {
	const arrives = 100 * time.Millisecond
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		select {
		case <-r.Context().Done():
			_, _ = io.WriteString(w, "cut")
		case <-time.After(4 * arrives):
			_, _ = io.WriteString(w, "live")
		}
	})
	s, err := New(handler, Options{Address: "127.0.0.1:0", Log: logr.Discard(), Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	s.server.Server.Server.ReadTimeout, s.server.Server.Server.ReadHeaderTimeout = arrives, arrives
	go func() { _ = s.Start(t.Context()) }()
	for sentence, request := range map[string]string{
		"without a body":           "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"with an empty body":       "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
		"with a body":              "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab",
		"with a body of no length": "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
	} {
		t.Run(sentence, func(t *testing.T) {
			connection, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer connection.Close()
			from := bufio.NewReader(connection)
			for n := range 2 {
				if _, err := io.WriteString(connection, request); err != nil {
					t.Fatal(err)
				}
				answer, err := http.ReadResponse(from, nil)
				if err != nil {
					t.Fatalf("request %d: %v", n, err)
				}
				body, err := io.ReadAll(answer.Body)
				if err != nil || string(body) != "live" {
					t.Errorf("request %d: its context is %s, %v", n, body, err)
				}
			}
			// The next header has its own time.
			if _, err := fmt.Fprint(connection, "GET / HTTP/1.1\r\n"); err != nil {
				t.Fatal(err)
			}
			if err := connection.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			if _, err := from.ReadByte(); err != io.EOF {
				t.Errorf("half a header is waited for: %v", err)
			}
		})
	}
}
