package orders_test

import (
	"strings"
	"testing"

	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/subscription/orders"
)

// byUse is an instance of the buyer c1 that is billed by usage.
func byUse(name string, changes ...func(*v1alpha1.MarketplaceInstance)) v1alpha1.MarketplaceInstance {
	mpi := v1alpha1.MarketplaceInstance{}
	mpi.Name, mpi.Spec.ProductRef.Name = name, "shop"
	mpi.Spec.Subscription = running(func(sub *v1alpha1.Subscription) {
		sub.ChargingMode, sub.CustomerID = v1alpha1.ChargingMetered, "c1"
	})
	for _, change := range changes {
		change(&mpi)
	}
	return mpi
}

func TestWhichInstanceUsesAPackage(t *testing.T) {
	type instances = []v1alpha1.MarketplaceInstance
	of := func(by func(*v1alpha1.Subscription)) func(*v1alpha1.MarketplaceInstance) {
		return func(mpi *v1alpha1.MarketplaceInstance) { by(mpi.Spec.Subscription) }
	}
	otherBuyer := of(func(sub *v1alpha1.Subscription) { sub.CustomerID = "c2" })
	unknownBuyer := of(func(sub *v1alpha1.Subscription) { sub.CustomerID = "" })
	otherMarket := of(func(sub *v1alpha1.Subscription) { sub.Marketplace = "other" })
	byMonth := of(func(sub *v1alpha1.Subscription) { sub.ChargingMode = v1alpha1.ChargingPrepaid })
	released := of(func(sub *v1alpha1.Subscription) { sub.Entitlement.State = v1alpha1.EntitlementReleased })
	otherProduct := func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.ProductRef.Name = "blog" }
	handMade := func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.Subscription = nil }
	deleted := func(mpi *v1alpha1.MarketplaceInstance) { mpi.DeletionTimestamp = ptr.To(at(1)) }
	const one, none, several, wrong = "", "no such instance exists", "more than one instance", "name the instance that uses this package"

	tests := map[string]struct {
		// named is what a person has said.
		named     string
		instances instances
		// ownTenant is a plan whose packages have a tenant of their own.
		ownTenant bool
		want, why string
	}{
		"the only one of the buyer":                {instances: instances{byUse("a"), byUse("b", otherBuyer)}, want: "a", why: one},
		"none":                                     {instances: nil, why: none},
		"none but another buyer's":                 {instances: instances{byUse("a", otherBuyer)}, why: none},
		"none but one of nobody knows whom":        {instances: instances{byUse("a", unknownBuyer)}, why: none},
		"none but another marketplace's":           {instances: instances{byUse("a", otherMarket)}, why: none},
		"none but one that is paid by the month":   {instances: instances{byUse("a", byMonth)}, why: none},
		"none but one that was released":           {instances: instances{byUse("a", released)}, why: none},
		"none but one of another product":          {instances: instances{byUse("a", otherProduct)}, why: none},
		"none but one that was made by hand":       {instances: instances{byUse("a", handMade)}, why: none},
		"none but one that is being deleted":       {instances: instances{byUse("a", deleted)}, why: none},
		"two, and nobody has said which":           {instances: instances{byUse("b"), byUse("a")}, why: several + " to which the package can apply (a, b)"},
		"two, and a person has said which":         {named: "b", instances: instances{byUse("a"), byUse("b")}, want: "b", why: one},
		"a person has named one that is not there": {named: "c", instances: instances{byUse("a")}, why: wrong},
		"a person has named another buyer's":       {named: "a", instances: instances{byUse("a", otherBuyer)}, why: wrong},
		"a plan whose packages have a tenant":      {instances: instances{byUse("a")}, ownTenant: true, want: "", why: one},
		"such a plan, and a person has said which": {named: "a", instances: instances{byUse("a")}, ownTenant: true, want: "a", why: one},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			shop := product("shop", func(p *v1alpha1.MarketplaceProduct) {
				p.Spec.Plans[0].Package.Meter = "requests"
				if !tc.ownTenant {
					p.Spec.Plans[0].Package.Consumer = v1alpha1.PackageConsumerMeteredInstance
				}
			})
			sub := bought(func(sub *v1alpha1.Subscription) { sub.PackageConsumerRef.Name = tc.named })
			got, problem := orders.Apply(orders.Sale{Subscription: sub, Instances: tc.instances}, purchase(func(o *marketplace.Order) {
				o.Charging, o.CustomerID = marketplace.ChargingMeteredPackage, "c1"
			}), []v1alpha1.MarketplaceProduct{shop})
			if tc.why != one {
				if problem == nil || problem.Reason != v1alpha1.ReasonPackageConsumerUnclear || !strings.Contains(problem.Message, tc.why) {
					t.Errorf("the problem is %v, want %q", problem, tc.why)
				}
				return
			}
			if problem != nil {
				t.Fatal(problem)
			}
			if got.Subscription.PackageConsumerRef.Name != tc.want {
				t.Errorf("%q uses it, want %q", got.Subscription.PackageConsumerRef.Name, tc.want)
			}
		})
	}
}
