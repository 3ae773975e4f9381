package egress

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
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
			"http://[64:ff9b:1:a9fe:a9:fe00:cb00:7107]/", "http://user:word@169.254.169.254/",
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

// A proxy connects where it is asked to, and no socket of ours sees where that is.
func TestAProxyIsAskedForNothingNear(t *testing.T) {
	proxy := &url.URL{Scheme: "http", Host: "proxy.example.com:3128"}
	ask := func(reach Reach, target string, has *url.URL) (*url.URL, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		return reach.proxied(func(*http.Request) (*url.URL, error) { return has, nil })(req)
	}
	reach := Reach{Never: []netip.Addr{netip.MustParseAddr("10.96.0.1")}}
	for _, target := range []string{
		"http://169.254.169.254/", "http://169.254.169.254./", "http://2852039166/", "http://0xa9fea9fe/", "http://0251.0376.0251.0376/", "http://127.1/",
		"http://a.b.1/", "http://[::ffff:169.254.169.254]/", "http://[fd00:ec2::254]/", "http://user:word@169.254.169.254/", "http://localhost/",
		"http://LOCALHOST./", "http://a.localhost:8080/", "http://metadata.google.internal/", "http://Metadata.Google.Internal./", "http://metadata/",
		"http://instance-data/", "http://10.96.0.1/", "http://127.0.0.1:8080/", "http://0/",
		// net/http makes ASCII of these for the proxy.
		"http://1２7.0.0.1/", "http://１２７。０。０。１/", "http://metadata。google。internal/", "http://ｌocalhost/", "http://①②⑦.0.0.1/",
		"http://localhost.localdomain/", "http://ip6-localhost/", "https://kubernetes.default.svc/", "https://kubernetes/",
	} {
		if got, err := ask(reach, target, proxy); !errors.Is(err, ErrNear) {
			t.Errorf("%s: got %v, %v", target, got, err)
		}
	}
	for _, target := range []string{"https://registry.example.com/v2/", "http://203.0.113.7/", "http://prometheus.monitoring.svc:9090/", "http://4u.example/"} {
		if got, err := ask(reach, target, proxy); err != nil || got != proxy {
			t.Errorf("%s: got %v, %v", target, got, err)
		}
	}
	if got, err := ask(Reach{Loopback: true}, "http://localhost:5000/", proxy); err != nil || got != proxy {
		t.Errorf("beside a cluster: got %v, %v", got, err)
	}
	// Without a proxy the socket is looked at.
	if got, err := ask(reach, "http://169.254.169.254/", nil); err != nil || got != nil {
		t.Errorf("without a proxy: got %v, %v", got, err)
	}
}
