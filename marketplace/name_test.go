package marketplace_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// The names of sales that exist must never change: their instances would not be found again.
func TestInstanceNameStaysTheSame(t *testing.T) {
	got := marketplace.InstanceName("KooGallery", "China", "CS2211181819B4LVS", "CS2211181819B4LVS-000001")
	if want := "s6qyx2n23elycyl45j64qu4abai"; got != want {
		t.Errorf("InstanceName() = %q, want %q", got, want)
	}
}

func TestInstanceNameTellsSalesApart(t *testing.T) {
	part := rapid.StringMatching(`[a-c0\x00]{0,3}`)
	rapid.Check(t, func(t *rapid.T) {
		a := [4]string{part.Draw(t, "a0"), part.Draw(t, "a1"), part.Draw(t, "a2"), part.Draw(t, "a3")}
		b := [4]string{part.Draw(t, "b0"), part.Draw(t, "b1"), part.Draw(t, "b2"), part.Draw(t, "b3")}
		nameA := marketplace.InstanceName(a[0], a[1], a[2], a[3])
		nameB := marketplace.InstanceName(b[0], b[1], b[2], b[3])
		if (a == b) != (nameA == nameB) {
			t.Fatalf("%q is %s, %q is %s", a, nameA, b, nameB)
		}
		if !marketplace.IsInstanceName(nameA) {
			t.Fatalf("IsInstanceName(%q) = false", nameA)
		}
	})
}

func TestIsInstanceName(t *testing.T) {
	hash := strings.Repeat("a2", 13)
	tests := map[string]struct {
		id   string
		want bool
	}{
		"our form":                       {"s" + hash, true},
		"empty":                          {"", false},
		"a UUID of another system":       {"10e758d0-31ad-4c4b-8f1b-81d03469a10e", false},
		"one character short":            {"s" + hash[1:], false},
		"one character long":             {"s" + hash + "a", false},
		"another first letter":           {"t" + hash, false},
		"upper case":                     {"s" + strings.ToUpper(hash), false},
		"a digit that base32 has not":    {"s" + hash[:25] + "1", false},
		"a hand-made name of any length": {"shop", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := marketplace.IsInstanceName(tc.id); got != tc.want {
				t.Errorf("IsInstanceName(%q) = %v, want %v", tc.id, got, tc.want)
			}
		})
	}
}
