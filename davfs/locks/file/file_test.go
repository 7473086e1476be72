package file_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"sealdav/davfs/locks"
	"sealdav/davfs/locks/file"
	"sealdav/davfs/locks/lockstest"
)

func TestFile(t *testing.T) {
	var paths sync.Map // locks.System to the path of its file
	open := func(t testing.TB, path string, clock *lockstest.Clock) locks.System {
		s := open(t, path, locks.WithClock(clock.Now))
		paths.Store(s, path)
		return s
	}
	lockstest.Run(t, lockstest.Config{
		Open: func(t testing.TB, clock *lockstest.Clock) locks.System {
			return open(t, filepath.Join(t.TempDir(), "locks"), clock)
		},
		Reopen: func(t testing.TB, s locks.System, clock *lockstest.Clock) locks.System {
			closeSystem(t, s)
			path, _ := paths.Load(s)
			return open(t, path.(string), clock)
		},
	})
}

func open(t testing.TB, path string, opts ...locks.Option) locks.System {
	t.Helper()
	s, err := file.Open(path, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeSystem(t testing.TB, s locks.System) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestOpenErrors: what is wrong with the file is said, and the file stays as it
// is.
func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("garbage", strings.Repeat("not a lock file\n", 4096))
	write("stub", "short")
	closeSystem(t, open(t, filepath.Join(dir, "record")))
	db, err := bolt.Open(filepath.Join(dir, "record"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("locks")).Put([]byte("urn:uuid:1"), []byte("{"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	tests := []struct{ name, want string }{
		{"garbage", "garbage cannot be read; move it away to start without locks: invalid database"},
		{"stub", "stub cannot be read; move it away to start without locks: "},
		{"record", "record cannot be read; move it away to start without locks: lock urn:uuid:1: "},
		{"no/folder", "no such file or directory"},
		{".", "is a directory"},
	}
	for _, tt := range tests {
		path := filepath.Join(dir, tt.name)
		before, _ := os.ReadFile(path)
		for range 2 { // the first leaves nothing open
			_, err := file.Open(path)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: got error %v, want %q", tt.name, err, tt.want)
			}
		}
		if after, _ := os.ReadFile(path); tt.name != "record" && string(after) != string(before) {
			t.Errorf("%s was changed", tt.name)
		}
	}
}

// TestDamaged: a file that is cut short or partly zeroed, as after a disk's
// failure, is refused or read, but ends no process.
func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "locks")
	s := open(t, path)
	for i := range 100 {
		if _, err := s.Create(t.Context(), locks.Lock{Root: fmt.Sprintf("/%d", i), Timeout: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	closeSystem(t, s)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	try := func(name string, content []byte) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := file.Open(path)
		if err != nil {
			if want := path + " cannot be read; move it away to start without locks: "; !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got error %v, want %q", name, err, want)
			}
			refused++
			return
		}
		_, _ = s.Create(t.Context(), locks.Lock{Root: "/new", Timeout: time.Hour})
		_ = s.Close()
	}
	page := os.Getpagesize()
	for at := 0; at < len(good); at += page {
		if at > 0 { // an empty file is a new one
			try(fmt.Sprint("cut at ", at), good[:at])
		}
		zeroed := slices.Clone(good)
		clear(zeroed[at : at+page])
		try(fmt.Sprint("zeroed at ", at), zeroed)
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
}

// TestCutWhileOpen: a file that goes bad under a running server costs it its
// locks, and not more.
func TestCutWhileOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locks")
	s := open(t, path)
	l, err := s.Create(t.Context(), locks.Lock{Root: "/old", Timeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, err := s.Create(t.Context(), locks.Lock{Root: "/new", Timeout: time.Hour})
		if want := "lock file " + path + " cannot be written: the file is damaged"; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	if got, err := s.Covering(t.Context(), "/old"); err != nil || len(got) != 1 || got[0].Token != l.Token {
		t.Errorf("got %+v, error %v", got, err)
	}
	if got, err := s.Covering(t.Context(), "/new"); err != nil || len(got) != 0 {
		t.Errorf("a lock that is not on record stands: %+v, error %v", got, err)
	}
	closeSystem(t, s) // nothing waits to be written; it must not hang
}

func TestMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locks")
	closeSystem(t, open(t, path))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != fs.FileMode(0o600) {
		t.Errorf("got mode %v, want 0600: tokens are in it", got)
	}
}

// BenchmarkCreate shows what a lock costs one client, and each of many that
// share the wait for the disk.
func BenchmarkCreate(b *testing.B) {
	for _, clients := range []int{1, 32} {
		b.Run(fmt.Sprint("clients=", clients), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "locks"))
			defer closeSystem(b, s)
			var n sync.Mutex
			next := 0
			b.SetParallelism(clients)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					n.Lock()
					next++
					root := fmt.Sprintf("/remote/%d", next)
					n.Unlock()
					l, err := s.Create(b.Context(), locks.Lock{Root: root, Timeout: time.Hour})
					if err == nil {
						err = s.Remove(b.Context(), root, l.Token)
					}
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
