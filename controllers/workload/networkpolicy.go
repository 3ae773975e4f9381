package workload

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// nodeLocalDNS is the address that Kubernetes' node-local DNS cache listens on.
const nodeLocalDNS = "169.254.20.10/32"

// Addresses of a provider's own networks: other tenants, nodes, the cloud's metadata service.
var (
	privateIPv4 = []string{"10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"}
	privateIPv6 = []string{"fc00::/7", "fe80::/10"}
)

// controllerLabels stand on the controller's pods.
var controllerLabels = map[string]string{"app.kubernetes.io/component": "controller"}

// networkPolicy builds the one policy that isolates a tenant. It selects every pod in both directions, so that whatever it
// does not name is refused; being one object, there is no moment at which a half of it is in force. Pods of the tenant
// reach each other and DNS. A cluster whose pods, services or nodes have public addresses must not sell isolation with
// egress Internet: the policy can't tell them from the internet.
//
// The controller's pods are let in, to any port, where it forwards changes of the directory: a policy names ports of pods, and a
// product names the Service's.
func networkPolicy(t Tenant, isolation v1alpha1.Isolation, controllerFrom string) *networkingv1ac.NetworkPolicyApplyConfiguration {
	ingress := networkingv1ac.NetworkPolicyIngressRule().WithFrom(tenantPods())
	if len(isolation.IngressFromNamespaces) > 0 {
		ingress.WithFrom(podsOf(isolation.IngressFromNamespaces...))
	}
	if controllerFrom != "" {
		ingress.WithFrom(podsOf(controllerFrom).WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(controllerLabels)))
	}
	return networkingv1ac.NetworkPolicy(ownName, t.Namespace).
		WithLabels(ownLabels(t)).
		WithSpec(networkingv1ac.NetworkPolicySpec().
			WithPodSelector(metav1ac.LabelSelector()).
			WithPolicyTypes(networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress).
			WithIngress(ingress).
			WithEgress(egressRules(isolation.Egress)...))
}

// egressRules are the paths out of a tenant. An unknown policy opens none.
func egressRules(egress v1alpha1.EgressPolicy) []*networkingv1ac.NetworkPolicyEgressRuleApplyConfiguration {
	if egress == v1alpha1.EgressAll {
		return []*networkingv1ac.NetworkPolicyEgressRuleApplyConfiguration{networkingv1ac.NetworkPolicyEgressRule()}
	}
	rules := []*networkingv1ac.NetworkPolicyEgressRuleApplyConfiguration{
		networkingv1ac.NetworkPolicyEgressRule().WithTo(tenantPods()),
		networkingv1ac.NetworkPolicyEgressRule().
			WithTo(podsOf(metav1.NamespaceSystem), addresses(nodeLocalDNS)).
			WithPorts(port(corev1.ProtocolUDP, 53), port(corev1.ProtocolTCP, 53)),
	}
	if egress == v1alpha1.EgressInternet || egress == "" {
		rules = append(rules, networkingv1ac.NetworkPolicyEgressRule().
			WithTo(addresses("0.0.0.0/0", privateIPv4...), addresses("::/0", privateIPv6...)))
	}
	return rules
}

// tenantPods are all pods of the tenant's own namespace.
func tenantPods() *networkingv1ac.NetworkPolicyPeerApplyConfiguration {
	return networkingv1ac.NetworkPolicyPeer().WithPodSelector(metav1ac.LabelSelector())
}

// podsOf are all pods of the named namespaces, in an order of its own, so that a reordered list is no change.
func podsOf(namespaces ...string) *networkingv1ac.NetworkPolicyPeerApplyConfiguration {
	return networkingv1ac.NetworkPolicyPeer().WithNamespaceSelector(metav1ac.LabelSelector().WithMatchExpressions(
		metav1ac.LabelSelectorRequirement().
			WithKey(corev1.LabelMetadataName).
			WithOperator(metav1.LabelSelectorOpIn).
			WithValues(slices.Sorted(slices.Values(namespaces))...)))
}

// addresses are those of a network without some of its parts.
func addresses(cidr string, except ...string) *networkingv1ac.NetworkPolicyPeerApplyConfiguration {
	return networkingv1ac.NetworkPolicyPeer().WithIPBlock(networkingv1ac.IPBlock().WithCIDR(cidr).WithExcept(except...))
}

func port(protocol corev1.Protocol, number int32) *networkingv1ac.NetworkPolicyPortApplyConfiguration {
	return networkingv1ac.NetworkPolicyPort().WithProtocol(protocol).WithPort(intstr.FromInt32(number))
}
