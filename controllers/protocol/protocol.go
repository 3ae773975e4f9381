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
	"github.com/stallkeeper/stallkeeper/controllers/queue"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

// OpenAPI is where and as whom a marketplace's open API is called: for orders, licenses and usage.
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
	// CallbackKeyKinds are the kinds of keys that such data hold, and those that are there without a value, by which they are given up.
	CallbackKeyKinds func(data map[string][]byte) (held, givenUp []string)
	// SigningKeys are the values of the keys in such data that sign calls, by their names. No two Marketplaces may have one in common; nil
	// for a marketplace whose signatures cover the Marketplace that is called.
	SigningKeys func(data map[string][]byte) map[string][]byte
	// NewOrderReader makes a client of the order API.
	NewOrderReader func(api OpenAPI) (marketplace.OrderReader, error)
	// SampleOrder is an order that every account may read, by which credentials are tried out; empty where there is none.
	SampleOrder string
	// NewLicenseClient makes a client of the license API; nil for a marketplace that sells no licenses.
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

// CredentialsError says that the Secret with the credentials of an open API, or the one with the keys of the callbacks, can't be used,
// and what to do.
type CredentialsError struct{ Text string }

// Error is what a person has to do. It holds no key.
func (e *CredentialsError) Error() string { return e.Text }

// Verdict is what conditions say of it. The Secrets are not watched, and are looked at again after a while.
func (e *CredentialsError) Verdict() report.Verdict {
	return report.False(v1alpha1.ReasonCredentialsMissing, e.Text).Again(queue.CredentialsRetry)
}

// Clients makes clients of marketplaces' open APIs. Their errors are *CredentialsError when a person has to act.
type Clients struct {
	// Secrets reads live: a cache would need the right to list every Secret.
	Secrets client.Reader
	// Namespace is where the Secrets with the credentials are.
	Namespace string
	// Protocols are the known protocols.
	Protocols Protocols
}

// Orders makes a client of a Marketplace's order API.
func (c Clients) Orders(ctx context.Context, mp *v1alpha1.Marketplace) (marketplace.OrderReader, error) {
	protocol, api, err := c.api(ctx, mp)
	if err != nil {
		return nil, err
	}
	return protocol.NewOrderReader(api)
}

// Licenses makes a client of the license API; nil when the marketplace has none.
func (c Clients) Licenses(ctx context.Context, mp *v1alpha1.Marketplace) (marketplace.LicenseClient, error) {
	if protocol, ok := c.Protocols[mp.Spec.Protocol]; ok && protocol.NewLicenseClient == nil {
		return nil, nil
	}
	protocol, api, err := c.api(ctx, mp)
	if err != nil {
		return nil, err
	}
	return protocol.NewLicenseClient(api)
}

// UsagePusher makes a client that pushes usage. Usage is signed with the callbacks' keys as well.
func (c Clients) UsagePusher(ctx context.Context, mp *v1alpha1.Marketplace) (marketplace.UsagePusher, error) {
	protocol, api, err := c.api(ctx, mp)
	if err != nil {
		return nil, err
	}
	secret := &corev1.Secret{}
	name := types.NamespacedName{Namespace: mp.Namespace, Name: mp.Spec.KooGallery.CallbackSecretRef.Name}
	err = c.Secrets.Get(ctx, name, secret)
	if apierrors.IsNotFound(err) {
		return nil, unusable("Secret %q with the callback keys does not exist in this namespace: create it", name.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", name, err)
	}
	pusher, err := protocol.NewUsagePusher(api, secret.Data)
	if err != nil {
		return nil, unusable("Secret %q: %s", name.Name, err)
	}
	return pusher, nil
}

// api reads the credentials.
func (c Clients) api(ctx context.Context, mp *v1alpha1.Marketplace) (Protocol, OpenAPI, error) {
	protocol, ok := c.Protocols[mp.Spec.Protocol]
	if !ok {
		return Protocol{}, OpenAPI{}, unusable("Protocol %q is not supported by this version of Stallkeeper", mp.Spec.Protocol)
	}
	secret, err := c.credentials(ctx, mp)
	if err != nil {
		return Protocol{}, OpenAPI{}, err
	}
	return protocol, OpenAPI{
		Site: string(mp.Spec.KooGallery.Site), URL: mp.Spec.KooGallery.API.URL, UsageAsNumber: mp.Spec.KooGallery.UsageValues == v1alpha1.UsageValueNumber,
		AccessKeyID: trimNewline(secret.Data[v1alpha1.OpenAPIAccessKeyID]),
		SecretKey:   trimNewline(secret.Data[v1alpha1.OpenAPISecretKey]),
	}, nil
}

// credentials reads the Secret with the credentials, and checks that it has all of them.
func (c Clients) credentials(ctx context.Context, mp *v1alpha1.Marketplace) (*corev1.Secret, error) {
	name := mp.Spec.KooGallery.API.CredentialsSecretName
	if name == "" {
		return nil, unusable("Marketplace %q has no kooGallery.api.credentialsSecretName: create a Secret with the keys %s"+
			" and %s in namespace %q and name it there", mp.Name, v1alpha1.OpenAPIAccessKeyID, v1alpha1.OpenAPISecretKey, c.Namespace)
	}
	secret := &corev1.Secret{}
	err := c.Secrets.Get(ctx, types.NamespacedName{Namespace: c.Namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, unusable("Secret %q does not exist in namespace %q: create it with the keys %s and %s",
			name, c.Namespace, v1alpha1.OpenAPIAccessKeyID, v1alpha1.OpenAPISecretKey)
	}
	if apierrors.IsForbidden(err) {
		return nil, unusable("The controller is not permitted to read Secret %q in namespace %q: add its name to the"+
			" chart's value credentials.secretNames", name, c.Namespace)
	}
	if err != nil {
		return nil, fmt.Errorf("reading Secret %s/%s: %w", c.Namespace, name, err)
	}
	for _, key := range []string{v1alpha1.OpenAPIAccessKeyID, v1alpha1.OpenAPISecretKey} {
		if len(secret.Data[key]) == 0 {
			return nil, unusable("Secret %q in namespace %q has no key %s: add it", name, c.Namespace, key)
		}
	}
	return secret, nil
}

// unusable says what a person has to do before a client can be made.
func unusable(format string, args ...any) error {
	return &CredentialsError{fmt.Sprintf(format, args...)}
}

// trimNewline cuts the line end that a Secret made from a file carries.
func trimNewline(value []byte) string {
	for len(value) > 0 && (value[len(value)-1] == '\n' || value[len(value)-1] == '\r') {
		value = value[:len(value)-1]
	}
	return string(value)
}
