package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/marketplace"
)

const (
	// keyInterval is the time between two reads of one Secret. A rotated key is accepted that much later at most.
	keyInterval = 10 * time.Second
	// keyRetryInterval is the time between two reads while no keys are known at all.
	keyRetryInterval = time.Second
	// keyReadTimeout bounds a read while good keys are at hand, so that the call can go on with them in time.
	keyReadTimeout = time.Second
	// keyGrace is how long the last good keys are used while the API server does not answer.
	keyGrace = 10 * time.Minute
)

// Protocol makes one marketplace's side of the callback server out of the data of a callback Secret and the Marketplace's settings. Its
// error names what is missing and never holds a value.
type Protocol func(secret map[string][]byte, settings Settings) (marketplace.Callbacks, error)

// Settings say which calls of a Marketplace are accepted, and how they are answered.
type Settings struct {
	// FieldEncryption says how fields of answers are encrypted; empty for the marketplace's own way.
	FieldEncryption v1alpha1.FieldEncryption
	// CallVersions are the versions that are accepted; empty for the marketplace's default.
	CallVersions []v1alpha1.KooGalleryCallVersion
}

// keyring holds the keys of all connections. Each Secret is read by its name from the API server, at most once in
// keyInterval and by one call at a time; a cache would need the right to list all Secrets.
type keyring struct {
	reader    client.Reader
	protocols map[v1alpha1.MarketplaceProtocol]Protocol
	clock     clock.PassiveClock

	mu      sync.Mutex
	entries map[keyEntryID]*keyEntry
}

type keyEntryID struct {
	protocol   v1alpha1.MarketplaceProtocol
	encryption v1alpha1.FieldEncryption
	// versions are those of Settings, sorted and joined.
	versions string
	secret   types.NamespacedName
}

// keyEntry is what is known of one Secret. Whoever holds turn may read and change it.
type keyEntry struct {
	turn chan struct{}

	callbacks       marketplace.Callbacks // nil when the Secret is missing, incomplete or was never read
	err             error                 // why callbacks is nil
	resourceVersion string
	goodAt          time.Time // when the API server last answered
	readAgainAt     time.Time
}

func newKeyring(reader client.Reader, protocols map[v1alpha1.MarketplaceProtocol]Protocol, clock clock.PassiveClock) *keyring {
	return &keyring{reader: reader, protocols: protocols, clock: clock, entries: map[keyEntryID]*keyEntry{}}
}

// callbacks are a connection's keys, ready to use. A Secret that was deleted or lost its key counts at once; one that can't
// be read leaves the last good keys in use for keyGrace. Errors wrap marketplace.ErrUnavailable.
func (k *keyring) callbacks(ctx context.Context, connection *v1alpha1.Marketplace) (marketplace.Callbacks, error) {
	id := keyEntryID{
		protocol: connection.Spec.Protocol, encryption: connection.Spec.KooGallery.FieldEncryption,
		versions: joined(connection.Spec.KooGallery.CallVersions),
		secret:   types.NamespacedName{Namespace: connection.Namespace, Name: connection.Spec.KooGallery.CallbackSecretRef.Name},
	}
	entry := k.entry(id)
	select {
	case entry.turn <- struct{}{}:
		defer func() { <-entry.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: reading the callback Secret timed out", errKeys)
	}
	if !k.clock.Now().Before(entry.readAgainAt) {
		k.read(ctx, id, entry)
	}
	return entry.callbacks, entry.err
}

// joined are versions as a key of a map.
func joined(versions []v1alpha1.KooGalleryCallVersion) string {
	words := make([]string, len(versions))
	for i, version := range versions {
		words[i] = string(version)
	}
	slices.Sort(words)
	return strings.Join(words, ",")
}

func (id keyEntryID) settings() Settings {
	settings := Settings{FieldEncryption: id.encryption}
	for _, version := range strings.Split(id.versions, ",") {
		if version != "" {
			settings.CallVersions = append(settings.CallVersions, v1alpha1.KooGalleryCallVersion(version))
		}
	}
	return settings
}

func (k *keyring) entry(id keyEntryID) *keyEntry {
	k.mu.Lock()
	defer k.mu.Unlock()
	entry, ok := k.entries[id]
	if !ok {
		entry = &keyEntry{turn: make(chan struct{}, 1)}
		k.entries[id] = entry
	}
	return entry
}

// read brings an entry up to date.
func (k *keyring) read(ctx context.Context, id keyEntryID, entry *keyEntry) {
	timed := ctx
	if entry.callbacks != nil {
		var cancel context.CancelFunc
		timed, cancel = context.WithTimeout(ctx, keyReadTimeout)
		defer cancel()
	}
	secret := &corev1.Secret{}
	err := k.reader.Get(timed, id.secret, secret)
	if err != nil && errors.Is(ctx.Err(), context.Canceled) && entry.callbacks != nil {
		// The caller hung up, which says nothing about the Secret: else whoever does it again and again could keep old
		// keys in use. The next call reads.
		return
	}
	now := k.clock.Now()
	entry.readAgainAt = now.Add(keyInterval)
	switch {
	case apierrors.IsNotFound(err):
		*entry = keyEntry{turn: entry.turn, readAgainAt: entry.readAgainAt, goodAt: now}
		entry.err = fmt.Errorf("%w: the callback Secret %s does not exist", errKeys, id.secret.Name)
	case err != nil && entry.callbacks != nil && now.Sub(entry.goodAt) < keyGrace:
		// The last good keys stay.
	case err != nil:
		entry.callbacks, entry.resourceVersion = nil, ""
		entry.err = fmt.Errorf("%w: reading the callback Secret %s: %w", errKeys, id.secret.Name, err)
		entry.readAgainAt = now.Add(keyRetryInterval)
		if errors.Is(ctx.Err(), context.Canceled) {
			entry.readAgainAt = now
		}
	default:
		entry.goodAt = now
		k.use(id, entry, secret)
	}
}

// use takes the keys out of a Secret, unless it is the one that they came from.
func (k *keyring) use(id keyEntryID, entry *keyEntry, secret *corev1.Secret) {
	if entry.callbacks != nil && entry.resourceVersion == secret.ResourceVersion {
		return
	}
	entry.callbacks, entry.resourceVersion, entry.err = nil, secret.ResourceVersion, nil
	protocol, ok := k.protocols[id.protocol]
	if !ok {
		entry.err = fmt.Errorf("%w: the protocol %q is not supported", errKeys, id.protocol)
		return
	}
	callbacks, err := protocol(secret.Data, id.settings())
	if err != nil {
		entry.err = fmt.Errorf("%w: %w", errKeys, err)
		return
	}
	entry.callbacks = callbacks
}
