package egress_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stallkeeper/stallkeeper/controllers/egress"
)

func TestATenantsNameLeadsToNoAddressOfTheControllersOwn(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the request arrived") }))
	t.Cleanup(server.Close)
	for _, target := range []string{server.URL, "http://[::1]:1/", "http://169.254.169.254/", "http://0.0.0.0:1/", "http://[fe80::1]:1/"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := egress.TenantClient(time.Second).Do(req)
		if err == nil {
			_ = answer.Body.Close()
		}
		if !errors.Is(err, egress.ErrNear) {
			t.Errorf("%s: got %v", target, err)
		}
	}
}

func TestNoClientFollowsARedirect(t *testing.T) {
	server := httptest.NewServer(http.RedirectHandler("/elsewhere", http.StatusFound))
	t.Cleanup(server.Close)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := egress.PrometheusClient(time.Second).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusFound {
		t.Errorf("the answer is %d", answer.StatusCode)
	}
}
