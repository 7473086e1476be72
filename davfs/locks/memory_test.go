package locks_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sealdav/davfs/locks"
	"sealdav/davfs/locks/lockstest"
)

func TestMemory(t *testing.T) {
	lockstest.Run(t, lockstest.Config{
		Open: func(t testing.TB, clock *lockstest.Clock) locks.System {
			return locks.NewMemory(locks.WithClock(clock.Now))
		},
	})
}

func create(t testing.TB, m *locks.Memory, l locks.Lock) locks.Lock {
	t.Helper()
	l, err := m.Create(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestUpload goes through the upload of a big file by macOS in real time, as
// far as a bubble's is real.
func TestUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := locks.NewMemory()
		l := create(t, m, locks.Lock{Root: "/f", Timeout: 600 * time.Second})
		release, err := m.Hold(t.Context(), l.Token)
		if err != nil {
			t.Fatal(err)
		}
		uploaded := make(chan struct{})
		go func() {
			defer close(uploaded)
			defer release()
			time.Sleep(3 * time.Hour)
		}()
		for range 4 {
			time.Sleep(300 * time.Second)
			if _, err := m.Refresh(t.Context(), "/f", l.Token, 600*time.Second); err != nil {
				t.Fatal(err)
			}
		}
		<-uploaded // the client slept through the rest
		time.Sleep(599 * time.Second)
		if got, err := m.Covering(t.Context(), "/f"); err != nil || len(got) != 1 {
			t.Fatalf("got %+v, error %v", got, err)
		}
		time.Sleep(time.Second)
		if got, err := m.Covering(t.Context(), "/f"); err != nil || len(got) != 0 {
			t.Fatalf("got %+v, error %v", got, err)
		}
	})
}

func TestLimit(t *testing.T) {
	clock := lockstest.NewClock()
	m := locks.NewMemory(locks.WithClock(clock.Now), locks.WithLimit(3))
	for i := range 3 {
		create(t, m, locks.Lock{Root: fmt.Sprintf("/%d", i), Timeout: time.Duration(1+i) * time.Minute})
	}
	_, err := m.Create(t.Context(), locks.Lock{Root: "/x", Timeout: time.Minute})
	if !errors.Is(err, locks.ErrTooMany) {
		t.Fatalf("got error %v, want %v", err, locks.ErrTooMany)
	}
	clock.Advance(time.Minute)
	create(t, m, locks.Lock{Root: "/x", Timeout: time.Minute})
}

// TestSharedLimit: a resource may be under 64 locks, those of the folders
// around it among them.
func TestSharedLimit(t *testing.T) {
	m := locks.NewMemory()
	shared := func(root string) locks.Lock {
		return locks.Lock{Root: root, Infinite: true, Shared: true, Timeout: time.Minute}
	}
	for range 32 {
		create(t, m, shared("/d"))
		create(t, m, shared("/d/f"))
	}
	if _, err := m.Create(t.Context(), shared("/d/f")); !errors.Is(err, locks.ErrTooMany) {
		t.Errorf("one more on the file: %v, want %v", err, locks.ErrTooMany)
	}
	create(t, m, shared("/d/g"))
	create(t, m, shared("/d"))
}

// fakeStore is a store of which a test can look at, and stop, what is written.
type fakeStore struct {
	mu     sync.Mutex
	locks  map[string]locks.Lock
	loaded []locks.Lock
	fail   error         // of wait and Load
	gate   chan struct{} // wait waits for it to close
	closed int
}

func (s *fakeStore) Load() ([]locks.Lock, error) { return s.loaded, s.fail }

func (s *fakeStore) Close() error { s.closed++; return nil }

func (s *fakeStore) Write(put []locks.Lock, del []string) (wait func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locks == nil {
		s.locks = make(map[string]locks.Lock)
	}
	for _, l := range put {
		s.locks[l.Token] = l
	}
	for _, token := range del {
		delete(s.locks, token)
	}
	gate, fail := s.gate, s.fail
	return func() error {
		if gate != nil {
			<-gate
		}
		return fail
	}
}

func load(t testing.TB, s *fakeStore, opts ...locks.Option) *locks.Memory {
	t.Helper()
	m, err := locks.Load(s, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestStoreFails: a lock that is not durable is not granted, and stands in
// nobody's way.
func TestStoreFails(t *testing.T) {
	full := errors.New("no space left on device")
	s := new(fakeStore)
	m := load(t, s)
	l := create(t, m, locks.Lock{Root: "/a", Timeout: time.Minute})
	s.fail = full
	if _, err := m.Create(t.Context(), locks.Lock{Root: "/b", Timeout: time.Minute}); !errors.Is(err, full) {
		t.Errorf("Create: got error %v, want %v", err, full)
	}
	if _, err := m.Refresh(t.Context(), "/a", l.Token, time.Hour); !errors.Is(err, full) {
		t.Errorf("Refresh: got error %v, want %v", err, full)
	}
	if err := m.Remove(t.Context(), "/a", l.Token); !errors.Is(err, full) {
		t.Errorf("Remove: got error %v, want %v", err, full)
	}
	s.fail = nil
	create(t, m, locks.Lock{Root: "/", Infinite: true, Timeout: time.Minute})
	if len(s.locks) != 1 {
		t.Errorf("the store has %+v, want one lock", s.locks)
	}
}

// TestStoreSlow: a change waits for the disk, and nobody else does.
func TestStoreSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStore{gate: make(chan struct{})}
		m := load(t, s)
		granted := make(chan error, 1)
		go func() {
			_, err := m.Create(t.Context(), locks.Lock{Root: "/a", Timeout: time.Minute})
			granted <- err
		}()
		synctest.Wait()
		select {
		case err := <-granted:
			t.Fatalf("granted before it was durable, error %v", err)
		default:
		}
		if got, err := m.Covering(t.Context(), "/a"); err != nil || len(got) != 1 {
			t.Errorf("Covering: got %+v, error %v", got, err)
		}
		_, err := m.Create(t.Context(), locks.Lock{Root: "/a", Timeout: time.Minute})
		if !errors.Is(err, locks.ErrLocked) {
			t.Errorf("Create: got error %v, want %v", err, locks.ErrLocked)
		}
		close(s.gate)
		if err := <-granted; err != nil {
			t.Error(err)
		}
	})
}

func TestLoad(t *testing.T) {
	clock := lockstest.NewClock()
	stored := func(token, root string, left time.Duration) locks.Lock {
		return locks.Lock{Token: token, Root: root, Timeout: time.Minute, Expires: clock.Now().Add(left)}
	}
	s := &fakeStore{
		loaded: []locks.Lock{stored("urn:1", "/a", 1), stored("urn:2", "/b", 0), stored("urn:3", "c/", time.Minute)},
	}
	s.Write(s.loaded, nil)
	m := load(t, s, locks.WithClock(clock.Now))
	got, err := m.Inside(t.Context(), "/")
	if err != nil || len(got) != 1 || got[0].Token != "urn:1" {
		t.Errorf("got %+v, error %v; want the lock that has not expired", got, err)
	}
	if _, ok := s.locks["urn:1"]; !ok || len(s.locks) != 1 {
		t.Errorf("the store has %+v, want the lock that has not expired", s.locks)
	}
	if err := errors.Join(m.Close(), m.Close()); err != nil || s.closed != 1 {
		t.Errorf("closed %d times, error %v", s.closed, err)
	}

	s = &fakeStore{fail: errors.New("unreadable")}
	if _, err := locks.Load(s); !errors.Is(err, s.fail) || s.closed != 1 {
		t.Errorf("got error %v, closed %d times; want %v, once", err, s.closed, s.fail)
	}
}

// TestExpiredLeaveTheStore: what has expired goes with the next change.
func TestExpiredLeaveTheStore(t *testing.T) {
	clock := lockstest.NewClock()
	s := new(fakeStore)
	m := load(t, s, locks.WithClock(clock.Now))
	for i := range 10 {
		create(t, m, locks.Lock{Root: fmt.Sprintf("/%d", i), Timeout: time.Duration(1+i) * time.Minute})
	}
	clock.Advance(5 * time.Minute)
	last := create(t, m, locks.Lock{Root: "/x", Timeout: time.Minute})
	if _, ok := s.locks[last.Token]; !ok || len(s.locks) != 6 {
		t.Errorf("the store has %d locks, want 6", len(s.locks))
	}
}

// TestConflictNamesTheFirst: of several locks in the way below, always the same
// one is named.
func TestConflictNamesTheFirst(t *testing.T) {
	m := locks.NewMemory()
	for _, l := range []locks.Lock{{Root: "/d/b"}, {Root: "/d/c/a"}, {Root: "/d/a/x/y"}, {Root: "/d/a/x", Shared: true}, {Root: "/d/0/s", Shared: true}} {
		l.Timeout = time.Minute
		create(t, m, l)
	}
	for shared, want := range map[bool]string{false: "/d/0/s", true: "/d/a/x/y"} {
		_, err := m.Create(t.Context(), locks.Lock{Root: "/", Infinite: true, Shared: shared, Timeout: time.Minute})
		ce, ok := errors.AsType[*locks.ConflictError](err)
		if !ok || ce.Root != want {
			t.Errorf("shared %v: got error %v, want a conflict with %s", shared, err, want)
		}
	}
}

// filled returns a Memory with n locks in folders of a hundred files.
func filled(b *testing.B, n int) (*locks.Memory, []locks.Lock) {
	m := locks.NewMemory()
	var all []locks.Lock
	for i := range n {
		all = append(all, create(b, m, locks.Lock{Root: fmt.Sprintf("/remote/folder %d/file %d", i/100, i), Timeout: time.Hour}))
	}
	return m, slices.Clip(all)
}

const many = 10_000

func BenchmarkCovering(b *testing.B) {
	m, all := filled(b, many)
	for i := 0; b.Loop(); i++ {
		if got, err := m.Covering(b.Context(), all[i%many].Root); err != nil || len(got) != 1 {
			b.Fatal(got, err)
		}
	}
}

func BenchmarkCreate(b *testing.B) {
	m, _ := filled(b, many)
	for b.Loop() {
		l := create(b, m, locks.Lock{Root: "/remote/folder 7/new", Timeout: time.Hour})
		if err := m.Remove(b.Context(), l.Root, l.Token); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkConflict asks for a lock on everything, of which each of the others
// is in the way.
func BenchmarkConflict(b *testing.B) {
	m, _ := filled(b, many)
	for b.Loop() {
		if _, err := m.Create(b.Context(), locks.Lock{Root: "/", Infinite: true, Timeout: time.Hour}); err == nil {
			b.Fatal("granted")
		}
	}
}

func BenchmarkInside(b *testing.B) {
	m, _ := filled(b, many)
	for _, folder := range []struct {
		path string
		want int
	}{{"/remote/folder 7/file 700", 0}, {"/remote/folder 7", 100}, {"/", many}} {
		b.Run(fmt.Sprint(folder.want), func(b *testing.B) {
			for b.Loop() {
				if got, err := m.Inside(b.Context(), folder.path); err != nil || len(got) != folder.want {
					b.Fatal(len(got), err)
				}
			}
		})
	}
}
