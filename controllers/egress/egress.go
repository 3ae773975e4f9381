// Package egress creates the HTTP clients for addresses that sellers configure: tenants' Services, the Prometheus of meters, and
// registries with their redirects and token servers. Through the controller, a seller must not reach more than a pod of the cluster
// could: each client checks the resolved address as it connects, so that no Service, redirect or changing DNS name leads to the
// controller's own machine or link, to a cloud's metadata server or to the API server.
package egress

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ErrNear says that a name leads to an address that no seller has business with.
var ErrNear = errors.New("refusing to connect to a loopback, link-local, unspecified or multicast address, or to one of the cloud's or the cluster's own")

// maxRedirects is Go's own bound.
const maxRedirects = 10

// ErrRedirects says that one redirect led to another too often.
var ErrRedirects = errors.New("too many redirects")

// Reach is what a controller may connect to beyond what every controller may not. The zero value is for one that runs in a pod.
type Reach struct {
	// Loopback allows registries and Prometheus on the controller's own machine, for one that runs beside a cluster.
	Loopback bool
	// Never are more addresses that nothing connects to, such as the API server's, and Names have more of them; nil for none.
	Never []netip.Addr
	Names *Names
}

// Tenants is a client for tenants' Services, whose requests take timeout at the most. It uses no proxy, follows no redirect, and
// reaches no loopback address, whatever Reach says.
func (r Reach) Tenants(timeout time.Duration) *http.Client {
	r.Loopback = false
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext: r.dial(timeout), MaxIdleConns: 64, MaxIdleConnsPerHost: 1, IdleConnTimeout: 30 * time.Second,
			ResponseHeaderTimeout: timeout,
		},
		CheckRedirect: stay,
	}
}

// Prometheus is a client for Prometheus, whose requests take timeout at the most. It follows no redirect.
func (r Reach) Prometheus(timeout time.Duration) *http.Client {
	return &http.Client{Timeout: timeout, Transport: r.transport(timeout), CheckRedirect: stay}
}

// Registries is a client for registries, which redirect to where their files are. Whoever uses it bounds the time by a context.
func (r Reach) Registries() *http.Client {
	const connecting = 10 * time.Second
	return &http.Client{Transport: r.transport(connecting), CheckRedirect: few}
}

func (r Reach) transport(connecting time.Duration) *http.Transport {
	return &http.Transport{
		Proxy: r.proxied(http.ProxyFromEnvironment), DialContext: r.dial(connecting), MaxIdleConns: 64, IdleConnTimeout: 30 * time.Second,
		TLSHandshakeTimeout: connecting, ForceAttemptHTTP2: true,
	}
}

// proxied looks at what a proxy is asked for. The proxy connects, so that no socket of ours can tell: of a name it is known only what it says.
func (r Reach) proxied(find func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(req *http.Request) (*url.URL, error) {
		proxy, err := find(req)
		if err == nil && proxy != nil && (!r.allowsName(req.URL.Hostname()) || !r.named(req.Context()).allowsName(req.URL.Hostname())) {
			return nil, ErrNear
		}
		return proxy, err
	}
}

// metadataNames are what clouds call their metadata servers.
var metadataNames = []string{
	"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal", "metadata.tencentyun.com",
	"metadata.azure.internal", "metadata.platformequinix.com",
}

// loopbackNames are what machines call themselves beside localhost; serverNames the API server.
var (
	loopbackNames = []string{"localhost.localdomain", "localhost6", "localhost6.localdomain6", "ip6-localhost", "ip6-loopback"}
	serverNames   = []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
)

func (r Reach) allowsName(host string) bool {
	host = strings.ToLower(strings.TrimRight(host, "."))
	if ip, err := netip.ParseAddr(host); err == nil {
		return r.allows(ip)
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(loopbackNames, host) {
		return r.Loopback
	}
	// net/http writes a name in ASCII for the proxy: of 1２7.0.0.1 or metadata。google。internal it makes what is refused here.
	if strings.ContainsFunc(host, func(c rune) bool { return c >= 0x80 }) {
		return false
	}
	// An address in another notation, such as 2852039166 or 0xa9.254.43518: a name's last label does not begin with a digit.
	last := host[strings.LastIndexByte(host, '.')+1:]
	return last != "" && strings.Trim(last[:1], "0123456789") != "" && !slices.Contains(metadataNames, host) && !slices.Contains(serverNames, host) &&
		!r.Names.has(host)
}

func (r Reach) dial(timeout time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: timeout, ControlContext: r.guard}
	return dialer.DialContext
}

// few bounds redirects. The client for registries is wrapped by a library that takes Go's own bound away: a registry that redirects to itself
// would be asked without a pause.
func few(_ *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return ErrRedirects
	}
	return nil
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// guard is asked before a socket connects to an address.
func (r Reach) guard(ctx context.Context, _, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !r.allows(at.Addr()) || !r.named(ctx).allows(at.Addr()) {
		return ErrNear
	}
	return nil
}

// metadata are where clouds tell machines their credentials and settings, beside link-local addresses: AWS, Google, Alibaba, Azure and
// Oracle.
var metadata = []netip.Prefix{
	netip.MustParsePrefix("fd00:ec2::/32"), netip.MustParsePrefix("fd20:ce::/32"), netip.MustParsePrefix("100.100.100.200/32"),
	netip.MustParsePrefix("168.63.129.16/32"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("255.255.255.255/32"),
	// In the local use of NAT64 an IPv4 address stands at one of several places.
	netip.MustParsePrefix("64:ff9b:1::/48"),
}

// translated are networks in whose addresses an IPv4 address stands, from that byte on: NAT64, addresses compatible with IPv4, and 6to4.
var translated = []struct {
	network netip.Prefix
	at      int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},
	{netip.MustParsePrefix("::/96"), 12},
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12},
	{netip.MustParsePrefix("2002::/16"), 2},
}

func (r Reach) allows(ip netip.Addr) bool {
	ip = ip.WithZone("").Unmap()
	in := func(network netip.Prefix) bool { return network.Contains(ip) }
	switch {
	case ip.IsLoopback():
		return r.Loopback
	case ip.IsLinkLocalUnicast(), ip.IsUnspecified(), ip.IsMulticast(), slices.Contains(r.Never, ip), slices.ContainsFunc(metadata, in):
		return false
	}
	for _, known := range translated {
		if ip.Is6() && in(known.network) {
			whole := ip.As16()
			return r.allows(netip.AddrFrom4([4]byte(whole[known.at : known.at+4])))
		}
	}
	return true
}
