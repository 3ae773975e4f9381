package webhook_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/listener"
)

// writings are one query in some of the ways in which it can be written without another token.
func writings(query string) []string {
	return []string{query, query + "&", "&" + query, strings.Replace(query, "activity", "%61ctivity", 1)}
}

// A leaked URL is worth one call at work, however often and in whichever way it is called at once. Whoever calls it gets the answer: one of
// them may be the marketplace.
func TestRepeatsOfATokenAreOneCallAtWork(t *testing.T) {
	const repeats = 1000
	asked := func(times int) int32 {
		var (
			requests atomic.Int32
			goOn     chan struct{}
		)
		s := newStand(t, []client.Object{instance("i1")}, between(interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
				if _, ofPath := object.(*v1alpha1.Marketplace); !ofPath { // which is read from the cache before anything is verified
					requests.Add(1)
				}
				return c.Get(ctx, key, object, options...)
			},
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
				requests.Add(1)
				return c.List(ctx, list, options...)
			},
			Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
				requests.Add(1)
				<-goOn
				return c.Create(ctx, object, options...)
			},
		}), func(s *stand) { s.options.MaxConcurrent = 2 * repeats })
		code := func(method, query, body string) string {
			recorder := httptest.NewRecorder()
			s.handler.ServeHTTP(recorder, httptest.NewRequest(method, "/v1/sales/koogallery?"+query, strings.NewReader(body)))
			_, rest, _ := strings.Cut(recorder.Body.String(), `"resultCode":"`)
			return rest[:min(6, len(rest))]
		}
		s.do(query("i1"), "000004") // so that the keys are known
		leaked := writings(s.signedQuery(http.MethodGet, "activity=newInstance&productId=p&orderId=CS1", nil))
		question := `{"activity":"queryInstance","instanceId":"i1"}`
		asks := s.signedNonce("good", question)
		requests.Store(0)
		synctest.Test(t, func(t *testing.T) {
			goOn = make(chan struct{})
			var callers sync.WaitGroup
			codes := make([]string, times)
			for i := range times {
				callers.Go(func() { codes[i] = code(http.MethodGet, leaked[i%len(leaked)], "") })
			}
			synctest.Wait()
			if got := s.measured("stallkeeper_callbacks_in_flight"); got != 1 {
				t.Errorf("%v of %d are at work", got, times)
			}
			before := requests.Load()
			if got := code(http.MethodPost, asks, question); got != "000004" {
				t.Errorf("beside them a good call is answered %s", got)
			}
			requests.Store(before)
			close(goOn)
			callers.Wait()
			for _, got := range codes {
				if got != "000004" {
					t.Fatalf("one of them is answered %s", got)
				}
			}
		})
		if got := s.sales(); got != 2 {
			t.Errorf("%d sales are stored", got)
		}
		return requests.Load()
	}
	if one, all := asked(1), asked(repeats); one == 0 || all != one {
		t.Errorf("the API server is asked %d times for %d calls, and %d times for one", all, repeats, one)
	}
}

// measured is the value of a gauge without labels.
func (s *stand) measured(name string) float64 {
	s.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	s.Fatalf("there is no gauge %s", name)
	return 0
}

// made is a call as it goes over a connection.
type made struct{ method, query, body string }

func (m made) over(connection net.Conn, path string) error {
	if m.query != "" {
		path += "?" + m.query
	}
	_, err := fmt.Fprintf(connection, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", m.method, path, len(m.body), m.body)
	if err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// Whoever may have got a call from elsewhere is shed as a stranger is: else one leaked URL would hold all connections.
func TestACallThatCanBeRepeatedMakesNobodyKnown(t *testing.T) {
	token := func(s *stand, query string) made {
		return made{http.MethodGet, s.signedQuery(http.MethodGet, "activity=queryInstance&instanceId=i1&"+query, nil), ""}
	}
	nonce := func(s *stand, n int) made {
		body := `{"activity":"queryInstance","instanceId":"i1"}`
		return made{http.MethodPost, s.signedNonce(fmt.Sprint("nonce", n), body), body}
	}
	for sentence, tc := range map[string]struct {
		// call is the nth; the marketplace makes the first.
		call  func(s *stand, n int) made
		known bool
	}{
		"a call with a token":    {func(s *stand, n int) made { return token(s, fmt.Sprintf("timeStamp=2026010100000000%d", n)) }, true},
		"its repeat":             {func(s *stand, _ int) made { return token(s, "") }, false},
		"written in another way": {func(s *stand, n int) made { return made{http.MethodGet, writings(token(s, "").query)[n], ""} }, false},
		"a debug call with a token": {
			func(s *stand, n int) made { return token(s, fmt.Sprintf("testFlag=1&timeStamp=2020010100000000%d", n)) }, false,
		},
		"a call with a nonce":        {nonce, true},
		"a repeat of one with nonce": {func(s *stand, _ int) made { return nonce(s, 0) }, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := newStand(t, []client.Object{instance("i1")})
			server, err := listener.New(s.handler, listener.Options{
				Address: "127.0.0.1:0", Log: logr.Discard(), Registerer: prometheus.NewRegistry(), MaxConnections: 3,
			})
			if err != nil {
				t.Fatal(err)
			}
			go func() { _ = server.Start(t.Context()) }()
			dial := func(from string) (net.Conn, error) {
				return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", server.Addr().String())
			}
			first := tc.call(s, 0)
			s.code(httptest.NewRequest(first.method, "/v1/sales/koogallery?"+first.query, strings.NewReader(first.body)))
			for n := range 2 {
				connection, err := dial("127.0.0.2")
				if err != nil {
					t.Fatal(err)
				}
				defer connection.Close()
				// By the second one the server has taken the first for answered.
				for range 2 {
					if err := tc.call(s, n+1).over(connection, "/v1/sales/koogallery"); err != nil {
						t.Fatal(err)
					}
				}
			}
			if got := s.counted("stallkeeper_callbacks_total", "queryInstance"); got == 0 {
				t.Fatalf("the calls are refused:\n%s", s.log.text())
			}
			stranger, err := dial("127.0.0.3")
			if err != nil {
				t.Fatal(err)
			}
			defer stranger.Close()
			root := made{method: http.MethodGet}
			newcomer, err := dial("127.0.0.4")
			if err == nil {
				defer newcomer.Close()
				err = root.over(newcomer, "/")
			}
			// Both have a place where those who called make room.
			if err == nil {
				err = root.over(stranger, "/")
			}
			if known := err != nil; known != tc.known {
				t.Errorf("known: %t (%v)", known, err)
			}
		})
	}
}
