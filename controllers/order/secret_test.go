package order

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"
)

func TestRawOrderKey(t *testing.T) {
	tests := map[string]struct{ orderID, want string }{
		"KooGallery's form":                    {"CS2601011200ABCDE", "CS2601011200ABCDE.json"},
		"a form with dots and dashes":          {"a-b.c_d", "a-b.c_d.json"},
		"a path is not kept":                   {"../../etc", "c0c2d1be3ad27d1c98d1bb7c1aa9d54a.json"},
		"a text that begins with a dot is not": {".hidden", ""},
		"nor one with spaces":                  {"a b", ""},
		"nor a long one":                       {strings.Repeat("a", 201), ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := rawOrderKey(tc.orderID)
			if kept := strings.HasPrefix(got, tc.orderID); kept != (tc.want == tc.orderID+".json") {
				t.Errorf("key of %q is %q", tc.orderID, got)
			}
		})
	}
	t.Run("every order has a valid key of its own", rapid.MakeCheck(func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		key := rawOrderKey(a)
		if problems := validation.IsConfigMapKey(key); len(problems) > 0 {
			t.Errorf("key %q of %q: %v", key, a, problems)
		}
		if a != b && key == rawOrderKey(b) {
			t.Errorf("%q and %q have one key %q", a, b, key)
		}
	}))
}
