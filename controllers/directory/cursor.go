package directory

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
	"github.com/stallkeeper/stallkeeper/directory"
	"github.com/stallkeeper/stallkeeper/directory/store"
)

// storedCursor is how far a tenant was told, and the Secret that says so. It is no secret, but a sales namespace takes nothing
// else from the controller.
type storedCursor struct {
	directory.Cursor
	secret *corev1.Secret
}

func openCursor(ctx context.Context, reader client.Reader, mpi *v1alpha1.MarketplaceInstance) (*storedCursor, error) {
	name := v1alpha1.DirectoryCursorName(mpi.Name)
	secret, err := store.Secret(ctx, reader, mpi, name)
	if err != nil || secret == nil {
		return &storedCursor{}, err
	}
	cursor := &storedCursor{secret: secret}
	if decodeStored(secret.Data[store.CursorKey], &cursor.Cursor) != nil {
		// Told from the beginning again, a workload knows nothing it did not know.
		cursor.Cursor = directory.Cursor{}
	}
	return cursor, nil
}

func (s *storedCursor) store(ctx context.Context, c client.Client, mpi *v1alpha1.MarketplaceInstance, next directory.Cursor) error {
	data, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("encoding the cursor: %w", err)
	}
	s.Cursor = next
	if s.secret == nil {
		secret := sale.OwnedSecret(mpi, v1alpha1.DirectoryCursorName(mpi.Name))
		secret.Type, secret.Data = v1alpha1.DirectorySecretType, map[string][]byte{store.CursorKey: data}
		if err := c.Create(ctx, secret); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("creating Secret %s: %w", secret.Name, err)
		}
		s.secret = secret
		return nil
	}
	secret := s.secret.DeepCopy()
	secret.Data = map[string][]byte{store.CursorKey: data}
	if err := c.Patch(ctx, secret, client.MergeFrom(s.secret)); err != nil {
		return fmt.Errorf("patching Secret %s: %w", secret.Name, err)
	}
	s.secret = secret
	return nil
}
