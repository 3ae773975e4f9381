package listener_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/stallkeeper/stallkeeper/listener"
)

// dial calls from an address of this machine.
func dial(t *testing.T, from, to string) net.Conn {
	t.Helper()
	connection, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return connection
}

func ask(t *testing.T, connection net.Conn, path string) string {
	t.Helper()
	if _, err := fmt.Fprintf(connection, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// A caller who is vouched for is answered, whatever strangers do; theirs are closed for it, and counted.
func TestAStrangerMakesRoomForACaller(t *testing.T) {
	arrived, goOn := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/known" {
			listener.Vouch(r.Context())
			w.Header().Set("Connection", "close")
		}
		if r.URL.Path == "/slow" {
			listener.Vouch(r.Context())
			listener.ExpectLarge(r.Context())
			close(arrived)
			<-goOn
		}
		hello(w, r)
	})
	registry := prometheus.NewRegistry()
	server, err := listener.New(handler, listener.Options{
		Address: "127.0.0.1:0", Log: logr.Discard(), Registerer: registry, MaxConnections: 3, MaxPerAddress: 3,
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Start(t.Context()) }()
	to := server.Addr().String()

	ask(t, dial(t, "127.0.0.4", to), "/known")
	working := dial(t, "127.0.0.2", to)
	answered := make(chan string)
	go func() { answered <- ask(t, working, "/slow") }()
	<-arrived
	strangers := []net.Conn{dial(t, "127.0.0.3", to), dial(t, "127.0.0.3", to)}
	if got := ask(t, dial(t, "127.0.0.4", to), "/"); got != "hello" {
		t.Errorf("the newcomer got %q", got)
	}
	if _, err := strangers[0].Read(make([]byte, 1)); err == nil {
		t.Error("the oldest stranger is still there")
	}
	close(goOn)
	if got := <-answered; got != "hello" {
		t.Errorf("the one at work got %q", got)
	}
	want := `
# HELP stallkeeper_connections_shed_total Connections closed to make room for newer ones, by the limit that was reached: Total, or Address for that of one client address.
# TYPE stallkeeper_connections_shed_total counter
stallkeeper_connections_shed_total{bound="Address"} 0
stallkeeper_connections_shed_total{bound="Total"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "stallkeeper_connections_shed_total"); err != nil {
		t.Error(err)
	}
}
