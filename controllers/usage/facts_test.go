package usage

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/template"
)

func TestWhenAPackageBegins(t *testing.T) {
	call := func(day int, before int) v1alpha1.Call {
		return v1alpha1.Call{Operation: "refresh", OrderID: "o", Time: salestest.At(day), PreviousExpiryTime: salestest.At(before)}
	}
	unknown := v1alpha1.Call{Operation: "refresh", OrderID: "o", Time: salestest.At(40)}
	tests := map[string]struct {
		expires int
		calls   []v1alpha1.Call
		want    time.Time
	}{
		"with the purchase":                               {expires: 30},
		"with a renewal":                                  {expires: 60, calls: []v1alpha1.Call{call(20, 30)}, want: salestest.Day(20)},
		"with the latest renewal":                         {expires: 90, calls: []v1alpha1.Call{call(20, 30), call(50, 60)}, want: salestest.Day(50)},
		"in the order in which they were sent":            {expires: 90, calls: []v1alpha1.Call{call(50, 60), call(20, 30)}, want: salestest.Day(50)},
		"as before when a renewal is taken back":          {expires: 60, calls: []v1alpha1.Call{call(20, 30), call(50, 60), call(51, 90)}, want: salestest.Day(20)},
		"with the purchase when the only one is":          {expires: 30, calls: []v1alpha1.Call{call(20, 30), call(21, 60)}},
		"with a renewal of a sale that had no end before": {expires: 60, calls: []v1alpha1.Call{unknown}, want: salestest.Day(40)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			mpi := salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) {
				sub := mpi.Spec.Subscription
				sub.ExpiryTime = salestest.At(tc.expires)
				if len(tc.calls) > 0 {
					sub.ExpirySource = v1alpha1.ExpiryFromRenewal
				}
				sub.Calls = append(sub.Calls, tc.calls...)
			})
			if got := packageBegins(mpi.Spec.Subscription); !got.Equal(tc.want) {
				t.Errorf("it begins at %s, want %s", got, tc.want)
			}
		})
	}
}

// Whatever a buyer types can't get into a query: what it could come from is not there.
func TestAQuerySeesNothingThatABuyerTyped(t *testing.T) {
	mpi := salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Subscription.CustomerName = `"} or vector(0) #` })
	scope := queryScope("tenant-acme", mpi, sale.EffectiveOf(mpi))
	got, err := template.EvaluateString("query", `x{n="{{ .instance.tenantNamespace }}",p="{{ .plan }}"} * {{ .quantity }}`, scope)
	if err != nil || got != `x{n="tenant-acme",p="small"} * 5` {
		t.Errorf("%q, %v", got, err)
	}
	for _, text := range []string{`{{ .attributes.domain }}`, `{{ .customer.name }}`, `{{ .access.memo }}`, `{{ .customer.id }}`} {
		if got, err := template.EvaluateString("query", text, scope); err == nil {
			t.Errorf("%s is %q", text, got)
		}
	}
}

func byUse() *v1alpha1.MarketplaceInstance {
	return salestest.Sale(func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription.ChargingMode = v1alpha1.ChargingMetered
		mpi.Spec.Subscription.StartTime = metav1.NewTime(salestest.Day(0))
	})
}

func TestWhatIsUnclearAboutASale(t *testing.T) {
	items := func(items ...v1alpha1.SoldItem) func(*v1alpha1.MarketplaceInstance) {
		return func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Subscription.Items = items }
	}
	named := func(name string, push v1alpha1.MeterPush) salestest.ProductChange {
		return salestest.MeteredBy(func(m *salestest.Metered) { m.Name, m.Push = name, push })
	}
	tests := map[string]struct {
		items  func(*v1alpha1.MarketplaceInstance)
		meters []salestest.ProductChange
		want   string
	}{
		"one item and one meter":          {items(v1alpha1.SoldItem{SKU: "s"}), []salestest.ProductChange{named("a", "")}, ""},
		"an order that told no item":      {items(), []salestest.ProductChange{named("a", "")}, ""},
		"two items":                       {items(v1alpha1.SoldItem{SKU: "s"}, v1alpha1.SoldItem{SKU: "t"}), []salestest.ProductChange{named("a", "")}, "SeveralMeteredItems"},
		"two items of which none is told": {items(v1alpha1.SoldItem{SKU: "s"}, v1alpha1.SoldItem{SKU: "t"}), []salestest.ProductChange{named("a", "None")}, ""},
		"two meters":                      {items(v1alpha1.SoldItem{SKU: "s"}), []salestest.ProductChange{named("a", ""), named("b", "Single")}, "SeveralMeteredItems"},
		"two meters, one only shown":      {items(v1alpha1.SoldItem{SKU: "s"}), []salestest.ProductChange{named("a", ""), named("b", "None")}, ""},
		"the old interface":               {items(v1alpha1.SoldItem{ProductID: "p"}), []salestest.ProductChange{named("a", "Single")}, ""},
		"the old interface and no id":     {items(v1alpha1.SoldItem{SKU: "s"}), []salestest.ProductChange{named("a", "Single")}, "ProductIDUnknown"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			mpi := byUse()
			tc.items(mpi)
			got := ""
			if p := ledgerOf(mpi, salestest.Product(tc.meters...), nil, sale.DefaultUsageAge, salestest.Day(1)).unclear; p != nil {
				got = p.Reason
			}
			if got != tc.want {
				t.Errorf("unclear is %q, want %q", got, tc.want)
			}
		})
	}
}
