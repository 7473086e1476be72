package lockstest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sealdav/davfs/locks"
)

// testOneWins lets many ask for the same thing at once.
func testOneWins(t *testing.T, c Config) {
	asks := map[string]func(i int) locks.Lock{
		"one path": func(int) locks.Lock { return on("/a/b") },
		"up and down the tree": func(i int) locks.Lock {
			return on([]string{"/", "/a", "/a/b", "/a/b/c"}[i%4], "infinite")
		},
		"shared ones lose to the exclusive or it to them": func(i int) locks.Lock {
			if i%2 == 0 {
				return on("/a", "infinite", "shared")
			}
			return on("/a/b")
		},
	}
	for name, ask := range asks {
		t.Run(name, func(t *testing.T) {
			s := c.open(t)
			var exclusive, shared atomic.Int32
			start := make(chan struct{})
			var wg sync.WaitGroup
			for i := range 32 {
				wg.Go(func() {
					<-start
					l, err := s.Create(t.Context(), ask(i))
					switch {
					case err != nil && !errors.Is(err, locks.ErrLocked):
						t.Errorf("Create: %v", err)
					case err == nil && l.Shared:
						shared.Add(1)
					case err == nil:
						exclusive.Add(1)
					}
				})
			}
			close(start)
			wg.Wait()
			if e, s := exclusive.Load(), shared.Load(); e > 1 || e == 1 && s > 0 || e == 0 && s == 0 {
				t.Errorf("%d exclusive and %d shared locks were granted", e, s)
			}
		})
	}
}

// testConcurrent lets clients go through a day's work beside each other, each
// on its own file, while others look on. What a client sees of its own file
// must be as if it were alone.
func testConcurrent(t *testing.T, c Config) {
	s := c.open(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			path := fmt.Sprintf("/folder/%d", i)
			for range 20 {
				if err := session(s, path); err != nil {
					t.Errorf("%s: %v", path, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := s.inside("/"); len(got) > 0 {
		t.Errorf("left over: %+v", got)
	}
	s.create(on("/", "infinite"))
}

func session(s *system, path string) error {
	ctx := s.t.Context()
	l, err := s.Create(ctx, on(path, "infinite"))
	if err != nil {
		return err
	}
	if _, err := s.Create(ctx, on("/folder", "infinite")); !errors.Is(err, locks.ErrLocked) {
		return fmt.Errorf("locking the folder: got error %v, want %v", err, locks.ErrLocked)
	}
	release, err := s.Hold(ctx, l.Token)
	if err != nil {
		return err
	}
	defer release()
	if _, err := s.Refresh(ctx, path, l.Token, time.Hour); err != nil {
		return err
	}
	covering, err := s.Covering(ctx, path+"/member")
	if err != nil || len(covering) != 1 || covering[0].Token != l.Token {
		return fmt.Errorf("covering: got %+v, error %v", covering, err)
	}
	if inside, err := s.Inside(ctx, "/"); err != nil || len(inside) == 0 {
		return fmt.Errorf("inside: got %+v, error %v", inside, err)
	}
	return s.RemoveTree(ctx, path)
}
