package controllers

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/directory"
)

// Keys of the directory's own Secrets. Beside the controller the login server reads the first and the third.
const (
	directoryHeadKey      = directory.HeadKey
	directoryDeliveredKey = "delivered.json"
	directoryShardKey     = directory.ShardKey
	directoryCursorKey    = "cursor.json"
)

// unreadableError says which Secret can't be read, and never what is in it.
type unreadableError struct{ secret string }

func (e *unreadableError) Error() string {
	return fmt.Sprintf("Secret %q is not what Stallkeeper wrote: restore it from a backup, or delete it, and ask the enterprise's"+
		" administrator to synchronise again", e.secret)
}

// unreadable reports an unreadableError; other errors pass.
func unreadable(err error) (Verdict, error) {
	var broken *unreadableError
	if errors.As(err, &broken) {
		return failing(v1alpha1.ReasonDirectoryUnreadable, broken.Error()), nil
	}
	return Verdict{}, err
}

// storedDirectory is a directory and the Secrets that it was read from.
type storedDirectory struct {
	*directory.Directory
	instance *v1alpha1.MarketplaceInstance
	reader   client.Reader
	// head is nil if there is none yet; shards holds those that were read, nil for one that does not exist.
	head   *corev1.Secret
	shards map[int]*corev1.Secret
}

// openDirectory reads the head; without one the directory is new.
func openDirectory(ctx context.Context, reader client.Reader, mpi *v1alpha1.MarketplaceInstance) (*storedDirectory, error) {
	stored := &storedDirectory{
		Directory: directory.New(), instance: mpi, reader: reader, shards: map[int]*corev1.Secret{},
	}
	name := v1alpha1.DirectorySecretName(mpi.Name)
	head, err := readSecret(ctx, reader, mpi, name)
	if err != nil {
		return nil, err
	}
	if head == nil {
		return stored, nil
	}
	stored.head = head
	if stored.Directory, err = directory.Decode(head.Data[directoryHeadKey]); err != nil {
		return nil, &unreadableError{name}
	}
	return stored, nil
}

// recover takes in the shards that stand there without a head: of a pass that ended before it wrote the head, or because somebody
// has deleted it. Without them the tenant would keep files that nobody looks after.
func (s *storedDirectory) recover(ctx context.Context) error {
	var data [][]byte
	for shard, most := 0, 1; shard < most; shard++ {
		if err := s.read(ctx, shard); err != nil {
			return err
		}
		data = append(data, nil)
		if secret := s.shards[shard]; secret != nil {
			data[shard] = secret.Data[directoryShardKey]
		}
		if shard+1 < most || most == directory.MaxShards {
			continue
		}
		// The first one beyond a power of two says that there are twice as many.
		if err := s.read(ctx, most); err != nil {
			return err
		}
		if s.shards[most] != nil {
			most *= 2
		}
	}
	found, err := directory.Recover(data)
	if err != nil {
		return &unreadableError{v1alpha1.DirectoryShardName(s.instance.Name, 0)}
	}
	s.Directory = found
	return nil
}

func (r *DirectoryReconciler) open(ctx context.Context, mpi *v1alpha1.MarketplaceInstance) (*storedDirectory, error) {
	stored, err := openDirectory(ctx, r.APIReader, mpi)
	if err == nil && stored.head == nil {
		err = stored.recover(ctx)
	}
	return stored, err
}

// load reads shards.
func (s *storedDirectory) load(ctx context.Context, shards []int) error {
	for _, shard := range shards {
		if err := s.read(ctx, shard); err != nil {
			return err
		}
		var data []byte
		if secret := s.shards[shard]; secret != nil {
			data = secret.Data[directoryShardKey]
		}
		if err := s.Load(shard, data); err != nil {
			return &unreadableError{v1alpha1.DirectoryShardName(s.instance.Name, shard)}
		}
	}
	return nil
}

// read reads a shard's Secret, if that was not done before.
func (s *storedDirectory) read(ctx context.Context, shard int) error {
	if _, ok := s.shards[shard]; ok {
		return nil
	}
	secret, err := readSecret(ctx, s.reader, s.instance, v1alpha1.DirectoryShardName(s.instance.Name, shard))
	if err == nil {
		s.shards[shard] = secret
	}
	return err
}

// readSecret is nil without an error when there is no such Secret, or it is that of an instance that is gone.
func readSecret(ctx context.Context, reader client.Reader, mpi *v1alpha1.MarketplaceInstance, name string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := reader.Get(ctx, types.NamespacedName{Namespace: mpi.Namespace, Name: name}, secret)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading Secret %s: %w", name, err)
	case !ownedBy(secret, mpi.UID):
		return nil, fmt.Errorf("reading Secret %s: it belongs to another object, and is about to go with that", name)
	}
	return secret, nil
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
		if err := s.read(ctx, shard); err != nil {
			return err
		}
		secret := s.shards[shard]
		if secret, err = s.write(ctx, c, secret, v1alpha1.DirectoryShardName(s.instance.Name, shard), map[string][]byte{directoryShardKey: data}); err != nil {
			return err
		}
		s.shards[shard] = secret
	}
	if !s.HeadChanged() {
		return nil
	}
	data, err := s.EncodeHead()
	if err != nil {
		return fmt.Errorf("encoding the directory: %w", err)
	}
	return s.writeHead(ctx, c, map[string][]byte{directoryHeadKey: data})
}

func (s *storedDirectory) writeHead(ctx context.Context, c client.Client, data map[string][]byte) (err error) {
	s.head, err = s.write(ctx, c, s.head, v1alpha1.DirectorySecretName(s.instance.Name), data)
	return err
}

// write makes a Secret or changes keys of it, if nobody else has meanwhile.
func (s *storedDirectory) write(ctx context.Context, c client.Client, former *corev1.Secret, name string, data map[string][]byte,
) (*corev1.Secret, error) {
	if former == nil {
		secret := OwnedSecret(s.instance, name)
		secret.Type, secret.Data = v1alpha1.DirectorySecretType, data
		if name == v1alpha1.DirectorySecretName(s.instance.Name) && len(s.Enterprises) > 0 {
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
