package chart_test

import (
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/stallkeeper/stallkeeper/test/chart"
)

// everything switches everything on that makes a policy or changes one.
const everything = `{login: {enabled: true, url: 'https://login.example.com'}, webhook: {host: h.example.com}, tenantRBAC: {enabled: true},
	tenantLimits: {ingressHostSuffixes: [.a.io], priorityClassNames: [a], inlineCSIDrivers: [a], cloudIdentityAnnotations: [a.io/b]},
	credentials: {ofSalesNamespaces: {sales: [koogallery-openapi]}, apiHosts: [a.io]}, admissionPolicies: {gitOpsUsers: [a], restoreUsers: [b]}}`

// A policy without a binding, one that lets pass what it can't judge, and one that misses the next version of a kind hold nothing.
func TestAdmissionPoliciesHold(t *testing.T) {
	rendered := render(t, chart.Release{}, everything)
	policies := rendered.OfKind("ValidatingAdmissionPolicy")
	if len(policies) < 14 {
		t.Errorf("there are %d policies", len(policies))
	}
	for _, object := range policies {
		var policy admissionv1.ValidatingAdmissionPolicy
		convert(t, object, &policy)
		if policy.Spec.FailurePolicy == nil || *policy.Spec.FailurePolicy != admissionv1.Fail {
			t.Errorf("%s lets pass what it can't judge", policy.Name)
		}
		for _, rule := range policy.Spec.MatchConstraints.ResourceRules {
			if !slices.Equal(rule.APIVersions, []string{"*"}) {
				t.Errorf("%s holds for the versions %q only", policy.Name, rule.APIVersions)
			}
		}
		for _, validation := range policy.Spec.Validations {
			if validation.Message == "" && validation.MessageExpression == "" {
				t.Errorf("%s refuses without a word: %s", policy.Name, validation.Expression)
			}
			if validation.Reason == nil || *validation.Reason != "Forbidden" {
				t.Errorf("%s refuses without the reason Forbidden: %s", policy.Name, validation.Expression)
			}
		}
		binding := rendered.Find("ValidatingAdmissionPolicyBinding", "", policy.Name)
		if binding == nil {
			t.Errorf("%s is not bound", policy.Name)
			continue
		}
		var bound admissionv1.ValidatingAdmissionPolicyBinding
		convert(t, binding, &bound)
		if bound.Spec.PolicyName != policy.Name || !slices.Equal(bound.Spec.ValidationActions, []admissionv1.ValidationAction{admissionv1.Deny}) ||
			bound.Spec.MatchResources != nil {
			t.Errorf("the binding of %s does not deny everything that the policy refuses: %+v", policy.Name, bound.Spec)
		}
	}
}

// A policy that the README's table does not have is one whose refusals nobody looks up.
func TestTheReadmeNamesEveryPolicy(t *testing.T) {
	read(t, "README.md", func(text []byte) error {
		for _, object := range render(t, chart.Release{}, everything).OfKind("ValidatingAdmissionPolicy") {
			if name := "`NAME" + strings.TrimPrefix(object.GetName(), "stallkeeper") + "`"; !strings.Contains(string(text), name) {
				t.Errorf("the README has no row of %s", name)
			}
		}
		return nil
	})
}

// Two releases of a cluster must not overwrite each other's policies.
func TestAdmissionPoliciesAreNamedAfterTheRelease(t *testing.T) {
	for _, kind := range []string{"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"} {
		for _, object := range render(t, chart.Release{Name: "eu"}, everything).OfKind(kind) {
			if !strings.HasPrefix(object.GetName(), "eu-stallkeeper-") {
				t.Errorf("%s %s is not named after the release", kind, object.GetName())
			}
		}
	}
}
