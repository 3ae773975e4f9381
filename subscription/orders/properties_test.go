package orders_test

import (
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription/orders"
)

// bounds is the schema that the API server holds instances against.
type bounds struct {
	validator  validation.SchemaValidator
	structural *schema.Structural
}

func newBounds(t *testing.T) bounds {
	t.Helper()
	raw, err := os.ReadFile("../../config/crd/stallkeeper.io_marketplaceinstances.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(raw, &crd); err != nil {
		t.Fatal(err)
	}
	var props apiextensions.JSONSchemaProps
	err = apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(
		crd.Spec.Versions[0].Schema.OpenAPIV3Schema, &props, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bounds
	if b.validator, _, err = validation.NewSchemaValidator(&props); err != nil {
		t.Fatal(err)
	}
	if b.structural, err = schema.NewStructural(&props); err != nil {
		t.Fatal(err)
	}
	return b
}

// refusals is what the API server has against a subscription.
func (b bounds) refusals(t interface{ Fatal(...any) }, sub *v1alpha1.Subscription) error {
	instance := &v1alpha1.MarketplaceInstance{Spec: v1alpha1.MarketplaceInstanceSpec{Subscription: sub}}
	raw, err := json.Marshal(instance)
	if err != nil {
		t.Fatal(err)
	}
	object := map[string]any{}
	if err := json.Unmarshal(raw, &object); err != nil {
		t.Fatal(err)
	}
	found := validation.ValidateCustomResource(nil, object, b.validator)
	return append(found, listtype.ValidateListSetsAndMaps(nil, b.structural, object)...).ToAggregate()
}

// aText draws a text that is empty, short, too long, or no text at all.
func aText(t *rapid.T, name string) string {
	switch rapid.IntRange(0, 5).Draw(t, name+" kind") {
	case 0:
		return string(rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, name))
	case 1:
		return rapid.StringN(60, 3000, -1).Draw(t, name)
	case 2:
		return rapid.SampledFrom([]string{"", "\x00", "\x7f\x01", "\xff", "\u0085", "a\x00", "a", "\n", "世界", "é\xffé"}).Draw(t, name)
	}
	return rapid.SampledFrom([]string{"shop-small", "shop-large", "shop-id", "blog-small"}).Draw(t, name)
}

// aTime draws a time that an API can write, or none, often one near the sale's.
func aTime(t *rapid.T, name string) time.Time {
	switch rapid.IntRange(0, 4).Draw(t, name+" kind") {
	case 0:
		return time.Time{}
	case 1:
		return time.UnixMilli(rapid.Int64Range(-62135596799000, 253402300799000).Draw(t, name))
	}
	return day(rapid.IntRange(0, 40).Draw(t, name))
}

func aQuantity(t *rapid.T) *int32 {
	switch rapid.IntRange(0, 9).Draw(t, "quantity kind") {
	case 0:
		return ptr.To(rapid.Int32().Draw(t, "quantity"))
	case 1:
		return ptr.To(rapid.SampledFrom([]int32{math.MinInt32, -1, 9999999, 10000000, math.MaxInt32}).Draw(t, "quantity"))
	case 2:
		return nil
	}
	return ptr.To(rapid.Int32Range(0, 10).Draw(t, "quantity"))
}

func anyOrder(t *rapid.T) marketplace.Order {
	o := marketplace.Order{
		Type: rapid.SampledFrom([]marketplace.OrderType{
			marketplace.OrderPurchase, marketplace.OrderTrial, marketplace.OrderTrialToFormal, marketplace.OrderRenewal,
			marketplace.OrderChange, marketplace.OrderUnsubscription, "other",
		}).Draw(t, "type"),
		Charging: rapid.SampledFrom([]marketplace.Charging{
			"", marketplace.ChargingPrepaid, marketplace.ChargingOneTime, marketplace.ChargingMetered,
			marketplace.ChargingMeteredPackage,
		}).Draw(t, "charging"),
		OrderedAt: aTime(t, "ordered"), ExpiresAt: aTime(t, "expires"),
		CustomerID: aText(t, "customer id"), CustomerName: aText(t, "customer name"),
	}
	for range rapid.SampledFrom([]int{1, 1, 1, 2, 0, 40}).Draw(t, "items") {
		o.Items = append(o.Items, marketplace.Item{
			ProductID: aText(t, "product id"), SKUCode: aText(t, "SKU code"), ProductName: aText(t, "product name"),
			Quantity: aQuantity(t),
		})
	}
	for range rapid.SampledFrom([]int{0, 1, 3, 100}).Draw(t, "attributes") {
		o.Attributes = append(o.Attributes, marketplace.Attribute{Name: aText(t, "name"), Value: aText(t, "value")})
	}
	return o
}

func anySale(t *rapid.T) orders.Sale {
	sub := rapid.SampledFrom([]*v1alpha1.Subscription{
		bought(), bought(upgraded), running(upgraded), running(renewed), running(renewed, waiting), running(trial, madeFormal),
		running(renewed, upgraded), bought(renewed), running(),
	}).Draw(t, "sale").DeepCopy()
	if rapid.Bool().Draw(t, "brought by calls") {
		brought(sub)
	}
	return orders.Sale{
		Subscription: sub, Product: rapid.SampledFrom([]string{"", "shop", "gone"}).Draw(t, "product"),
		PlanOverride: rapid.Bool().Draw(t, "plan override"), ShowCustomerName: rapid.Bool().Draw(t, "show name"),
	}
}

func anyProducts(t *rapid.T) []v1alpha1.MarketplaceProduct {
	return rapid.SampledFrom([][]v1alpha1.MarketplaceProduct{
		{product("shop")}, {product("shop"), product("blog")}, {product("shop", shrinks(v1alpha1.ReductionImmediately))},
		{product("shop"), product("blog", lists("koogallery", "small", "shop-large"))}, nil,
	}).Draw(t, "products")
}

func TestTheAPIServerTakesEveryResult(t *testing.T) {
	schema := newBounds(t)
	applied := 0
	rapid.Check(t, func(t *rapid.T) {
		sale := anySale(t)
		if err := schema.refusals(t, sale.Subscription); err != nil {
			t.Fatalf("the test's own sale: %v", err)
		}
		result, problem := orders.Apply(sale, anyOrder(t), anyProducts(t))
		if problem != nil {
			if problem.Reason == "" || problem.Message == "" || len(problem.Message) > 32768 {
				t.Fatalf("%+v", problem)
			}
			return
		}
		applied++
		if err := schema.refusals(t, result.Subscription); err != nil {
			t.Fatalf("the result: %v", err)
		}
		due, _ := orders.Due(result.Subscription, day(50))
		if err := schema.refusals(t, due); err != nil {
			t.Fatalf("what is due: %v", err)
		}
	})
	if applied == 0 {
		t.Error("no order was ever applied")
	}
}

func TestApplyNeverChangesItsArguments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sale, order, products := anySale(t), anyOrder(t), anyProducts(t)
		subBefore, orderBefore := sale.Subscription.DeepCopy(), cloneOrder(order)
		var productsBefore []v1alpha1.MarketplaceProduct
		for i := range products {
			productsBefore = append(productsBefore, *products[i].DeepCopy())
		}
		result, problem := orders.Apply(sale, order, products)
		if problem == nil && result.Subscription != sale.Subscription {
			// A result that shares memory with its arguments would change them later.
			scribble(result.Subscription)
		}
		if diff := cmp.Diff(subBefore, sale.Subscription); diff != "" {
			t.Fatalf("it changed the subscription:\n%s", diff)
		}
		if diff := cmp.Diff(productsBefore, products); diff != "" {
			t.Fatalf("it changed the products:\n%s", diff)
		}
		if diff := cmp.Diff(orderBefore, order); diff != "" {
			t.Fatalf("it changed the order:\n%s", diff)
		}
	})
}

func cloneOrder(o marketplace.Order) marketplace.Order {
	o.Items, o.Attributes = slices.Clone(o.Items), slices.Clone(o.Attributes)
	for i, item := range o.Items {
		if item.Quantity != nil {
			o.Items[i].Quantity = ptr.To(*item.Quantity)
		}
	}
	return o
}

// scribble writes over everything that a pointer or a slice leads to.
func scribble(sub *v1alpha1.Subscription) {
	for _, items := range [][]v1alpha1.SoldItem{sub.Items, sub.PendingChange.Items} {
		for i := range items {
			if items[i].Quantity != nil {
				*items[i].Quantity = -7
			}
			items[i] = v1alpha1.SoldItem{SKU: "scribbled"}
		}
	}
	for _, quantity := range []*int32{sub.Quantity, sub.PendingChange.Quantity} {
		if quantity != nil {
			*quantity = -7
		}
	}
	for i := range sub.Calls {
		sub.Calls[i] = v1alpha1.Call{}
	}
	for i := range sub.Attributes {
		*sub.Attributes[i].Value = "scribbled"
	}
}

func TestEveryOrderIsAppliedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sale, order, products := anySale(t), anyOrder(t), anyProducts(t)
		next, pending := orders.Pending(sale.Subscription)
		result, problem := orders.Apply(sale, order, products)
		if problem != nil || !pending {
			return
		}
		if again, ok := orders.Pending(result.Subscription); ok && again.OrderID == next.OrderID {
			t.Fatalf("order %s was applied and still waits", next.OrderID)
		}
		if result.Product == "" || sale.Product != "" && result.Product != sale.Product {
			t.Fatalf("product %q became %q", sale.Product, result.Product)
		}
	})
}
