package workload

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// hardened are the lines of a pod's spec that pass every level.
const hardened = `securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}},
	containers: [{name: web, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]`

func TestWhichPodsAreLetIn(t *testing.T) {
	tests := map[string]struct {
		template string
		level    v1alpha1.PodSecurityLevel
		want     []string
	}{
		"hardened pods at the default level": {template: deployment(hardened)},
		"pods that harden nothing": {
			template: deployment(`containers: [{name: web}]`),
			want: []string{`Deployment/web violates Pod Security level restricted: ` +
				`allowPrivilegeEscalation != false (container "web" must set securityContext.allowPrivilegeEscalation=false), ` +
				`unrestricted capabilities (container "web" must set securityContext.capabilities.drop=["ALL"]), ` +
				`runAsNonRoot != true (pod or container "web" must set securityContext.runAsNonRoot=true), ` +
				`seccompProfile (pod or container "web" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"); ` +
				`level baseline would allow it`},
		},
		"pods that harden nothing, where that is allowed": {
			template: deployment(`containers: [{name: web}]`), level: v1alpha1.PodSecurityBaseline,
		},
		"a privileged CronJob": {
			template: `{apiVersion: batch/v1, kind: CronJob, metadata: {name: report}, spec: {jobTemplate: {spec: {template: {spec:
				{containers: [{name: report, securityContext: {privileged: true}}]}}}}}}`,
			level: v1alpha1.PodSecurityBaseline,
			want: []string{`CronJob/report violates Pod Security level baseline: ` +
				`privileged (container "report" must not set securityContext.privileged=true); level privileged would allow it`},
		},
		"a volume of an address, where less is hardened": {
			template: deployment(`containers: [{name: web}], volumes: [{name: own, emptyDir: {}}, {name: nothing}, {name: data, nfs: {server: 10.0.0.1, path: /}}]`),
			level:    v1alpha1.PodSecurityBaseline,
			want: []string{`Deployment/web violates Pod Security level baseline: ` +
				`restricted volume types (volume "data" uses restricted volume type "nfs"); level privileged would allow it`},
		},
		"a volume of the node, where less is hardened": {
			template: deployment(`containers: [{name: web}], volumes: [{name: data, hostPath: {path: /}}]`),
			level:    v1alpha1.PodSecurityBaseline,
			want: []string{`Deployment/web violates Pod Security level baseline: ` +
				`hostPath volumes (volume "data"); level privileged would allow it`},
		},
		"such volumes, where everything is allowed": {
			template: deployment(`containers: [{name: web}], volumes: [{name: a, hostPath: {path: /}}, {name: b, nfs: {server: 10.0.0.1, path: /}}]`),
			level:    v1alpha1.PodSecurityPrivileged,
		},
		"the pods of a ScaledJob": {
			template: `{apiVersion: keda.sh/v1alpha1, kind: ScaledJob, metadata: {name: batch}, spec: {jobTargetRef: {template: {spec:
				{containers: [{name: report, securityContext: {privileged: true}}]}}}}}`,
			level: v1alpha1.PodSecurityBaseline,
			want: []string{`ScaledJob/batch violates Pod Security level baseline: ` +
				`privileged (container "report" must not set securityContext.privileged=true); level privileged would allow it`},
		},
		"a ScaledJob that KEDA would refuse": {
			template: `{apiVersion: keda.sh/v1alpha1, kind: ScaledJob, metadata: {name: batch}, spec: {maxReplicaCount: 2}}`,
		},
		"a pod template that can't be read": {
			template: `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {spec: {containers: web}}}}`,
			want: []string{"Deployment/web violates Pod Security level restricted: " +
				"its pod template can't be read: cannot restore slice from string"},
		},
		"objects without pods": {
			template: `{apiVersion: v1, kind: ConfigMap, metadata: {name: web}}`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var objects []*unstructured.Unstructured
			for _, r := range rendered(t, tc.template) {
				objects = append(objects, r.Object)
			}
			var got []string
			for _, problem := range PodSecurityProblems(tc.level, objects) {
				got = append(got, problem.String())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}
