package chart_test

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/stallkeeper/stallkeeper/test/chart"
)

func deployment(t *testing.T, rendered chart.Rendered, name string) appsv1.Deployment {
	t.Helper()
	object := rendered.Find("Deployment", "stallkeeper-system", name)
	if object == nil {
		t.Fatalf("there is no Deployment %s", name)
	}
	var found appsv1.Deployment
	convert(t, object, &found)
	return found
}

func TestPodsAreRestrictedWhateverTheValues(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for name, values := range map[string]string{
		"defaults":            "",
		"a sign-on":           "login: {enabled: true, url: 'https://login.example.com', env: [{name: HTTPS_PROXY, value: http://proxy}]}",
		"plain HTTP":          "webhook: {tls: {mode: ingress}}",
		"everything of a pod": "{priorityClassName: high, nodeSelector: {a: b}, tolerations: [{operator: Exists}], webhook: {affinity: {podAntiAffinity: {}}}, controller: {env: [{name: HTTPS_PROXY, value: http://proxy}]}}",
	} {
		t.Run(name, func(t *testing.T) {
			rendered := render(t, chart.Release{}, values)
			accounts := []string{"stallkeeper-webhook", "stallkeeper-controller"}
			if strings.Contains(values, "login") {
				accounts = append(accounts, "stallkeeper-login")
			}
			for _, name := range accounts {
				template := deployment(t, rendered, name).Spec.Template
				for _, result := range evaluator.EvaluatePod(level, &template.ObjectMeta, &template.Spec) {
					if !result.Allowed {
						t.Errorf("%s: %s: %s", name, result.ForbiddenReason, result.ForbiddenDetail)
					}
				}
				for _, container := range template.Spec.Containers {
					checkContainer(t, container)
				}
				if template.Spec.ServiceAccountName != name {
					t.Errorf("%s runs as %s", name, template.Spec.ServiceAccountName)
				}
			}
		})
	}
}

func checkContainer(t *testing.T, container corev1.Container) {
	t.Helper()
	if readOnly := container.SecurityContext.ReadOnlyRootFilesystem; readOnly == nil || !*readOnly {
		t.Errorf("%s: the root file system is writable", container.Name)
	}
	if container.LivenessProbe == nil || container.ReadinessProbe == nil {
		t.Errorf("%s: a probe is missing", container.Name)
	}
	if container.Resources.Requests.Memory().IsZero() || container.Resources.Limits.Memory().IsZero() {
		t.Errorf("%s: memory is not bounded", container.Name)
	}
}
