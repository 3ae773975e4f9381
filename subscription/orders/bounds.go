package orders

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"k8s.io/utils/ptr"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// maxID is the bound of the marketplace's identifiers in a subscription, in characters.
const maxID = 256

// maxAttributes is the bound of a subscription's attributes.
const maxAttributes = 64

// boundedItems are items as a subscription holds them. The first ones stand for all when there are too many.
func boundedItems(items []v1alpha1.SoldItem) []v1alpha1.SoldItem {
	const most = 32
	var result []v1alpha1.SoldItem
	for _, item := range items {
		entry := v1alpha1.SoldItem{
			ProductID: bounded(item.ProductID, maxID), SKU: bounded(item.SKU, maxID),
			ProductName: bounded(item.ProductName, 512), Quantity: item.Quantity,
		}
		if entry != (v1alpha1.SoldItem{}) && len(result) < most {
			result = append(result, entry)
		}
	}
	return result
}

// boundedAttributes are the buyer's parameters as a subscription holds them: each name once, although two names may have
// become the same by their bounds. The first one stays.
func boundedAttributes(params []marketplace.Attribute) []v1alpha1.Attribute {
	var result []v1alpha1.Attribute
	for _, param := range params {
		name := bounded(param.Name, 128)
		known := slices.ContainsFunc(result, func(a v1alpha1.Attribute) bool { return a.Name == name })
		if name != "" && !known && len(result) < maxAttributes {
			result = append(result, v1alpha1.Attribute{Name: name, Value: ptr.To(bounded(param.Value, 2048))})
		}
	}
	return result
}

// bounded cuts text to a field's length in characters and drops control characters, so that no answer of a marketplace can
// make an object that the API server refuses.
func bounded(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most])
}
