package listener_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/stallkeeper/stallkeeper/listener"
)

// writeCertificate puts a new certificate for 127.0.0.1 into two files and returns it.
func writeCertificate(t *testing.T, certFile, keyFile string, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: "callbacks"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// serve runs a server until the test ends, or stop is called; stopped then carries what Start returned.
func serve(t *testing.T, handler http.Handler, options listener.Options) (server *listener.Server, stop func(), stopped chan error) {
	t.Helper()
	options.Address, options.Log, options.Registerer = "127.0.0.1:0", logr.Discard(), prometheus.NewRegistry()
	server, err := listener.New(handler, options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped = make(chan error, 1)
	go func() { stopped <- server.Start(ctx) }()
	t.Cleanup(cancel)
	return server, cancel, stopped
}

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Body-Sign", "signed")
	_, _ = io.WriteString(w, "hello")
})

func TestTheServerSpeaksNothingButHTTP1OverTLS12AndUp(t *testing.T) {
	directory := t.TempDir()
	certFile, keyFile := filepath.Join(directory, "tls.crt"), filepath.Join(directory, "tls.key")
	pool := x509.NewCertPool()
	pool.AddCert(writeCertificate(t, certFile, keyFile, 1))
	server, _, _ := serve(t, hello, listener.Options{CertFile: certFile, KeyFile: keyFile})

	connection, err := tls.Dial("tcp", server.Addr().String(), &tls.Config{RootCAs: pool, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if got := connection.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("a client that prefers HTTP/2 got %q", got)
	}
	if _, err := fmt.Fprintf(connection, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	var head []string
	for lines := bufio.NewScanner(connection); lines.Scan() && lines.Text() != ""; {
		head = append(head, lines.Text())
	}
	if text := strings.Join(head, "\n"); !strings.Contains(text, "\nBody-Sign: signed") {
		t.Errorf("the case of Body-Sign is not kept:\n%s", text)
	}

	old := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	if connection, err := tls.Dial("tcp", server.Addr().String(), old); err == nil {
		connection.Close()
		t.Error("TLS 1.1 was accepted")
	}
}

func TestAHeaderThatIsTooLargeIsRefused(t *testing.T) {
	server, _, _ := serve(t, hello, listener.Options{})
	request, err := http.NewRequest(http.MethodGet, "http://"+server.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Large", strings.Repeat("x", 64<<10))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("answered %s", response.Status)
	}
}

func TestTheServerAnswersWhatIsInFlightWhenItStops(t *testing.T) {
	arrived, goOn := make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-goOn
		hello(w, r)
	})
	server, stop, stopped := serve(t, slow, listener.Options{})
	answered := make(chan string)
	go func() {
		response, err := http.Get("http://" + server.Addr().String())
		if err != nil {
			answered <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		answered <- string(body)
	}()
	<-arrived
	if err := server.Ready(nil); err != nil {
		t.Errorf("not ready while serving: %v", err)
	}
	stop()
	close(goOn)
	if got := <-answered; got != "hello" {
		t.Errorf("the call in flight got %q", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if server.Ready(nil) == nil {
		t.Error("ready after it has stopped")
	}
	if _, err := net.Dial("tcp", server.Addr().String()); err == nil {
		t.Error("the port is still open")
	}
}

func TestTheServerNeedsBothFilesOfACertificateOrNone(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.pem")
	for name, options := range map[string]listener.Options{
		"no key":           {CertFile: missing},
		"no certificate":   {KeyFile: missing},
		"files are absent": {CertFile: missing, KeyFile: missing},
	} {
		options.Address, options.Registerer = "127.0.0.1:0", prometheus.NewRegistry()
		if _, err := listener.New(hello, options); err == nil {
			t.Errorf("%s: a server was made", name)
		}
	}
}

func TestTheCertificateIsTakenUpAgainWhenItsFilesChange(t *testing.T) {
	directory := t.TempDir()
	certFile, keyFile := filepath.Join(directory, "tls.crt"), filepath.Join(directory, "tls.key")
	writeCertificate(t, certFile, keyFile, 1)
	server, _, _ := serve(t, hello, listener.Options{CertFile: certFile, KeyFile: keyFile})

	// The first certificate is not trusted here, so that only a later one makes a connection. Files that change before the
	// watcher has begun are seen much later, so they change until one is.
	later := x509.NewCertPool()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: later}}
	for serial := int64(2); ; serial++ {
		later.AddCert(writeCertificate(t, certFile, keyFile, serial))
		connection, err := dialer.DialContext(ctx, "tcp", server.Addr().String())
		if err == nil {
			connection.Close()
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("the new certificate is not served: %v", err)
		}
	}
}
