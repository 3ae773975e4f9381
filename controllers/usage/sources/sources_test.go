package sources_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/egress"
	"github.com/stallkeeper/stallkeeper/controllers/usage/sources"
)

var (
	begins = time.Date(2026, 1, 1, 10, 17, 0, 0, time.UTC)
	ends   = time.Date(2026, 1, 1, 11, 0, 0, 0, time.UTC)
)

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func TestPrometheusIsAskedAboutTheInterval(t *testing.T) {
	var asked http.Request
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = *r
		_, _ = w.Write([]byte(`{"status":"success","data":{"resultType":"scalar","result":[1,"12.5"]}}`))
	})
	got, err := sources.AskPrometheus(t.Context(), egress.Reach{Loopback: true}.Prometheus(sources.Timeout), url+"/prom", "sum(x[$__range]) + $__start - $__end", begins, ends)
	if err != nil || got.String() != "12.5" {
		t.Fatalf("%s, %v", got, err)
	}
	query := asked.URL.Query()
	if asked.URL.Path != "/prom/api/v1/query" || query.Get("query") != "sum(x[2580s]) + 1767262620 - 1767265200" || query.Get("time") != "1767265200" {
		t.Errorf("asked %s %v", asked.URL.Path, query)
	}
}

func TestAnswersOfAPrometheus(t *testing.T) {
	vector := func(samples string) string {
		return `{"status":"success","data":{"resultType":"vector","result":[` + samples + `]}}`
	}
	tests := map[string]struct {
		status int
		body   string
		want   string // the amount, or a part of the error
		fails  bool
		passes bool // by itself
	}{
		"one sample":         {200, vector(`{"metric":{},"value":[1,"7"]}`), "7", false, false},
		"no sample":          {200, vector(``), "or vector(0)", true, true},
		"two samples":        {200, vector(`{"value":[1,"7"]},{"value":[1,"8"]}`), "more than one sample", true, false},
		"a series":           {200, `{"status":"success","data":{"resultType":"matrix","result":[]}}`, "a series", true, false},
		"no number":          {200, vector(`{"value":[1,"NaN"]}`), "not a number", true, false},
		"a negative number":  {200, vector(`{"value":[1,"-1"]}`), "negative", true, false},
		"too much":           {200, vector(`{"value":[1,"1e12"]}`), "above", true, false},
		"a broken sample":    {200, vector(`{"value":[1]}`), "not from Prometheus", true, true},
		"a page":             {200, `<html>secret</html>`, "not from Prometheus", true, true},
		"a wrong query":      {400, `{"status":"error","error":"secret"}`, "rejects the query with HTTP 400", true, false},
		"a server that ails": {503, `secret`, "HTTP 503", true, true},
		"another place":      {302, ``, "HTTP 302", true, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "http://metadata.example.com/")
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.body))
			})
			got, err := sources.AskPrometheus(t.Context(), egress.Reach{Loopback: true}.Prometheus(sources.Timeout), url, "x", begins, ends)
			var failed *sources.Error
			switch {
			case !tc.fails && (err != nil || got.String() != tc.want):
				t.Errorf("%s, %v", got, err)
			case tc.fails && (!errors.As(err, &failed) || failed.Invalid == tc.passes || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("%s, %#v", got, failed)
			case tc.fails && strings.Contains(err.Error(), "secret"):
				t.Errorf("the source's own words get further: %v", err)
			}
		})
	}
	for _, address := range []string{"", "prometheus:9090", "http://user:pass@host", "http://host?x=y", "ftp://host"} {
		if _, err := sources.AskPrometheus(t.Context(), egress.Reach{Loopback: true}.Prometheus(sources.Timeout), address, "x", begins, ends); err == nil ||
			!strings.Contains(err.Error(), "usage.prometheusURL") || strings.Contains(err.Error(), "pass@") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func meter(service string) v1alpha1.Meter {
	return v1alpha1.Meter{Name: "requests", HTTP: v1alpha1.MeterHTTP{
		ServiceRef: v1alpha1.ServicePortReference{Name: service, Port: 8080}, Path: "/usage",
	}}
}

// to sends everything to one server, and tells where it was meant to go.
type to struct {
	url   string
	meant *string
}

func (d to) RoundTrip(r *http.Request) (*http.Response, error) {
	*d.meant = r.URL.String()
	r = r.Clone(r.Context())
	r.URL.Host = strings.TrimPrefix(d.url, "http://")
	return http.DefaultTransport.RoundTrip(r)
}

func TestATenantIsAskedInItsOwnNamespace(t *testing.T) {
	tests := map[string]struct {
		status int
		body   string
		want   string
		fails  bool
		passes bool
	}{
		"a text":        {200, `{"value": "12.5", "more": [1]}`, "12.5", false, false},
		"a number":      {200, `{"value": 12.5}`, "12.5", false, false},
		"no value":      {200, `{}`, "must respond with JSON", true, false},
		"no JSON":       {200, `secret`, "must respond with JSON", true, false},
		"not an amount": {200, `{"value": {"secret": 1}}`, "not a number", true, false},
		"an error":      {500, `secret`, "HTTP 500", true, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			url, meant := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.body))
			}), ""
			got, err := sources.AskTenant(t.Context(), &http.Client{Transport: to{url, &meant}}, "tenant-acme", meter("web"), begins, ends)
			if want := "http://web.tenant-acme.svc:8080/usage?from=2026-01-01T10%3A17%3A00Z&meter=requests&to=2026-01-01T11%3A00%3A00Z"; meant != want {
				t.Errorf("asked %s, want %s", meant, want)
			}
			var failed *sources.Error
			switch {
			case !tc.fails && (err != nil || got.String() != tc.want):
				t.Errorf("%s, %v", got, err)
			case tc.fails && (!errors.As(err, &failed) || failed.Invalid == tc.passes || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("%s, %#v", got, failed)
			case tc.fails && strings.Contains(err.Error(), "secret"):
				t.Errorf("the tenant's own words get further: %v", err)
			}
		})
	}
}

// What the API server checks is checked again where it would hurt: a name must not lead out of the namespace.
func TestNoNameLeadsElsewhere(t *testing.T) {
	for _, service := range []string{"web.other", "web:80", "a/b", "user@web", "web?x", "web#x"} {
		meant := ""
		_, err := sources.AskTenant(t.Context(), &http.Client{Transport: to{"http://127.0.0.1:1", &meant}}, "tenant-acme", meter(service), begins, ends)
		if err == nil || meant != "" {
			t.Errorf("%q was asked at %s", service, meant)
		}
	}
}
