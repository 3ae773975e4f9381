package controllers

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

// sparse is a template in which many fields have no value, as charts write them.
const sparse = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: front, labels: , annotations: }
spec:
  replicas: 1
  strategy:
  minReadySeconds:
  revisionHistoryLimit: null
  selector: {matchLabels: {app: front}}
  template:
    metadata:
      labels: {app: front}
      annotations:
    spec:
      nodeSelector:
      tolerations:
      affinity:
      initContainers:
      securityContext: {runAsNonRoot: true, fsGroup: null, seccompProfile: {type: RuntimeDefault}}
      volumes:
      - {name: tmp, emptyDir: }
      containers:
      - name: main
        image: registry.example.com/front:1
        imagePullPolicy:
        env:
        command:
        livenessProbe:
        resources: {limits: , requests: {cpu: 1000m, memory: 1024Mi}}
        volumeMounts: [{name: tmp, mountPath: /tmp}]
        securityContext: {allowPrivilegeEscalation: false, runAsUser: null, capabilities: {drop: [ALL], add: null}}
---
apiVersion: v1
kind: Service
metadata: {name: front, annotations: null}
spec:
  selector: {app: front}
  type:
  ports: [{name: http, port: 80, targetPort: null, nodePort: null}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: empty}
data:
`

// A tenant stands on one template, and its product gets another: while it runs, and while it is suspended. It is suspended and resumed
// on the way, and its number of replicas never dips.
func TestTenantsOfAProductWhoseTemplateChanges(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-templates")
	x.allows(autoscalers)
	x.allows(cronJobs)
	x.operate()
	x.playStatefulSets()
	front := func(spec ...string) string { return workloadOf("Deployment", "front", spec...) }
	stateful := func(spec ...string) string {
		return workloadOf("StatefulSet", "db", append([]string{"replicas: 1", "serviceName: db"}, spec...)...)
	}
	i := 0
	for name, c := range map[string]struct {
		before, after string
		// refused says that tenants that stand stay where they are.
		refused bool
	}{
		"a Deployment recreates its pods from now on":   {before: front("replicas: 3"), after: front("replicas: 3", "strategy: {type: Recreate}")},
		"a StatefulSet leaves updates to a person":      {before: front("replicas: 3") + stateful(), after: front("replicas: 3") + stateful("updateStrategy: {type: OnDelete}")},
		"an immutable ConfigMap changes":                {before: front("replicas: 3") + fixed("red"), after: front("replicas: 3") + fixed("blue"), refused: true},
		"a claim template grows":                        {before: front("replicas: 3") + database("1Gi"), after: front("replicas: 3") + database("2Gi")},
		"a claim template shrinks":                      {before: front("replicas: 3") + database("2Gi"), after: front("replicas: 3") + database("1Gi"), refused: true},
		"replicas are handed to an autoscaler":          {before: front("replicas: 3"), after: front() + autoscaler("front")},
		"an autoscaler goes, and the number stays":      {before: front() + autoscaler("front"), after: front("replicas: 3")},
		"template and autoscaler both set the replicas": {before: front("replicas: 3"), after: front("replicas: 3") + autoscaler("front")},
		"a CronJob comes":                               {before: front("replicas: 3"), after: front("replicas: 3") + cronJob},
		"a Job comes":                                   {before: front("replicas: 3"), after: front("replicas: 3") + plainJob("seed", "")},
		"a selector changes, which no Deployment can":   {before: front("replicas: 3"), after: strings.ReplaceAll(front("replicas: 3"), "app: front", "app: door"), refused: true},
		"fields without a value":                        {before: front("replicas: 1"), after: sparse},
	} {
		i++
		t.Run(name, func(*testing.T) {
			product, runs, stands := fmt.Sprint("product-", i), fmt.Sprint("runs-", i), fmt.Sprint("stands-", i)
			p := x.sells(named(product), salestest.Inline(c.before))
			x.boughtOf(product, runs)
			x.boughtOf(product, stands)
			x.ready(runs)
			before, running := x.ready(runs)
			_, standing := x.ready(stands)
			x.freezes(stands)
			x.says(stands, v1alpha1.ConditionSuspended, isFrozen)
			number := x.replicas(running, "front")
			numbers := x.watchReplicas(running, standing)

			change(x, p, salestest.Inline(c.after))
			for _, tenant := range []string{runs, stands} {
				if c.refused {
					x.says(tenant, v1alpha1.ConditionProvisioned, isRefused)
					continue
				}
				x.moves(tenant, before.Status.Revision)
			}
			x.readyWithJobs(runs, running)
			x.Expect(x.replicas(standing, "front")).To(BeZero())
			x.passOver(runs)
			if want := x.replicas(running, "front"); want == number {
				x.Expect(numbers()).To(Equal(map[string][]int32{running: {number}, standing: {0}}), "no dip, and no pod")
			}

			x.freezes(runs)
			x.says(runs, v1alpha1.ConditionSuspended, isFrozen)
			x.Expect(x.replicas(running, "front")).To(BeZero())
			x.unfreezes(runs)
			x.unfreezes(stands)
			for tenant, namespace := range map[string]string{runs: running, stands: standing} {
				x.readyWithJobs(tenant, namespace)
				x.Expect(x.replicas(namespace, "front")).To(BeEquivalentTo(x.numberAfter(c.after, number)))
				if c.refused {
					x.Expect(x.instance(tenant).Status.Revision).To(Equal(before.Status.Revision))
				}
			}
		})
	}
}

// numberAfter is the number that a template sets for the Deployment front, or the one that it had.
func (x *shop) numberAfter(template string, before int32) int32 {
	if strings.Contains(template, "  replicas: 3\n") {
		return 3
	}
	return before
}

// readyWithJobs waits until the buyer can use an instance, whose Jobs succeed as soon as they run.
func (x *shop) readyWithJobs(name, namespace string) {
	x.t.Helper()
	x.eventually(func() string {
		x.endsJobs(namespace)
		mpi := x.instance(name)
		if c := condition(mpi, v1alpha1.ConditionReady); c.ObservedGeneration == mpi.Generation {
			return string(c.Status) + " " + c.Reason
		}
		return ""
	}).Should(Equal(isReady), func() string { return fmt.Sprintf("%+v", x.instance(name).Status) })
}

// endsJobs lets the Jobs of a tenant succeed that have not ended.
func (x *shop) endsJobs(namespace string) {
	x.t.Helper()
	list := &batchv1.JobList{}
	x.Expect(x.client.List(x.t.Context(), list, client.InNamespace(namespace))).To(Succeed())
	for i := range list.Items {
		if job := &list.Items[i]; len(job.Status.Conditions) == 0 && !ptr.Deref(job.Spec.Suspend, false) {
			x.ends(namespace, job.Name, batchv1.JobComplete)
		}
	}
}

// What the template leaves empty is as the API server takes it, and nothing is written again.
func TestFieldsWithoutAValueAreAsTheAPIServerTakesThem(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-sparse")
	o := x.operate()
	x.sells(salestest.Inline(sparse))
	x.bought("acme")
	_, ns := x.ready("acme")
	x.passOver("acme")
	o.requests.reset()
	x.passOver("acme")
	x.Expect(o.requests.ofTenants()).To(BeEmpty())
	d := x.deployment(ns, "front")
	x.Expect(d.Spec.Strategy.Type).To(Equal(appsv1.RollingUpdateDeploymentStrategyType))
	x.Expect(d.Spec.Template.Spec.Volumes[0].EmptyDir).NotTo(BeNil())
}
