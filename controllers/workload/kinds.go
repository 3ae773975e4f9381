package workload

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
)

// API groups that appear more than once.
const (
	groupApps        = "apps"
	groupAutoscaling = "autoscaling"
	groupBatch       = "batch"
	groupCerts       = "cert-manager.io"
	groupGateway     = "gateway.networking.k8s.io"
	groupKEDA        = "keda.sh"
	groupMonitoring  = "monitoring.coreos.com"
	groupNetworking  = "networking.k8s.io"
	groupRBAC        = "rbac.authorization.k8s.io"
	groupSecrets     = "external-secrets.io"
)

// Kinds that are treated in a way of their own.
var (
	kindDeployment     = schema.GroupKind{Group: groupApps, Kind: "Deployment"}
	kindStatefulSet    = schema.GroupKind{Group: groupApps, Kind: "StatefulSet"}
	kindJob            = schema.GroupKind{Group: groupBatch, Kind: "Job"}
	kindCronJob        = schema.GroupKind{Group: groupBatch, Kind: "CronJob"}
	kindHPA            = schema.GroupKind{Group: groupAutoscaling, Kind: "HorizontalPodAutoscaler"}
	kindScaledObject   = schema.GroupKind{Group: groupKEDA, Kind: "ScaledObject"}
	kindScaledJob      = schema.GroupKind{Group: groupKEDA, Kind: "ScaledJob"}
	kindConfigMap      = schema.GroupKind{Kind: "ConfigMap"}
	kindSecret         = schema.GroupKind{Kind: "Secret"}
	kindService        = schema.GroupKind{Kind: "Service"}
	kindServiceAccount = schema.GroupKind{Kind: "ServiceAccount"}
	kindClaim          = schema.GroupKind{Kind: "PersistentVolumeClaim"}
	kindQuota          = schema.GroupKind{Kind: "ResourceQuota"}
	kindLimitRange     = schema.GroupKind{Kind: "LimitRange"}
	kindNetworkPolicy  = schema.GroupKind{Group: groupNetworking, Kind: "NetworkPolicy"}
	kindRole           = schema.GroupKind{Group: groupRBAC, Kind: "Role"}
	kindRoleBinding    = schema.GroupKind{Group: groupRBAC, Kind: "RoleBinding"}
)

// traits is what the package knows of a kind. A kind without traits can't be suspended unless the product says how.
type traits struct {
	// configuration kinds are applied before those that need them.
	configuration bool
	// autoscaler kinds must be stopped before what they scale, or they would scale it up again.
	autoscaler bool
	// podTemplate is the path of the pod template; nil when there is none.
	podTemplate []string
	// maxName is the longest name with which the objects that controllers derive from this one can still be made; 0 means
	// the API server's own 253.
	maxName int
	// stop changes the object so that nothing runs and nothing is lost; nil when it runs nothing.
	stop func(*unstructured.Unstructured) error
}

// known are the kinds that can be suspended: those with stop are stopped, the others run nothing by themselves.
var known = map[schema.GroupKind]traits{
	kindDeployment: {podTemplate: []string{"spec", "template"}, stop: stopReplicas},
	// The pods of a StatefulSet carry its name and 11 more characters in a label.
	kindStatefulSet: {podTemplate: []string{"spec", "template"}, maxName: 52, stop: stopReplicas},
	kindJob:         {podTemplate: []string{"spec", "template"}, maxName: 63, stop: stopJobs},
	kindCronJob:     {podTemplate: []string{"spec", "jobTemplate", "spec", "template"}, maxName: 52, stop: stopJobs},

	kindHPA:          {autoscaler: true, stop: stopHPA},
	kindScaledObject: {autoscaler: true, stop: stopScaledObject},
	kindScaledJob:    {autoscaler: true, podTemplate: []string{"spec", "jobTargetRef", "template"}, stop: stopScaledJob},

	kindQuota:          {configuration: true},
	kindLimitRange:     {configuration: true},
	kindNetworkPolicy:  {configuration: true},
	kindServiceAccount: {configuration: true},
	kindRole:           {configuration: true},
	kindRoleBinding:    {configuration: true},
	kindConfigMap:      {configuration: true},
	kindSecret:         {configuration: true},
	kindClaim:          {configuration: true},

	kindService: {maxName: 63},
	{Group: groupNetworking, Kind: "Ingress"}:      {},
	{Group: "policy", Kind: "PodDisruptionBudget"}: {},
	{Group: "coordination.k8s.io", Kind: "Lease"}:  {},

	{Group: groupGateway, Kind: "Gateway"}:                       {},
	{Group: groupGateway, Kind: "HTTPRoute"}:                     {},
	{Group: groupGateway, Kind: "GRPCRoute"}:                     {},
	{Group: groupGateway, Kind: "TLSRoute"}:                      {},
	{Group: groupGateway, Kind: "TCPRoute"}:                      {},
	{Group: groupCerts, Kind: "Certificate"}:                     {},
	{Group: groupCerts, Kind: "Issuer"}:                          {},
	{Group: groupMonitoring, Kind: "ServiceMonitor"}:             {},
	{Group: groupMonitoring, Kind: "PodMonitor"}:                 {},
	{Group: groupMonitoring, Kind: "PrometheusRule"}:             {},
	{Group: groupSecrets, Kind: "ExternalSecret"}:                {},
	{Group: groupSecrets, Kind: "SecretStore"}:                   {},
	{Group: "autoscaling.k8s.io", Kind: "VerticalPodAutoscaler"}: {},
}

// neverInTenants are kinds that are refused whatever the permissions say, each with the reason and what to do instead.
var neverInTenants = map[schema.GroupKind]string{
	{Group: groupApps, Kind: "DaemonSet"}:  "a DaemonSet would run on every node for one buyer; use a Deployment",
	{Group: groupApps, Kind: "ReplicaSet"}: "a bare ReplicaSet has no rollout; use a Deployment",
	{Kind: "ReplicationController"}:        "a bare ReplicationController has no rollout; use a Deployment",
	{Kind: "Pod"}: "a bare Pod is lost with its node and can't be suspended; " +
		"use a Deployment or a Job",
	{Kind: "List"}: "write the items of a List as separate documents",
}

// clusterScoped are the kinds of Kubernetes itself that lie outside every namespace.
var clusterScoped = sets.New(
	schema.GroupKind{Kind: "Namespace"},
	schema.GroupKind{Kind: "Node"},
	schema.GroupKind{Kind: "PersistentVolume"},
	schema.GroupKind{Kind: "ComponentStatus"},
	schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: "MutatingAdmissionPolicy"},
	schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: "MutatingAdmissionPolicyBinding"},
	schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: "MutatingWebhookConfiguration"},
	schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: "ValidatingAdmissionPolicy"},
	schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: "ValidatingAdmissionPolicyBinding"},
	schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: "ValidatingWebhookConfiguration"},
	schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"},
	schema.GroupKind{Group: "apiregistration.k8s.io", Kind: "APIService"},
	schema.GroupKind{Group: "certificates.k8s.io", Kind: "CertificateSigningRequest"},
	schema.GroupKind{Group: "certificates.k8s.io", Kind: "ClusterTrustBundle"},
	schema.GroupKind{Group: groupCerts, Kind: "ClusterIssuer"},
	schema.GroupKind{Group: "flowcontrol.apiserver.k8s.io", Kind: "FlowSchema"},
	schema.GroupKind{Group: "flowcontrol.apiserver.k8s.io", Kind: "PriorityLevelConfiguration"},
	schema.GroupKind{Group: groupGateway, Kind: "GatewayClass"},
	schema.GroupKind{Group: groupNetworking, Kind: "IngressClass"},
	schema.GroupKind{Group: groupNetworking, Kind: "IPAddress"},
	schema.GroupKind{Group: groupNetworking, Kind: "ServiceCIDR"},
	schema.GroupKind{Group: "node.k8s.io", Kind: "RuntimeClass"},
	schema.GroupKind{Group: groupRBAC, Kind: "ClusterRole"},
	schema.GroupKind{Group: groupRBAC, Kind: "ClusterRoleBinding"},
	schema.GroupKind{Group: "resource.k8s.io", Kind: "DeviceClass"},
	schema.GroupKind{Group: "resource.k8s.io", Kind: "ResourceSlice"},
	schema.GroupKind{Group: "scheduling.k8s.io", Kind: "PriorityClass"},
	schema.GroupKind{Group: groupSecrets, Kind: "ClusterExternalSecret"},
	schema.GroupKind{Group: groupSecrets, Kind: "ClusterSecretStore"},
	schema.GroupKind{Group: "storage.k8s.io", Kind: "CSIDriver"},
	schema.GroupKind{Group: "storage.k8s.io", Kind: "CSINode"},
	schema.GroupKind{Group: "storage.k8s.io", Kind: "StorageClass"},
	schema.GroupKind{Group: "storage.k8s.io", Kind: "VolumeAttachment"},
	schema.GroupKind{Group: "storage.k8s.io", Kind: "VolumeAttributesClass"},
)
