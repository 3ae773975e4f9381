package login

import (
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

func TestAnAttemptIsOpenedByItsInstanceInItsTime(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	key, another := make([]byte, 32), append(make([]byte, 31), 1)
	sold := types.NamespacedName{Namespace: "sales", Name: "sold"}
	a := begin("e1", "a1", "/reports", true)
	sealed, err := a.seal(key, sold, now)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := open(sealed, key, sold, now.Add(attemptLife)); err != nil || got != a {
		t.Fatalf("opened as %+v, %v", got, err)
	}
	for sentence, try := range map[string]func() (attempt, error){
		"another key": func() (attempt, error) { return open(sealed, another, sold, now) },
		"no key":      func() (attempt, error) { return open(sealed, nil, sold, now) },
		"another instance, with its key": func() (attempt, error) {
			return open(sealed, key, types.NamespacedName{Namespace: "sales", Name: "other"}, now)
		},
		"another namespace": func() (attempt, error) {
			return open(sealed, key, types.NamespacedName{Namespace: "more", Name: "sold"}, now)
		},
		"a second too late": func() (attempt, error) { return open(sealed, key, sold, now.Add(attemptLife+time.Second)) },
		"nothing":           func() (attempt, error) { return open("", key, sold, now) },
		"words":             func() (attempt, error) { return open("a.b.c.d.e", key, sold, now) },
		"a token that is only signed": func() (attempt, error) {
			return open("eyJhbGciOiJub25lIn0.eyJzdGF0ZSI6IngifQ.", key, sold, now)
		},
	} {
		if got, err := try(); !errors.Is(err, errNoAttempt) || got != (attempt{}) {
			t.Errorf("%s: %+v, %v", sentence, got, err)
		}
	}
	if b := begin("e1", "a1", "", false); b.Verifier != "" || b.State == a.State || len(a.Verifier) < 43 {
		t.Errorf("states %q and %q, verifiers %q and %q", a.State, b.State, a.Verifier, b.Verifier)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add("a.b.c.d.e")
	f.Add("eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA")
	sold := types.NamespacedName{Namespace: "sales", Name: "sold"}
	f.Fuzz(func(t *testing.T, sealed string) {
		if _, err := open(sealed, make([]byte, 32), sold, time.Unix(0, 0)); !errors.Is(err, errNoAttempt) {
			t.Errorf("%q was opened: %v", sealed, err)
		}
	})
}
