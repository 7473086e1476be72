package locks

import (
	"testing"
	"time"
)

// TestNothingLeft: locks that are gone leave nothing behind, in whatever order
// they went.
func TestNothingLeft(t *testing.T) {
	m := NewMemory()
	paths := []string{"/a", "/a/b/c", "/a/b", "/a/b/c/d/e", "/a/b/x", "/"}
	for range paths {
		var granted []Lock
		for _, p := range paths {
			l, err := m.Create(t.Context(), Lock{Root: p, Timeout: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			granted = append(granted, l)
		}
		for _, l := range granted {
			if err := m.Remove(t.Context(), l.Root, l.Token); err != nil {
				t.Fatal(err)
			}
		}
		n := &m.tree
		if len(n.children)+len(n.entries)+n.below+n.exclusive+len(m.byToken)+len(m.queue)+m.bytes != 0 {
			t.Fatalf("left over: %+v", m)
		}
		paths = append(paths[1:], paths[0])
	}
}
