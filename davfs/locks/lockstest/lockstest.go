// Package lockstest holds every locks.System to the same rules.
package lockstest

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"testing"
	"time"

	"sealdav/davfs/locks"
)

// Clock is a time that stands still until it is told to go on.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a Clock that shows an arbitrary time.
func NewClock() *Clock {
	return &Clock{now: time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)}
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance lets d pass.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Config says how to make the System under test.
type Config struct {
	// Open returns a System without locks that takes the time from clock. It
	// may leave the closing to the test, which closes what it opened.
	Open func(t testing.TB, clock *Clock) locks.System
	// Reopen returns, in place of s, what a new process would see: its locks
	// and none of its holds. nil: s does not outlive its process.
	Reopen func(t testing.TB, s locks.System, clock *Clock) locks.System
}

// Run tests what Config makes.
func Run(t *testing.T, c Config) {
	t.Run("Compatibility", func(t *testing.T) { testCompatibility(t, c) })
	t.Run("Scope", func(t *testing.T) { testScope(t, c) })
	t.Run("Create", func(t *testing.T) { testCreate(t, c) })
	t.Run("Refresh", func(t *testing.T) { testRefresh(t, c) })
	t.Run("Remove", func(t *testing.T) { testRemove(t, c) })
	t.Run("RemoveTree", func(t *testing.T) { testRemoveTree(t, c) })
	t.Run("Expiry", func(t *testing.T) { testExpiry(t, c) })
	t.Run("Hold", func(t *testing.T) { testHold(t, c) })
	t.Run("BadArguments", func(t *testing.T) { testBadArguments(t, c) })
	t.Run("Cancelled", func(t *testing.T) { testCancelled(t, c) })
	t.Run("Closed", func(t *testing.T) { testClosed(t, c) })
	t.Run("OneWins", func(t *testing.T) { testOneWins(t, c) })
	t.Run("Concurrent", func(t *testing.T) { testConcurrent(t, c) })
	t.Run("Random", func(t *testing.T) { testRandom(t, c) })
	if c.Reopen != nil {
		t.Run("Reopen", func(t *testing.T) { testReopen(t, c) })
	}
}

// system is a System whose calls must not fail unless a test says so.
type system struct {
	locks.System
	t     testing.TB
	clock *Clock
}

func (c Config) open(t testing.TB) *system {
	t.Helper()
	clock := NewClock()
	s := &system{c.Open(t, clock), t, clock}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// on returns a lock to ask for: of one minute, exclusive and of depth 0 unless
// kind has "shared" or "infinite".
func on(root string, kind ...string) locks.Lock {
	l := locks.Lock{Root: root, Timeout: time.Minute}
	for _, k := range kind {
		switch k {
		case "shared":
			l.Shared = true
		case "infinite":
			l.Infinite = true
		default:
			panic(k)
		}
	}
	return l
}

func (s *system) create(l locks.Lock) locks.Lock {
	s.t.Helper()
	granted, err := s.Create(s.t.Context(), l)
	if err != nil {
		s.t.Fatalf("Create(%+v): %v", l, err)
	}
	return granted
}

func (s *system) remove(l locks.Lock) {
	s.t.Helper()
	if err := s.Remove(s.t.Context(), l.Root, l.Token); err != nil {
		s.t.Fatalf("Remove(%s, %s): %v", l.Root, l.Token, err)
	}
}

func (s *system) hold(l locks.Lock) (release func()) {
	s.t.Helper()
	release, err := s.Hold(s.t.Context(), l.Token)
	if err != nil {
		s.t.Fatalf("Hold(%s): %v", l.Token, err)
	}
	return release
}

func (s *system) covering(path string) []locks.Lock {
	s.t.Helper()
	got, err := s.Covering(s.t.Context(), path)
	if err != nil {
		s.t.Fatalf("Covering(%s): %v", path, err)
	}
	return got
}

func (s *system) inside(path string) []locks.Lock {
	s.t.Helper()
	got, err := s.Inside(s.t.Context(), path)
	if err != nil {
		s.t.Fatalf("Inside(%s): %v", path, err)
	}
	return got
}

// stands fails the test unless the lock covers its root, or does not, as want
// says.
func (s *system) stands(l locks.Lock, want bool) {
	s.t.Helper()
	got := false
	for _, c := range s.covering(l.Root) {
		got = got || c.Token == l.Token
	}
	if got != want {
		s.t.Errorf("lock on %s stands: %v, want %v", l.Root, got, want)
	}
}

// conflictRoot returns the root that a *ConflictError names, "" for no error.
func conflictRoot(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	ce, ok := errors.AsType[*locks.ConflictError](err)
	if !ok || !errors.Is(err, locks.ErrLocked) {
		t.Fatalf("got error %v, want a *ConflictError that is ErrLocked", err)
	}
	return ce.Root
}

func wantErr(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

// each calls every method of s with arguments that would do, and passes on what
// they return.
func each(ctx context.Context, s locks.System, l locks.Lock, check func(method string, err error)) {
	_, err := s.Create(ctx, on("/other"))
	check("Create", err)
	_, err = s.Refresh(ctx, l.Root, l.Token, time.Minute)
	check("Refresh", err)
	_, err = s.Covering(ctx, l.Root)
	check("Covering", err)
	_, err = s.Inside(ctx, l.Root)
	check("Inside", err)
	_, err = s.Hold(ctx, l.Token)
	check("Hold", err)
	check("Remove", s.Remove(ctx, l.Root, l.Token))
	check("RemoveTree", s.RemoveTree(ctx, l.Root))
}

func testCancelled(t *testing.T, c Config) {
	s := c.open(t)
	l := s.create(on("/a"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	each(ctx, s, l, func(method string, err error) { wantErr(t, method, err, context.Canceled) })
	s.stands(l, true)
	if got := s.covering("/other"); len(got) > 0 {
		t.Errorf("a cancelled Create left %+v", got)
	}
}

func testClosed(t *testing.T, c Config) {
	s := c.open(t)
	l := s.create(on("/a"))
	release := s.hold(l)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	each(t.Context(), s, l, func(method string, err error) { wantErr(t, method, err, fs.ErrClosed) })
	release() // must neither panic nor block
}
