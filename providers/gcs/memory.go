package gcs

// memory is a map that forgets: once it holds limit entries, those not used
// since it last did so are dropped.
type memory[V any] struct {
	limit      int
	young, old map[string]V
}

func newMemory[V any](limit int) memory[V] {
	return memory[V]{limit: limit, young: map[string]V{}}
}

func (m *memory[V]) get(key string) (V, bool) {
	v, ok := m.young[key]
	if ok {
		return v, true
	}
	if v, ok = m.old[key]; ok {
		m.set(key, v)
	}
	return v, ok
}

func (m *memory[V]) set(key string, v V) {
	if len(m.young) >= m.limit {
		m.old, m.young = m.young, make(map[string]V, m.limit/4)
	}
	m.young[key] = v
}

func (m *memory[V]) drop(key string) {
	delete(m.young, key)
	delete(m.old, key)
}
