// Package store reads directories from the Secrets that the controller keeps them in, beside their instance. The controller and the
// login server share it; only the controller writes, so the writing is there.
//
//	head    v1alpha1.DirectorySecretName    enterprises, applications, the number of shards; also what was delivered
//	shards  v1alpha1.DirectoryShardName     users and departments, by their key's hash
//	cursor  v1alpha1.DirectoryCursorName    how far the workload was told
//
// A head speaks of shards that are there: shards are written first. Errors name a Secret, and quote nothing of its content.
package store

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/directory"
)

// Keys of a directory's Secrets.
const (
	// HeadKey is the key of the head in v1alpha1.DirectorySecretName.
	HeadKey = "head.json"
	// DeliveredKey is the key of what the tenant has, beside the head.
	DeliveredKey = "delivered.json"
	// ShardKey is the key of a shard in v1alpha1.DirectoryShardName.
	ShardKey = "records.json.gz"
	// CursorKey is the key of the cursor in v1alpha1.DirectoryCursorName.
	CursorKey = "cursor.json"
)

// ErrForeign is a Secret that belongs to another object: most often to a former instance of the same name, with which it is about to
// go.
var ErrForeign = errors.New("it belongs to another object and is about to be garbage-collected with it")

// UnreadableError says which Secret can't be read, and never what is in it.
type UnreadableError struct {
	// Secret is its name.
	Secret string
}

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("Secret %q was changed or is damaged: restore it from a backup, or delete it and ask the enterprise's"+
		" administrator to synchronize again", e.Secret)
}

// Stored is a directory and the Secrets that it was read from.
type Stored struct {
	*directory.Directory
	// Instance is whose directory it is.
	Instance *v1alpha1.MarketplaceInstance
	// HeadSecret is nil if there is none yet.
	HeadSecret *corev1.Secret
	// ShardSecrets holds those that were read, nil for one that does not exist.
	ShardSecrets map[int]*corev1.Secret

	reader client.Reader
}

// New is an empty directory.
func New(reader client.Reader, mpi *v1alpha1.MarketplaceInstance) *Stored {
	return &Stored{Directory: directory.New(), Instance: mpi, ShardSecrets: map[int]*corev1.Secret{}, reader: reader}
}

// Open reads the head and no shard; without a head the directory is new. Errors are *UnreadableError, wrap ErrForeign, or are the
// API server's.
func Open(ctx context.Context, reader client.Reader, mpi *v1alpha1.MarketplaceInstance) (*Stored, error) {
	head, err := Secret(ctx, reader, mpi, v1alpha1.DirectorySecretName(mpi.Name))
	switch {
	case err != nil:
		return nil, err
	case head == nil:
		return New(reader, mpi), nil
	}
	return Decode(reader, mpi, head)
}

// Decode is the directory of a head that was read. The error is an *UnreadableError.
func Decode(reader client.Reader, mpi *v1alpha1.MarketplaceInstance, head *corev1.Secret) (*Stored, error) {
	stored := New(reader, mpi)
	stored.HeadSecret = head
	var err error
	if stored.Directory, err = directory.Decode(head.Data[HeadKey]); err != nil {
		return nil, &UnreadableError{head.Name}
	}
	return stored, nil
}

// Recover takes in the shards that stand there without a head: of a pass that ended before it wrote the head, or because somebody
// has deleted it. Without them the tenant would keep files that nobody looks after.
func (s *Stored) Recover(ctx context.Context) error {
	var data [][]byte
	for shard, most := 0, 1; shard < most; shard++ {
		if err := s.ReadShard(ctx, shard); err != nil {
			return err
		}
		data = append(data, nil)
		if secret := s.ShardSecrets[shard]; secret != nil {
			data[shard] = secret.Data[ShardKey]
		}
		if shard+1 < most || most == directory.MaxShards {
			continue
		}
		// The first one beyond a power of two says that there are twice as many.
		if err := s.ReadShard(ctx, most); err != nil {
			return err
		}
		if s.ShardSecrets[most] != nil {
			most *= 2
		}
	}
	found, err := directory.Recover(data)
	if err != nil {
		return &UnreadableError{v1alpha1.DirectoryShardName(s.Instance.Name, 0)}
	}
	s.Directory = found
	return nil
}

// LoadShards reads shards. Errors are those of Open.
func (s *Stored) LoadShards(ctx context.Context, shards []int) error {
	for _, shard := range shards {
		if err := s.ReadShard(ctx, shard); err != nil {
			return err
		}
		var data []byte
		if secret := s.ShardSecrets[shard]; secret != nil {
			data = secret.Data[ShardKey]
		}
		if err := s.Load(shard, data); err != nil {
			return &UnreadableError{v1alpha1.DirectoryShardName(s.Instance.Name, shard)}
		}
	}
	return nil
}

// ReadShard reads a shard's Secret into ShardSecrets, if that was not done before.
func (s *Stored) ReadShard(ctx context.Context, shard int) error {
	if _, ok := s.ShardSecrets[shard]; ok {
		return nil
	}
	secret, err := Secret(ctx, s.reader, s.Instance, v1alpha1.DirectoryShardName(s.Instance.Name, shard))
	if err == nil {
		s.ShardSecrets[shard] = secret
	}
	return err
}

// Secret reads one of the Secrets beside an instance; nil when there is none. The error wraps ErrForeign for one that is not the
// instance's, and is an *UnreadableError for one that the callback server has made, which makes nothing but calls.
func Secret(ctx context.Context, reader client.Reader, mpi *v1alpha1.MarketplaceInstance, name string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := reader.Get(ctx, types.NamespacedName{Namespace: mpi.Namespace, Name: name}, secret)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading Secret %s: %w", name, err)
	case !Owned(secret, mpi.UID):
		return nil, fmt.Errorf("reading Secret %s: %w", name, ErrForeign)
	case secret.Type == v1alpha1.CallSecretType:
		return nil, &UnreadableError{name}
	}
	return secret, nil
}

// Owned says whether a Secret may be the instance's of that UID. One that was restored from a backup has no owner: the former
// one's UID would have it deleted again.
func Owned(object metav1.Object, uid types.UID) bool {
	owners := object.GetOwnerReferences()
	return len(owners) == 0 || len(owners) == 1 && owners[0].UID == uid
}
