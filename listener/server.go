package listener

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// Defaults of Options.
const (
	// DefaultMaxConnections is how many connections are open at once. With what they can cost at most the callback server stays within
	// 256 MiB; test/load measures it.
	DefaultMaxConnections = 1024
	// DefaultMaxPerAddress is how many of them one address has.
	DefaultMaxPerAddress = 512
	// DefaultIdleTimeout is how long a connection is kept between two requests: longer than proxies keep theirs to a server (ingress-nginx and
	// AWS's load balancers 60 s, Traefik 90 s), or a call would be lost that is on its way while the connection is closed.
	DefaultIdleTimeout = 100 * time.Second
)

// What one connection may cost.
const (
	// headerTimeout is for the TLS handshake, and again for the header.
	headerTimeout  = 3 * time.Second
	readTimeout    = 5 * time.Second
	writeTimeout   = 10 * time.Second
	maxHeaderBytes = 16 << 10
	// shutdownTimeout is what calls in flight get after the last new one; each takes less.
	shutdownTimeout = 10 * time.Second
)

// errNotServing is why the server is not ready.
var errNotServing = errors.New("the server is not accepting calls")

// Options say where a Server listens, and for how many.
type Options struct {
	// Name says in logs and errors what is served, such as "callbacks".
	Name string
	// Address is host and port, such as ":8443".
	Address string
	// CertFile and KeyFile are PEM files; the server takes them up again when they change. When both are empty it speaks
	// plain HTTP, for use behind an ingress that ends TLS.
	CertFile, KeyFile string
	// ShutdownDelay is how long calls are still accepted after the end was asked for: readiness is false at once, and load
	// balancers need a moment to see it.
	ShutdownDelay time.Duration
	// MaxConnections bounds the open connections, MaxPerAddress those of one address (IPv6: of a /64); at least 1, and 0 means the
	// defaults. MaxPerAddress is no more than MaxConnections, however it is set.
	MaxConnections, MaxPerAddress int
	// IdleTimeout is how long a connection is kept between two requests; 0 means DefaultIdleTimeout.
	IdleTimeout time.Duration
	// Registerer takes the metrics.
	Registerer prometheus.Registerer
	Log        logr.Logger
}

// server starts after the caches, on every replica: a bare *manager.Server would start before them and say "unknown" to the
// first calls.
type server struct{ *manager.Server }

// Server serves what the internet reaches. It is a Runnable of a manager.
type Server struct {
	server  server
	certs   *certwatcher.CertWatcher
	options Options
	serving atomic.Bool
}

// New makes a server and takes its port, so that a port that is in use and a certificate that can't be read are known
// before anything starts.
func New(handler http.Handler, options Options) (*Server, error) {
	if options.MaxConnections < 0 || options.MaxPerAddress < 0 || options.IdleTimeout < 0 {
		return nil, errors.New("the maximum connections, the maximum per address and the idle timeout can't be negative")
	}
	options.MaxConnections = cmp.Or(options.MaxConnections, DefaultMaxConnections)
	options.MaxPerAddress = min(cmp.Or(options.MaxPerAddress, DefaultMaxPerAddress), options.MaxConnections)
	options.IdleTimeout = cmp.Or(options.IdleTimeout, DefaultIdleTimeout)
	s := &Server{options: options}
	httpServer := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       options.IdleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(quiet{options.Log}, "", 0),
		ConnContext:       inContext,
		ConnState:         stateChanged,
		// HTTP/2 would write Body-Sign in lower case, which a caller may not find.
		Protocols:    &http.Protocols{},
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	httpServer.Protocols.SetHTTP1(true)
	listener, err := s.listen()
	if err != nil {
		return nil, err
	}
	s.server = server{&manager.Server{
		Name: s.options.Name, Server: httpServer, Listener: listener, ShutdownTimeout: ptr.To(shutdownTimeout),
	}}
	return s, nil
}

func (s *Server) listen() (net.Listener, error) {
	if (s.options.CertFile == "") != (s.options.KeyFile == "") {
		return nil, errors.New("the TLS certificate and its private key must be given together")
	}
	if s.options.CertFile != "" {
		var err error
		if s.certs, err = certwatcher.New(s.options.CertFile, s.options.KeyFile); err != nil {
			return nil, fmt.Errorf("reading the TLS certificate: %w", err)
		}
	}
	metrics, err := newMetrics(s.options.Registerer)
	if err != nil {
		return nil, fmt.Errorf("registering the metrics of connections: %w", err)
	}
	listener, err := net.Listen("tcp", s.options.Address)
	if err != nil {
		return nil, fmt.Errorf("listening for %s: %w", s.options.Name, err)
	}
	bounded := newConnections(listener, newBounds(s.options.MaxConnections, s.options.MaxPerAddress), metrics)
	if s.certs == nil {
		return bounded, nil
	}
	return tls.NewListener(bounded, &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: s.certs.GetCertificate,
	}), nil
}

// Start serves until ctx ends, then for ShutdownDelay, and then answers the calls in flight.
func (s *Server) Start(ctx context.Context) error {
	// The connections outlive ctx, by the delay and by what is in flight.
	serveCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go func() {
		select {
		case <-ctx.Done():
		case <-serveCtx.Done():
			return
		}
		s.serving.Store(false)
		select {
		case <-time.After(s.options.ShutdownDelay):
		case <-serveCtx.Done():
		}
		stop()
	}()
	if s.certs != nil {
		go func() {
			if err := s.certs.Start(serveCtx); err != nil {
				s.options.Log.Error(err, "Watching the TLS certificate ended")
			}
		}()
	}
	s.serving.Store(ctx.Err() == nil)
	defer s.serving.Store(false)
	return s.server.Start(serveCtx)
}

// NeedLeaderElection is false: every replica takes calls.
func (s *Server) NeedLeaderElection() bool { return s.server.NeedLeaderElection() }

// Addr is the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.server.Listener.Addr() }

// Ready is a readiness check: it fails before the caches are filled and the server serves, and from the moment on when it
// shall stop.
func (s *Server) Ready(*http.Request) error {
	if !s.serving.Load() {
		return errNotServing
	}
	return nil
}

// quiet takes net/http's own lines, which are about strangers' broken connections and may quote what they sent.
type quiet struct{ log logr.Logger }

func (q quiet) Write(line []byte) (int, error) {
	q.log.V(2).Info("Connection failed", "bytes", len(line))
	return len(line), nil
}
