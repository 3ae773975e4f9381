package controllers

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

const (
	// sampleName and sampleUID stand for an instance while a product is checked.
	sampleName = "sample"
	sampleUID  = "00000000-0000-0000-0000-000000000000"
	// sampleAttribute stands for whatever a buyer might enter: it is a text and a number.
	sampleAttribute = "1"
	// sampleSwitch stands for an attribute that is read with toBool.
	sampleSwitch = "true"
)

// sampleInputs are an instance's inputs with a value for everything that the product asks for.
func sampleInputs(product *v1alpha1.MarketplaceProduct, rev *revision, plan v1alpha1.Plan, suspended bool) tenantInputs {
	return tenantInputs{
		instance: sampleName, salesNamespace: product.Namespace,
		namespace: v1alpha1.TenantNamespace(v1alpha1.DefaultTenantPrefix, product.Namespace, sampleName),
		plan:      plan, quantity: 1, attributes: sampleAttributes(rev.data), customerID: sampleName, customerName: sampleName,
		suspended: suspended,
		secrets:   tenantSecrets{seed: make([]byte, SeedBytes), userName: sampleName, password: sampleName},
	}
}

func sampleAttributes(data revisionData) map[string]string {
	texts := []string{data.Inline, data.Access.FrontEndURL, data.Access.AdminURL, data.Access.UserName, data.Access.Memo}
	if plans, err := json.Marshal(data.Plans); err == nil {
		texts = append(texts, string(plans))
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
	return attributes
}

// attributeUse finds the attributes that plans, access and inline templates speak of.
var attributeUse = regexp.MustCompile(`\.attributes\.([A-Za-z_][A-Za-z0-9_]*)|\.attributes\s+\\?"([^"\\]+)\\?"`)

// action finds what is evaluated in a template.
var action = regexp.MustCompile(`(?s)\{\{.*?\}\}`)
