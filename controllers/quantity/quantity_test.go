package quantity

import (
	"errors"
	"strings"
	"testing"
)

func TestCostlyTexts(t *testing.T) {
	long := strings.Repeat("7", maxDigits+1)
	for text, want := range map[string]bool{
		"1E-2147483647": true, "1e-2147483647": true, "-1.5e-0001": true, ".5E-9999": true,
		"1e+2147483647": false, "1E2147483647": false, "12e4567": false, "1e--2147483647": false,
		"5e-1": false, "2E": false, "1Ei": false, "500m": false, "100Gi": false, "": false, "e-1234": false, "1e-999": false,
		"1e-1234 and more": false, "deadbeef-12345": false, "1edge-12345": false,
		long: true, long + "Gi": true, "-0." + long: true, long + "e-3": true, long[:maxDigits]: false,
		long + " is a text": false, "x" + long: false,
	} {
		if got := Costly(text); got != want {
			t.Errorf("%.40q of %d characters: %v, want %v", text, len(text), got, want)
		}
	}
}

func TestParse(t *testing.T) {
	for _, text := range []string{"1E-2147483647", "1e2147483647", "1e9999", strings.Repeat("7", 33), strings.Repeat("7", 1<<20), "0." + strings.Repeat("7", 1<<20)} {
		if _, err := Parse(text); !errors.Is(err, ErrCostly) || len(err.Error()) > 100 {
			t.Errorf("%.40q: %v", text, err)
		}
	}
	if got, err := Parse("1500m"); err != nil || got.MilliValue() != 1500 {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := Parse("many"); err == nil {
		t.Error("a word is parsed")
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"1E-2147483647", "1e999", "100Gi", "-.5m", "1e--1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Parse(text)
		if err == nil && len(got.String()) > 1100 {
			t.Errorf("%q is %d characters long", text, len(got.String()))
		}
	})
}
