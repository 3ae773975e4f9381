package workload

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

const hookedTemplate = `{apiVersion: v1, kind: ConfigMap, metadata: {name: web}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {spec: {}}}}
---
{apiVersion: v1, kind: Secret, metadata: {name: keys, annotations: {at: pre-install}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: steps, annotations: {at: "post-install,pre-upgrade"}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: migrate, annotations: {at: "pre-install,pre-upgrade"}}, spec: {template: {spec: {}}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: greeting, annotations: {at: post-upgrade}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: check, annotations: {at: "post-install,pre-install"}}, spec: {template: {spec: {}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: extra, annotations: {at: post-install}}, spec: {template: {spec: {}}}}
`

// hooked are rendered objects whose events stand in the annotation "at".
func hooked(t *testing.T, text string) []Rendered {
	t.Helper()
	all := rendered(t, text)
	for i, r := range all {
		if events := r.Object.GetAnnotations()["at"]; events != "" {
			all[i].Events = strings.Split(events, ",")
		}
	}
	return all
}

// outline names the objects of each group, with the event that a Job waits for.
func outline(set Set) []string {
	var groups []string
	for _, group := range set.Groups {
		var names []string
		for _, object := range group {
			name := identityOf(object).String()
			if event := object.GetAnnotations()[v1alpha1.HookAnnotation]; event != "" {
				name += "@" + event
			}
			names = append(names, name)
		}
		groups = append(groups, strings.Join(names, " "))
	}
	return groups
}

func TestHooksComeBeforeAndAfterEverythingElse(t *testing.T) {
	const own = "NetworkPolicy/tenant ServiceAccount/default"
	tenant := testTenant()
	tenant.Credentials = Credentials{}
	for name, tc := range map[string]struct {
		suspended         bool
		want, wantPrepare []string
	}{
		"while the tenant runs": {want: []string{
			own,
			"Secret/keys ConfigMap/steps",
			"Job/migrate@pre-install",
			"Job/migrate@pre-upgrade",
			"Job/check@pre-install",
			"ConfigMap/web",
			"Deployment/web",
			"ConfigMap/greeting",
			"Job/check@post-install",
			"Deployment/extra",
		}, wantPrepare: []string{
			"Secret/keys ConfigMap/steps", "Job/migrate@pre-install", "Job/migrate@pre-upgrade", "Job/check@pre-install",
		}},
		"while it is suspended, nothing waits for them": {suspended: true, want: []string{
			own + " ConfigMap/web Secret/keys ConfigMap/steps ConfigMap/greeting",
			"Deployment/web Deployment/extra",
			"Job/migrate@pre-install",
			"Job/migrate@pre-upgrade",
			"Job/check@pre-install",
			"Job/check@post-install",
		}, wantPrepare: []string{"Job/migrate@pre-install", "Job/migrate@pre-upgrade", "Job/check@pre-install"}},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := Desired(tenant, Policy{}, testPermissions(), hooked(t, hookedTemplate), tc.suspended)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, outline(set)); diff != "" {
				t.Errorf("unexpected groups (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.wantPrepare, outline(Set{Groups: set.Prepare})); diff != "" {
				t.Errorf("unexpected preparation (-want +got):\n%s", diff)
			}
			for _, object := range objects(set) {
				suspend, _, _ := unstructured.NestedBool(object.Object, "spec", "suspend")
				if object.GetKind() == "Job" && suspend != tc.suspended {
					t.Errorf("%s has spec.suspend %t", identityOf(object), suspend)
				}
				if object.GetLabels()[v1alpha1.InstanceLabel] != tenant.Instance {
					t.Errorf("%s is nobody's", identityOf(object))
				}
			}
			if len(set.Scales) != 2 {
				t.Errorf("replicas are left to others in %v, want those of web and extra", set.Scales)
			}
		})
	}
}

func TestAHookThatNeverEndsIsRefused(t *testing.T) {
	const job = `{apiVersion: batch/v1, kind: Job, metadata: {name: migrate, annotations: {at: pre-install}}, spec: {suspend: true, template: {spec: {}}}}`
	_, err := Desired(testTenant(), Policy{}, testPermissions(), hooked(t, job), false)
	want := []string{"Job/migrate (app.yaml): spec.suspend is true, so the hook would never finish; remove it"}
	if diff := cmp.Diff(want, problemsOf(err)); diff != "" {
		t.Error(diff)
	}
	if _, err := Desired(testTenant(), Policy{}, testPermissions(), hooked(t, job), true); err != nil {
		t.Errorf("nothing waits for it while the tenant is suspended, and still: %v", err)
	}
}

func TestHooksOfPodsThatAreBareAreRefused(t *testing.T) {
	const pod = `{apiVersion: v1, kind: Pod, metadata: {name: migrate, annotations: {at: pre-install}}}`
	_, err := Desired(testTenant(), Policy{}, testPermissions(), hooked(t, pod), false)
	want := []string{"Pod/migrate (app.yaml): a bare Pod is lost with its node and can't be suspended; use a Deployment or a Job"}
	if diff := cmp.Diff(want, problemsOf(err)); diff != "" {
		t.Error(diff)
	}
}
