package directory_test

import (
	"encoding/hex"
	"testing"

	"github.com/stallkeeper/stallkeeper/directory"
)

// Tenants hold these keys: another one would lock them out.
func TestKeysStayWhatTheyAre(t *testing.T) {
	seed := make([]byte, directory.SeedBytes)
	seen := map[string]bool{}
	for use, want := range map[directory.Use]string{
		directory.ForForwarding:   "b6953af38d13bba38ab1b7435f0187ab19e7d90bc328abc092e7cbf4623b8317",
		directory.ForLoginTokens:  "43ba498b0137a6126259365fab3be54a5d6ef84364c32e0b3b6caa83f3088540",
		directory.ForLoginCookies: "de2a5d6b0d7c5a3378289aa3772c5c3d0a1ed2a0cc49f356d1ecae38b1c7e226",
	} {
		got := hex.EncodeToString(directory.DeriveKey(seed, use))
		if got != want || seen[got] {
			t.Errorf("the key for %s is %s, want %s", use, got, want)
		}
		seen[got] = true
		if directory.DeriveKey(seed[1:], use) != nil {
			t.Errorf("a seed that is too short gives a key for %s", use)
		}
	}
}
