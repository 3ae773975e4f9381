package webhook_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/webhook"
)

// awaiting is a sale of which the marketplace has not been heard since.
func awaiting(sub *v1alpha1.Subscription) {
	sub.Acknowledgement = v1alpha1.Acknowledgement{State: v1alpha1.AcknowledgementAwaited}
}

func received(by v1alpha1.AcknowledgementSource, on int) v1alpha1.Acknowledgement {
	return v1alpha1.Acknowledgement{State: v1alpha1.AcknowledgementReceived, By: by, Time: at(on)}
}

func TestMergeNotesTheFirstCallThatNamesTheInstance(t *testing.T) {
	inQuery := func(sent int) marketplace.Event {
		return marketplace.Event{Kind: marketplace.Query, InstanceIDs: []string{"i1"}, SentAt: day(sent)}
	}
	check := marketplace.Event{Kind: marketplace.Check, InstanceID: "i1", SentAt: day(3)}
	wanting := purchase(0)
	wanting.Wants = marketplace.WantAccess
	byCode := freeze(3)
	byCode.InstanceID, byCode.License = "", "PL1"
	awaited := v1alpha1.Acknowledgement{State: v1alpha1.AcknowledgementAwaited}
	byCall := received(v1alpha1.AcknowledgedByCall, 3)
	tests := map[string]struct {
		sub    *v1alpha1.Subscription
		events []marketplace.Event
		want   v1alpha1.Acknowledgement
	}{
		"a purchase awaits it":                              {nil, []marketplace.Event{purchase(0)}, awaited},
		"a purchase that is not asked for does not":         {nil, []marketplace.Event{wanting}, v1alpha1.Acknowledgement{}},
		"a purchase made again shows nothing":               {sale(awaiting), []marketplace.Event{purchase(3)}, awaited},
		"a query":                                           {sale(awaiting), []marketplace.Event{inQuery(3)}, received(v1alpha1.AcknowledgedByQuery, 3)},
		"a query after a query":                             {sale(awaiting), []marketplace.Event{inQuery(3), inQuery(4)}, received(v1alpha1.AcknowledgedByQuery, 3)},
		"a renewal":                                         {sale(awaiting), []marketplace.Event{renewal("r1", 3, 60)}, byCall},
		"a renewal that was heard of by an earlier version": {sale(awaiting, heard(refreshed("RENEWAL", "r1", 1, 30))), []marketplace.Event{renewal("r1", 3, 60)}, byCall},
		"an upgrade":                                        {sale(awaiting), []marketplace.Event{upgrade("u1", 3)}, byCall},
		"a freeze":                                          {sale(awaiting), []marketplace.Event{freeze(3)}, byCall},
		"an unfreeze":                                       {sale(awaiting), []marketplace.Event{unfreeze(3)}, byCall},
		"a release":                                         {sale(awaiting), []marketplace.Event{released(3, "")}, byCall},
		"a check":                                           {sale(awaiting), []marketplace.Event{check}, byCall},
		"a call by a licence's code, which is not our answer": {sale(awaiting), []marketplace.Event{byCode}, awaited},
		"a sale of an earlier version stays as it was":        {sale(), []marketplace.Event{inQuery(3), freeze(3)}, v1alpha1.Acknowledgement{}},
		"a person's word stays": {
			sale(func(sub *v1alpha1.Subscription) {
				sub.Acknowledgement = v1alpha1.Acknowledgement{State: v1alpha1.AcknowledgementReceived, By: v1alpha1.AcknowledgedByPerson}
			}),
			[]marketplace.Event{inQuery(3)},
			v1alpha1.Acknowledgement{State: v1alpha1.AcknowledgementReceived, By: v1alpha1.AcknowledgedByPerson},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			sub := tc.sub
			for _, event := range tc.events {
				merged, err := webhook.Merge(sub, event, day(5))
				if err != nil {
					t.Fatal(err)
				}
				sub = merged
			}
			if diff := cmp.Diff(tc.want, sub.Acknowledgement); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// writes counts what is written to the API server.
func writes(count *int, fails error) func(*stand) {
	return between(interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			*count++
			if fails != nil {
				return fails
			}
			return c.Patch(ctx, object, patch, options...)
		},
	})
}

func TestAQueryIsNotedOnce(t *testing.T) {
	count := 0
	s := newStand(t, []client.Object{
		instance("i1", subscribed(awaiting)), instance("i2", subscribed(awaiting)), instance("old"),
	}, writes(&count, nil))
	s.do(query("i1", "old", "unknown"), "000004")
	s.do(query("i1", "old"), "000004")
	if count != 1 {
		t.Errorf("%d writes, want 1", count)
	}
	want := map[string]v1alpha1.Acknowledgement{
		"i1": received(v1alpha1.AcknowledgedByQuery, 0), "i2": {State: v1alpha1.AcknowledgementAwaited}, "old": {},
	}
	for name, acknowledgement := range want {
		if diff := cmp.Diff(acknowledgement, s.stored(name).Spec.Subscription.Acknowledgement); diff != "" {
			t.Errorf("%s -want +stored:\n%s", name, diff)
		}
	}
}

func TestAQueryIsAnsweredWhetherItCanBeNotedOrNot(t *testing.T) {
	count := 0
	s := newStand(t, []client.Object{instance("i1", subscribed(awaiting), provisioned, withFrontEnd)}, writes(&count, away))
	s.do(query("i1"), "000000")
	s.do(checkOf("i1"), "000000")
	if count != 2 {
		t.Errorf("%d attempts to note it, want one by each call", count)
	}
}

func TestAQueryDoesNotWaitForAnAPIServerThatHangs(t *testing.T) {
	const many = 100
	objects := make([]client.Object, many)
	ids := make([]string, many)
	for i := range objects {
		ids[i] = "i" + strings.Repeat("x", i%30+1) + time.Duration(i).String()
		objects[i] = instance(ids[i], subscribed(awaiting), provisioned, withFrontEnd)
	}
	s := newStand(t, objects, hangs(func(client.Object) bool { return false }), func(s *stand) { s.options.AnswerTimeout = 0 })
	if exchange := s.do(query(ids...), "000000"); len(exchange.Info) != many {
		t.Errorf("%d instances are described, want %d", len(exchange.Info), many)
	}
}

func TestADebugQueryShowsNothing(t *testing.T) {
	s := newStand(t, []client.Object{instance("i1", subscribed(awaiting))})
	debug := s.caller
	debug.Options.Debug = true
	s.doWith(debug, query("i1"), "000000")
	if state := s.stored("i1").Spec.Subscription.Acknowledgement.State; state != v1alpha1.AcknowledgementAwaited {
		t.Errorf("stored as %s", state)
	}
}

func TestEveryCallThatNamesAnInstanceIsNoted(t *testing.T) {
	calls := every("i1")
	delete(calls, "newInstance")
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, []client.Object{instance("i1", subscribed(awaiting))})
			if _, err := call(context.Background(), s.caller); err != nil {
				t.Fatal(err)
			}
			if state := s.stored("i1").Spec.Subscription.Acknowledgement.State; state != v1alpha1.AcknowledgementReceived {
				t.Errorf("stored as %s", state)
			}
		})
	}
}
