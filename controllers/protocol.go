package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// OrderAPI is where and as whom a marketplace's open API is called: for orders and for licences.
type OrderAPI struct {
	// Site is the Marketplace's spec.site.
	Site string
	// URL replaces the address that follows from the site; may be empty.
	URL string
	// AccessKeyID and SecretKey are the credentials.
	AccessKeyID, SecretKey string
}

// Protocol is what the controller needs to know of a marketplace's protocol.
type Protocol struct {
	// CheckCallbackKeys says what is wrong with the data of a callback Secret: which key is missing or unreadable, and what
	// to do. The text holds no key.
	CheckCallbackKeys func(data map[string][]byte) error
	// NewOrderReader makes a client of the order API.
	NewOrderReader func(api OrderAPI) (marketplace.OrderReader, error)
	// NewLicenseClient makes a client of the licence API; nil for a marketplace that sells no licences.
	NewLicenseClient func(api OrderAPI) (marketplace.LicenseClient, error)
	// DefaultGrace is how long a tenant runs on after its paid time unless the product says otherwise.
	DefaultGrace time.Duration
}

// Protocols are the known protocols.
type Protocols map[v1alpha1.MarketplaceProtocol]Protocol

// credentialsError says that the Secret with the order API's credentials can't be used, and what to do.
type credentialsError struct{ text string }

func (e *credentialsError) Error() string { return e.text }

// openAPIs makes clients of marketplaces' open APIs out of Marketplaces.
type openAPIs struct {
	// secrets reads live: a cache would need the right to list every Secret.
	secrets client.Reader
	// namespace is where the Secrets with the credentials are.
	namespace string
	protocols Protocols
}

// orders makes a client of the order API. Errors are *credentialsError when a person has to act.
func (o openAPIs) orders(ctx context.Context, mp *v1alpha1.Marketplace) (marketplace.OrderReader, error) {
	protocol, api, err := o.api(ctx, mp)
	if err != nil {
		return nil, err
	}
	return protocol.NewOrderReader(api)
}

// licenses makes a client of the licence API; nil when the marketplace has none. Errors are *credentialsError when a person
// has to act.
func (o openAPIs) licenses(ctx context.Context, mp *v1alpha1.Marketplace) (marketplace.LicenseClient, error) {
	if protocol, ok := o.protocols[mp.Spec.Protocol]; ok && protocol.NewLicenseClient == nil {
		return nil, nil
	}
	protocol, api, err := o.api(ctx, mp)
	if err != nil {
		return nil, err
	}
	return protocol.NewLicenseClient(api)
}

// api reads the credentials. Errors are *credentialsError when a person has to act.
func (o openAPIs) api(ctx context.Context, mp *v1alpha1.Marketplace) (Protocol, OrderAPI, error) {
	protocol, ok := o.protocols[mp.Spec.Protocol]
	if !ok {
		return Protocol{}, OrderAPI{}, &credentialsError{fmt.Sprintf(
			"Protocol %q is not known to this version of Stallkeeper", mp.Spec.Protocol)}
	}
	secret, err := o.credentials(ctx, mp)
	if err != nil {
		return Protocol{}, OrderAPI{}, err
	}
	return protocol, OrderAPI{
		Site: string(mp.Spec.Site), URL: mp.Spec.OpenAPIURL,
		AccessKeyID: trimNewline(secret.Data[v1alpha1.OpenAPIAccessKeyID]),
		SecretKey:   trimNewline(secret.Data[v1alpha1.OpenAPISecretKey]),
	}, nil
}

// credentials reads the Secret with the credentials, and checks that it has all of them.
func (o openAPIs) credentials(ctx context.Context, mp *v1alpha1.Marketplace) (*corev1.Secret, error) {
	name := mp.Spec.OpenAPISecretRef.Name
	if name == "" {
		return nil, &credentialsError{fmt.Sprintf("Marketplace %q has no openAPISecretRef: create a Secret with the keys %s and %s"+
			" in namespace %q and name it there", mp.Name, v1alpha1.OpenAPIAccessKeyID, v1alpha1.OpenAPISecretKey, o.namespace)}
	}
	secret := &corev1.Secret{}
	err := o.secrets.Get(ctx, types.NamespacedName{Namespace: o.namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, &credentialsError{fmt.Sprintf("Secret %q does not exist in namespace %q: create it with the keys %s and %s",
			name, o.namespace, v1alpha1.OpenAPIAccessKeyID, v1alpha1.OpenAPISecretKey)}
	}
	if apierrors.IsForbidden(err) {
		return nil, &credentialsError{fmt.Sprintf("The controller may not read Secret %q in namespace %q: add its name to the"+
			" chart's value credentials.secretNames", name, o.namespace)}
	}
	if err != nil {
		return nil, fmt.Errorf("reading Secret %s/%s: %w", o.namespace, name, err)
	}
	for _, key := range []string{v1alpha1.OpenAPIAccessKeyID, v1alpha1.OpenAPISecretKey} {
		if len(secret.Data[key]) == 0 {
			return nil, &credentialsError{fmt.Sprintf("Secret %q in namespace %q has no key %s: add it", name, o.namespace, key)}
		}
	}
	return secret, nil
}

// trimNewline cuts the line end that a Secret made from a file carries.
func trimNewline(value []byte) string {
	for len(value) > 0 && (value[len(value)-1] == '\n' || value[len(value)-1] == '\r') {
		value = value[:len(value)-1]
	}
	return string(value)
}
