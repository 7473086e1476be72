package file

import (
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"

	"sealdav/davfs/locks"
)

func openStore(t *testing.T, path string) *store {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &store{path: path, db: db, next: new(batch)}
	if _, err := s.Load(); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestOrder: calls of Write that end up in one transaction take effect as if
// each had its own.
func TestOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locks")
	s := openStore(t, path)
	put := func(token, root string) func() error {
		return s.Write([]locks.Lock{{Token: token, Root: root}}, nil)
	}
	del := func(token string) func() error { return s.Write(nil, []string{token}) }

	put("urn:1", "/1")
	del("urn:1")
	del("urn:2")
	put("urn:2", "/2")
	put("urn:3", "/3")
	wait := put("urn:3", "/3b")
	late := del("urn:4")
	for _, wait := range []func() error{wait, late, wait} {
		if err := wait(); err != nil {
			t.Fatal(err)
		}
	}
	found, err := s.Load()
	if err != nil || len(found) != 2 || found[0].Root != "/2" || found[1].Root != "/3b" {
		t.Errorf("got %+v, error %v", found, err)
	}

	put("urn:5", "/5") // nobody waits, but Close
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, path)
	if found, err = s.Load(); err != nil || len(found) != 3 {
		t.Errorf("got %+v, error %v", found, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestWaitTellsItsOwnFate: the error of one transaction does not become that of
// the next, and everyone in it has it.
func TestWaitTellsItsOwnFate(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "locks"))
	first := s.Write([]locks.Lock{{Token: "urn:1", Root: "/1"}}, nil)
	bad := s.Write([]locks.Lock{{Token: ""}}, nil) // bolt takes no empty key
	if first() == nil || bad() == nil || first() == nil {
		t.Error("a failed transaction was passed off as done")
	}
	if err := s.Write([]locks.Lock{{Token: "urn:2", Root: "/2"}}, nil)(); err != nil {
		t.Error(err)
	}
	if found, err := s.Load(); err != nil || len(found) != 1 || found[0].Token != "urn:2" {
		t.Errorf("got %+v, error %v", found, err)
	}
	s.Write([]locks.Lock{{Token: ""}}, nil)
	if s.Close() == nil {
		t.Error("Close passed off a failed transaction as done")
	}
}
