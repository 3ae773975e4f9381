package controllers

import (
	"context"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/controllers/salestest"
	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// auditor is a feature that the product does not have: an auditor says by annotations of the connection to a marketplace what becomes
// of the tenants of its namespace. It is written as a package of the product would be, of exported names only.
type auditor struct{ reader client.Reader }

// What the auditor says.
const (
	// auditOpen stops the tenants.
	auditOpen = "audit.example.com/open"
	// auditCopies needs the tenants running.
	auditCopies = "audit.example.com/copies"
	// auditKeeps keeps instances that are deleted for an hour.
	auditKeeps = "audit.example.com/keeps"
	// auditRules is what the tenants' ConfigMap says; without it they have none.
	auditRules = "audit.example.com/rules"
	// auditAsks opens the port of the tenants' web server to the controller.
	auditAsks = "audit.example.com/asks"
)

// auditConfigMap is the ConfigMap with the rules in each tenant's namespace.
const auditConfigMap = "audit"

var auditedService = workload.ServicePort{Service: "web", Port: 8080}

func (a auditor) feature() sale.Feature {
	return sale.Feature{
		Extend: func(ctx context.Context, s sale.Sale, _ time.Time) (sale.Extension, error) {
			mp := &v1alpha1.Marketplace{}
			err := a.reader.Get(ctx, client.ObjectKey{Namespace: s.Instance.Namespace, Name: "koogallery"}, mp)
			if err != nil {
				return sale.Extension{}, client.IgnoreNotFound(err)
			}
			return audited(s.Instance, mp.Annotations), nil
		},
		PlanServices: func(*v1alpha1.MarketplaceProduct, string) []workload.ServicePort {
			return []workload.ServicePort{auditedService}
		},
		Reserved: []workload.Reserved{{Kind: "ConfigMap", Name: auditConfigMap}},
		Watches:  []sale.Watch{{Object: &v1alpha1.Marketplace{}, Handler: handler.EnqueueRequestsFromMapFunc(a.instances)}},
	}
}

// audited is what the auditor wants of a tenant.
func audited(mpi *v1alpha1.MarketplaceInstance, said map[string]string) sale.Extension {
	var e sale.Extension
	if _, open := said[auditOpen]; open {
		e.Stops = []sale.Stop{{Reason: "AuditOpen", Message: "the audit is open; its end brings the tenant back"}}
	}
	if _, copies := said[auditCopies]; copies {
		e.Unfinished = "the auditor's copy"
	}
	if _, keeps := said[auditKeeps]; keeps && !mpi.DeletionTimestamp.IsZero() {
		e.KeepUntil = mpi.DeletionTimestamp.Add(time.Hour)
		e.Keeping = []v1alpha1.Blocker{{
			Object: "MarketplaceInstance/" + mpi.Name, Reason: "AuditKeeps", Message: "the auditor wants to see it", Remedy: "ask the auditor",
		}}
	}
	if _, asks := said[auditAsks]; asks {
		e.Services = []workload.ServicePort{auditedService}
	}
	if rules, ok := said[auditRules]; ok {
		e.Objects = []*unstructured.Unstructured{{Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": auditConfigMap}, "data": map[string]any{"rules": rules},
		}}}
		e.Inputs = map[string]string{"audit": rules}
	}
	return e
}

// instances are those of the namespace of a connection.
func (a auditor) instances(ctx context.Context, connection client.Object) []queue.Request {
	list := &v1alpha1.MarketplaceInstanceList{}
	if a.reader.List(ctx, list, client.InNamespace(connection.GetNamespace())) != nil {
		return nil
	}
	var requests []queue.Request
	for i := range list.Items {
		requests = append(requests, queue.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

// audits makes the auditor say something; nil takes it back.
func (x *shop) audits(what string, value *string) {
	x.t.Helper()
	mp := &v1alpha1.Marketplace{ObjectMeta: metav1.ObjectMeta{Namespace: x.name, Name: "koogallery"}}
	change(x, mp, func(mp *v1alpha1.Marketplace) {
		if value == nil {
			delete(mp.Annotations, what)
			return
		}
		metav1.SetMetaDataAnnotation(&mp.ObjectMeta, what, *value)
	})
}

// A feature that the instance's reconciler has never heard of does with a tenant all that the product's own features do.
func TestAFeaturePlugsIntoASale(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-feature")
	x.features = []sale.Feature{auditor{x.client}.feature()}
	x.operate()
	x.connectsWithoutOrderAPI()
	x.sells(salestest.Inline(salestest.Web + salestest.Settings + salestest.WebService("8080")))
	mpi := x.buys("acme")
	x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	tenant := x.instance("acme").Status.Namespace
	replicas := func() int32 { return *x.deployment(tenant, "web").Spec.Replicas }

	t.Run("it opens a port of the tenant to the controller, and closes it", func(*testing.T) {
		rules := func() []networkingv1.NetworkPolicyIngressRule {
			policy := &networkingv1.NetworkPolicy{}
			x.Expect(x.client.Get(t.Context(), client.ObjectKey{Namespace: tenant, Name: "tenant"}, policy)).To(Succeed())
			return policy.Spec.Ingress
		}
		closed := rules()
		x.audits(auditAsks, ptr.To(""))
		x.eventually(rules).Should(HaveLen(len(closed) + 1))
		opened := rules()[len(closed)]
		x.Expect(opened.Ports).To(ConsistOf(HaveField("Port", ptr.To(intstr.FromString("http")))))
		x.Expect(opened.From).To(ConsistOf(HaveField("PodSelector.MatchLabels", salestest.Permissions().Controller.Labels)))
		x.audits(auditAsks, nil)
		x.eventually(rules).Should(Equal(closed))
	})

	t.Run("it adds an object, changes it, and takes it away", func(*testing.T) {
		x.audits(auditRules, ptr.To("the first"))
		x.eventually(func() (map[string]string, error) { return x.audit(tenant) }).Should(Equal(map[string]string{"rules": "the first"}))
		x.Expect(x.configMap(tenant, auditConfigMap).Labels).To(HaveKeyWithValue(v1alpha1.InstanceLabel, "acme"))
		x.audits(auditRules, ptr.To("the second"))
		x.eventually(func() (map[string]string, error) { return x.audit(tenant) }).Should(Equal(map[string]string{"rules": "the second"}))
		x.audits(auditRules, nil)
		x.eventually(func() bool { _, err := x.audit(tenant); return apierrors.IsNotFound(err) }).Should(BeTrue())
		x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
	})

	t.Run("it holds a stop of its own, and then the tenant stops with its reason and comes back", func(*testing.T) {
		x.audits(auditCopies, ptr.To(""))
		x.audits(auditOpen, ptr.To(""))
		x.says("acme", v1alpha1.ConditionSuspended, "Unknown Suspending")
		x.Expect(x.message("acme", v1alpha1.ConditionSuspended)).To(And(ContainSubstring("the auditor's copy"), ContainSubstring("the audit is open")))
		x.Expect(replicas()).To(BeEquivalentTo(2))
		x.audits(auditCopies, nil)
		x.says("acme", v1alpha1.ConditionSuspended, "True AuditOpen")
		x.says("acme", v1alpha1.ConditionReady, "False AuditOpen")
		x.Expect(replicas()).To(BeZero())
		x.Expect(x.message("acme", v1alpha1.ConditionSuspended)).To(ContainSubstring("its end brings the tenant back"))
		x.audits(auditOpen, nil)
		x.says("acme", v1alpha1.ConditionReady, "True InstanceReady")
		x.Expect(replicas()).To(BeEquivalentTo(2))
	})

	t.Run("it holds a removal, keeps the instance after it, and lets it go", func(*testing.T) {
		x.audits(auditCopies, ptr.To(""))
		x.audits(auditKeeps, ptr.To(""))
		x.Expect(x.client.Delete(t.Context(), mpi)).To(Succeed())
		x.says("acme", v1alpha1.ConditionSuspended, "Unknown Suspending")
		ns := &corev1.Namespace{}
		x.Expect(x.client.Get(t.Context(), client.ObjectKey{Name: tenant}, ns)).To(Succeed())
		x.Expect(ns.DeletionTimestamp).To(BeNil(), "the copy comes first")
		x.audits(auditCopies, nil)
		x.namespaceGoes(tenant)
		x.eventually(func() []v1alpha1.Blocker { return x.instance("acme").Status.Blockers }).Should(ConsistOf(HaveField("Reason", "AuditKeeps")))
		x.audits(auditKeeps, nil)
		x.gone("acme")
	})
}

// audit is what the auditor's ConfigMap in a tenant's namespace says.
func (x *shop) audit(namespace string) (map[string]string, error) {
	c := &corev1.ConfigMap{}
	err := x.client.Get(x.t.Context(), client.ObjectKey{Namespace: namespace, Name: auditConfigMap}, c)
	return c.Data, err
}

// The product's check knows of a feature what its tenants would run into.
func TestAFeaturePlugsIntoTheCheckOfAProduct(t *testing.T) {
	t.Parallel()
	x := newShop(t, "sales-feature-check")
	x.features = []sale.Feature{auditor{x.client}.feature()}
	x.operate("product")
	tests := map[string]struct{ template, want, wantMessage string }{
		"a name that the feature keeps for itself": {
			salestest.Web + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: audit}\n", "False NotPermitted", "ConfigMap/audit",
		},
		"a port that the template does not have": {salestest.Web, "True ProductReady", `no Service "web" with the TCP port 8080`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := here(x, salestest.Product(salestest.Inline(tc.template)))
			p.Name = fmt.Sprint("shop-", shops.Add(1))
			x.create(p)
			ready := func() *metav1.Condition {
				x.Expect(x.client.Get(t.Context(), client.ObjectKeyFromObject(p), p)).To(Succeed())
				for _, c := range p.Status.Conditions {
					if c.Type == v1alpha1.ConditionReady && c.ObservedGeneration == p.Generation && c.Status != metav1.ConditionUnknown {
						return &c
					}
				}
				return nil
			}
			x.eventually(ready).ShouldNot(BeNil())
			x.Expect(fmt.Sprint(ready().Status, " ", ready().Reason)).To(Equal(tc.want))
			x.Expect(ready().Message).To(ContainSubstring(tc.wantMessage))
		})
	}
}
