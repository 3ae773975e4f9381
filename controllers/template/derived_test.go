package template

import (
	"fmt"
	"testing"
)

// The check of a product renders some twenty samples. What they derive alike is derived once, whichever of them asks first.
func TestAPasswordIsDerivedOncePerArguments(t *testing.T) {
	former, sprigs := derivedPasswords, derive
	t.Cleanup(func() { derivedPasswords, derive = former, sprigs })
	derivedPasswords = &derived{}
	calls := map[string]int{}
	derive = func(counter uint32, kind, password, user, site string) string {
		args := fmt.Sprint(counter, kind, password, user, site)
		calls[args]++
		return "of " + args
	}
	tmpl := parsed(t, Source{Inline: config(`print (derivePassword 1 "long" "master" "app" "db") (derivePassword 1 "long" "master" .Values.user "db")`)})
	passwords := map[string]bool{}
	const samples = 20
	for i := range samples {
		out, err := tmpl.Render(inputs(withValues(map[string]any{"user": fmt.Sprintf("u%d", i%2)})))
		passwords[valueOf(t, out, err)] = true
	}
	for args, n := range calls {
		if n != 1 {
			t.Errorf("%s is derived %d times", args, n)
		}
	}
	if len(calls) != 3 || len(passwords) != 2 {
		t.Errorf("%d are derived and make %d texts, want 3 and 2", len(calls), len(passwords))
	}
}

func TestDerivedPasswordsAreBounded(t *testing.T) {
	d := &derived{}
	for i := range 2 * maxDerived {
		d.of(fmt.Sprint(i), func() string { return "password" })
	}
	d.of("long", func() string { return string(make([]byte, maxDerivedBytes+1)) })
	if n := len(d.known); n != maxDerived || d.of("long", func() string { return "anew" }) != "anew" {
		t.Errorf("%d are known, and a long one too", n)
	}
}

// What a process knows changes nothing about what a template may do.
func TestADerivedPasswordCostsTheSameWhenItIsKnown(t *testing.T) {
	former, sprigs := derivedPasswords, derive
	t.Cleanup(func() { derivedPasswords, derive = former, sprigs })
	derivedPasswords = &derived{}
	derive = func(uint32, string, string, string, string) string { return "password" }
	tmpl := parsed(t, Source{Inline: "{{ range until 100 }}{{ $_ := derivePassword 1 \"long\" \"p\" \"u\" (print .) }}{{ end }}"})
	for range 2 {
		_, err := tmpl.Render(inputs())
		checkError(t, err, "does more work than rendering may take")
	}
}
