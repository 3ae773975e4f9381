package operator_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// tenant is what there really is of a tenant, whatever the instance's status says.
type tenant struct {
	namespace   *corev1.Namespace // nil when there is none
	deployments map[string]appsv1.Deployment
	sets        map[string]appsv1.StatefulSet
	configMaps  map[string]corev1.ConfigMap
	services    map[string]corev1.Service
	claims      map[string]types.UID
	pods        map[string]types.UID
}

func observe(ctx context.Context, namespace string) (tenant, error) {
	t := tenant{
		deployments: map[string]appsv1.Deployment{}, sets: map[string]appsv1.StatefulSet{}, configMaps: map[string]corev1.ConfigMap{},
		services: map[string]corev1.Service{}, claims: map[string]types.UID{}, pods: map[string]types.UID{},
	}
	ns := &corev1.Namespace{}
	if err := world.cluster.Get(ctx, client.ObjectKey{Name: namespace}, ns); err != nil {
		return t, client.IgnoreNotFound(err)
	}
	t.namespace = ns
	var (
		deployments appsv1.DeploymentList
		sets        appsv1.StatefulSetList
		configMaps  corev1.ConfigMapList
		services    corev1.ServiceList
		claims      corev1.PersistentVolumeClaimList
		pods        corev1.PodList
	)
	for _, list := range []client.ObjectList{&deployments, &sets, &configMaps, &services, &claims, &pods} {
		if err := world.cluster.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return t, err
		}
	}
	for _, object := range deployments.Items {
		t.deployments[object.Name] = object
	}
	for _, object := range sets.Items {
		t.sets[object.Name] = object
	}
	for _, object := range configMaps.Items {
		t.configMaps[object.Name] = object
	}
	for _, object := range services.Items {
		t.services[object.Name] = object
	}
	for _, object := range claims.Items {
		if object.Status.Phase == corev1.ClaimBound && object.DeletionTimestamp == nil {
			t.claims[object.Name] = object.UID
		}
	}
	for _, object := range pods.Items {
		t.pods[object.Name] = object.UID
	}
	return t, nil
}

// look is what a person sees of an instance and its tenant. What is not set is not compared.
type look struct {
	// state is the word in kubectl's row.
	state v1alpha1.InstanceState
	// conditions by type, as "status reason", and after a colon a part of the message.
	conditions map[string]string
	// web is the number of the Deployment's pods, data of the StatefulSet's; wanted and ready.
	web, data *int32
}

func pods(n int32) *int32 { return &n }

// running is a tenant that is usable as sold.
func running(web int32) look {
	return look{
		state: v1alpha1.StateRunning, web: pods(web), data: pods(1),
		conditions: map[string]string{
			"Ready": "True InstanceReady: The buyer can use what was sold", "OrderResolved": "True OrderResolved", "Provisioned": "True Provisioned",
			"Entitled": "True Paid: Paid until", "Suspended": "False Running",
		},
	}
}

// suspended is a tenant that is stopped for the reason.
func suspended(reason string) look {
	return look{
		state: v1alpha1.StateSuspended, web: pods(0), data: pods(0),
		conditions: map[string]string{"Ready": "False " + reason, "Suspended": "True " + reason + ": the data is kept"},
	}
}

// instance reads the sale's instance.
func (s *sale) instance(ctx context.Context) (*v1alpha1.MarketplaceInstance, error) {
	return instance(ctx, s.id)
}

func instance(ctx context.Context, name string) (*v1alpha1.MarketplaceInstance, error) {
	mpi := &v1alpha1.MarketplaceInstance{}
	return mpi, world.cluster.Get(ctx, client.ObjectKey{Namespace: salesNamespace, Name: name}, mpi)
}

// tenantNamespace is the namespace of an instance's tenant.
func tenantNamespace(name string) string {
	return v1alpha1.TenantNamespace(v1alpha1.DefaultTenantPrefix, salesNamespace, name)
}

// becomes waits until a person sees the sale's instance like that, and returns what there is then.
func (s *sale) becomes(ctx SpecContext, l look, also ...func(Gomega, *v1alpha1.MarketplaceInstance, tenant)) (*v1alpha1.MarketplaceInstance, tenant) {
	GinkgoHelper()
	return becomes(ctx, s.id, l, also...)
}

func becomes(ctx SpecContext, name string, l look, also ...func(Gomega, *v1alpha1.MarketplaceInstance, tenant)) (*v1alpha1.MarketplaceInstance, tenant) {
	GinkgoHelper()
	var mpi *v1alpha1.MarketplaceInstance
	var t tenant
	Eventually(ctx, func(g Gomega) {
		var err error
		mpi, err = instance(ctx, name)
		g.Expect(err).NotTo(HaveOccurred())
		t, err = observe(ctx, tenantNamespace(name))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(l.missing(mpi, t)).To(BeEmpty(), "%s", explained(mpi))
		for _, check := range also {
			check(g, mpi, t)
		}
		if l.state != "" {
			// What was just put right is on its way until the controller has seen it, and says so.
			g.Expect(row(ctx, "mpi", name)["STATE"]).To(Equal(string(l.state)))
		}
	}).Should(Succeed())
	return mpi, t
}

// missing says how what is there differs.
func (l look) missing(mpi *v1alpha1.MarketplaceInstance, t tenant) []string {
	var missing []string
	if l.state != "" && mpi.Status.State != l.state {
		missing = append(missing, fmt.Sprintf("the state is %s, not %s", mpi.Status.State, l.state))
	}
	if seen := ptr.Deref(mpi.Status.ObservedGeneration, 0); l.state != "" && seen < mpi.Generation {
		missing = append(missing, fmt.Sprintf("the state is that of generation %d, not %d", seen, mpi.Generation))
	}
	for kind, want := range l.conditions {
		if problem := conditionMissing(mpi.Status.Conditions, kind, want, mpi.Generation); problem != "" {
			missing = append(missing, problem)
		}
	}
	if l.web != nil {
		missing = append(missing, podsMissing("Deployment web", *l.web, deploymentPods(t.deployments["web"]))...)
	}
	if l.data != nil {
		missing = append(missing, podsMissing("StatefulSet data", *l.data, setPods(t.sets["data"]))...)
	}
	if l.web != nil && l.data != nil && int32(len(t.pods)) != *l.web+*l.data {
		missing = append(missing, fmt.Sprintf("there are %d pods", len(t.pods)))
	}
	return missing
}

// conditionMissing says how a condition differs from "status reason: part of the message".
func conditionMissing(conditions []metav1.Condition, kind, want string, generation int64) string {
	found := meta.FindStatusCondition(conditions, kind)
	if found == nil {
		return "there is no condition " + kind
	}
	words, message, _ := strings.Cut(want, ": ")
	if is := string(found.Status) + " " + found.Reason; is != words || !strings.Contains(found.Message, message) ||
		found.ObservedGeneration < generation {
		return fmt.Sprintf("%s is %s: %s; and not %s", kind, is, found.Message, want)
	}
	return ""
}

func podsMissing(name string, want int32, got [2]int32) []string {
	if got == [2]int32{want, want} {
		return nil
	}
	return []string{fmt.Sprintf("%s wants %d pods and has %d ready, not %d", name, got[0], got[1], want)}
}

func deploymentPods(d appsv1.Deployment) [2]int32 {
	return [2]int32{ptr.Deref(d.Spec.Replicas, -1), d.Status.ReadyReplicas}
}

func setPods(s appsv1.StatefulSet) [2]int32 {
	return [2]int32{ptr.Deref(s.Spec.Replicas, -1), s.Status.ReadyReplicas}
}

// explained is what an instance itself says about why it is where it is.
func explained(mpi *v1alpha1.MarketplaceInstance) string {
	var text strings.Builder
	fmt.Fprintf(&text, "MarketplaceInstance %s of generation %d says:", mpi.Name, mpi.Generation)
	for _, c := range mpi.Status.Conditions {
		fmt.Fprintf(&text, "\n  %s is %s, %s: %s (of generation %d)", c.Type, c.Status, c.Reason, c.Message, c.ObservedGeneration)
	}
	for _, b := range mpi.Status.Blockers {
		fmt.Fprintf(&text, "\n  blocked by %s, %s: %s (%s)", b.Object, b.Reason, b.Message, b.Remedy)
	}
	return text.String()
}

// row is an object's row as kubectl prints it, by column.
func row(ctx SpecContext, kind, name string) map[string]string {
	GinkgoHelper()
	output, err := world.cluster.kubectl(ctx, "get", kind, name, "-o", "wide")
	Expect(err).NotTo(HaveOccurred())
	head, line, ok := strings.Cut(strings.TrimSpace(output), "\n")
	Expect(ok).To(BeTrue(), "kubectl printed %q", output)
	columns := map[string]string{}
	for at := 0; at < len(head); {
		// A column is as wide as its head with the blanks behind it; one blank is part of a head.
		end := strings.Index(head[at:], "  ")
		width := len(head) - at
		if end >= 0 {
			width = end + len(head[at+end:]) - len(strings.TrimLeft(head[at+end:], " "))
		}
		from, to := min(at, len(line)), min(at+width, len(line))
		if end < 0 {
			to = len(line)
		}
		columns[strings.TrimSpace(head[at:at+width])] = strings.TrimSpace(line[from:to])
		at += width
	}
	return columns
}

// removed waits until neither a tenant nor its namespace is left.
func (s *sale) removed(ctx SpecContext) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		err := world.cluster.Get(ctx, client.ObjectKey{Name: tenantNamespace(s.id)}, &corev1.Namespace{})
		g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the tenant's namespace is still there: %v", err)
	}).Should(Succeed())
}

// stays checks for a moment that something goes on to be true.
func stays(ctx SpecContext, what string, check func(Gomega)) {
	GinkgoHelper()
	Consistently(ctx, check, time.Second, 100*time.Millisecond).Should(Succeed(), what)
}

// change writes what f makes of the newest form of an object.
func change[T client.Object](ctx SpecContext, object T, f func(T)) {
	GinkgoHelper()
	Eventually(ctx, func() error {
		if err := world.cluster.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		f(object)
		return world.cluster.Update(ctx, object)
	}).Should(Succeed())
}

// edit changes the sale's instance as a person would.
func (s *sale) edit(ctx SpecContext, f func(*v1alpha1.MarketplaceInstance)) {
	GinkgoHelper()
	change(ctx, &v1alpha1.MarketplaceInstance{ObjectMeta: metav1.ObjectMeta{Namespace: salesNamespace, Name: s.id}}, f)
}

func create(ctx SpecContext, object client.Object) {
	GinkgoHelper()
	Expect(world.cluster.Create(ctx, object)).To(Succeed())
}
