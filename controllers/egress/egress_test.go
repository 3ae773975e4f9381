package egress

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestNoNameLeadsToWhatIsNotTheSellers(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the request arrived") }))
	t.Cleanup(server.Close)
	reach := Reach{Never: []netip.Addr{netip.MustParseAddr("10.96.0.1")}}
	clients := map[string]*http.Client{
		"tenants": reach.Tenants(time.Second), "Prometheus": reach.Prometheus(time.Second), "registries": reach.Registries(),
		"tenants, beside a cluster": Reach{Loopback: true, Never: reach.Never}.Tenants(time.Second),
	}
	// A name that leads to the own machine is as good as the address.
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	for name, client := range clients {
		for _, target := range []string{
			server.URL, "http://localhost:" + port, "http://[::1]:1/", "http://[::ffff:127.0.0.1]:" + port, "http://0.0.0.0:" + port, "http://[::]:" + port,
			"http://169.254.169.254/", "http://[::ffff:169.254.169.254]/", "http://[64:ff9b::a9fe:a9fe]/", "http://[64:ff9b:1::a9fe:a9fe]/",
			"http://[64:ff9b::7f00:1]:" + port, "http://[2002:a9fe:a9fe::1]/", "http://[::a9fe:a9fe]/", "http://100.100.100.200/", "http://[fd00:ec2::254]/",
			"http://[fd20:ce::254]/", "http://168.63.129.16/", "http://192.0.0.192/", "http://[fe80::1]:1/", "http://224.0.0.1/", "http://[ff02::1]/",
			"http://10.96.0.1/", "http://[::ffff:10.96.0.1]/", "http://[64:ff9b::a60:1]/",
		} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := client.Do(req)
			if err == nil {
				_ = answer.Body.Close()
			}
			if !errors.Is(err, ErrNear) {
				t.Errorf("%s, %s: got %v", name, target, err)
			}
		}
	}
}

func TestWhatATenantMayHaveIsReached(t *testing.T) {
	for _, address := range []string{"10.0.0.1", "172.16.3.4", "192.168.1.1", "203.0.113.7", "fd12:3456::1", "2001:db8::1", "64:ff9b::cb00:7107"} {
		if !(Reach{}).allows(netip.MustParseAddr(address)) {
			t.Errorf("%s is refused", address)
		}
	}
}

// A registry redirects to where its files are, and each step is looked at.
func TestARedirectLeadsNowhereElse(t *testing.T) {
	server := httptest.NewServer(http.RedirectHandler("http://169.254.169.254/", http.StatusFound))
	t.Cleanup(server.Close)
	reach := Reach{Loopback: true}
	for name, tc := range map[string]struct {
		client  *http.Client
		follows bool
	}{"Prometheus": {reach.Prometheus(time.Second), false}, "registries": {reach.Registries(), true}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := tc.client.Do(req)
		if tc.follows {
			if err == nil {
				_ = answer.Body.Close()
			}
			if !errors.Is(err, ErrNear) {
				t.Errorf("%s: got %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusFound {
			t.Errorf("%s: the answer is %d", name, answer.StatusCode)
		}
	}
}
