package workload

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Limits are what tenants' objects may have that reaches beyond their tenant, as the chart's value tenantLimits names them. The chart's
// admission policy holds every write to them; this is to tell a seller before the first buyer comes.
type Limits struct {
	// IngressHostSuffixes are ends of host names, each with its dot; any host when empty. OwnHosts are those of Stallkeeper itself.
	IngressHostSuffixes []string `json:"ingressHostSuffixes,omitempty"`
	OwnHosts            []string `json:"ownHosts,omitempty"`
	// AnyHost allows to name no host.
	AnyHost bool `json:"anyHost,omitempty"`
	// The others are names that are allowed beside none.
	HostAnnotations          []string `json:"hostAnnotations,omitempty"`
	PriorityClassNames       []string `json:"priorityClassNames,omitempty"`
	InlineCSIDrivers         []string `json:"inlineCSIDrivers,omitempty"`
	CloudIdentityAnnotations []string `json:"cloudIdentityAnnotations,omitempty"`
}

// brokenPath is what no path of an Ingress needs, and what ends it where a controller writes it into its configuration.
const brokenPath = "\";#`\u007f"

func isBroken(path string) bool {
	return strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || strings.ContainsRune(brokenPath, c) })
}

// BorderProblems says which objects reach beyond their tenant, each as a sentence with its remedy.
func (l Limits) BorderProblems(objects []*unstructured.Unstructured) []string {
	var problems []string
	for _, object := range objects {
		for _, problem := range slices.Concat(l.networkProblems(object), l.podProblems(object), l.otherProblems(object)) {
			problems = append(problems, identityOf(object).String()+": "+problem)
		}
	}
	return problems
}

// networkProblems are those of what draws traffic.
func (l Limits) networkProblems(object *unstructured.Unstructured) []string {
	kind := object.GroupVersionKind().GroupKind()
	service, opens := kind == kindService, isIngress(kind) || isRoute(kind) || isGateway(kind)
	if !service && !opens {
		return nil
	}
	var problems []string
	annotations := object.GetAnnotations()
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		if slices.Contains(l.HostAnnotations, key) {
			continue
		}
		if namesForeign(key, annotations[key], object.GetNamespace()) {
			problems = append(problems, fmt.Sprintf("the annotation %s names what is in another namespace; name what is the tenant's own, or add the"+
				" annotation to the chart's value tenantLimits.hostAnnotations", key))
		}
		if isShared(key) {
			problems = append(problems, fmt.Sprintf("the annotation %s takes hosts, addresses or configuration that all tenants share, or is not"+
				" known to take none; leave it out, or add it to the chart's value tenantLimits.hostAnnotations", key))
		}
	}
	if service {
		if address := textAt(object, "spec", "loadBalancerIP"); address != "" {
			problems = append(problems, "spec.loadBalancerIP could take an address that another tenant is to have; leave it out")
		}
		if textAt(object, "spec", "type") == string(corev1.ServiceTypeExternalName) || textAt(object, "spec", "externalName") != "" {
			problems = append(problems, "a Service of type ExternalName would have others call any host for it, and one with spec.externalName could"+
				" become one; use the host's own name in the application")
		}
		return problems
	}
	if addresses, _, _ := unstructured.NestedSlice(object.Object, "spec", "addresses"); isGateway(kind) && len(addresses) > 0 {
		problems = append(problems, "spec.addresses could take an address that another tenant is to have; leave it out")
	}
	return append(problems, l.routingProblems(object)...)
}

// routingProblems are those of the hosts and paths of an object.
func (l Limits) routingProblems(object *unstructured.Unstructured) []string {
	var problems []string
	for _, host := range hostsOf(object) {
		problems = append(problems, l.hostProblem(host)...)
	}
	if slices.ContainsFunc(pathsOf(object), isBroken) {
		problems = append(problems, "a path has a blank, a control character, a quote, a semicolon or a hash, which could end it in the configuration that"+
			" all tenants share; leave it out")
	}
	return problems
}

// pathsOf are the paths of an Ingress; none of other kinds, whose controllers are told them field by field.
func pathsOf(object *unstructured.Unstructured) []string {
	if !isIngress(object.GroupVersionKind().GroupKind()) {
		return nil
	}
	var paths []string
	rules, _, _ := unstructured.NestedSlice(object.Object, "spec", "rules")
	for _, rule := range rules {
		fields, _ := rule.(map[string]any)
		entries, _, _ := unstructured.NestedSlice(fields, "http", "paths")
		for _, entry := range entries {
			if fields, ok := entry.(map[string]any); ok {
				paths = append(paths, textAt(&unstructured.Unstructured{Object: fields}, "path"))
			}
		}
	}
	return paths
}

func (l Limits) hostProblem(host string) []string {
	wild, isWild := strings.CutPrefix(host, "*")
	ours := slices.ContainsFunc(l.OwnHosts, func(own string) bool { return own == host || isWild && wild != "" && strings.HasSuffix(own, wild) })
	fits := len(l.IngressHostSuffixes) == 0 || slices.ContainsFunc(l.IngressHostSuffixes, func(end string) bool { return strings.HasSuffix(host, end) })
	switch {
	case host == "" && !l.AnyHost:
		return []string{"it names no host or has a default backend, and takes the hosts of others; name the hosts, or set the chart's value tenantLimits.anyHost"}
	case ours:
		return []string{fmt.Sprintf("the host %s is Stallkeeper's own; give the tenant another one", host)}
	case isWild && wild != "" && slices.Contains(l.IngressHostSuffixes, wild):
		return []string{fmt.Sprintf("the host %s takes those of all tenants; give the tenant a name of its own before *%s", host, wild)}
	case host != "" && !fits:
		return []string{fmt.Sprintf("the host %s does not end with %s (the chart's value tenantLimits.ingressHostSuffixes)", host,
			strings.Join(l.IngressHostSuffixes, " or "))}
	}
	return nil
}

// keptFromRemoval is wrong with the metadata of what is made of a template.
const keptFromRemoval = "metadata.finalizers would keep the tenant from being removed, and metadata.ownerReferences would have the cluster delete it" +
	" with another object; leave both out"

// podProblems are those of the pods that an object makes.
func (l Limits) podProblems(object *unstructured.Unstructured) []string {
	template, err := podTemplate(object)
	if err != nil || template == nil {
		return nil // it is refused for that
	}
	problems := l.annotationProblems(template.Annotations)
	if len(template.Finalizers) > 0 || len(template.OwnerReferences) > 0 {
		problems = append(problems, "the pods' "+keptFromRemoval)
	}
	problems = append(problems, l.placeProblems(template.Spec)...)
	if reachesOut(template.Spec.Affinity, object.GetNamespace()) {
		problems = append(problems, "a term of the pods' affinity reaches pods of other namespaces, and could keep them from being scheduled; leave"+
			" namespaceSelector and namespaces out")
	}
	for _, volume := range template.Spec.Volumes {
		problems = append(problems, l.volumeProblems(volume)...)
	}
	return problems
}

// placeProblems are those of where pods run, and before whom.
func (l Limits) placeProblems(spec corev1.PodSpec) []string {
	var problems []string
	if spec.NodeName != "" {
		problems = append(problems, "nodeName puts pods past the scheduler; use nodeSelector")
	}
	if class := spec.PriorityClassName; class != "" && !slices.Contains(l.PriorityClassNames, class) {
		problems = append(problems, fmt.Sprintf("the priority class %s would push other tenants' pods aside; leave it out, or add it to the chart's"+
			" value tenantLimits.priorityClassNames", class))
	}
	for _, toleration := range spec.Tolerations {
		if toleration.Key == "" || strings.HasPrefix(toleration.Key, "node-role.kubernetes.io/") {
			problems = append(problems, "a toleration lets pods onto nodes that are kept for the cluster itself; name the taints of the nodes that are for tenants")
		}
	}
	return problems
}

// reachesOut says whether pods are put near to, or away from, those of other namespaces, which then could not be scheduled beside them.
func reachesOut(affinity *corev1.Affinity, namespace string) bool {
	var terms []corev1.PodAffinityTerm
	var preferred []corev1.WeightedPodAffinityTerm
	if affinity != nil && affinity.PodAffinity != nil {
		terms = append(terms, affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution...)
		preferred = append(preferred, affinity.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution...)
	}
	if affinity != nil && affinity.PodAntiAffinity != nil {
		terms = append(terms, affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution...)
		preferred = append(preferred, affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution...)
	}
	for _, term := range preferred {
		terms = append(terms, term.PodAffinityTerm)
	}
	return slices.ContainsFunc(terms, func(term corev1.PodAffinityTerm) bool {
		return term.NamespaceSelector != nil || slices.ContainsFunc(term.Namespaces, func(named string) bool { return named != namespace })
	})
}

// chosenVolume is wrong with a claim.
const chosenVolume = "volumeName chooses a volume, which may hold another tenant's data; leave it out"

func (l Limits) volumeProblems(volume corev1.Volume) []string {
	var problems []string
	if volume.CSI != nil && !slices.Contains(l.InlineCSIDrivers, volume.CSI.Driver) {
		problems = append(problems, fmt.Sprintf("the inline CSI volume %s has the driver %s do what the pod says; use a claim, or add the driver to the"+
			" chart's value tenantLimits.inlineCSIDrivers", volume.Name, volume.CSI.Driver))
	}
	if volume.Ephemeral != nil && volume.Ephemeral.VolumeClaimTemplate != nil && volume.Ephemeral.VolumeClaimTemplate.Spec.VolumeName != "" {
		problems = append(problems, "the ephemeral volume "+volume.Name+": "+chosenVolume)
	}
	return problems
}

// otherProblems are those of claims and accounts.
func (l Limits) otherProblems(object *unstructured.Unstructured) []string {
	switch object.GroupVersionKind().GroupKind() {
	case kindClaim:
		if textAt(object, "spec", "volumeName") != "" {
			return []string{"spec." + chosenVolume}
		}
	case kindStatefulSet:
		var problems []string
		claims, _, _ := unstructured.NestedSlice(object.Object, "spec", "volumeClaimTemplates")
		for _, claim := range claims {
			fields, _ := claim.(map[string]any)
			template := &unstructured.Unstructured{Object: fields}
			if textAt(template, "spec", "volumeName") != "" {
				problems = append(problems, "volumeClaimTemplates: "+chosenVolume)
			}
			if len(template.GetFinalizers()) > 0 || len(template.GetOwnerReferences()) > 0 {
				problems = append(problems, "volumeClaimTemplates: "+keptFromRemoval)
			}
		}
		return problems
	case kindServiceAccount:
		return l.annotationProblems(object.GetAnnotations())
	}
	return nil
}

// annotationProblems are those of pods and accounts.
func (l Limits) annotationProblems(annotations map[string]string) []string {
	var problems []string
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		given := slices.ContainsFunc(podPrefixes, func(prefix string) bool { return strings.HasPrefix(key, prefix) })
		if given && !slices.Contains(l.CloudIdentityAnnotations, key) {
			problems = append(problems, fmt.Sprintf("the annotation %s gives the tenant a cloud account's rights, or its pods a network or an address of"+
				" their own; leave it out, or add it to the chart's value tenantLimits.cloudIdentityAnnotations", key))
		}
	}
	return problems
}

func isIngress(kind schema.GroupKind) bool {
	return kind.Group == groupNetworking && kind.Kind == "Ingress"
}

func isRoute(kind schema.GroupKind) bool {
	return kind.Group == groupGateway && strings.HasSuffix(kind.Kind, "Route")
}

func isGateway(kind schema.GroupKind) bool {
	return kind.Group == groupGateway && kind.Kind == "Gateway"
}

// hostsOf are the hosts of an Ingress or a Route, with an empty one for what takes any host; and those that the listeners of a Gateway name.
// One without a name takes what comes to the Gateway's own address.
func hostsOf(object *unstructured.Unstructured) []string {
	if isGateway(object.GroupVersionKind().GroupKind()) {
		var hosts []string
		listeners, _, _ := unstructured.NestedSlice(object.Object, "spec", "listeners")
		for _, listener := range listeners {
			if fields, ok := listener.(map[string]any); ok {
				if host, named := fields["hostname"].(string); named {
					hosts = append(hosts, host)
				}
			}
		}
		slices.Sort(hosts)
		return slices.Compact(hosts)
	}
	if isRoute(object.GroupVersionKind().GroupKind()) {
		hosts, _, _ := unstructured.NestedStringSlice(object.Object, "spec", "hostnames")
		if len(hosts) == 0 {
			return []string{""}
		}
		return hosts
	}
	var hosts []string
	rules, _, _ := unstructured.NestedSlice(object.Object, "spec", "rules")
	for _, rule := range rules {
		if fields, ok := rule.(map[string]any); ok {
			hosts = append(hosts, textAt(&unstructured.Unstructured{Object: fields}, "host"))
		}
	}
	certificates, _, _ := unstructured.NestedSlice(object.Object, "spec", "tls")
	for _, certificate := range certificates {
		if fields, ok := certificate.(map[string]any); ok {
			named, _, _ := unstructured.NestedStringSlice(fields, "hosts")
			hosts = append(hosts, named...)
		}
	}
	if backend, _, _ := unstructured.NestedFieldNoCopy(object.Object, "spec", "defaultBackend"); backend != nil {
		hosts = append(hosts, "")
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// textAt is a text field; empty where there is none.
func textAt(object *unstructured.Unstructured, path ...string) string {
	text, _, _ := unstructured.NestedString(object.Object, path...)
	return text
}
