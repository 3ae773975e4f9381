package product

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/apply"
)

// The namespace of a product's checks. The API server tries the objects of the samples there, and stores none of them: a dry run needs a
// namespace that stands, with the labels by which Pod Security and the admission policies know a tenant's. It is kept for the next check,
// and goes with the product.

// purposeAnnotation tells people what such a namespace is for.
const purposeAnnotation = "stallkeeper.io/purpose"

// errStranger says that somebody else's namespace has the name.
var errStranger = errors.New("it is not Stallkeeper's: delete it")

// checkLabels are those by which the namespace of a product's checks is known.
func checkLabels(product types.NamespacedName) map[string]string {
	return map[string]string{
		v1alpha1.InstanceLabel: v1alpha1.CheckInstance, v1alpha1.InstanceNamespaceLabel: product.Namespace, v1alpha1.ProductLabel: product.Name,
	}
}

// ensureNamespace makes the namespace in which a product's objects are tried, with the Pod Security labels of a tenant's.
func (r *Reconciler) ensureNamespace(ctx context.Context, product *v1alpha1.MarketplaceProduct, name string, tenants *unstructured.Unstructured) error {
	key := client.ObjectKeyFromObject(product)
	wanted := checkLabels(key)
	for label, value := range tenants.GetLabels() {
		if strings.HasPrefix(label, "pod-security.kubernetes.io/") {
			wanted[label] = value
		}
	}
	standing := &unstructured.Unstructured{}
	standing.SetGroupVersionKind(apply.NamespaceKind)
	err := r.APIReader.Get(ctx, types.NamespacedName{Name: name}, standing)
	switch {
	case apierrors.IsNotFound(err):
		if err := r.dropNamespaces(ctx, key); err != nil {
			return err
		}
		standing.SetName(name)
		standing.SetLabels(wanted)
		standing.SetAnnotations(map[string]string{
			purposeAnnotation: fmt.Sprintf("dry runs of what MarketplaceProduct %s would create for a buyer; nothing is stored here", key),
		})
		return r.Create(ctx, standing)
	case err != nil:
		return err
	case !within(checkLabels(key), standing.GetLabels()):
		return errStranger
	case standing.GetDeletionTimestamp() != nil:
		return apierrors.NewServiceUnavailable("the namespace is being deleted")
	case within(wanted, standing.GetLabels()):
		return nil
	}
	before := standing.DeepCopy()
	labels := standing.GetLabels()
	maps.Copy(labels, wanted)
	standing.SetLabels(labels)
	return r.Patch(ctx, standing, client.MergeFrom(before))
}

// within says whether a namespace has all of the labels.
func within(wanted, labels map[string]string) bool {
	for label, value := range wanted {
		if is, there := labels[label]; !there || is != value {
			return false
		}
	}
	return true
}

// dropNamespaces deletes the namespaces of checks of products of this name: of one that is gone, or that was made again.
func (r *Reconciler) dropNamespaces(ctx context.Context, product types.NamespacedName) error {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(apply.NamespaceKind.GroupVersion().WithKind("NamespaceList"))
	if err := r.APIReader.List(ctx, list, client.MatchingLabels(checkLabels(product))); err != nil {
		return fmt.Errorf("listing the namespaces of checks: %w", err)
	}
	for i := range list.Items {
		namespace := &list.Items[i]
		if namespace.DeletionTimestamp != nil || !within(checkLabels(product), namespace.Labels) {
			continue
		}
		namespace.SetGroupVersionKind(apply.NamespaceKind)
		err := r.Delete(ctx, namespace, client.Preconditions{UID: ptr.To(namespace.UID), ResourceVersion: ptr.To(namespace.ResourceVersion)})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting namespace %s: %w", namespace.Name, err)
		}
	}
	return nil
}
