package protocol

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

func TestWhatAFailedCallMeans(t *testing.T) {
	refused, odd, away := errors.New("refused"), errors.New("odd"), marketplace.ErrUnavailable
	failure := Failure{Unavailable: "Away", Unanswered: "It is tried again", Mistakes: []Mistake{
		{Kind: refused, Reason: "Refused", After: time.Minute}, {Reason: "Other"},
	}}
	call := func(kind error, after time.Duration) error {
		return fmt.Errorf("calling: %w", &marketplace.CallError{Kind: kind, RetryAfter: after})
	}
	tests := map[string]struct {
		err   error
		want  report.Verdict
		again bool
	}{
		"no answer backs off":                      {odd, report.Unknown("Away", "It is tried again"), true},
		"missing credentials wait for a person":    {unusable("create %s", "it"), report.False(v1alpha1.ReasonCredentialsMissing, "create it").Again(queue.CredentialsRetry), false},
		"a known refusal waits as long as it says": {call(refused, 0), report.Verdict{Status: metav1.ConditionFalse, Reason: "Refused", After: time.Minute}, false},
		"any other refusal waits for a person":     {call(odd, 0), report.Verdict{Status: metav1.ConditionFalse, Reason: "Other", After: queue.OrderProblemRetry}, false},
		"an API that is down backs off":            {call(away, 0), report.Verdict{Status: metav1.ConditionUnknown, Reason: "Away"}, true},
		"an API that names a pause is obeyed":      {call(away, time.Hour), report.Verdict{Status: metav1.ConditionUnknown, Reason: "Away", After: time.Hour}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := failure.FromCallError(tc.err, "The order")
			if failed := new(marketplace.CallError); errors.As(tc.err, &failed) {
				tc.want.Message = "The order: " + failed.Error()
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
			if tc.again != (err != nil) {
				t.Errorf("error %v, want one: %t", err, tc.again)
			}
		})
	}
}

func TestCredentialsLoseTheLineEndOfAFile(t *testing.T) {
	for given, want := range map[string]string{"key\n": "key", "key\r\n": "key", "key": "key", "\n": "", "": "", "a\nb\n\n": "a\nb"} {
		if got := trimNewline([]byte(given)); got != want {
			t.Errorf("%q became %q, want %q", given, got, want)
		}
	}
}
