package protocol

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

// OpenAPI is where and as whom a marketplace's open API is called: for orders, licences and usage.
type OpenAPI struct {
	// Site is the Marketplace's spec.site.
	Site string
	// URL replaces the address that follows from the site; may be empty.
	URL string
	// AccessKeyID and SecretKey are the credentials.
	AccessKeyID, SecretKey string
	// UsageAsNumber writes amounts of use as numbers.
	UsageAsNumber bool
}

// Protocol is what the controller needs to know of a marketplace's protocol.
type Protocol struct {
	// CheckCallbackKeys says what is wrong with the data of a callback Secret: which key is missing or unreadable, and what
	// to do. The text holds no key.
	CheckCallbackKeys func(data map[string][]byte) error
	// NewOrderReader makes a client of the order API.
	NewOrderReader func(api OpenAPI) (marketplace.OrderReader, error)
	// NewLicenseClient makes a client of the licence API; nil for a marketplace that sells no licences.
	NewLicenseClient func(api OpenAPI) (marketplace.LicenseClient, error)
	// NewUsagePusher makes a client that pushes usage. callbackKeys is the data of the callback Secret.
	NewUsagePusher func(api OpenAPI, callbackKeys map[string][]byte) (marketplace.UsagePusher, error)
	// MaxUsageAge is how long ago the interval of usage may begin that is pushed.
	MaxUsageAge time.Duration
	// DefaultGrace is how long a tenant runs on after its paid time unless the product says otherwise.
	DefaultGrace time.Duration
}

// Protocols are the known protocols.
type Protocols map[v1alpha1.MarketplaceProtocol]Protocol

// CredentialsError says that the Secret with the order API's credentials can't be used, and what to do.
type CredentialsError struct{ Text string }

func (e *CredentialsError) Error() string { return e.Text }

// Clients makes clients of marketplaces' open APIs out of Marketplaces.
type Clients struct {
	// Secrets reads live: a cache would need the right to list every Secret.
	Secrets client.Reader
	// Namespace is where the Secrets with the credentials are.
	Namespace string
	Protocols Protocols
}

// Orders makes a client of the order API. Errors are *credentialsError when a person has to act.
func (o Clients) Orders(ctx context.Context, mp *v1alpha1.Marketplace) (marketplace.OrderReader, error) {
	protocol, api, err := o.api(ctx, mp)
	if err != nil {
		return nil, err
	}
	return protocol.NewOrderReader(api)
}

// Licenses makes a client of the licence API; nil when the marketplace has none. Errors are *credentialsError when a person
// has to act.
func (o Clients) Licenses(ctx context.Context, mp *v1alpha1.Marketplace) (marketplace.LicenseClient, error) {
	if protocol, ok := o.Protocols[mp.Spec.Protocol]; ok && protocol.NewLicenseClient == nil {
		return nil, nil
	}
	protocol, api, err := o.api(ctx, mp)
	if err != nil {
		return nil, err
	}
	return protocol.NewLicenseClient(api)
}

// UsagePusher reads the credentials and the callbacks' keys, with which usage is signed as well, and makes the client. Errors are
// *credentialsError when a person has to act.
func (o Clients) UsagePusher(ctx context.Context, mp *v1alpha1.Marketplace) (marketplace.UsagePusher, error) {
	protocol, api, err := o.api(ctx, mp)
	if err != nil {
		return nil, err
	}
	secret := &corev1.Secret{}
	name := types.NamespacedName{Namespace: mp.Namespace, Name: mp.Spec.CallbackSecretRef.Name}
	err = o.Secrets.Get(ctx, name, secret)
	if apierrors.IsNotFound(err) {
		return nil, &CredentialsError{fmt.Sprintf("Secret %q with the keys of the callbacks does not exist in this namespace: create it",
			name.Name)}
	}
	if err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", name, err)
	}
	pusher, err := protocol.NewUsagePusher(api, secret.Data)
	if err != nil {
		return nil, &CredentialsError{fmt.Sprintf("Secret %q: %s", name.Name, err)}
	}
	return pusher, nil
}

// api reads the credentials. Errors are *credentialsError when a person has to act.
func (o Clients) api(ctx context.Context, mp *v1alpha1.Marketplace) (Protocol, OpenAPI, error) {
	protocol, ok := o.Protocols[mp.Spec.Protocol]
	if !ok {
		return Protocol{}, OpenAPI{}, unusable("Protocol %q is not known to this version of Stallkeeper", mp.Spec.Protocol)
	}
	secret, err := o.credentials(ctx, mp)
	if err != nil {
		return Protocol{}, OpenAPI{}, err
	}
	return protocol, OpenAPI{
		Site: string(mp.Spec.Site), URL: mp.Spec.OpenAPIURL, UsageAsNumber: mp.Spec.UsageValues == v1alpha1.UsageValueNumber,
		AccessKeyID: TrimNewline(secret.Data[v1alpha1.OpenAPIAccessKeyID]),
		SecretKey:   TrimNewline(secret.Data[v1alpha1.OpenAPISecretKey]),
	}, nil
}

// credentials reads the Secret with the credentials, and checks that it has all of them.
func (o Clients) credentials(ctx context.Context, mp *v1alpha1.Marketplace) (*corev1.Secret, error) {
	name := mp.Spec.OpenAPISecretRef.Name
	if name == "" {
		return nil, unusable("Marketplace %q has no openAPISecretRef: create a Secret with the keys %s"+
			" and %s in namespace %q and name it there", mp.Name, v1alpha1.OpenAPIAccessKeyID, v1alpha1.OpenAPISecretKey, o.Namespace)
	}
	secret := &corev1.Secret{}
	err := o.Secrets.Get(ctx, types.NamespacedName{Namespace: o.Namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, unusable("Secret %q does not exist in namespace %q: create it with the keys %s and %s",
			name, o.Namespace, v1alpha1.OpenAPIAccessKeyID, v1alpha1.OpenAPISecretKey)
	}
	if apierrors.IsForbidden(err) {
		return nil, unusable("The controller may not read Secret %q in namespace %q: add its name to the"+
			" chart's value credentials.secretNames", name, o.Namespace)
	}
	if err != nil {
		return nil, fmt.Errorf("reading Secret %s/%s: %w", o.Namespace, name, err)
	}
	for _, key := range []string{v1alpha1.OpenAPIAccessKeyID, v1alpha1.OpenAPISecretKey} {
		if len(secret.Data[key]) == 0 {
			return nil, unusable("Secret %q in namespace %q has no key %s: add it", name, o.Namespace, key)
		}
	}
	return secret, nil
}

// unusable says what a person has to do before a client can be made.
func unusable(format string, args ...any) error {
	return &CredentialsError{fmt.Sprintf(format, args...)}
}

// TrimNewline cuts the line end that a Secret made from a file carries.
func TrimNewline(value []byte) string {
	for len(value) > 0 && (value[len(value)-1] == '\n' || value[len(value)-1] == '\r') {
		value = value[:len(value)-1]
	}
	return string(value)
}
