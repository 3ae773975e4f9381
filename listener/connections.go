package listener

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// kernelBuffer is how many bytes of a connection the kernel keeps for us at most, in each direction; it counts twice as much. It would
	// grow to megabytes, which the container's limit has to hold as well.
	kernelBuffer = 32 << 10
	// kernelBufferLarge is that of a connection whose large body is expected.
	kernelBufferLarge = 256 << 10
	// maxLeaving is how many connections that were shed may still have a goroutine before the next one is taken.
	maxLeaving = 64
)

// connections take connections within bounds. It is a net.Listener.
type connections struct {
	net.Listener
	metrics *metrics

	mu     sync.Mutex
	bounds *bounds
	// open are those that have a goroutine: all that have a seat, and those that were shed and are about to end. ended tells of each that
	// does.
	open   int
	ended  sync.Cond
	closed bool
}

func newConnections(listener net.Listener, bounds *bounds, metrics *metrics) *connections {
	c := &connections{Listener: listener, bounds: bounds, metrics: metrics}
	c.ended.L = &c.mu
	return c
}

// connection is one of them.
type connection struct {
	net.Conn
	of   *connections
	seat *seat
	once sync.Once
}

// Accept waits for a connection that has a seat.
func (c *connections) Accept() (net.Conn, error) {
	for {
		c.untilEnded()
		raw, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if taken := c.seat(raw); taken != nil {
			return taken, nil
		}
		abort(raw)
	}
}

// untilEnded waits while too many that were shed have not ended.
func (c *connections) untilEnded() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed && c.open-c.bounds.seats > maxLeaving {
		c.ended.Wait()
	}
}

func (c *connections) seat(raw net.Conn) *connection {
	if tcp, ok := raw.(*net.TCPConn); ok {
		setBuffers(tcp, kernelBuffer)
	}
	c.mu.Lock()
	seat, victim, full := c.bounds.take(addressOf(raw.RemoteAddr()), func() { abort(raw) }, time.Now())
	if seat != nil {
		c.open++
	}
	c.mu.Unlock()
	if full != "" {
		c.metrics.full(full, victim != nil)
	}
	if victim != nil {
		victim.shed()
	}
	if seat == nil {
		return nil
	}
	c.metrics.open.Inc()
	return &connection{Conn: raw, of: c, seat: seat}
}

// Close ends the listening, and lets an Accept that waits go on to see it.
func (c *connections) Close() error {
	c.mu.Lock()
	c.closed = true
	c.ended.Broadcast()
	c.mu.Unlock()
	return c.Listener.Close()
}

// Close is called when the connection's goroutine ends.
func (c *connection) Close() error {
	c.once.Do(func() {
		c.of.mu.Lock()
		c.of.bounds.leave(c.seat)
		c.of.open--
		c.of.ended.Signal()
		c.of.mu.Unlock()
		c.of.metrics.open.Dec()
	})
	return c.Conn.Close()
}

// CloseWrite tells the other side that nothing more comes, as net/http does before it closes on somebody who still sends.
func (c *connection) CloseWrite() error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		return tcp.CloseWrite()
	}
	return nil
}

// abort closes a connection at once: what the kernel still holds of it is dropped.
func abort(raw net.Conn) {
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // else it is closed in peace
	}
	_ = raw.Close()
}

func setBuffers(tcp *net.TCPConn, bytes int) {
	// Without them it is a connection that costs more.
	_ = tcp.SetReadBuffer(bytes)
	_ = tcp.SetWriteBuffer(bytes)
}

// connectionKey is where a request's context has its connection.
type connectionKey struct{}

// inContext is a http.Server.ConnContext.
func inContext(ctx context.Context, conn net.Conn) context.Context {
	if ours := below(conn); ours != nil {
		return context.WithValue(ctx, connectionKey{}, ours)
	}
	return ctx
}

func below(conn net.Conn) *connection {
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	ours, _ := conn.(*connection)
	return ours
}

// stateChanged is a http.Server.ConnState: a caller whose request has ended keeps its good name, and can be shed.
func stateChanged(conn net.Conn, state http.ConnState) {
	ours := below(conn)
	if ours == nil || state != http.StateIdle {
		return
	}
	ours.of.mu.Lock()
	defer ours.of.mu.Unlock()
	ours.of.bounds.rest(ours.seat)
}

// Vouch says that the caller of the request with this context has proved who it is: its connection is not shed until the request is
// answered, and after it only when there is no stranger left. Without a Server it does nothing.
func Vouch(ctx context.Context) {
	if ours, ok := ctx.Value(connectionKey{}).(*connection); ok {
		ours.of.mu.Lock()
		defer ours.of.mu.Unlock()
		ours.of.bounds.vouch(ours.seat)
	}
}

// Hold says that the connection of the request with this context is not to be shed until the request is answered, although its caller has
// proved nothing and remains a stranger. Its user bounds how many requests are held at once. Without a Server it does nothing.
func Hold(ctx context.Context) {
	if ours, ok := ctx.Value(connectionKey{}).(*connection); ok {
		ours.of.mu.Lock()
		defer ours.of.mu.Unlock()
		ours.of.bounds.stand(ours.seat, working)
	}
}

// ExpectLarge says that the request with this context may bring a large body, which would take its time through the small window that a
// stranger has.
func ExpectLarge(ctx context.Context) {
	ours, ok := ctx.Value(connectionKey{}).(*connection)
	if !ok {
		return
	}
	if tcp, ok := ours.Conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(kernelBufferLarge) // else it takes longer
	}
}
