package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// field is one place of a kind's schema.
type field struct {
	kind, path, name string // path as in spec.plans[].name; name is its last part
	schema           *apiextensionsv1.JSONSchemaProps
	itself           bool // false for the items of a list and the values of a map
}

func (f field) String() string { return f.kind + " " + f.path }

// fields are all places of all kinds below spec and status.
func fields(t *testing.T) []field {
	t.Helper()
	var all []field
	for kind, definition := range definitions(t) {
		schema := definition.Spec.Versions[0].Schema.OpenAPIV3Schema
		for _, part := range []string{"spec", "status"} {
			below := schema.Properties[part]
			all = append(all, walk(field{kind: kind, path: part, name: part, schema: &below, itself: true})...)
		}
	}
	slices.SortFunc(all, func(a, b field) int { return strings.Compare(a.String(), b.String()) })
	return all
}

func walk(from field) []field {
	all := []field{from}
	for _, name := range slices.Sorted(maps.Keys(from.schema.Properties)) {
		below := from.schema.Properties[name]
		all = append(all, walk(field{kind: from.kind, path: from.path + "." + name, name: name, schema: &below, itself: true})...)
	}
	if items := from.schema.Items; items != nil {
		all = append(all, walk(field{kind: from.kind, path: from.path + "[]", name: from.name, schema: items.Schema})...)
	}
	if values := from.schema.AdditionalProperties; values != nil && values.Schema != nil {
		all = append(all, walk(field{kind: from.kind, path: from.path + "{}", name: from.name, schema: values.Schema})...)
	}
	return all
}

// definitions are the kinds of config/crd.
func definitions(t *testing.T) map[string]*apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	found := map[string]*apiextensionsv1.CustomResourceDefinition{}
	for kind, object := range haveKinds(t) {
		found[kind] = definitionOf(t, object)
	}
	return found
}

func definitionOf(t *testing.T, object *unstructured.Unstructured) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	definition := &apiextensionsv1.CustomResourceDefinition{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, definition); err != nil {
		t.Fatal(err)
	}
	return definition
}

// ofKubernetes says whether Kubernetes has made the type: a condition.
func (f field) ofKubernetes() bool { return strings.Contains(f.path, "status.conditions[]") }

// The rules of doc.go for names, and what the conventions of Kubernetes ask of every field, where the linter can't see it.
func TestFieldsFollowTheConventions(t *testing.T) {
	t.Parallel()
	for _, f := range fields(t) {
		if f.ofKubernetes() {
			continue
		}
		for _, fault := range faults(f) {
			t.Errorf("%s: %s", f, fault)
		}
	}
}

var (
	inTime    = regexp.MustCompile(`^(time|.+Time)$`)
	inWords   = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)
	levels    = []string{"privileged", "baseline", "restricted"} // as the Pod Security Standards write them
	notBoth   = regexp.MustCompile(`(At|Seconds|Ref|Refs)Time$`)
	inLengths = regexp.MustCompile(`(?i)(period|duration|timeout)`)
)

func faults(f field) []string {
	var found []string
	fault := func(is bool, says string, args ...any) {
		if is {
			found = append(found, fmt.Sprintf(says, args...))
		}
	}
	s := f.schema
	isTime := s.Type == "string" && s.Format == "date-time"
	fault(isTime && !inTime.MatchString(f.name), "a point in time ends in Time")
	fault(!isTime && f.itself && strings.HasSuffix(f.name, "Time") || notBoth.MatchString(f.name), "what ends in Time is a point in time")
	fault(s.Type == "integer" && inLengths.MatchString(f.name) && !strings.HasSuffix(f.name, "Seconds"), "a length of time ends in Seconds")
	fault(isReference(s) && f.itself && !strings.HasSuffix(f.name, "Ref"), "an object that is named stands in a Ref")
	fault(f.itself && strings.HasSuffix(f.name, "Ref") && s.Type != "object", "a Ref is an object with a name")
	fault(s.Type == "boolean", "a boolean has no room for a third answer")
	fault(s.Type == "number", "a number that is not whole is read differently by each language")
	fault(s.Default != nil && f.path != "status", "a default can never follow the product or the operator")
	fault(f.itself && !strings.HasPrefix(s.Description, f.name+" ") && f.name != "spec" && f.name != "status", "the description begins with the field's name")
	fault(s.Description != "" && !strings.HasSuffix(s.Description, "."), "the description ends in a full stop")
	for _, raw := range s.Enum {
		var word string
		fault(json.Unmarshal(raw.Raw, &word) != nil || !inWords.MatchString(word) && !slices.Contains(levels, word), "the word %s is not in CamelCase", raw.Raw)
	}
	fault(len(s.Enum) > 0 && strings.HasPrefix(f.path, "status") && f.name != "deletionProtection",
		"a word that a controller reports is no enum: a later version's status would be refused as a whole")
	fault(s.Type == "string" && len(s.Enum) == 0 && !isTime && s.MaxLength == nil, "a text has a bound")
	fault(s.Type == "array" && s.MaxItems == nil, "a list has a bound")
	fault(s.Type == "array" && s.XListType == nil, "a list says how it is merged")
	fault(s.Type == "integer" && s.Minimum == nil, "a number has a least value")
	for _, rule := range s.XValidations {
		// The messages of ExactlyOneOf are made by controller-gen.
		generated := strings.Contains(rule.Rule, "].filter(x,x==true).size()")
		fault(rule.Message == "", "the rule %q says nothing", rule.Rule)
		fault(!generated && strings.HasSuffix(rule.Message, "."), "the message %q is no sentence of its own: it stands behind others", rule.Message)
		// The API server leaves the message of a duplicate out.
		fault(rule.Reason != nil && *rule.Reason == apiextensionsv1.FieldValueDuplicate, "the reason FieldValueDuplicate hides the message of %q", rule.Rule)
	}
	return found
}

// isReference says whether the schema is that of an object with a name and what lies in it: a key, or a port.
func isReference(s *apiextensionsv1.JSONSchemaProps) bool {
	if s.Type != "object" || len(s.Properties) == 0 {
		return false
	}
	for name := range s.Properties {
		if name != "name" && name != "key" && name != "port" {
			return false
		}
	}
	_, named := s.Properties["name"]
	return named
}

// What tools ask of every kind: kubectl, kstatus, Flux, Argo CD.
func TestKindsFollowTheConventions(t *testing.T) {
	t.Parallel()
	// Kinds of others that people have in the same cluster.
	taken := []string{"mp", "ur", "mhc", "md", "ms", "ma", "cl", "app", "apps", "hr", "ks", "gr", "pol", "cpol", "cert", "po", "svc", "ns", "ep", "cs"}
	short := map[string]string{}
	for kind, definition := range definitions(t) {
		version := definition.Spec.Versions[0]
		status := version.Schema.OpenAPIV3Schema.Properties["status"]
		if version.Subresources == nil || version.Subresources.Status == nil {
			t.Errorf("%s has no status of its own", kind)
		}
		conditions, ok := status.Properties["conditions"]
		if !ok || conditions.MaxItems == nil || *conditions.MaxItems != 32 {
			t.Errorf("%s has not room for 32 conditions", kind)
		}
		if _, ok := status.Properties["observedGeneration"]; !ok {
			t.Errorf("%s does not say which generation was looked at", kind)
		}
		if status.Default == nil {
			t.Errorf("%s has no status before the controller has looked", kind)
		}
		ready := slices.ContainsFunc(version.AdditionalPrinterColumns, func(c apiextensionsv1.CustomResourceColumnDefinition) bool {
			return strings.Contains(c.JSONPath, `type=="Ready"`)
		})
		if !ready {
			t.Errorf("kubectl get shows no readiness of a %s", kind)
		}
		if n := len(version.SelectableFields); n > 8 {
			t.Errorf("%s has %d selectable fields, and 8 are allowed", kind, n)
		}
		for _, name := range definition.Spec.Names.ShortNames {
			if slices.Contains(taken, name) {
				t.Errorf("The short name %s of %s is another project's", name, kind)
			}
			short[kind] = name
		}
	}
	want := map[string]string{
		"Marketplace": "mkt", "MarketplaceProduct": "mpp", "MarketplaceRevision": "mkr", "MarketplaceInstance": "mpi", "UsageRecord": "urec",
	}
	if !maps.Equal(short, want) {
		t.Errorf("The short names are %v, want %v", short, want)
	}
}

// A call of the marketplace writes spec.subscription anew, and with it every rule of its parents judges what was stored before the
// rule came. A call that is refused is repeated for three hours, and then the buyer gets the money back. So a rule there looks at
// what stood before, or is as old as the kinds.
func TestRulesThatACallMeetsAreGuarded(t *testing.T) {
	t.Parallel()
	definition := definitions(t)["MarketplaceInstance"]
	root := field{kind: "MarketplaceInstance", schema: definition.Spec.Versions[0].Schema.OpenAPIV3Schema}
	found := map[string]string{}
	for _, f := range walk(root) {
		met := f.path == "" || f.path == ".spec" || strings.HasPrefix(f.path, ".spec.subscription")
		for _, rule := range f.schema.XValidations {
			if met && !strings.Contains(rule.Rule, "oldSelf") {
				found[rule.Rule] = f.path
			}
		}
	}
	for rule, path := range found {
		if !slices.Contains(bornWithTheKinds, rule) {
			t.Errorf("%s: the rule can refuse a call about an instance that was stored before it: add optionalOldSelf and “or it was so before” to\n%s", path, rule)
		}
	}
	for _, rule := range bornWithTheKinds {
		if found[rule] == "" && !strings.Contains(rule, "self.metadata") && !strings.Contains(rule, "self.spec.correction") {
			t.Errorf("The rule is gone; take it out of the list: %s", rule)
		}
	}
}

// bornWithTheKinds are rules that hold for every instance that was ever stored. None is added.
var bornWithTheKinds = []string{
	"!has(self.spec.correction) || !has(self.spec.correction.packageConsumerRef) || self.spec.correction.packageConsumerRef.name != self.metadata.name",
	"self.metadata.name.size() <= 40 && !self.metadata.name.contains('.')",
	"has(self.subscription) || has(self.productRef)",
	"has(self.subscription) || !has(self.correction)",
	"has(self.subscription) || !has(self.lifecycle) || !(has(self.lifecycle.runUntilTime) || has(self.lifecycle.retainUntilTime) || has(self.lifecycle.gracePeriodSeconds) || has(self.lifecycle.retentionPeriodSeconds))",
	"has(self.orderID) || has(self.id)",
	"!format.dns1123Subdomain().validate(self).hasValue()",
	"!format.dns1123Label().validate(self).hasValue()",
}
