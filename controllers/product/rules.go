package product

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/stallkeeper/stallkeeper/controllers/workload"
)

// The rules that the API server has beside its schemas, as far as templates break them. Each problem names the field and what to do, and
// none repeats a value of a Secret.

// ruleProblems are what the API server would refuse of an object that has the form of its kind.
func ruleProblems(into runtime.Object, object *unstructured.Unstructured) []string {
	problems := append(metadataProblems(object), dataProblems(into)...)
	switch into := into.(type) {
	case *corev1.Secret:
		problems = append(problems, secretProblems(into)...)
	case *corev1.Service:
		problems = append(problems, serviceProblems(into)...)
	case *networkingv1.Ingress:
		problems = append(problems, ingressProblems(into)...)
	}
	path := workload.PodTemplatePath(object.GroupVersionKind().GroupKind())
	if path == nil {
		return problems
	}
	template, found, err := unstructured.NestedMap(object.Object, path...)
	if !found || err != nil {
		return problems
	}
	var pod corev1.PodTemplateSpec
	if runtime.DefaultUnstructuredConverter.FromUnstructured(template, &pod) != nil {
		return problems
	}
	at := strings.TrimPrefix(strings.Join(path, ".")+".", ".")
	problems = append(problems, labelProblems(at+"metadata.labels", pod.Labels)...)
	problems = append(problems, selectorProblems(object, pod.Labels)...)
	problems = append(problems, restartProblems(object.GetKind(), at, pod.Spec.RestartPolicy)...)
	return append(problems, podProblems(at+"spec.", pod.Spec, claimTemplates(object))...)
}

func metadataProblems(object *unstructured.Unstructured) []string {
	var problems []string
	check, kind := validation.IsDNS1123Subdomain, "lower-case letters, digits, '-' and '.'"
	switch object.GetKind() {
	case "Service":
		check, kind = validation.IsDNS1035Label, "lower-case letters, digits and '-', beginning with a letter, up to 63"
	case "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding":
		check, kind = func(string) []string { return nil }, ""
	}
	if name := object.GetName(); len(check(name)) > 0 {
		problems = append(problems, fmt.Sprintf("metadata.name %q must be of %s: correct it", name, kind))
	}
	problems = append(problems, labelProblems("metadata.labels", object.GetLabels())...)
	for _, key := range slices.Sorted(maps.Keys(object.GetAnnotations())) {
		if len(validation.IsQualifiedName(strings.ToLower(key))) > 0 {
			problems = append(problems, fmt.Sprintf("metadata.annotations has the key %q, which is not valid: correct it", key))
		}
	}
	return problems
}

func labelProblems(field string, labels map[string]string) []string {
	var problems []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if len(validation.IsQualifiedName(key)) > 0 {
			problems = append(problems, fmt.Sprintf("%s has the key %q, which is not valid: correct it", field, key))
		}
		if len(validation.IsValidLabelValue(labels[key])) > 0 {
			problems = append(problems, fmt.Sprintf("%s.%s must be up to 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends:"+
				" shorten or correct the value, or make it an annotation", field, key))
		}
	}
	return problems
}

// dataProblems are keys of ConfigMaps and Secrets that can't be one.
func dataProblems(into runtime.Object) []string {
	var keys []string
	switch into := into.(type) {
	case *corev1.ConfigMap:
		keys = slices.AppendSeq(slices.Collect(maps.Keys(into.Data)), maps.Keys(into.BinaryData))
	case *corev1.Secret:
		keys = slices.AppendSeq(slices.Collect(maps.Keys(into.Data)), maps.Keys(into.StringData))
	}
	slices.Sort(keys)
	var problems []string
	for _, key := range keys {
		if len(validation.IsConfigMapKey(key)) > 0 {
			problems = append(problems, fmt.Sprintf("data has the key %q: a key is of letters, digits, '-', '_' and '.'", key))
		}
	}
	return problems
}

// secretKeys are the keys that a Secret of a type must have, and what they hold.
var secretKeys = map[corev1.SecretType][]struct{ key, holds string }{
	corev1.SecretTypeTLS: {
		{corev1.TLSCertKey, "the certificate, in PEM"}, {corev1.TLSPrivateKeyKey, "its private key, in PEM"},
	},
	corev1.SecretTypeSSHAuth:          {{corev1.SSHAuthPrivateKey, "the private key"}},
	corev1.SecretTypeDockerConfigJson: {{corev1.DockerConfigJsonKey, `a JSON object such as {"auths": {"registry.example.com": {"auth": "BASE64"}}}`}},
	corev1.SecretTypeDockercfg:        {{corev1.DockerConfigKey, `a JSON object such as {"registry.example.com": {"auth": "BASE64"}}`}},
}

// secretProblems are keys that the type of a Secret asks for. The API server names the field and not why.
func secretProblems(secret *corev1.Secret) []string {
	value := func(key string) ([]byte, bool) {
		if text, ok := secret.StringData[key]; ok {
			return []byte(text), true
		}
		data, ok := secret.Data[key]
		return data, ok
	}
	const instead = ", or leave type out for a Secret of keys of your own"
	var problems []string
	for _, needs := range secretKeys[secret.Type] {
		data, there := value(needs.key)
		isJSON := secret.Type == corev1.SecretTypeDockerConfigJson || secret.Type == corev1.SecretTypeDockercfg
		switch {
		case !there:
			problems = append(problems, fmt.Sprintf("data[%s] is missing, which a Secret of type %s must have: set it to %s%s", needs.key, secret.Type,
				needs.holds, instead))
		case isJSON && json.Unmarshal(data, &map[string]any{}) != nil:
			problems = append(problems, fmt.Sprintf("data[%s] of a Secret of type %s must be %s, and is no JSON object: correct it, such as with toJson%s",
				needs.key, secret.Type, needs.holds, instead))
		}
	}
	_, user := value(corev1.BasicAuthUsernameKey)
	_, password := value(corev1.BasicAuthPasswordKey)
	if secret.Type == corev1.SecretTypeBasicAuth && !user && !password {
		problems = append(problems, fmt.Sprintf("data[%s] and data[%s] are missing, of which a Secret of type %s must have one: set both%s",
			corev1.BasicAuthUsernameKey, corev1.BasicAuthPasswordKey, secret.Type, instead))
	}
	return problems
}

// claimTemplates are the names of a StatefulSet's claim templates, which are volumes of its pods.
func claimTemplates(object *unstructured.Unstructured) []string {
	claims, _, _ := unstructured.NestedSlice(object.Object, "spec", "volumeClaimTemplates")
	var names []string
	for _, claim := range claims {
		if fields, ok := claim.(map[string]any); ok {
			name, _, _ := unstructured.NestedString(fields, "metadata", "name")
			names = append(names, name)
		}
	}
	return names
}

// selectorProblems finds workloads that would not find their own pods.
func selectorProblems(object *unstructured.Unstructured, labels map[string]string) []string {
	if object.GroupVersionKind().Group != "apps" {
		return nil
	}
	wanted, found, err := unstructured.NestedStringMap(object.Object, "spec", "selector", "matchLabels")
	if err != nil {
		return nil
	}
	if _, there, _ := unstructured.NestedMap(object.Object, "spec", "selector"); !there || !found && len(wanted) == 0 && !hasExpressions(object) {
		return []string{"spec.selector is missing: set spec.selector.matchLabels to labels of spec.template.metadata.labels"}
	}
	var problems []string
	for _, key := range slices.Sorted(maps.Keys(wanted)) {
		if labels[key] != wanted[key] {
			problems = append(problems, fmt.Sprintf("spec.selector.matchLabels.%s is not a label of spec.template.metadata.labels: give both the same", key))
		}
	}
	return problems
}

func hasExpressions(object *unstructured.Unstructured) bool {
	_, found, _ := unstructured.NestedSlice(object.Object, "spec", "selector", "matchExpressions")
	return found
}

func restartProblems(kind, at string, policy corev1.RestartPolicy) []string {
	field := at + "spec.restartPolicy"
	switch kind {
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet":
		if policy != "" && policy != corev1.RestartPolicyAlways {
			return []string{field + " must be Always: remove it"}
		}
	case "Job", "CronJob":
		if policy != corev1.RestartPolicyNever && policy != corev1.RestartPolicyOnFailure {
			return []string{field + " must be Never or OnFailure: set it"}
		}
	}
	return nil
}

func podProblems(at string, spec corev1.PodSpec, claims []string) []string {
	var problems []string
	if len(spec.Containers) == 0 {
		problems = append(problems, at+"containers is empty: a pod has at least one")
	}
	volumes := claims
	for _, volume := range spec.Volumes {
		volumes = append(volumes, volume.Name)
	}
	for _, container := range slices.Concat(spec.InitContainers, spec.Containers) {
		of := fmt.Sprintf("container %q: ", container.Name)
		if len(validation.IsDNS1123Label(container.Name)) > 0 {
			problems = append(problems, of+"name must be of lower-case letters, digits and '-', up to 63: correct it")
		}
		if strings.TrimSpace(container.Image) == "" {
			problems = append(problems, of+"image is missing: set it")
		}
		for _, variable := range container.Env {
			if variable.Name == "" || strings.Contains(variable.Name, "=") {
				problems = append(problems, fmt.Sprintf("%senv has the name %q: a name is not empty and has no '='", of, variable.Name))
			}
		}
		for _, port := range container.Ports {
			problems = append(problems, portProblems(of+"ports.containerPort", port.ContainerPort)...)
			if port.Name != "" && len(validation.IsValidPortName(port.Name)) > 0 {
				problems = append(problems, fmt.Sprintf("%sports has the name %q: up to 15 lower-case letters, digits and '-'", of, port.Name))
			}
		}
		for _, mount := range container.VolumeMounts {
			if !slices.Contains(volumes, mount.Name) {
				problems = append(problems, fmt.Sprintf("%svolumeMounts names the volume %q, which %svolumes does not have: add it, or correct the name",
					of, mount.Name, at))
			}
		}
		problems = append(problems, resourceProblems(of, container.Resources)...)
	}
	return problems
}

func resourceProblems(of string, resources corev1.ResourceRequirements) []string {
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(resources.Requests)) {
		request := resources.Requests[name]
		if limit, limited := resources.Limits[name]; limited && request.Cmp(limit) > 0 {
			problems = append(problems, fmt.Sprintf("%sresources.requests.%s is above its limit: lower it, or raise the limit", of, name))
		}
	}
	return problems
}

func portProblems(field string, port int32) []string {
	if len(validation.IsValidPortNum(int(port))) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s is %d, and must be from 1 to 65535", field, port)}
}

func serviceProblems(service *corev1.Service) []string {
	var problems []string
	if len(service.Spec.Ports) == 0 && service.Spec.ClusterIP != corev1.ClusterIPNone && service.Spec.Type != corev1.ServiceTypeExternalName {
		problems = append(problems, "spec.ports is empty: name at least one port")
	}
	for _, port := range service.Spec.Ports {
		problems = append(problems, portProblems("spec.ports.port", port.Port)...)
		if port.NodePort != 0 {
			problems = append(problems, portProblems("spec.ports.nodePort", port.NodePort)...)
		}
		if port.Name == "" && len(service.Spec.Ports) > 1 {
			problems = append(problems, fmt.Sprintf("spec.ports has no name for port %d: with several ports each needs one", port.Port))
		}
	}
	return problems
}

func ingressProblems(ingress *networkingv1.Ingress) []string {
	var problems []string
	for _, rule := range ingress.Spec.Rules {
		if rule.Host != "" && len(validation.IsDNS1123Subdomain(strings.TrimPrefix(rule.Host, "*."))) > 0 {
			problems = append(problems, fmt.Sprintf("spec.rules has the host %q, which is not a host name: correct it", rule.Host))
		}
		if rule.HTTP == nil {
			continue
		}
		for _, path := range rule.HTTP.Paths {
			if path.PathType == nil {
				problems = append(problems, fmt.Sprintf("spec.rules has no pathType for path %q: set Prefix, Exact or ImplementationSpecific", path.Path))
			}
			if service := path.Backend.Service; service != nil && service.Port.Name == "" && service.Port.Number == 0 {
				problems = append(problems, fmt.Sprintf("spec.rules has no port for Service %q: set its name or its number", service.Name))
			}
		}
	}
	return problems
}

// nodePortNotes are node ports beyond Kubernetes' default range. A dry run allocates none, and the range can be another one.
func nodePortNotes(objects []*unstructured.Unstructured) []string {
	const first, last = 30000, 32767
	var notes []string
	for _, object := range objects {
		var service corev1.Service
		if object.GetKind() != "Service" || runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &service) != nil {
			continue
		}
		for _, port := range service.Spec.Ports {
			if port.NodePort != 0 && (port.NodePort < first || port.NodePort > last) {
				notes = append(notes, fmt.Sprintf("Service/%s sets the node port %d, which the API server rejects unless it has another range than %d to %d:"+
					" leave nodePort out, or choose one of the range", service.Name, port.NodePort, first, last))
			}
		}
	}
	return notes
}

// probeNotes are probes of a port by a name that their container does not have. The API server takes them, and the pods are never ready.
func probeNotes(objects []*unstructured.Unstructured) []string {
	var notes []string
	for _, object := range objects {
		path := workload.PodTemplatePath(object.GroupVersionKind().GroupKind())
		template, found, err := unstructured.NestedMap(object.Object, path...)
		var pod corev1.PodTemplateSpec
		if path == nil || !found || err != nil || runtime.DefaultUnstructuredConverter.FromUnstructured(template, &pod) != nil {
			continue
		}
		for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
			for _, port := range probedPorts(container) {
				if !slices.ContainsFunc(container.Ports, func(p corev1.ContainerPort) bool { return p.Name == port }) {
					notes = append(notes, fmt.Sprintf("%s/%s probes container %q at the port %q, which is not among the container's ports, so that it would never"+
						" be ready: correct the name, or name the port", object.GetKind(), object.GetName(), container.Name, port))
				}
			}
		}
	}
	return notes
}

// probedPorts are the names of the ports at which a container is probed.
func probedPorts(container corev1.Container) []string {
	var names []string
	for _, probe := range []*corev1.Probe{container.StartupProbe, container.LivenessProbe, container.ReadinessProbe} {
		switch {
		case probe == nil:
		case probe.HTTPGet != nil && probe.HTTPGet.Port.StrVal != "":
			names = append(names, probe.HTTPGet.Port.StrVal)
		case probe.TCPSocket != nil && probe.TCPSocket.Port.StrVal != "":
			names = append(names, probe.TCPSocket.Port.StrVal)
		}
	}
	return names
}
