package chart_test

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/stallkeeper/stallkeeper/test/chart"
)

// helmTest is the pod that helm test starts.
func helmTest(t *testing.T, values string) corev1.Pod {
	t.Helper()
	rendered := render(t, chart.Release{}, values)
	if len(rendered.Tests) != 1 {
		t.Fatalf("helm test starts %d objects, want one pod", len(rendered.Tests))
	}
	var pod corev1.Pod
	convert(t, rendered.Tests[0], &pod)
	return pod
}

func TestHelmTestCallsTheCallbackPort(t *testing.T) {
	const service = "--connect-to=stallkeeper-webhook.stallkeeper-system.svc:"
	tests := map[string]struct {
		values    string
		namespace string
		want      []string
		without   []string
	}{
		"the host's certificate is checked, on the Service's address": {
			values: "webhook: {host: shop.example.com}", namespace: "sales",
			want:    []string{"--url=https://shop.example.com/v1/sales/koogallery", service + "443"},
			without: []string{"--insecure-skip-verify"},
		},
		"without a host there is no name to check": {
			namespace: "sales",
			want:      []string{"--url=https://stallkeeper-webhook.stallkeeper-system.svc/v1/sales/koogallery", "--insecure-skip-verify"},
		},
		"plain HTTP behind an ingress": {
			values: "webhook: {host: shop.example.com, tls: {mode: ingress}}", namespace: "sales",
			want:    []string{"--url=http://shop.example.com/v1/sales/koogallery", service + "80"},
			without: []string{"--insecure-skip-verify"},
		},
		"another port": {
			values: "webhook: {host: shop.example.com, service: {port: 8443}}", namespace: "sales",
			want: []string{service + "8443"},
		},
		"an authority of one's own": {
			values: "{webhook: {host: shop.example.com}, test: {trustedCAConfigMap: cas}}", namespace: "sales",
			want: []string{"--ca-file=/etc/stallkeeper/trusted-ca/ca.crt"}, without: []string{"--insecure-skip-verify"},
		},
		"another connection": {
			values: "{salesNamespaces: [eu, intl], credentials: {secretNames: []}, test: {namespace: intl, marketplace: koo}}", namespace: "intl",
			want: []string{"--url=https://stallkeeper-webhook.stallkeeper-system.svc/v1/intl/koo"},
		},
	}
	for sentence, tc := range tests {
		t.Run(sentence, func(t *testing.T) {
			pod := helmTest(t, tc.values)
			args := pod.Spec.Containers[0].Args
			if pod.Namespace != tc.namespace {
				t.Errorf("it runs in %s, want %s, where the key is", pod.Namespace, tc.namespace)
			}
			for _, want := range append(tc.want, "--debug") {
				if !slices.Contains(args, want) {
					t.Errorf("%s is missing in %s", want, strings.Join(args, " "))
				}
			}
			for _, without := range tc.without {
				if slices.Contains(args, without) {
					t.Errorf("%s is there", without)
				}
			}
		})
	}
}

func TestHelmTestIsRestrictedAndLetIn(t *testing.T) {
	pod := helmTest(t, "imagePullSecrets: [{name: pull}]")
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for _, result := range evaluator.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec) {
		if !result.Allowed {
			t.Errorf("%s: %s", result.ForbiddenReason, result.ForbiddenDetail)
		}
	}
	if !*pod.Spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem {
		t.Error("its root can be written")
	}
	if *pod.Spec.AutomountServiceAccountToken || pod.Spec.ImagePullSecrets[0].Name != "pull" {
		t.Error("it has a token of the API, or can't pull its image")
	}

	rendered := render(t, chart.Release{}, "networkPolicy: {callbackFrom: [{namespaceSelector: {matchLabels: {a: b}}}]}")
	var allowed networkingv1.NetworkPolicy
	convert(t, rendered.Find("NetworkPolicy", "stallkeeper-system", "stallkeeper-webhook"), &allowed)
	for _, peer := range allowed.Spec.Ingress[0].From {
		if peer.PodSelector == nil {
			continue
		}
		for key, value := range peer.PodSelector.MatchLabels {
			if pod.Labels[key] != value {
				t.Errorf("the callback port is open for pods with %s=%s, and helm test's has %q", key, value, pod.Labels[key])
			}
		}
		if peer.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] == pod.Namespace {
			return
		}
	}
	t.Error("the callback port is closed for what helm test starts")
}
