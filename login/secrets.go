package login

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"
	"golang.org/x/sync/singleflight"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/directory"
	"github.com/stallkeeper/stallkeeper/directory/store"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

const (
	// knownFor is the time between two reads of one instance's Secrets for those who begin to sign in, so that whoever calls again and
	// again makes us read once.
	knownFor = 10 * time.Second
	// failedFor is that time after a read that failed: no user shall wait long for what is there now, and nobody make us read at each call.
	failedFor = 2 * time.Second
	// knownMost is of how many instances something is known.
	knownMost = 1024
	// readTimeout bounds such a read, which goes on when the first who wanted it has gone away.
	readTimeout = 3 * time.Second
)

// known is what an instance's Secrets say to those who begin.
type known struct {
	cookieKey, tokenKey []byte
	// clients are the applications', the one that changed last first.
	clients []directory.Client
}

// reading is what came of reading an instance's Secrets, and until when that counts.
type reading struct {
	known
	err   error
	until time.Time
}

// client is that of an enterprise and an application, each empty for any.
func (k known) client(enterprise, application string) (directory.Client, error) {
	for _, c := range k.clients {
		if (enterprise == "" || c.TenantID == enterprise) && (application == "" || c.AppID == application) {
			if c.ClientID == "" || c.ClientSecret == "" || c.DomainName == "" {
				return c, fmt.Errorf("%w: the directory lacks a client id, a client secret or a domain name", errNoClient)
			}
			return c, nil
		}
	}
	return directory.Client{}, fmt.Errorf("%w: the directory has no such application", errNoClient)
}

func signOnClient(c directory.Client) marketplace.SignOnClient {
	return marketplace.SignOnClient{DomainName: c.DomainName, ClientID: c.ClientID, ClientSecret: c.ClientSecret}
}

// secrets read instances' Secrets by their names.
type secrets struct {
	reader client.Reader
	clock  clock.PassiveClock
	// readings hold keys no longer than they count, where nobody asks for them.
	readings *expirable.LRU[types.UID, reading]
	flight   singleflight.Group
}

func newSecrets(reader client.Reader, clock clock.PassiveClock) *secrets {
	return &secrets{reader: reader, clock: clock, readings: expirable.NewLRU[types.UID, reading](knownMost, nil, knownFor)}
}

// of is what is known of an instance, up to knownFor old; a failure, up to failedFor.
func (s *secrets) of(ctx context.Context, instance *v1alpha1.MarketplaceInstance) (known, error) {
	if was, ok := s.readings.Get(instance.UID); ok && s.clock.Now().Before(was.until) {
		return was.known, was.err
	}
	ctx = context.WithoutCancel(ctx)
	read, err, _ := s.flight.Do(string(instance.UID), func() (any, error) {
		ctx, cancel := context.WithTimeout(ctx, readTimeout)
		defer cancel()
		k, err := s.read(ctx, instance)
		counts := knownFor
		if err != nil {
			counts = failedFor
		}
		s.readings.Add(instance.UID, reading{k, err, s.clock.Now().Add(counts)})
		return k, err
	})
	k, _ := read.(known)
	return k, err
}

// read reads an instance's Secrets from the API server.
func (s *secrets) read(ctx context.Context, instance *v1alpha1.MarketplaceInstance) (known, error) {
	seed, err := s.seed(ctx, instance)
	if err != nil {
		return known{}, err
	}
	k := known{cookieKey: directory.DeriveKey(seed, directory.ForLoginCookies), tokenKey: directory.DeriveKey(seed, directory.ForLoginTokens)}
	if k.cookieKey == nil {
		// Made with the tenant.
		return known{}, fmt.Errorf("%w: the instance has no seed", errNotRunning)
	}
	d, err := s.directory(ctx, instance)
	if err != nil {
		return known{}, err
	}
	k.clients = d.Clients()
	return k, nil
}

// directory reads the directory's first Secret anew: the enterprises and applications. A Secret that is that of a former instance of
// the same name, or has no head, is no directory.
func (s *secrets) directory(ctx context.Context, instance *v1alpha1.MarketplaceInstance) (*store.Stored, error) {
	head, err := store.Secret(ctx, s.reader, instance, v1alpha1.DirectorySecretName(instance.Name))
	switch {
	case err != nil && !errors.Is(err, store.ErrForeign):
		return nil, fmt.Errorf("%w: %w", errUnavailable, err)
	case head == nil || head.Data[store.HeadKey] == nil:
		return store.New(s.reader, instance), nil
	}
	stored, err := store.Decode(s.reader, instance, head)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnavailable, err)
	}
	return stored, nil
}

// loadUsers reads the shards that some users would be in.
func (s *secrets) loadUsers(ctx context.Context, stored *store.Stored, a attempt, names []string) error {
	for _, name := range names {
		shard := stored.UserShard(a.Enterprise, a.Application, name)
		if stored.Loaded(shard) {
			continue
		}
		// A shard of an instance that is gone has no user of this one.
		if err := stored.LoadShards(ctx, []int{shard}); err != nil && !errors.Is(err, store.ErrForeign) {
			return fmt.Errorf("%w: %w", errUnavailable, err)
		}
	}
	return nil
}

// seed reads what an instance's keys are derived from; nil where there is none, or where it is that of an instance of the same name
// that is gone.
func (s *secrets) seed(ctx context.Context, instance *v1alpha1.MarketplaceInstance) ([]byte, error) {
	name := v1alpha1.AccessSecretName(instance.Name)
	secret := &corev1.Secret{}
	err := s.reader.Get(ctx, types.NamespacedName{Namespace: instance.Namespace, Name: name}, secret)
	switch owners := secret.GetOwnerReferences(); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%w: reading Secret %s: %w", errUnavailable, name, err)
	case len(owners) == 1 && owners[0].UID != instance.UID:
		return nil, nil
	}
	return secret.Data[v1alpha1.AccessSeedKey], nil
}
