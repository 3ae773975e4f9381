package revision

import (
	"regexp"
	"strings"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/template"
)

const (
	// SampleName is the name of the instance with which a product is checked.
	SampleName = "sample"
	// SampleUID is its UID.
	SampleUID = "00000000-0000-0000-0000-000000000000"
	// sampleAttribute stands for whatever a buyer might enter: it is a text and a number.
	sampleAttribute = "1"
	// sampleSwitch stands for an attribute that is read with toBool.
	sampleSwitch = "true"
)

// SampleInputs are an instance's inputs with a value for everything that the product asks for.
func SampleInputs(product *v1alpha1.MarketplaceProduct, rev *Revision, plan v1alpha1.Plan, suspended bool) Inputs {
	return Inputs{
		Instance: SampleName, SalesNamespace: product.Namespace,
		Namespace: v1alpha1.TenantNamespace(v1alpha1.DefaultTenantPrefix, product.Namespace, SampleName),
		Plan:      plan, Quantity: 1, Attributes: sampleAttributes(rev.Data), CustomerID: SampleName, CustomerName: SampleName,
		Suspended: suspended,
		Secrets:   Secrets{Seed: make([]byte, SeedBytes), UserName: SampleName, Password: SampleName, Kept: template.Kept{}},
	}
}

func sampleAttributes(data Data) map[string]string {
	texts := []string{data.Inline, data.Access.FrontEndURL, data.Access.AdminURL, data.Access.UserName, data.Access.Memo}
	texts = append(texts, string(rawOf(data.Values)))
	for _, text := range data.Files {
		texts = append(texts, text)
	}
	for _, plan := range data.Plans {
		texts = append(texts, string(rawOf(plan.Values)))
	}
	attributes := map[string]string{}
	for _, text := range texts {
		for _, use := range action.FindAllString(text, -1) {
			for _, found := range attributeUse.FindAllStringSubmatch(use, -1) {
				name := found[1] + found[2]
				if strings.Contains(use, "toBool") {
					attributes[name] = sampleSwitch
				} else if attributes[name] == "" {
					attributes[name] = sampleAttribute
				}
			}
		}
	}
	for _, declared := range data.Attributes {
		if declared.Default != nil {
			attributes[declared.Name] = *declared.Default
		} else if attributes[declared.Name] == "" {
			attributes[declared.Name] = sampleAttribute
		}
	}
	return attributes
}

// attributeUse finds the attributes that plans, access and inline templates speak of.
var attributeUse = regexp.MustCompile(`\.attributes\.([A-Za-z_][A-Za-z0-9_]*)|\.attributes\s+\\?"([^"\\]+)\\?"`)

// action finds what is evaluated in a template.
var action = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
