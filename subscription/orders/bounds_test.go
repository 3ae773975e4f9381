package orders_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription/orders"
)

func TestTextsAreKeptWithinTheirBounds(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"a name with everything that YAML knows": {"a: 'b' \"c\" # {{ d }}", "a: 'b' \"c\" # {{ d }}"},
		"lines and tabs":                         {"a\n\tb", "a\n\tb"},
		"control characters":                     {"a\x00\x1b[31mb\r\u0085\x7f", "a[31mb"},
		"only control characters":                {"\x00\x01", ""},
		"invalid UTF-8":                          {"é\xff\xfeé", "é\uFFFDé"},
		"as long as it may be, in characters":    {strings.Repeat("世", 256), strings.Repeat("世", 256)},
		"too long, in characters":                {strings.Repeat("世", 257), strings.Repeat("世", 256)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			order := purchase(func(o *marketplace.Order) { o.CustomerName = tc.text })
			got, problem := orders.Apply(orders.Sale{Subscription: bought(), ShowCustomerName: true}, order,
				[]v1alpha1.MarketplaceProduct{product("shop")})
			if problem != nil {
				t.Fatal(problem)
			}
			if diff := cmp.Diff(tc.want, got.Subscription.CustomerName); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestAttributesAreKeptWithinTheirBounds(t *testing.T) {
	var many []marketplace.Attribute
	var first []v1alpha1.Attribute
	for i := range 100 {
		name := fmt.Sprintf("a%d", i)
		many = append(many, marketplace.Attribute{Name: name, Value: "v"})
		if i < 64 {
			first = append(first, v1alpha1.Attribute{Name: name, Value: ptr.To("v")})
		}
	}
	long := strings.Repeat("n", 128)

	tests := map[string]struct {
		attributes []marketplace.Attribute
		want       []v1alpha1.Attribute
	}{
		"a hundred": {many, first},
		"names that are the same when they are cut": {
			[]marketplace.Attribute{{Name: long + "1", Value: "one"}, {Name: long + "2", Value: "two"}},
			[]v1alpha1.Attribute{{Name: long, Value: ptr.To("one")}},
		},
		"a name of control characters": {[]marketplace.Attribute{{Name: "\x01", Value: "v"}}, nil},
		"a long value": {
			[]marketplace.Attribute{{Name: "a", Value: strings.Repeat("v", 2049)}},
			[]v1alpha1.Attribute{{Name: "a", Value: ptr.To(strings.Repeat("v", 2048))}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			order := purchase(func(o *marketplace.Order) { o.Attributes = tc.attributes })
			got, problem := orders.Apply(orders.Sale{Subscription: bought()}, order, []v1alpha1.MarketplaceProduct{product("shop")})
			if problem != nil {
				t.Fatal(problem)
			}
			if diff := cmp.Diff(tc.want, got.Subscription.Attributes); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
