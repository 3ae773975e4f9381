package instance

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/stallkeeper/stallkeeper/controllers/queue"
)

// versions are the resource versions of Secrets as they were read; empty for one that was not there.
type versions map[types.NamespacedName]string

// noting reads live, and notes the versions of what it has read.
type noting struct {
	client.Reader
	seen versions
}

func (n noting) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	err := n.Reader.Get(ctx, key, obj, opts...)
	if err == nil || apierrors.IsNotFound(err) {
		n.seen[key] = obj.GetResourceVersion()
	}
	return err
}

// version is that of a Secret as a tenant was rendered with it, and the latest one that is known.
type version struct{ read, latest string }

// secretSources knows which Secrets of valuesFrom the tenants were rendered with. Secrets are not watched, because that reads them all:
// of the few that products name, the metadata alone is read every period, once for all tenants. What is known here is lost with the
// process, and then every tenant is rendered anyway.
type secretSources struct {
	// Reader reads live.
	Reader client.Reader
	Raise  chan<- event.TypedGenericEvent[queue.Raised]
	Period time.Duration

	mu   sync.Mutex
	used map[types.NamespacedName]map[types.NamespacedName]version
}

// rendered notes what an instance's tenant was rendered with.
func (s *secretSources) rendered(instance types.NamespacedName, with versions) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.used, instance)
	if len(with) == 0 {
		return
	}
	if s.used == nil {
		s.used = map[types.NamespacedName]map[types.NamespacedName]version{}
	}
	s.used[instance] = make(map[types.NamespacedName]version, len(with))
	for secret, read := range with {
		s.used[instance][secret] = version{read: read, latest: read}
	}
}

// stale says whether a Secret has changed since the instance's tenant was rendered.
func (s *secretSources) stale(instance types.NamespacedName) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range s.used[instance] {
		if of.read != of.latest {
			return true
		}
	}
	return false
}

// Start looks at the Secrets every period until the context ends.
func (s *secretSources) Start(ctx context.Context) error {
	queue.RaiseEvery(ctx, s.Period, s.Raise, s.look)
	return nil
}

// look reads the version of each Secret, and returns the instances to render anew.
func (s *secretSources) look(ctx context.Context) []types.NamespacedName {
	now := versions{}
	for _, secret := range s.secrets() {
		metadata := &metav1.PartialObjectMetadata{}
		metadata.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
		// What can't be read now is looked at again.
		if err := s.Reader.Get(ctx, secret, metadata); err == nil || apierrors.IsNotFound(err) {
			now[secret] = metadata.GetResourceVersion()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := map[types.NamespacedName]bool{}
	for instance, of := range s.used {
		for secret, version := range of {
			if latest, known := now[secret]; known && latest != version.latest {
				version.latest = latest
				of[secret] = version
				changed[instance] = true
			}
		}
	}
	return slices.Collect(maps.Keys(changed))
}

// secrets are those that any tenant was rendered with.
func (s *secretSources) secrets() []types.NamespacedName {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[types.NamespacedName]bool{}
	for _, of := range s.used {
		for secret := range of {
			all[secret] = true
		}
	}
	return slices.Collect(maps.Keys(all))
}
