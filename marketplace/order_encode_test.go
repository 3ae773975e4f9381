package marketplace_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/marketplace"
)

// anyOrder draws an order that a call may have brought.
func anyOrder(t *rapid.T) marketplace.Order {
	text := rapid.StringN(0, 40, -1)
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMilli(rapid.Int64Range(0, 250_000_000_000_000).Draw(t, "millis")).UTC()
	})
	maybe := func(name string) time.Time {
		if rapid.Bool().Draw(t, name+" is known") {
			return instant.Draw(t, name)
		}
		return time.Time{}
	}
	order := marketplace.Order{
		Type: rapid.SampledFrom([]marketplace.OrderType{
			marketplace.OrderPurchase, marketplace.OrderTrial, marketplace.OrderChange, "OF_THE_FUTURE",
		}).Draw(t, "type"),
		Charging: rapid.SampledFrom([]marketplace.Charging{
			"", marketplace.ChargingPrepaid, marketplace.ChargingOneTime, marketplace.ChargingMetered, marketplace.ChargingMeteredPackage,
		}).Draw(t, "charging"),
		OrderedAt: maybe("ordered"), ExpiresAt: maybe("expires"),
		CustomerID: text.Draw(t, "customer"), CustomerName: text.Draw(t, "name"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "items") {
		item := marketplace.Item{ProductID: text.Draw(t, "product"), SKUCode: text.Draw(t, "sku"), ProductName: text.Draw(t, "productName")}
		if rapid.Bool().Draw(t, "has a quantity") {
			quantity := rapid.Int32Min(0).Draw(t, "quantity")
			item.Quantity = &quantity
		}
		order.Items = append(order.Items, item)
	}
	for range rapid.IntRange(0, 5).Draw(t, "attributes") {
		order.Attributes = append(order.Attributes, marketplace.Attribute{Name: text.Draw(t, "attribute"), Value: text.Draw(t, "value")})
	}
	return order
}

func TestAStoredOrderIsTheOneThatWasTold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyOrder(t)
		told := want
		told.Buyer = marketplace.Buyer{UserID: "buyer-user", UserName: "buyer-name", MobilePhone: "15900000000", Email: "buyer@example.com"}
		told.Raw = []byte(`{"mobilePhone":"15900000000"}`)
		raw, err := marketplace.EncodeOrder(told)
		if err != nil {
			t.Fatal(err)
		}
		for _, personal := range []string{"buyer-user", "buyer-name", "15900000000", "buyer@"} {
			if strings.Contains(string(raw), personal) {
				t.Fatalf("%s is encoded", personal)
			}
		}
		got, err := marketplace.DecodeOrder(raw)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

func TestOrdersBeyondTheBoundsAreRefused(t *testing.T) {
	negative := int32(-1)
	tests := map[string]func(*marketplace.Order){
		"no type":                func(o *marketplace.Order) { o.Type = "" },
		"an unknown charging":    func(o *marketplace.Order) { o.Charging = "SECRET-Monthly" },
		"too many items":         func(o *marketplace.Order) { o.Items = make([]marketplace.Item, 33) },
		"too many attributes":    func(o *marketplace.Order) { o.Attributes = make([]marketplace.Attribute, 513) },
		"a negative quantity":    func(o *marketplace.Order) { o.Items = []marketplace.Item{{Quantity: &negative}} },
		"a text that is too big": func(o *marketplace.Order) { o.CustomerName = "SECRET" + strings.Repeat("x", 8<<10) },
		"a text in GBK":          func(o *marketplace.Order) { o.CustomerName = "SECRET\xc2\xf2" },
		"too much in all": func(o *marketplace.Order) {
			for range 20 {
				o.Attributes = append(o.Attributes, marketplace.Attribute{Name: "SECRET", Value: strings.Repeat("x", 4<<10)})
			}
		},
		"a time beyond all years": func(o *marketplace.Order) { o.ExpiresAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			order := marketplace.Order{Type: marketplace.OrderPurchase, CustomerID: "SECRET"}
			change(&order)
			_, err := marketplace.EncodeOrder(order)
			if err == nil || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestStoredOrdersThatCannotBeRead(t *testing.T) {
	tests := map[string]string{
		"nothing":             ``,
		"no JSON":             `SECRET`,
		"another JSON":        `["SECRET"]`,
		"no type":             `{"customerID":"SECRET"}`,
		"another type":        `{"type":"Purchase","items":"SECRET"}`,
		"an unknown charging": `{"type":"Purchase","charging":"SECRET"}`,
		"a negative quantity": `{"type":"Purchase","items":[{"skuCode":"SECRET","quantity":-1}]}`,
		"too large a number":  `{"type":"Purchase","items":[{"skuCode":"SECRET","quantity":3000000000}]}`,
		"too many bytes":      `{"type":"Purchase","customerID":"SECRET"` + strings.Repeat(" ", 64<<10) + `}`,
	}
	for name, raw := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := marketplace.DecodeOrder([]byte(raw))
			if !errors.Is(err, marketplace.ErrOrderInvalid) || strings.Contains(fmt.Sprintf("%+v", err), "SECRET") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// A newer version of the callback server may have stored the order.
func TestAStoredOrderMayHaveMembersOfTheFuture(t *testing.T) {
	got, err := marketplace.DecodeOrder([]byte(`{"type":"Trial","customerID":"C1","later":{"x":1}}`))
	if want := (marketplace.Order{Type: marketplace.OrderTrial, CustomerID: "C1"}); err != nil || !cmp.Equal(want, got) {
		t.Errorf("read %v, %v", got, err)
	}
}

// What can be decoded is encoded again to the same.
func FuzzDecodeOrder(f *testing.F) {
	f.Add([]byte(`{"type":"Purchase","orderedAt":"2026-01-02T03:04:05Z","charging":"Period","expiresAt":"2027-01-02T03:04:05.006+08:00",` +
		`"items":[{"productID":"p","skuCode":"s","quantity":5}],"attributes":[{"name":"a","value":"b"}],"customerID":"c","customerName":"n"}`))
	f.Add([]byte(`{"type":"\ud800"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		order, err := marketplace.DecodeOrder(raw)
		if err != nil {
			if !errors.Is(err, marketplace.ErrOrderInvalid) {
				t.Fatalf("error %v", err)
			}
			return
		}
		encoded, err := marketplace.EncodeOrder(order)
		if err != nil {
			// Escaping may need more room than the original had.
			return
		}
		again, err := marketplace.DecodeOrder(encoded)
		if err != nil || !cmp.Equal(order, again) {
			t.Fatalf("%q became %q, %v", raw, encoded, err)
		}
	})
}
