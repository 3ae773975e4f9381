package directory

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/directory/store"
)

// storedDirectory is a directory that the controller writes.
type storedDirectory struct{ *store.Stored }

func (r *Reconciler) open(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) (*storedDirectory, error) {
	stored, err := store.Open(ctx, r.APIReader, mpi)
	if err == nil && stored.HeadSecret == nil {
		err = stored.Recover(ctx)
	}
	if err != nil {
		return nil, err
	}
	return &storedDirectory{stored}, nil
}

// store writes what changed: the shards first, and the head, which speaks of them, last. A pass that ends in between is repeated
// with the same calls, and folding is the same the second time.
func (s *storedDirectory) store(ctx context.Context, c client.Client) error {
	for _, shard := range s.ChangedShards() {
		data, err := s.EncodeShard(shard)
		if err != nil {
			return err
		}
		// One that is new may stand there from a pass that ended before it wrote the head.
		if err := s.ReadShard(ctx, shard); err != nil {
			return err
		}
		secret := s.ShardSecrets[shard]
		if secret, err = s.write(ctx, c, secret, v1alpha1.DirectoryShardName(s.Instance.Name, shard), map[string][]byte{store.ShardKey: data}); err != nil {
			return err
		}
		s.ShardSecrets[shard] = secret
	}
	if !s.HeadChanged() {
		return nil
	}
	data, err := s.EncodeHead()
	if err != nil {
		return fmt.Errorf("encoding the directory: %w", err)
	}
	return s.writeHead(ctx, c, map[string][]byte{store.HeadKey: data})
}

func (s *storedDirectory) writeHead(ctx context.Context, c client.Client, data map[string][]byte) (err error) {
	s.HeadSecret, err = s.write(ctx, c, s.HeadSecret, v1alpha1.DirectorySecretName(s.Instance.Name), data)
	return err
}

// write makes a Secret or changes keys of it, if nobody else has meanwhile.
func (s *storedDirectory) write(ctx context.Context, c client.Client, former *corev1.Secret, name string, data map[string][]byte,
) (*corev1.Secret, error) {
	if former == nil {
		secret := sale.OwnedSecret(s.Instance, name)
		secret.Type, secret.Data = v1alpha1.DirectorySecretType, data
		if name == v1alpha1.DirectorySecretName(s.Instance.Name) && len(s.Enterprises) > 0 {
			secret.Labels[v1alpha1.EnterpriseLabel] = v1alpha1.EnterpriseHash(s.Enterprises[0])
		}
		if err := c.Create(ctx, secret); err != nil {
			return nil, fmt.Errorf("creating Secret %s: %w", name, err)
		}
		return secret, nil
	}
	secret := former.DeepCopy()
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	for key, value := range data {
		secret.Data[key] = value
	}
	if err := c.Patch(ctx, secret, client.MergeFromWithOptions(former, client.MergeFromWithOptimisticLock{})); err != nil {
		return nil, fmt.Errorf("patching Secret %s: %w", name, err)
	}
	return secret, nil
}
