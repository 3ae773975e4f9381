package order

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/protocol"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

func TestWhatAnOrderThatCannotBeReadMeans(t *testing.T) {
	called := func(kind error) error { return &marketplace.CallError{Kind: kind} }
	tests := map[string]struct {
		err   error
		age   time.Duration
		want  string
		after time.Duration
		again bool
	}{
		"a fresh order is not known yet":          {called(marketplace.ErrOrderNotFound), notFoundGrace - 1, "Unknown OrderPending", queue.OrderNotFoundRetry, false},
		"an order that stays unknown":             {called(marketplace.ErrOrderNotFound), notFoundGrace, "False OrderNotFound", queue.OrderProblemRetry, false},
		"credentials that are refused":            {called(marketplace.ErrOrderRefused), 0, "False OrderAPIRefused", queue.RefusedRetry, false},
		"an order that makes no sense":            {called(marketplace.ErrOrderInvalid), 0, "False OrderInvalid", queue.OrderProblemRetry, false},
		"an order API that is down":               {called(marketplace.ErrUnavailable), 0, "Unknown OrderAPIUnavailable", 0, true},
		"no answer":                               {errors.New("odd"), 0, "Unknown OrderAPIUnavailable", 0, true},
		"a call that is being stored":             {errNotBrought, onItsWay - 1, "Unknown ", 1, false},
		"a call that is only partially stored":    {errNotBrought, onItsWay, "Unknown OrderPending", queue.CallSecretRetry, false},
		"a call that stays only partially stored": {errNotBrought, broughtPatience, "False CallIncomplete", queue.OrderProblemRetry, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := &Reconciler{Clock: testingclock.NewFakePassiveClock(salestest.Day(1).Add(tc.age))}
			found, err := r.readFailed(v1alpha1.Call{OrderID: "o-1", Time: salestest.At(1)}, tc.err)
			if got := string(found.Status) + " " + found.Reason; got != tc.want || found.After != tc.after || tc.again != (err != nil) {
				t.Errorf("it says %s, again after %s, error %v; want %s after %s", got, found.After, err, tc.want, tc.after)
			}
		})
	}
}

func TestCredentialsThatComeLaterAreFound(t *testing.T) {
	found, err := (&Reconciler{}).readFailed(v1alpha1.Call{OrderID: "o-1"}, &protocol.CredentialsError{Text: "create it"})
	if err != nil || found.After != queue.CredentialsRetry || found.Status != metav1.ConditionFalse {
		t.Errorf("found %+v, error %v", found, err)
	}
}
