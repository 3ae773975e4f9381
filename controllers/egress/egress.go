// Package egress creates the HTTP clients for addresses that sellers configure: tenants' Services and the Prometheus of meters. Through
// the controller, a seller must not reach more than a pod of the cluster could: a client for tenants refuses loopback and link-local
// addresses, uses no proxy and follows no redirects.
package egress

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// ErrNear says that a name leads to an address of the controller's own machine or link.
var ErrNear = errors.New("refusing to connect to a loopback, link-local, unspecified or multicast address")

// TenantClient is a client for tenants' Services, whose requests take timeout at the most. The guard looks at the address that a
// name has led to, because a Service can stand for any address.
func TenantClient(timeout time.Duration) *http.Client {
	dialer := &net.Dialer{Timeout: timeout, Control: guard}
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, MaxIdleConns: 64, MaxIdleConnsPerHost: 1, IdleConnTimeout: 30 * time.Second,
			ResponseHeaderTimeout: timeout,
		},
		CheckRedirect: stay,
	}
}

// PrometheusClient is a client for Prometheus, whose requests take timeout at the most.
func PrometheusClient(timeout time.Duration) *http.Client {
	return &http.Client{Timeout: timeout, CheckRedirect: stay}
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// guard refuses addresses of this machine and this link.
func guard(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return ErrNear
	}
	ip := at.Addr().Unmap()
	if ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast() {
		return ErrNear
	}
	return nil
}
