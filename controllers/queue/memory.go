package queue

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// Memory holds what a process remembers of objects to save work: one value for each object. Lost, it costs a few calls. The zero
// Memory is empty. A value is used by one pass at a time, because no two passes work on the same object.
type Memory[T any] struct {
	mu sync.Mutex
	by map[types.NamespacedName]remembered[T]
}

type remembered[T any] struct {
	uid   types.UID
	value *T
}

// Of returns what is remembered of an object, or else what fresh makes. What is remembered of another UID is forgotten: the object
// was deleted and another one has its name.
func (m *Memory[T]) Of(key types.NamespacedName, uid types.UID, fresh func() *T) *T {
	m.mu.Lock()
	defer m.mu.Unlock()
	if found, ok := m.by[key]; ok && found.uid == uid {
		return found.value
	}
	if m.by == nil {
		m.by = map[types.NamespacedName]remembered[T]{}
	}
	m.by[key] = remembered[T]{uid, fresh()}
	return m.by[key].value
}

// Forget drops what is remembered of an object that is gone.
func (m *Memory[T]) Forget(key types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.by, key)
}
