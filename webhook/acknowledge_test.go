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
)

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
