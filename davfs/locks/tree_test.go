package locks

import (
	"errors"
	"fmt"
	"strings"
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

// TestBytes: clients cannot fill the memory with what comes with a lock.
func TestBytes(t *testing.T) {
	for name, big := range map[string]Lock{
		"owner": {OwnerXML: strings.Repeat("x", 10_000)},
		"user":  {User: strings.Repeat("x", 10_000)},
		"path":  {Root: "/" + strings.Repeat("x", 10_000)},
		"depth": {Root: strings.Repeat("/a", 80)},
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMemory()
			m.maxBytes = 200_000
			big.Shared, big.Timeout = true, time.Minute
			ask := func(i int) (Lock, error) {
				l := big
				l.Root = fmt.Sprintf("/%d%s", i, big.Root)
				return m.Create(t.Context(), l)
			}
			for i := range 40 { // what is removed takes no room
				l, err := ask(i)
				if err != nil {
					t.Fatal(err)
				}
				if err := m.Remove(t.Context(), l.Root, l.Token); err != nil {
					t.Fatal(err)
				}
			}
			for i := range 40 {
				_, err := ask(i)
				if i < 15 && err != nil || i == 25 && !errors.Is(err, ErrTooMany) {
					t.Fatalf("lock %d: error %v", i, err)
				}
			}
		})
	}
}
