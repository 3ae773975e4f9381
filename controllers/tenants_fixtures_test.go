package controllers

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
)

const (
	isReady   = "True " + v1alpha1.ReasonInstanceReady
	isFrozen  = "True " + v1alpha1.ReasonFrozen
	isHeld    = "True " + v1alpha1.ReasonRequested
	isRefused = "False " + v1alpha1.ReasonApplyFailed
	isHealthy = "True " + v1alpha1.ReasonProvisioned
)

// autoscaled is the web server without a number of replicas: that is left to an autoscaler.
var autoscaled = strings.ReplaceAll(salestest.Web, "  replicas: 2\n", "")

// workloadOf is a template of a Deployment or StatefulSet of one container, with more lines of its spec.
func workloadOf(kind, name string, spec ...string) string {
	return fmt.Sprintf(`
---
apiVersion: apps/v1
kind: %s
metadata: {name: %s}
spec:
  %s
  selector: {matchLabels: {app: %[2]s}}
  template:
    metadata: {labels: {app: %[2]s}}
    spec:
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: main
        image: registry.example.com/%[2]s:1
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`, kind, name, strings.Join(spec, "\n  "))
}

// database is a template of a StatefulSet with a claim of a size.
func database(size string) string {
	return workloadOf("StatefulSet", "db", "replicas: 2", "serviceName: db", "volumeClaimTemplates:",
		"- metadata: {name: data}", "  spec: {accessModes: [ReadWriteOnce], storageClassName: grows, resources: {requests: {storage: "+size+"}}}")
}

// claim is a template of a claim of a size.
func claim(size string) string {
	return "\n---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: files}\n" +
		"spec: {accessModes: [ReadWriteOnce], storageClassName: grows, resources: {requests: {storage: " + size + "}}}\n"
}

// service is a template of a Service of the web server with these lines in its spec.
func service(name, spec string) string {
	return "\n---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name + "}\nspec: {selector: {app: web}, " + spec + "}\n"
}

// fixed is a template of a ConfigMap that can't be changed.
func fixed(color string) string {
	return "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: fixed}\nimmutable: true\ndata: {color: " + color + "}\n"
}

// cronJob is a template of a CronJob.
const cronJob = `
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: tick}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
          containers:
          - name: main
            image: registry.example.com/tick:1
            securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`

// allows lets templates have another kind, which is watched.
func (x *shop) allows(kind schema.GroupVersionKind) {
	x.kinds = append(x.kinds, kind)
	x.permissions.Kinds.Insert(kind.GroupKind())
}

// named gives a product another name, and no place in a marketplace.
func named(name string) salestest.ProductChange {
	return func(p *v1alpha1.MarketplaceProduct) {
		p.Name = name
		p.Spec.Plans[0].Listings = nil
	}
}

// boughtOf is an instance of a sale of a product that is given.
func (x *shop) boughtOf(product, name string, changes ...func(*v1alpha1.Subscription)) *v1alpha1.MarketplaceInstance {
	x.t.Helper()
	return x.buys(name, func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Plan, mpi.Spec.ProductRef.Name = "", product
		mpi.Spec.Subscription = &v1alpha1.Subscription{
			Marketplace: "koogallery", InstanceID: name, OrderID: "o-" + name, OrderLineID: "1", Plan: "small",
			Items: []v1alpha1.SoldItem{{ProductID: "p1"}}, Entitlement: v1alpha1.Entitlement{State: v1alpha1.EntitlementActive},
		}
		for _, by := range changes {
			by(mpi.Spec.Subscription)
		}
	})
}

// paidUntil sets the end of the paid time, in days from now.
func paidUntil(days int) func(*v1alpha1.Subscription) {
	return func(sub *v1alpha1.Subscription) {
		sub.ExpiryTime, sub.ExpirySource = metav1.NewTime(time.Now().AddDate(0, 0, days)), v1alpha1.ExpiryFromOrder
	}
}

// entitle does what the webhook server does with a call of the marketplace.
func (x *shop) entitle(name string, state v1alpha1.EntitlementState, at time.Time) {
	x.t.Helper()
	change(x, x.instance(name), func(mpi *v1alpha1.MarketplaceInstance) {
		mpi.Spec.Subscription.Entitlement = v1alpha1.Entitlement{State: state, Time: metav1.NewTime(at)}
		if state != v1alpha1.EntitlementActive {
			mpi.Spec.Subscription.Entitlement.Reason = v1alpha1.EntitlementByMarketplace
		}
	})
}

// freezes and unfreezes a sale.
func (x *shop) freezes(name string) { x.entitle(name, v1alpha1.EntitlementFrozen, time.Now()) }

func (x *shop) unfreezes(name string) { x.entitle(name, v1alpha1.EntitlementActive, time.Now()) }

// desires sets what a person wants of an instance.
func (x *shop) desires(name string, state v1alpha1.DesiredState) {
	x.t.Helper()
	change(x, x.instance(name), func(mpi *v1alpha1.MarketplaceInstance) { mpi.Spec.DesiredState = state })
}

// ready waits until the buyer can use an instance, and gives it with the name of its tenant's namespace.
func (x *shop) ready(name string) (*v1alpha1.MarketplaceInstance, string) {
	x.t.Helper()
	mpi := x.says(name, v1alpha1.ConditionReady, isReady)
	return mpi, mpi.Status.Namespace
}

// tenantOf is the name of an instance's namespace.
func (x *shop) tenantOf(name string) string {
	return v1alpha1.TenantNamespace(v1alpha1.DefaultTenantPrefix, x.name, name)
}

// replicas are those that a Deployment shall have.
func (x *shop) replicas(namespace, name string) int32 {
	x.t.Helper()
	return ptr.Deref(x.deployment(namespace, name).Spec.Replicas, 1)
}

// scales a Deployment as an autoscaler does.
func (x *shop) scales(namespace, name string, replicas int32) {
	x.t.Helper()
	x.eventually(func() error {
		scale, err := x.typed.AppsV1().Deployments(namespace).GetScale(x.t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		scale.Spec.Replicas = replicas
		_, err = x.typed.AppsV1().Deployments(namespace).UpdateScale(x.t.Context(), name, scale, metav1.UpdateOptions{FieldManager: "autoscaler"})
		return err
	}).Should(Succeed())
}

// statefulSet reads a tenant's StatefulSet.
func (x *shop) statefulSet(namespace, name string) *appsv1.StatefulSet {
	x.t.Helper()
	s := &appsv1.StatefulSet{}
	x.Expect(x.client.Get(x.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, s)).To(Succeed())
	return s
}

// playStatefulSets does what the controller manager would do for the StatefulSets of the shop's tenants, and for what it deletes
// without its pods.
func (x *shop) playStatefulSets() {
	ours := client.MatchingLabels{v1alpha1.InstanceNamespaceLabel: x.name}
	play := func(ctx context.Context) {
		events, err := x.client.Watch(ctx, &appsv1.StatefulSetList{}, ours)
		if err != nil {
			return
		}
		defer events.Stop()
		for e := range events.ResultChan() {
			if s, ok := e.Object.(*appsv1.StatefulSet); ok {
				x.playStatefulSet(ctx, s)
			}
		}
	}
	go func() {
		for x.t.Context().Err() == nil {
			play(x.t.Context())
		}
	}()
}

func (x *shop) playStatefulSet(ctx context.Context, s *appsv1.StatefulSet) {
	before, wanted := s.DeepCopy(), ptr.Deref(s.Spec.Replicas, 1)
	if !s.DeletionTimestamp.IsZero() {
		s.Finalizers = nil
		_ = x.client.Patch(ctx, s, client.MergeFrom(before))
		return
	}
	if s.Status.ObservedGeneration == s.Generation && s.Status.ReadyReplicas == wanted {
		return
	}
	s.Status = appsv1.StatefulSetStatus{
		ObservedGeneration: s.Generation, Replicas: wanted, ReadyReplicas: wanted, AvailableReplicas: wanted, CurrentReplicas: wanted,
		UpdatedReplicas: wanted, CurrentRevision: "r1", UpdateRevision: "r1",
	}
	// One that has changed meanwhile comes again.
	_ = x.client.Status().Patch(ctx, s, client.MergeFrom(before))
}

// binds a claim to a disk, as the cluster does.
func (x *shop) binds(namespace, name string) {
	x.t.Helper()
	pvc := &corev1.PersistentVolumeClaim{}
	x.eventually(func() error {
		if err := x.client.Get(x.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, pvc); err != nil {
			return err
		}
		pvc.Status.Phase, pvc.Status.Capacity = corev1.ClaimBound, pvc.Spec.Resources.Requests
		return x.client.Status().Update(x.t.Context(), pvc)
	}).Should(Succeed())
}

// passOver waits until the instance reconciler has gone over an instance from the beginning to the end.
func (x *shop) passOver(name string) {
	x.t.Helper()
	// One instance is never worked on twice at a time: the beginning of the third pass is the end of the second one, which has begun
	// after the touch.
	for range 3 {
		before := x.passes.all()[name]
		x.touch(name, fmt.Sprint("pass ", shops.Add(1)))
		x.eventually(func() int { return x.passes.all()[name] }).Should(BeNumerically(">", before))
	}
}

// moves waits until the tenant is on the target of its product, which is not the revision that it came from.
func (x *shop) moves(name, from string) *v1alpha1.MarketplaceInstance {
	x.t.Helper()
	var mpi *v1alpha1.MarketplaceInstance
	x.eventually(func() bool {
		mpi = x.instance(name)
		return mpi.Status.Revision == mpi.Status.TargetRevision && mpi.Status.Revision != from
	}).Should(BeTrue(), func() string { return fmt.Sprintf("%+v", mpi.Status) })
	return mpi
}

// isDeleting says whether a tenant's namespace is on its way out, or gone.
func (x *shop) isDeleting(namespace string) bool {
	x.t.Helper()
	ns, err := x.typed.CoreV1().Namespaces().Get(x.t.Context(), namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return true
	}
	x.Expect(err).NotTo(HaveOccurred())
	return ns.DeletionTimestamp != nil
}

// condition is a condition of an instance; an empty one if there is none.
func condition(mpi *v1alpha1.MarketplaceInstance, kind string) metav1.Condition {
	return ptr.Deref(meta.FindStatusCondition(mpi.Status.Conditions, kind), metav1.Condition{})
}

// Kinds that not every operator may make.
var (
	autoscalers = schema.GroupVersionKind{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"}
	cronJobs    = schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "CronJob"}
)

// autoscaler is a template of an autoscaler of a Deployment.
func autoscaler(of string) string {
	return fmt.Sprintf(`
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: %s}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: %[1]s}
  minReplicas: 3
  maxReplicas: 6
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
`, of)
}
