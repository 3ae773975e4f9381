package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"

	"github.com/stallkeeper/stallkeeper/controllers/egress"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

func TestWhatAnEndpointAnswers(t *testing.T) {
	tests := map[string]struct {
		answer  func(*http.Request) (*http.Response, error)
		wantErr string
	}{
		"taken":            {answer: status(http.StatusAccepted)},
		"a redirect":       {answer: status(http.StatusFound), wantErr: "http://web.t.svc:80/ responds with 302"},
		"refused":          {answer: status(http.StatusUnauthorized), wantErr: "http://web.t.svc:80/ responds with 401"},
		"nobody there":     {answer: func(*http.Request) (*http.Response, error) { return nil, errors.New("dial: refused by Real Name") }, wantErr: "http://web.t.svc:80/ can't be reached"},
		"slower than that": {answer: func(*http.Request) (*http.Response, error) { return nil, context.DeadlineExceeded }, wantErr: "http://web.t.svc:80/ did not respond within 10s"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := &Forwarder{
				Clock: testingclock.NewFakePassiveClock(time.Unix(1, 0)),
				HTTP:  &http.Client{Transport: salestest.RoundTripper(tc.answer), CheckRedirect: egress.Reach{}.Tenants(0).CheckRedirect},
			}
			err := r.post(t.Context(), target{"http://web.t.svc:80/", "key"}, []byte("{}"))
			if text := fmt.Sprint(err); (err != nil) != (tc.wantErr != "") || tc.wantErr != "" && text != tc.wantErr {
				t.Errorf("post() = %v, want %q", err, tc.wantErr)
			}
		})
	}
}

func status(code int) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: code, Body: io.NopCloser(bytes.NewReader(nil)), Header: http.Header{"Location": {"http://elsewhere/"}}}, nil
	}
}
