package orders

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// PackageUser says why an instance can't be the one that uses a package of a product; nil when it can. The buyer of a package is
// told what the buyer of the instance is, and stops it by using it up: both are one customer of one Marketplace.
func PackageUser(sub *v1alpha1.Subscription, product string, user *v1alpha1.MarketplaceInstance) *Problem {
	name := sub.PackageConsumerRef.Name
	unclear := func(what string) *Problem {
		return &Problem{Reason: v1alpha1.ReasonPackageConsumerUnclear, Message: fmt.Sprintf(
			"packageConsumerRef names MarketplaceInstance %q, which %s: name the instance that uses this package in"+
				" spec.correction.packageConsumerRef", name, what)}
	}
	switch {
	case user == nil:
		return unclear("does not exist")
	case user.Spec.Subscription == nil || user.Spec.Subscription.ChargingMode != v1alpha1.ChargingMetered:
		return unclear("is not billed by usage")
	case user.Spec.Subscription.Marketplace != sub.Marketplace:
		return unclear("was sold by another Marketplace")
	case user.Spec.Subscription.CustomerID == "" || user.Spec.Subscription.CustomerID != sub.CustomerID:
		return unclear("belongs to another customer")
	case user.Spec.ProductRef.Name != product:
		return unclear("belongs to another product")
	}
	return nil
}

// usedByOther says whether the packages of a plan have no tenant of their own.
func usedByOther(match Match, products []v1alpha1.MarketplaceProduct) bool {
	i := productIndex(products, match.Product)
	if i < 0 {
		return false
	}
	plan := planOf(&products[i], match.Plan)
	return plan != nil && plan.Package.Consumer == v1alpha1.PackageConsumerMeteredInstance
}

// linkPackage finds the instance that uses a package which was just bought. Where not exactly one can be it, a person has to say
// which: what one buyer has paid for must not be given to another, or be used up by a tenant that the buyer did not mean.
func linkPackage(sub *v1alpha1.Subscription, sale Sale, match Match, products []v1alpha1.MarketplaceProduct) *Problem {
	if sub.ChargingMode != v1alpha1.ChargingMeteredPackage {
		return nil
	}
	if name := sub.PackageConsumerRef.Name; name != "" {
		i := slices.IndexFunc(sale.Instances, func(mpi v1alpha1.MarketplaceInstance) bool { return mpi.Name == name })
		if i < 0 {
			return PackageUser(sub, match.Product, nil)
		}
		return PackageUser(sub, match.Product, &sale.Instances[i])
	}
	if !usedByOther(match, products) {
		return nil
	}
	var names []string
	for i := range sale.Instances {
		candidate := &sale.Instances[i]
		if PackageUser(sub, match.Product, candidate) == nil && candidate.DeletionTimestamp.IsZero() &&
			candidate.Spec.Subscription.Entitlement.State != v1alpha1.EntitlementReleased {
			names = append(names, candidate.Name)
		}
	}
	slices.Sort(names)
	switch len(names) {
	case 0:
		return &Problem{Reason: v1alpha1.ReasonPackageConsumerUnclear, Message: fmt.Sprintf("The package needs an instance of product %q that"+
			" belongs to the same buyer and is billed by usage, but no such instance exists: have the buyer order one, or name another instance of this buyer in"+
			" spec.correction.packageConsumerRef", match.Product)}
	case 1:
		sub.PackageConsumerRef.Name = names[0]
		return nil
	}
	const most = 8
	if more := len(names) - most; more > 0 {
		names = append(names[:most], fmt.Sprintf("and %d more", more))
	}
	return &Problem{Reason: v1alpha1.ReasonPackageConsumerUnclear, Message: fmt.Sprintf("The buyer has more than one instance to which the package"+
		" can apply (%s): ask the buyer, and name the instance in spec.correction.packageConsumerRef", strings.Join(names, ", "))}
}
