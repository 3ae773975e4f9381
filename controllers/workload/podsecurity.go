package workload

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// levels are the Pod Security levels, the strictest first.
var levels = []v1alpha1.PodSecurityLevel{
	v1alpha1.PodSecurityRestricted, v1alpha1.PodSecurityBaseline, v1alpha1.PodSecurityPrivileged,
}

// PodSecurityProblem says that the pods of one object would not be let into the tenant's namespace.
type PodSecurityProblem struct {
	// Object is Kind/name.
	Object string
	// Level is the level that was asked for.
	Level v1alpha1.PodSecurityLevel
	// Violations are the controls that the pods violate, each with its details as the API server words them. When the pod
	// template can't be read, that is the only one.
	Violations []string
	// Passes is the strictest level that would let the pods in; empty when the pod template can't be read.
	Passes v1alpha1.PodSecurityLevel
}

// String is one sentence for a condition: the object, what is wrong, and the level that would pass.
func (p PodSecurityProblem) String() string {
	message := fmt.Sprintf("%s violates Pod Security level %s: %s",
		p.Object, p.Level, strings.Join(p.Violations, ", "))
	if p.Passes != "" {
		message += fmt.Sprintf("; level %s would allow it", p.Passes)
	}
	return message
}

// PodSecurityProblems says which objects' pods would not be let into a namespace of that level, restricted when empty. It
// asks the checks that the API server's own admission runs, in the version that this operator was built with.
func PodSecurityProblems(level v1alpha1.PodSecurityLevel, objects []*unstructured.Unstructured) []PodSecurityProblem {
	level = podSecurityLevel(level)
	var problems []PodSecurityProblem
	for _, object := range objects {
		problem := PodSecurityProblem{Object: identityOf(object).String(), Level: level}
		template, err := podTemplate(object)
		switch {
		case err != nil:
			problem.Violations = []string{fmt.Sprintf("its pod template can't be read: %v", err)}
		case template != nil:
			problem.Violations = violations(level, template)
			problem.Passes = passing(template)
		}
		if len(problem.Violations) > 0 {
			problems = append(problems, problem)
		}
	}
	return problems
}

// passing is the strictest level that lets the template's pods in.
func passing(template *corev1.PodTemplateSpec) v1alpha1.PodSecurityLevel {
	for _, level := range levels {
		if len(violations(level, template)) == 0 {
			return level
		}
	}
	return v1alpha1.PodSecurityPrivileged
}

// evaluator holds the checks, which cost more to build than to run.
var evaluator = sync.OnceValues(func() (policy.Evaluator, error) {
	return policy.NewEvaluator(policy.DefaultChecks(), nil)
})

// volumeTypes is the control of level restricted that allows no volumes but those of a cluster's own. The node mounts any other from wherever
// the pod says, past the NetworkPolicy, so that the chart's admission policy holds it at level baseline as well.
var volumeTypes = policy.CheckRestrictedVolumes()

// violations are the controls of a level that the template's pods violate.
func violations(level v1alpha1.PodSecurityLevel, template *corev1.PodTemplateSpec) []string {
	checks, err := evaluator()
	if err != nil {
		return []string{fmt.Sprintf("building the Pod Security checks: %v", err)}
	}
	version := api.LevelVersion{Level: api.Level(level), Version: api.LatestVersion()}
	results := checks.EvaluatePod(version, &template.ObjectMeta, &template.Spec)
	if level == v1alpha1.PodSecurityBaseline {
		spec := template.Spec
		// The level has a control of its own for hostPath, and what says nothing becomes an emptyDir.
		spec.Volumes = slices.DeleteFunc(slices.Clone(spec.Volumes), func(v corev1.Volume) bool {
			return v.HostPath != nil || v.VolumeSource == corev1.VolumeSource{}
		})
		results = append(results, volumeTypes.Versions[len(volumeTypes.Versions)-1].CheckPod(&template.ObjectMeta, &spec))
	}
	var violated []string
	for _, result := range results {
		if result.Allowed {
			continue
		}
		text := result.ForbiddenReason
		if result.ForbiddenDetail != "" {
			text += " (" + result.ForbiddenDetail + ")"
		}
		violated = append(violated, text)
	}
	return violated
}
