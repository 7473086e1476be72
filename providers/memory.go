package providers

// Memory is a map that forgets: once it holds limit entries, those not used
// since it last did so are dropped. It is not safe for concurrent use.
type Memory[V any] struct {
	limit      int
	young, old map[string]V
}

// NewMemory returns an empty Memory of limit entries, and as many older ones.
func NewMemory[V any](limit int) Memory[V] {
	return Memory[V]{limit: limit, young: map[string]V{}}
}

// Get returns what is remembered under a key.
func (m *Memory[V]) Get(key string) (V, bool) {
	v, ok := m.young[key]
	if ok {
		return v, true
	}
	if v, ok = m.old[key]; ok {
		m.Set(key, v)
	}
	return v, ok
}

// Set remembers.
func (m *Memory[V]) Set(key string, v V) {
	if len(m.young) >= m.limit {
		m.old, m.young = m.young, make(map[string]V, m.limit/4)
	}
	m.young[key] = v
}

// Drop forgets a key.
func (m *Memory[V]) Drop(key string) {
	delete(m.young, key)
	delete(m.old, key)
}
