package webhook_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
	"github.com/stallkeeper/stallkeeper/subscription"
	"github.com/stallkeeper/stallkeeper/webhook"
)

// replica is another server over the same cluster, which remembers nothing of the first one's calls.
func (s *stand) replica() *stand {
	s.Helper()
	other := *s
	other.options.Registerer = prometheus.NewRegistry()
	var err error
	if other.handler, err = webhook.NewHandler(other.options); err != nil {
		s.Fatal(err)
	}
	return &other
}

// What an HTTP client sends again when the connection broke before the answer is no replay.
func TestTheSameBytesGetTheSameAnswer(t *testing.T) {
	calls := every("i1")
	calls["an unknown instance"] = status("i9", koogallery.StatusFreeze)
	calls["an unknown activity"] = send(`{"activity":"danceInstance"}`)
	calls["a notification"] = send(`{"activity":"orderNotify","orderId":"o","orderLineId":"l"}`)
	calls["a debug call"] = send(`{"activity":"newInstance","orderId":"o","orderLineId":"l","testFlag":1}`)
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, []client.Object{instance("i1", provisioned, withFrontEnd)})
			first, err := call(context.Background(), s.caller)
			if err != nil {
				t.Fatal(err)
			}
			stored, sales := s.stored("i1"), s.sales()
			for _, at := range []*stand{s, s, s.replica()} {
				s.clock.SetTime(s.clock.Now().Add(time.Second))
				// Of the other replica the handler alone is another one.
				server := httptest.NewServer(at.handler)
				t.Cleanup(server.Close)
				caller := s.caller
				caller.Address = strings.TrimPrefix(server.URL, "http://")
				again, err := caller.Replay(context.Background(), first)
				if err != nil {
					t.Fatal(err)
				}
				if again.Body != first.Body || again.Header.Get("Body-Sign") != first.Header.Get("Body-Sign") {
					t.Errorf("answered %s, at first %s", again.Body, first.Body)
				}
			}
			if diff := cmp.Diff(stored, s.stored("i1")); diff != "" {
				t.Errorf("the repeat changed the instance:\n%s", diff)
			}
			if got := s.sales(); got != sales {
				t.Errorf("%d sales, before the repeat %d", got, sales)
			}
		})
	}
}

// sales is how many instances there are.
func (s *stand) sales() int {
	s.Helper()
	list := &v1alpha1.MarketplaceInstanceList{}
	if err := s.world.List(context.Background(), list); err != nil {
		s.Fatal(err)
	}
	return len(list.Items)
}

// What was done since is not undone by an older call that comes again, in the same second and at whichever replica.
func TestARepeatUndoesNothing(t *testing.T) {
	for name, tc := range map[string]struct{ first, then a }{
		"a freeze, lifted since":            {status("i1", koogallery.StatusFreeze), status("i1", koogallery.StatusUnfreeze)},
		"an unfreeze, frozen since":         {status("i1", koogallery.StatusUnfreeze), status("i1", koogallery.StatusFreeze)},
		"a renewal, given back since":       {renewUntil("i1", "R1", day(60)), refresh("i1", koogallery.SceneRenewalReturned, "R1", day(30))},
		"a change, released since":          {upgradeOf("i1"), releaseOf("i1")},
		"a freeze, released since":          {status("i1", koogallery.StatusFreeze), releaseOf("i1")},
		"a renewal, another renewal since":  {renewUntil("i1", "R1", day(60)), renewUntil("i1", "R2", day(90))},
		"a purchase, released since":        {newInstance, releaseOf(soldName)},
		"a query, of one released since":    {query("i1"), releaseOf("i1")},
		"a check, of one released since":    {checkOf("i1"), releaseOf("i1")},
		"a synchronization, a removal then": {send(`{"activity":"orderNotify","orderId":"o","orderLineId":"l"}`), releaseOf("i1")},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, []client.Object{instance("i1")})
			first, err := tc.first(context.Background(), s.caller)
			if err != nil {
				t.Fatal(err)
			}
			s.do(tc.then, "000000")
			before, sales := s.stored("i1"), s.sales()
			if _, err := s.caller.Replay(context.Background(), first); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, s.stored("i1")); diff != "" || s.sales() != sales {
				t.Errorf("the repeat changed:\n%s", diff)
			}
		})
	}
}

// A URL of SaaS V1.0 has no nonce: whoever has it can make its call for a day. What a person has said of a release since stays, whatever the
// marketplace has said after that.
func TestARepeatedReleaseLeavesWhatAPersonHasCorrected(t *testing.T) {
	release := func(order string) a {
		return queried(func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
			return v.ReleaseInstance(ctx, "i1", order)
		})
	}
	statusV1 := func(status string) a {
		return queried(func(ctx context.Context, v koogallerytest.V1) (*koogallerytest.Exchange, error) {
			return v.InstanceStatus(ctx, "i1", status)
		})
	}
	for name, tc := range map[string]struct{ release, then a }{
		"unfrozen since":             {release(orderID), statusV1(koogallery.StatusNormal)},
		"frozen since":               {release(orderID), statusV1(koogallery.StatusFreeze)},
		"without an order, unfrozen": {release(""), statusV1(koogallery.StatusNormal)},
		"renewed since":              {release(orderID), renewUntil("i1", "R1", day(60))},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, []client.Object{instance("i1")})
			first := s.do(tc.release, koogallery.ResultSuccess)
			corrected := s.stored("i1")
			corrected.Spec.Correction = v1alpha1.Correction{ID: "t-1", By: "jane", Reason: "ticket", Entitlement: v1alpha1.EntitlementActive}
			var changed bool
			if corrected.Spec.Subscription, changed = subscription.ApplyCorrection(corrected.Spec, day(0).Add(time.Hour)); !changed {
				t.Fatal("the correction was not applied")
			}
			if err := s.world.Update(context.Background(), corrected); err != nil {
				t.Fatal(err)
			}
			s.clock.SetTime(day(0).Add(2 * time.Hour))
			s.do(tc.then, koogallery.ResultSuccess)
			before := s.stored("i1")
			for _, at := range []*stand{s, s.replica()} {
				server := httptest.NewServer(at.handler)
				t.Cleanup(server.Close)
				caller := s.caller
				caller.Address = strings.TrimPrefix(server.URL, "http://")
				s.doWith(caller, replay(first), koogallery.ResultSuccess)
				if diff := cmp.Diff(before, s.stored("i1")); diff != "" {
					t.Fatalf("the repeat changed:\n%s", diff)
				}
			}
			s.clock.SetTime(day(0).Add(3 * time.Hour))
			s.do(tc.release, koogallery.ResultSuccess)
			if got := s.stored("i1").Spec.Subscription.Entitlement.State; got != v1alpha1.EntitlementReleased {
				t.Errorf("after a new release it is %s", got)
			}
		})
	}
}

// A nonce makes one call. The same one in another call, well signed, is a replay.
func TestANonceWithOtherBytesIsRefused(t *testing.T) {
	s := newStand(t, []client.Object{instance("i1")})
	s.caller.Nonce = func() string { return "same" }
	frozen := s.do(status("i1", koogallery.StatusFreeze), "000000")
	s.do(status("i1", koogallery.StatusUnfreeze), "000001")
	// Written in another way it says the same, and is not the same bytes; nor is it below another path or at another time.
	reordered := s.caller
	reordered.Options.Reordered = true
	s.doWith(reordered, status("i1", koogallery.StatusFreeze), "000001")
	lower := s.caller
	lower.Options.LowerHex = true
	s.doWith(lower, status("i1", koogallery.StatusFreeze), "000001")
	s.clock.SetTime(day(0).Add(time.Second))
	s.do(status("i1", koogallery.StatusFreeze), "000001")
	s.do(replay(frozen), "000000")
	if got := s.counted("stallkeeper_callback_rejections_total", "Replayed"); got != 4 {
		t.Errorf("%v are counted as replayed, want 4", got)
	}
	if state := s.stored("i1").Spec.Subscription.Entitlement.State; state != v1alpha1.EntitlementFrozen {
		t.Errorf("it is %s", state)
	}
}

// The window is closed for a repeat as for every other call.
func TestARepeatAfterTheWindowIsRefused(t *testing.T) {
	s := newStand(t, []client.Object{instance("i1")})
	frozen := s.do(status("i1", koogallery.StatusFreeze), "000000")
	s.clock.SetTime(day(0).Add(61 * time.Second))
	s.do(replay(frozen), "000002")
}

// A call that takes until its deadline costs itself and nothing else: the server reads on from the connection meanwhile, and a deadline
// that passes there would end every later call of the connection.
func TestASlowCallDoesNotPoisonItsConnection(t *testing.T) {
	slow := make(chan struct{}, 1)
	s := newStand(t, nil, between(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			select {
			case <-slow:
				<-ctx.Done()
				return ctx.Err()
			default:
				return c.Create(ctx, object, options...)
			}
		},
	}), func(s *stand) { s.options.AnswerTimeout = 50 * time.Millisecond })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		late := len(slow) > 0
		s.handler.ServeHTTP(w, r)
		if late {
			// What follows a call's deadline, however short, is when its connection is lost.
			select {
			case <-r.Context().Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}))
	t.Cleanup(server.Close)
	connection := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	do := func(method, query, body string) string {
		t.Helper()
		request, err := http.NewRequest(method, server.URL+"/v1/sales/koogallery?"+query, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := connection.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var text bytes.Buffer
		if _, err := text.ReadFrom(answer.Body); err != nil {
			t.Fatal(err)
		}
		return text.String()
	}
	for n := range 3 {
		order := fmt.Sprint("CS", n)
		body := `{"activity":"newInstance","orderId":"` + order + `","orderLineId":"l"}`
		for name, call := range map[string]func() string{
			// Of a call without a body the server reads on from the beginning.
			"in a query": func() string {
				return do(http.MethodGet, s.signedQuery(http.MethodGet, "activity=newInstance&productId=p&orderId="+order, nil), "")
			},
			"in a body": func() string { return do(http.MethodPost, s.signedNonce("slow"+order, body), body) },
		} {
			slow <- struct{}{}
			if got := call(); !strings.Contains(got, "000005") {
				t.Fatalf("the slow call %s is answered %s", name, got)
			}
			if got := do(http.MethodPost, s.signedNonce(name+order, body), body); !strings.Contains(got, "000004") {
				t.Fatalf("after a slow call %s a good one on its connection is answered %s", name, got)
			}
		}
	}
}

// The keys of a Marketplace are read now and then, which takes time that a stranger must not see, at the first word of the server either.
func TestTheTimeOfAnAnswerTellsAStrangerNothing(t *testing.T) {
	const pace = 50 * time.Millisecond
	reads := 0
	s := newStand(t, nil, func(s *stand) {
		s.options.Pace = pace
		s.options.APIReader = interceptor.NewClient(s.world, interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
				s.clock.Step(7 * time.Millisecond)
				reads++
				return c.Get(ctx, key, object, options...)
			},
		})
	})
	stranger := s.caller
	stranger.Options.WrongKey = true
	for name, path := range map[string]string{
		"known": "/v1/sales/koogallery", "not known": "/v1/sales/made-up", "of no sales namespace": "/v1/kube-system/koogallery", "no name": "/v1/sales/NONE",
	} {
		for range 2 {
			stranger.URL = strings.Replace(s.caller.URL, "/v1/sales/koogallery", path, 1)
			before, begun := reads, s.clock.Now()
			answered := make(chan time.Time)
			go func() {
				s.doWith(stranger, query("i1"), "000001")
				answered <- s.clock.Now()
			}()
			<-s.waits
			s.clock.Step(pace - s.clock.Since(begun))
			if took := (<-answered).Sub(begun); took != pace {
				t.Errorf("%s, with %d reads: answered after %s", name, reads-before, took)
			}
		}
	}
	if reads == 0 {
		t.Error("nothing was read")
	}
}

// Of a wrong signature and of a Marketplace that does not exist the API server hears the same.
func TestStrangersCostTheSameEverywhere(t *testing.T) {
	lookups := 0
	s := newStand(t, nil, func(s *stand) {
		s.options.APIReader = interceptor.NewClient(s.world, interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
				if _, ok := object.(*v1alpha1.Marketplace); ok {
					lookups++
				}
				return c.Get(ctx, key, object, options...)
			},
		})
	})
	stranger := s.caller
	stranger.Options.WrongKey = true
	cost := func() int {
		before := lookups
		s.doWith(stranger, query("i1"), "000001")
		return lookups - before
	}
	known := cost()
	stranger.URL = strings.Replace(stranger.URL, "koogallery", "made-up", 1)
	if unknown := cost(); known != unknown {
		t.Errorf("%d lookups for one that exists, %d for one that does not", known, unknown)
	}
	before := lookups
	s.do(query("i1"), "000003")
	if lookups != before {
		t.Error("a good call is looked up")
	}
}
