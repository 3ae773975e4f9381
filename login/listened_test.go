package login_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/stallkeeper/stallkeeper/listener"
)

// listened serves the handler as the internet reaches it, and calls it from addresses of this machine.
func (s *stand) listened(t *testing.T, most int) (dial func(from string) net.Conn) {
	t.Helper()
	server, err := listener.New(s.handler, listener.Options{
		Name: "logins", Address: "127.0.0.1:0", Log: logr.Discard(), Registerer: prometheus.NewRegistry(), MaxConnections: most,
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Start(t.Context()) }()
	return func(from string) net.Conn {
		connection, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", server.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { connection.Close() })
		return connection
	}
}

// asks makes a request, and is the status of its answer.
func asks(connection net.Conn, method, path, rest string) (status int, last bool, err error) {
	if _, err := fmt.Fprintf(connection, "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", method, path, rest); err != nil {
		return 0, true, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return 0, true, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, answer.Close, err
}

// A callback with a code that is none is had for nothing. Whoever makes many would else have the connections that are closed last.
func TestACodeThatIsNoneMakesNobodyKnown(t *testing.T) {
	s := newStand(t)
	dial := s.listened(t, 3)
	for range 2 {
		back, _ := url.Parse(strings.Replace(s.comesBack(t), "code=", "code=guessed", 1))
		cookie := s.cookies()[0]
		connection := dial("127.0.0.2")
		if status, _, err := asks(connection, http.MethodGet, back.RequestURI(), "Cookie: "+cookie.String()+"\r\n"); status != http.StatusBadRequest {
			t.Fatalf("a guessed code is answered with %d, %v", status, err)
		}
		// By the next request the server has taken the last one for answered.
		if status, _, err := asks(connection, http.MethodGet, "/", ""); status != http.StatusOK {
			t.Fatalf("the bridge is answered with %d, %v", status, err)
		}
	}
	user := dial("127.0.0.3")
	for _, from := range []func() net.Conn{
		func() net.Conn { return user }, func() net.Conn { return dial("127.0.0.4") }, func() net.Conn { return user },
	} {
		connection := from()
		if status, _, err := asks(connection, http.MethodGet, startPath, ""); status != http.StatusFound {
			t.Fatalf("a user is answered with %d, %v", status, err)
		}
	}
}

func TestNothingFollowsABody(t *testing.T) {
	s := newStand(t)
	dial := s.listened(t, 3)
	for sentence, rest := range map[string]string{
		"of a length": "Content-Length: 2\r\n\r\nab", "of two": "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
	} {
		for _, path := range []string{"/", startPath, callbackPath, "/x"} {
			connection := dial("127.0.0.2")
			if status, last, err := asks(connection, http.MethodPost, path, rest); !last || err != nil {
				t.Errorf("%s, %s: answered with %d, %v, and the connection stays", path, sentence, status, err)
			}
			connection.Close()
		}
	}
}
