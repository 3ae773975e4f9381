package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
)

// fieldOwner is who the demo's own objects belong to.
const fieldOwner = client.FieldOwner("stallkeeper-demo")

// describedTimeout is how long the marketplace and the product may take to become ready.
const describedTimeout = 60 * time.Second

// listing is what the demo's orders buy.
type listing struct{ productID, skuCode string }

// readListing reads what a sample product sells.
func (d *demo) readListing(sample string) (listing, error) {
	product, err := readSample[v1alpha1.MarketplaceProduct](d.paths.sample(sample))
	if err != nil {
		return listing{}, err
	}
	for _, plan := range product.Spec.Plans {
		for _, l := range plan.Listings {
			if len(l.ProductIDs) > 0 && len(l.SKUs) > 0 {
				return listing{productID: l.ProductIDs[0], skuCode: l.SKUs[0]}, nil
			}
		}
	}
	return listing{}, errors.New("the sample product has no listing with a product id and a SKU")
}

// readSample reads one object from a file. A field that the kind does not have is an error.
func readSample[T any](path string) (T, error) {
	var object T
	content, err := os.ReadFile(path)
	if err != nil {
		return object, fmt.Errorf("reading a sample: %w", err)
	}
	if err := yaml.UnmarshalStrict(content, &object); err != nil {
		return object, fmt.Errorf("reading %s: %w", path, err)
	}
	return object, nil
}

// applySecrets makes the keys of this run known: those of the callbacks to the webhook server, those of the open API to the
// controller.
func (d *demo) applySecrets(ctx context.Context) error {
	secrets := []*corev1ac.SecretApplyConfiguration{
		corev1ac.Secret("koogallery-callbacks", salesNamespace).WithStringData(map[string]string{
			"accessKey": d.keys.accessKey, "kitAccessKey": d.keys.kitAccessKey, "kitPrivateKey": d.keys.kitPrivateKey,
		}),
		corev1ac.Secret("koogallery-openapi", systemNamespace).WithStringData(map[string]string{"ak": d.keys.ak, "sk": d.keys.sk}),
	}
	for _, secret := range secrets {
		if err := d.kube.Apply(ctx, secret, fieldOwner, client.ForceOwnership); err != nil {
			return fmt.Errorf("applying Secret %s: %w", *secret.Name, err)
		}
	}
	return nil
}

// apply applies an object that was read from a sample. Kinds that were installed a moment ago may not be served yet.
func (d *demo) apply(ctx context.Context, object client.Object) error {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return fmt.Errorf("converting %T: %w", object, err)
	}
	delete(fields, "status")
	waiting, cancel := context.WithTimeout(ctx, describedTimeout)
	defer cancel()
	for {
		err := d.kube.Apply(ctx, client.ApplyConfigurationFromUnstructured(&unstructured.Unstructured{Object: fields}), fieldOwner, client.ForceOwnership)
		if err == nil {
			return nil
		}
		if !meta.IsNoMatchError(err) || waiting.Err() != nil {
			return fmt.Errorf("applying %s %s: %w", object.GetObjectKind().GroupVersionKind().Kind, object.GetName(), err)
		}
		pause(waiting, 200*time.Millisecond)
	}
}

// untilDescribed waits until the operator says Ready of both, and reads them anew.
func (d *demo) untilDescribed(ctx context.Context, marketplace *v1alpha1.Marketplace, product *v1alpha1.MarketplaceProduct) error {
	return d.until(ctx, describedTimeout, "the marketplace and the product are ready", func(ctx context.Context) (string, error) {
		if err := d.kube.Get(ctx, client.ObjectKeyFromObject(marketplace), marketplace); err != nil {
			return "", err
		}
		if err := d.kube.Get(ctx, client.ObjectKeyFromObject(product), product); err != nil {
			return "", err
		}
		return joined(
			notReady("Marketplace "+marketplace.Name, marketplace.Generation, marketplace.Status.Conditions),
			notReady("MarketplaceProduct "+product.Name, product.Generation, product.Status.Conditions),
			missingWhen(marketplace.Status.CallbackPath == "", "the Marketplace has no status.callbackPath"),
		), nil
	})
}

// notReady says why an object is not ready; empty when it is.
func notReady(name string, generation int64, conditions []metav1.Condition) string {
	ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady)
	switch {
	case ready == nil:
		return name + " has no condition Ready yet"
	case ready.ObservedGeneration < generation:
		return name + ": the condition Ready is of an earlier generation"
	case ready.Status != metav1.ConditionTrue:
		return fmt.Sprintf("%s: Ready is %s, %s: %s", name, ready.Status, ready.Reason, ready.Message)
	}
	return ""
}

// writeEnv writes how to reach what goes on running, as assignments for a shell.
func (d *demo) writeEnv() error {
	var text strings.Builder
	for _, variable := range [][2]string{
		{"KUBECONFIG", d.paths.kubeconfig()},
		{"CALLBACK_URL", d.callback},
		{"CA_FILE", d.paths.authority()},
		{"ACCESS_KEY", d.keys.accessKey},
		{"NAMESPACE", salesNamespace},
		{"ORDERS_URL", d.ordersURL},
		{"PRODUCT_ID", d.sold.productID},
		{"SKU_CODE", d.sold.skuCode},
	} {
		fmt.Fprintf(&text, "%s=%s\n", variable[0], shellQuoted(variable[1]))
	}
	return os.WriteFile(d.paths.env(), []byte(text.String()), 0o600)
}

// shellQuoted is a value as it may stand behind an equals sign. Most need no quotes, and then have none, so that readers
// that are no shell understand them too.
func shellQuoted(value string) string {
	const harmless = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+,"
	if value != "" && strings.Trim(value, harmless) == "" {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}
