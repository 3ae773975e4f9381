package order

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/sale"
)

const (
	// maxRawOrder is the largest answer that is kept. Real ones have about 2 kB, and a Secret holds one for each order.
	maxRawOrder = 16 << 10
	// maxRawOrders is how many answers are kept; a Secret with all of them stays below the API server's limit of 1 MiB.
	maxRawOrders = 48
)

var secretKey = regexp.MustCompile(`^[-._a-zA-Z0-9]{1,200}$`)

// storeRawOrder keeps the order API's raw answer in the Secret beside the instance. It holds the buyer's personal data, which
// stand nowhere else. What is too large to be kept is left out: the answer can be asked for again.
func storeRawOrder(ctx context.Context, c client.Client, live client.Reader, mpi *v1alpha1.MarketplaceInstance, orderID string,
	raw []byte,
) error {
	if len(raw) == 0 || len(raw) > maxRawOrder {
		return nil
	}
	key := types.NamespacedName{Namespace: mpi.Namespace, Name: v1alpha1.OrderSecretName(mpi.Name)}
	if len(mpi.Spec.Subscription.Items) == 0 && meta.FindStatusCondition(mpi.Status.Conditions, v1alpha1.ConditionOrderResolved) == nil {
		// It is the first look at the sale's first order: most likely there is none, and the API server says so by taking one. Later looks
		// at an order that can't be used would each be refused.
		secret := sale.OwnedSecret(mpi, key.Name)
		secret.Data = map[string][]byte{rawOrderKey(orderID): raw}
		if err := c.Create(ctx, secret); !apierrors.IsAlreadyExists(err) {
			return storing(err)
		}
	}
	secret := &corev1.Secret{}
	err := live.Get(ctx, key, secret)
	if apierrors.IsNotFound(err) {
		secret = sale.OwnedSecret(mpi, key.Name)
		secret.Data = map[string][]byte{rawOrderKey(orderID): raw}
		return storing(client.IgnoreAlreadyExists(c.Create(ctx, secret)))
	}
	if err != nil {
		return storing(err)
	}
	if string(secret.Data[rawOrderKey(orderID)]) == string(raw) || len(secret.Data) >= maxRawOrders {
		return nil
	}
	before := secret.DeepCopy()
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	secret.Data[rawOrderKey(orderID)] = raw
	return storing(c.Patch(ctx, secret, client.MergeFrom(before)))
}

func storing(err error) error {
	if err != nil {
		return fmt.Errorf("storing the order API's response: %w", err)
	}
	return nil
}

// rawOrderKey is a valid key of a Secret for any order id.
func rawOrderKey(orderID string) string {
	if secretKey.MatchString(orderID) && orderID[0] != '.' {
		return orderID + ".json"
	}
	sum := sha256.Sum256([]byte(orderID))
	return hex.EncodeToString(sum[:16]) + ".json"
}
