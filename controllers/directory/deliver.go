package directory

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/report"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/directory"
	"github.com/stallkeeper/stallkeeper/directory/store"
	"github.com/stallkeeper/stallkeeper/stored"
)

// fieldOwner is the field manager of the directory's Secrets in a tenant's namespace. It is not the one of the tenant's other
// objects, so that pruning those leaves these alone.
const fieldOwner = v1alpha1.FieldOwner + "/directory"

// delivered is what a tenant has, as the digests of its Secrets. It is kept beside the directory, because the controller may not
// read a tenant's Secrets.
type delivered struct {
	// Namespace is the UID of the tenant's namespace: a new one has nothing.
	Namespace types.UID `json:"namespace"`
	// Secrets are by name.
	Secrets map[string]string `json:"secrets"`
}

// maxStoredParts bounds the members of what is kept of a delivery, or of a cursor: there is one for each Secret of a tenant's directory.
const maxStoredParts = 2 * directory.MaxShards

func decodeStored(data []byte, into any) error { return stored.Decode(data, into, maxStoredParts) }

// deliver applies those Secrets of a tenant that it does not have yet. The index comes last: what it speaks of is there.
func (r *Reconciler) deliver(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, stored *storedDirectory,
	ns *unstructured.Unstructured,
) (report.Verdict, error) {
	has := delivered{}
	// What can't be read counts as nothing, and everything is applied again.
	if decodeStored(stored.HeadSecret.Data[store.DeliveredKey], &has) != nil || has.Namespace != ns.GetUID() || has.Secrets == nil {
		has = delivered{Namespace: ns.GetUID(), Secrets: map[string]string{}}
	}
	before := maps.Clone(has.Secrets)
	failure := r.deliverShards(ctx, mpi, stored, ns, has)
	if failure == nil {
		failure = r.deliverIndex(ctx, mpi, stored, ns, has)
	}
	if !maps.Equal(before, has.Secrets) {
		data, err := json.Marshal(has)
		if err != nil {
			return report.Verdict{}, fmt.Errorf("encoding the delivery state: %w", err)
		}
		if err := stored.writeHead(ctx, r.Client, map[string][]byte{store.DeliveredKey: data}); err != nil {
			return report.Verdict{}, err
		}
	}
	switch {
	case apierrors.IsForbidden(failure) || apierrors.IsInvalid(failure) || apierrors.IsRequestEntityTooLargeError(failure):
		return failing(v1alpha1.ReasonDirectoryRefused, report.Shorten("The API server rejects the directory's Secrets in the tenant's namespace; a"+
			" quota must leave room for them: "+failure.Error())), nil
	case failure != nil:
		return unreadable(failure)
	}
	index := stored.Index()
	return report.True(v1alpha1.ReasonDirectorySynced, fmt.Sprintf(
		"The tenant has generation %d: %d users and %d departments", index.Generation, index.Users, index.Departments)), nil
}

func (r *Reconciler) deliverShards(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, stored *storedDirectory,
	ns *unstructured.Unstructured, has delivered,
) error {
	for shard, is := range stored.Shards {
		name := v1alpha1.TenantDirectoryShardName(shard)
		if has.Secrets[name] == is.Shown {
			continue
		}
		if !stored.Loaded(shard) {
			if err := stored.LoadShards(ctx, []int{shard}); err != nil {
				return err
			}
		}
		data := map[string][]byte{
			fmt.Sprintf("users-%02d.jsonl", shard):       stored.Users(shard),
			fmt.Sprintf("departments-%02d.jsonl", shard): stored.Departments(shard),
		}
		if err := r.applySecret(ctx, mpi, ns.GetName(), name, data); err != nil {
			return err
		}
		has.Secrets[name] = is.Shown
	}
	return nil
}

// deliverIndex applies the OAuth2 client and the index.
func (r *Reconciler) deliverIndex(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, stored *storedDirectory,
	ns *unstructured.Unstructured, has delivered,
) error {
	keys, err := r.tenantKeys(ctx, mpi)
	if err != nil {
		return err
	}
	client, err := oauthData(stored.Clients(), keys.login)
	if err != nil {
		return err
	}
	index, err := json.Marshal(stored.Index())
	if err != nil {
		return fmt.Errorf("encoding the index: %w", err)
	}
	own := map[string][]byte{v1alpha1.DirectoryIndexKey: append(index, '\n')}
	if keys.forward != "" {
		own[v1alpha1.DirectoryForwardKey] = []byte(keys.forward)
	}
	for _, secret := range []struct {
		name string
		data map[string][]byte
	}{{v1alpha1.OAuthSecretName, client}, {v1alpha1.TenantDirectoryName, own}} {
		digest := dataDigest(secret.data)
		if has.Secrets[secret.name] == digest {
			continue
		}
		if err := r.applySecret(ctx, mpi, ns.GetName(), secret.name, secret.data); err != nil {
			return err
		}
		has.Secrets[secret.name] = digest
	}
	return nil
}

// oauthData is the Secret of the OAuth2 client; nothing without an application. loginKey is empty where nobody signs in through us.
func oauthData(clients []directory.Client, loginKey string) (map[string][]byte, error) {
	if len(clients) == 0 {
		return nil, nil
	}
	all, err := json.Marshal(clients) //nolint:gosec // a Secret is where it belongs
	if err != nil {
		return nil, fmt.Errorf("encoding the applications: %w", err)
	}
	first := clients[0]
	data := map[string][]byte{
		v1alpha1.OAuthClientIDKey:     []byte(first.ClientID),
		v1alpha1.OAuthClientSecretKey: []byte(first.ClientSecret),
		v1alpha1.OAuthDomainNameKey:   []byte(first.DomainName),
		v1alpha1.OAuthTenantIDKey:     []byte(first.TenantID),
		v1alpha1.OAuthAppIDKey:        []byte(first.AppID),
		v1alpha1.OAuthApplicationsKey: append(all, '\n'),
	}
	if loginKey != "" {
		data[v1alpha1.LoginTokenKey] = []byte(loginKey)
	}
	return data, nil
}

// dataDigest is the same for equal data; empty for none, which a tenant has from the beginning.
func dataDigest(data map[string][]byte) string {
	if len(data) == 0 {
		return ""
	}
	hash := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(data)) {
		sum := sha256.Sum256(data[key])
		hash.Write([]byte(key))
		hash.Write(sum[:])
	}
	return base64.RawURLEncoding.EncodeToString(hash.Sum(nil)[:12])
}

// applySecret applies a Secret of a tenant. Its errors may stand in a condition: the API server quotes no data.
func (r *Reconciler) applySecret(ctx context.Context, mpi *v1alpha1.MarketplaceInstance, namespace, name string,
	data map[string][]byte,
) error {
	secret := corev1ac.Secret(name, namespace).
		WithLabels(map[string]string{
			v1alpha1.InstanceLabel: mpi.Name, v1alpha1.InstanceNamespaceLabel: mpi.Namespace,
			"app.kubernetes.io/managed-by": "stallkeeper",
		}).
		WithType(corev1.SecretTypeOpaque).
		WithData(data)
	if err := r.Apply(ctx, secret, client.FieldOwner(fieldOwner), client.ForceOwnership); err != nil {
		return fmt.Errorf("applying Secret %s: %w", name, err)
	}
	return nil
}

// tenantKeys are the keys that a workload is given, as texts; each is empty where its product does not ask for it.
type tenantKeys struct {
	// forward signs the changes that are forwarded, login the tokens of users.
	forward, login string
}

func (r *Reconciler) tenantKeys(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) (keys tenantKeys, err error) {
	product, err := sale.ProductOf(ctx, r.Client, mpi)
	if err != nil || product == nil {
		return tenantKeys{}, err
	}
	if product.Spec.Directory.Forward.ServiceRef.Name != "" {
		if keys.forward, err = readTenantKey(ctx, r.APIReader, mpi, directory.ForForwarding); err != nil {
			return tenantKeys{}, err
		}
	}
	if product.Spec.Login.Path != "" {
		keys.login, err = readTenantKey(ctx, r.APIReader, mpi, directory.ForLoginTokens)
	}
	return keys, err
}

// readTenantKey derives a key from the instance's seed, in hex. It is empty before there is a seed.
func readTenantKey(ctx context.Context, reader client.Reader, mpi *v1alpha1.MarketplaceInstance, use directory.Use) (string, error) {
	secret := &corev1.Secret{}
	key := types.NamespacedName{Namespace: mpi.Namespace, Name: v1alpha1.AccessSecretName(mpi.Name)}
	if err := reader.Get(ctx, key, secret); client.IgnoreNotFound(err) != nil {
		return "", fmt.Errorf("reading Secret %s: %w", key.Name, err)
	}
	return hex.EncodeToString(directory.DeriveKey(secret.Data[v1alpha1.AccessSeedKey], use)), nil
}
