package workload

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/sets"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// Names of the objects that the operator itself puts into a tenant's namespace.
const (
	// AccessSecretName names the Secret with the buyer's initial credentials in the tenant's namespace, so that the
	// template's pods can take them from there.
	AccessSecretName = "access"

	ownName               = "tenant"
	defaultServiceAccount = "default"
)

// Label that says who looks after an object, by Kubernetes' convention.
const (
	managedByLabel = "app.kubernetes.io/managed-by"
	managedBy      = "stallkeeper"
)

// reserved are the objects that a template may not have, because the operator or the cluster makes them. They are
// reserved also while the operator makes none, or a plan with a quota would collide with one without.
var reserved = sets.New(
	identity{kindQuota, ownName},
	identity{kindLimitRange, ownName},
	identity{kindNetworkPolicy, ownName},
	identity{kindSecret, AccessSecretName},
	identity{kindServiceAccount, defaultServiceAccount},
	identity{kindConfigMap, "kube-root-ca.crt"},
)

// isReserved says whether a template may not have an object: whoever else applies it would take the template's for its own.
func isReserved(id identity, also []Reserved) bool {
	return reserved.Has(id) || slices.ContainsFunc(also, func(r Reserved) bool { return r.covers(id) })
}

// ownObjects are the operator's own objects in the tenant's namespace.
func ownObjects(t Tenant, p Policy, asked []*networkingv1ac.NetworkPolicyIngressRuleApplyConfiguration,
) ([]*unstructured.Unstructured, error) {
	var own ownSet
	addOwn(&own, resourceQuota(t, p.Quota))
	addOwn(&own, limitRange(t, p.Quota))
	addOwn(&own, networkPolicy(t, p.Isolation, asked))
	addOwn(&own, serviceAccount(t, p.Isolation))
	addOwn(&own, accessSecret(t))
	for _, added := range t.Objects {
		object := added.DeepCopy()
		object.SetNamespace(t.Namespace)
		object.SetLabels(ownLabels(t))
		own.objects = append(own.objects, object)
	}
	return own.objects, own.err
}

// ownSet collects what the builders return.
type ownSet struct {
	objects []*unstructured.Unstructured
	err     error
}

// addOwn adds what a builder returned; nil is an object that is not wanted.
func addOwn[T any](set *ownSet, configuration *T) {
	if configuration == nil {
		return
	}
	object, err := asUnstructured(configuration)
	set.objects = append(set.objects, object)
	set.err = errors.Join(set.err, err)
}

// asUnstructured converts an apply configuration through its JSON, which holds what was set and nothing else. A typed
// object would bring its zero values along, and with them the ownership of fields that are meant for others.
func asUnstructured(configuration any) (*unstructured.Unstructured, error) {
	data, err := json.Marshal(configuration)
	if err != nil {
		return nil, fmt.Errorf("encoding %T: %w", configuration, err)
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(data); err != nil {
		return nil, fmt.Errorf("decoding %T: %w", configuration, err)
	}
	return object, nil
}

// tenantLabels stand on every object of a tenant.
func tenantLabels(t Tenant) map[string]string {
	return map[string]string{
		v1alpha1.InstanceLabel:          t.Instance,
		v1alpha1.InstanceNamespaceLabel: t.InstanceNamespace,
	}
}

// ownLabels stand on the operator's own objects of a tenant.
func ownLabels(t Tenant) map[string]string {
	labels := tenantLabels(t)
	labels[managedByLabel] = managedBy
	return labels
}
