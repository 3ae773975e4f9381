package sources

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

const (
	// timeout bounds one question, maxAnswer the bytes of its answer.
	timeout   = 10 * time.Second
	maxAnswer = 64 << 10
)

// Error is a question that was not answered. Its text does not change from time to time and holds nothing that the source said.
type Error struct {
	// Invalid is true if it does not pass by itself: the question or the answer has the wrong form.
	Invalid bool
	// Text says what is wrong and what to do.
	Text string
}

func (e *Error) Error() string { return e.Text }

func silent(format string, args ...any) *Error { return &Error{Text: fmt.Sprintf(format, args...)} }
func invalid(format string, args ...any) *Error {
	return &Error{Invalid: true, Text: fmt.Sprintf(format, args...)}
}

// TenantClient is a client for tenants' Services. It uses no proxy and follows no redirect, and connects to nothing on this
// machine or this link: a Service can stand for any address, and what is reached from the controller must not be more than what
// a pod could reach.
func TenantClient() *http.Client {
	dialer := &net.Dialer{Timeout: timeout, Control: foreign}
	return &http.Client{
		Timeout:       timeout,
		Transport:     &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true},
		CheckRedirect: stay,
	}
}

// PrometheusClient is a client for Prometheus. It follows no redirect.
func PrometheusClient() *http.Client {
	return &http.Client{Timeout: timeout, CheckRedirect: stay}
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// errNear says that an address is the machine's or the link's own.
var errNear = errors.New("the address is none of a Service")

// foreign refuses addresses of this machine and this link, when it is known what a name has led to.
func foreign(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return errNear
	}
	ip := at.Addr().Unmap()
	if ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast() {
		return errNear
	}
	return nil
}

// get asks, and returns the status and the answer, which is cut when it is too long.
func get(ctx context.Context, client *http.Client, target string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Accept", "application/json")
	answer, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	return answer.StatusCode, body, err
}
