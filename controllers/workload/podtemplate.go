package workload

import (
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// allowAPIAccess is the remedy for whatever apiAccess None refuses.
const allowAPIAccess = "set the product's spec.isolation.apiAccess to ServiceAccountToken, or remove it from the template"

// podTemplate reads an object's pod template; nil for a kind that has none, and for a ScaledJob without one, which KEDA refuses.
func podTemplate(object *unstructured.Unstructured) (*corev1.PodTemplateSpec, error) {
	kind := object.GroupVersionKind().GroupKind()
	at := known[kind].podTemplate
	if at == nil {
		return nil, nil //nolint:nilnil // most kinds have no pod template
	}
	found, there, err := unstructured.NestedFieldNoCopy(object.Object, at...)
	if err != nil {
		return nil, err
	}
	if !there && kind == kindScaledJob {
		return nil, nil //nolint:nilnil // as a kind that has none
	}
	fields, ok := found.(map[string]any)
	if !ok {
		return nil, errors.New("it is missing or not a map")
	}
	template := &corev1.PodTemplateSpec{}
	if err := decode(fields, template); err != nil {
		return nil, err
	}
	return template, nil
}

// podTemplateRefused says why an object's pods could not be made, or would get a token that isolation.apiAccess denies. A
// token of any audience counts: which audiences the API server accepts is not known here.
func (b *builder) podTemplateRefused(object *unstructured.Unstructured) []string {
	at := strings.Join(known[object.GroupVersionKind().GroupKind()].podTemplate, ".")
	template, err := podTemplate(object)
	if err != nil {
		return []string{fmt.Sprintf("%s can't be read: %v", at, err)}
	}
	if template == nil || b.access != v1alpha1.APIAccessNone {
		return nil
	}
	var problems []string
	if mount := template.Spec.AutomountServiceAccountToken; mount != nil && *mount {
		problems = append(problems, fmt.Sprintf("%s.spec.automountServiceAccountToken is true; %s", at, allowAPIAccess))
	}
	for _, volume := range template.Spec.Volumes {
		if mountsToken(volume) {
			problems = append(problems, fmt.Sprintf("the volume %s of %s contains a ServiceAccount token; %s",
				volume.Name, at, allowAPIAccess))
		}
	}
	return problems
}

// mountsToken says whether a volume holds a ServiceAccount token.
func mountsToken(volume corev1.Volume) bool {
	if volume.Projected == nil {
		return false
	}
	for _, source := range volume.Projected.Sources {
		if source.ServiceAccountToken != nil {
			return true
		}
	}
	return false
}
