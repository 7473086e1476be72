package lockstest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sealdav/davfs/locks"
)

func testExpiry(t *testing.T, c Config) {
	s := c.open(t)
	long := on("/long", "infinite")
	long.Timeout = time.Hour
	long = s.create(long)
	short := s.create(on("/a/b"))
	s.clock.Advance(time.Minute - time.Nanosecond)
	s.stands(short, true)
	_, err := s.Create(t.Context(), on("/a", "infinite"))
	if got := conflictRoot(t, err); got != "/a/b" {
		t.Errorf("conflict with %q, want /a/b", got)
	}
	s.clock.Advance(time.Nanosecond)
	s.stands(short, false)
	if got := s.inside("/a"); len(got) > 0 {
		t.Errorf("inside /a: %+v", got)
	}
	wantErr(t, "Remove", s.Remove(t.Context(), "/a/b", short.Token), locks.ErrNoSuchLock)
	_, err = s.Hold(t.Context(), short.Token)
	wantErr(t, "Hold", err, locks.ErrNoSuchLock)
	s.create(on("/a", "infinite"))
	s.stands(long, true)
}

func testHold(t *testing.T, c Config) {
	t.Run("outlives its time and starts over", func(t *testing.T) {
		s := c.open(t)
		l := s.create(on("/a"))
		release := s.hold(l)
		s.clock.Advance(time.Hour)
		s.stands(l, true)
		l.Expires = s.clock.Now().Add(time.Minute)
		if diff := cmp.Diff([]locks.Lock{l}, s.covering("/a")); diff != "" {
			t.Errorf("while held (-want +got):\n%s", diff)
		}
		_, err := s.Create(t.Context(), on("/a"))
		conflictRoot(t, err)
		release()
		s.clock.Advance(time.Minute - 1)
		s.stands(l, true)
		s.clock.Advance(1)
		s.stands(l, false)
	})
	t.Run("does not lengthen what did not run out", func(t *testing.T) {
		s := c.open(t)
		l := s.create(on("/a"))
		release := s.hold(l)
		s.clock.Advance(59 * time.Second)
		release()
		s.stands(l, true)
		s.clock.Advance(time.Second)
		s.stands(l, false)
	})
	t.Run("adds up", func(t *testing.T) {
		s := c.open(t)
		l := s.create(on("/a"))
		first, second := s.hold(l), s.hold(l)
		s.clock.Advance(time.Hour)
		first()
		first() // once is enough, twice is harmless
		s.clock.Advance(time.Hour)
		s.stands(l, true)
		second()
		s.clock.Advance(time.Minute)
		s.stands(l, false)
	})
	t.Run("can be refreshed", func(t *testing.T) {
		s := c.open(t)
		l := s.create(on("/a"))
		release := s.hold(l)
		for range 5 { // as macOS does during an upload
			s.clock.Advance(300 * time.Second)
			if _, err := s.Refresh(t.Context(), "/a", l.Token, 600*time.Second); err != nil {
				t.Fatal(err)
			}
		}
		release()
		s.clock.Advance(599 * time.Second)
		s.stands(l, true)
		s.clock.Advance(time.Second)
		s.stands(l, false)
	})
	t.Run("can be removed", func(t *testing.T) {
		s := c.open(t)
		l := s.create(on("/a"))
		release := s.hold(l)
		s.remove(l)
		next := s.create(on("/a"))
		release()
		s.stands(l, false)
		s.stands(next, true)
		s.clock.Advance(time.Minute)
		s.stands(next, false)
	})
}

func testReopen(t *testing.T, c Config) {
	s := c.open(t)
	reopen := func() { s.System = c.Reopen(t, s.System, s.clock) }

	full := locks.Lock{Root: "/a\xff/b", Infinite: true, Shared: true, OwnerXML: "<x>é</x>", User: "bob\xfe", Timeout: time.Hour}
	full = s.create(full)
	removed := s.create(on("/removed"))
	s.remove(removed)
	tree := s.create(on("/tree/x"))
	if err := s.RemoveTree(t.Context(), "/tree"); err != nil {
		t.Fatal(err)
	}
	refreshed := s.create(on("/refreshed"))
	if _, err := s.Refresh(t.Context(), "/refreshed", refreshed.Token, time.Hour); err != nil {
		t.Fatal(err)
	}
	short := s.create(on("/short"))
	held := s.create(on("/held"))
	release := s.hold(held)
	s.clock.Advance(59 * time.Second)

	reopen()
	release() // of a process that is gone
	if diff := cmp.Diff([]locks.Lock{full}, s.covering("/a\xff/b/c")); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
	for l, want := range map[locks.Lock]bool{removed: false, tree: false, refreshed: true, short: true, held: true} {
		s.stands(l, want)
	}
	_, err := s.Create(t.Context(), on("/short"))
	conflictRoot(t, err)

	s.clock.Advance(time.Second) // no hold keeps it any more
	s.stands(held, false)
	reopen()
	for l, want := range map[locks.Lock]bool{full: true, refreshed: true, short: false, held: false} {
		s.stands(l, want)
	}

	over := s.create(on("/over"))
	release = s.hold(over)
	s.clock.Advance(2 * time.Minute)
	release() // starts over, and that is on record
	reopen()
	s.stands(over, true)
	s.remove(over) // a lock from before can be ended,
	s.create(on("/over"))
	s.clock.Advance(time.Hour)
	reopen()
	if got := s.inside("/"); len(got) > 0 { // and all come to an end
		t.Errorf("an hour later: %+v", got)
	}
}
