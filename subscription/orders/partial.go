package orders

import (
	"slices"

	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// changesOnly says whether an order names only what is to be another one from now on, as those do that a call about a known sale
// has brought. An order of the order API, and that of a purchase, names all that is sold.
func changesOnly(sub *v1alpha1.Subscription, call v1alpha1.Call) bool {
	return call.Source == v1alpha1.OrderFromCall && !IsPurchase(sub, call)
}

// completed adds what is sold already to the item of such an order. A larger disk does not mean that the buyer gave up the seats.
func completed(items, present []v1alpha1.SoldItem) []v1alpha1.SoldItem {
	if len(items) != 1 || len(present) != 1 {
		return items
	}
	item := items[0]
	if item.SKU == "" {
		item.SKU = present[0].SKU
	}
	if item.ProductID == "" {
		item.ProductID = present[0].ProductID
	}
	if item.Quantity == nil && present[0].Quantity != nil {
		item.Quantity = ptr.To(*present[0].Quantity)
	}
	return []v1alpha1.SoldItem{item}
}

// replaced are the attributes with the values that an order has; what it does not name, or leaves blank, stays. When there are too
// many, those that are there already stay.
func replaced(attributes, by []v1alpha1.Attribute) []v1alpha1.Attribute {
	result := slices.Clone(attributes)
	for _, attribute := range by {
		index := slices.IndexFunc(result, func(a v1alpha1.Attribute) bool { return a.Name == attribute.Name })
		switch {
		case ptr.Deref(attribute.Value, "") == "":
		case index >= 0:
			result[index].Value = ptr.To(*attribute.Value)
		case len(result) < maxAttributes:
			result = append(result, attribute)
		}
	}
	return result
}
