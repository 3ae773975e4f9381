package egress

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"testing"
	"time"
)

// A cluster's API server has an address of each family, and may be known by a name only.
func TestNoAddressOfANameIsReached(t *testing.T) {
	known := map[string][]netip.Addr{
		"api.example.com":        {netip.MustParseAddr("203.0.113.10")},
		"kubernetes.default.svc": {netip.MustParseAddr("::ffff:10.96.0.1"), netip.MustParseAddr("fd12::1")},
		"localhost":              {netip.MustParseAddr("127.0.0.1")},
	}
	names, asked := NewNames(func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }, "api.example.com", "kubernetes.default.svc", "localhost", "nowhere.example.com"), 0
	names.lookUp = func(_ context.Context, _, host string) ([]netip.Addr, error) {
		asked++
		if found, is := known[host]; is {
			return found, nil
		}
		return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
	}
	check := func(when string) {
		t.Helper()
		for address, want := range map[string]error{
			"203.0.113.10:443": ErrNear, "10.96.0.1:443": ErrNear, "[fd12::1]:443": ErrNear, "[64:ff9b::a60:1]:443": ErrNear, "[2002:a60:1::1]:443": ErrNear,
			"203.0.113.11:443": nil, "127.0.0.1:443": nil, "169.254.169.254:80": ErrNear,
		} {
			if got := (Reach{Loopback: true, Names: names}).guard(t.Context(), "tcp", address, nil); !errors.Is(got, want) {
				t.Errorf("%s, %s: got %v, want %v", when, address, got, want)
			}
		}
	}
	check("at first")
	if asked != 4 {
		t.Errorf("4 names were looked up %d times", asked)
	}
	clear(known)
	names.until = time.Time{}
	check("when nothing can be looked up")

	proxy := &url.URL{Scheme: "http", Host: "proxy.example.com:3128"}
	for target, want := range map[string]error{
		"https://api.example.com:6443/": ErrNear, "https://API.example.com./": ErrNear, "https://203.0.113.10/": ErrNear, "https://[fd12::1]/": ErrNear,
		"https://registry.example.com/": nil,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (Reach{Names: names}).proxied(func(*http.Request) (*url.URL, error) { return proxy, nil })(req); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", target, err, want)
		}
	}
}
