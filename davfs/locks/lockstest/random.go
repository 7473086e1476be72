package lockstest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sealdav/davfs/locks"
)

// model is the rules written down as plainly as they can be: a list of locks,
// looked through from end to end.
type model struct {
	clock *Clock
	locks []*modelLock
}

type modelLock struct {
	locks.Lock
	holds int
}

func below(path, root string) bool {
	return root == "/" && path != "/" || strings.HasPrefix(path, root+"/")
}

func covers(l locks.Lock, path string) bool {
	return l.Root == path || l.Infinite && below(path, l.Root)
}

func (m *model) expire() {
	m.locks = slices.DeleteFunc(m.locks, func(l *modelLock) bool {
		return l.holds == 0 && !l.Expires.After(m.clock.Now())
	})
}

// conflicts returns the roots of all locks that exclude l.
func (m *model) conflicts(l locks.Lock) (roots []string) {
	for _, o := range m.locks {
		if (covers(o.Lock, l.Root) || covers(l, o.Root)) && !(o.Shared && l.Shared) {
			roots = append(roots, o.Root)
		}
	}
	return roots
}

// find returns the lock with this token if it covers path.
func (m *model) find(path, token string) *modelLock {
	for _, l := range m.locks {
		if l.Token == token && covers(l.Lock, path) {
			return l
		}
	}
	return nil
}

func (m *model) filter(keep func(l locks.Lock) bool) (found []locks.Lock) {
	for _, l := range m.locks {
		if keep(l.Lock) {
			v := l.Lock
			if !v.Expires.After(m.clock.Now()) {
				v.Expires = m.clock.Now().Add(v.Timeout)
			}
			found = append(found, v)
		}
	}
	return found
}

func (m *model) remove(drop func(l *modelLock) bool) { m.locks = slices.DeleteFunc(m.locks, drop) }

func (m *model) release(token string) {
	for _, l := range m.locks {
		if l.Token != token {
			continue
		}
		if l.holds--; l.holds == 0 && !l.Expires.After(m.clock.Now()) {
			l.Expires = m.clock.Now().Add(l.Timeout)
		}
	}
}

// walk does random things to a System and its model, and compares.
type walk struct {
	*system
	Config
	rand     *rand.Rand
	model    *model
	tokens   []string // all that were ever granted
	releases []held
}

type held struct {
	token   string
	release func()
}

func testRandom(t *testing.T, c Config) {
	steps := 300
	if c.Reopen == nil {
		steps = 1000 // nothing waits for a disk
	}
	for seed := range uint64(5) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s := c.open(t)
			w := &walk{system: s, Config: c, rand: rand.New(rand.NewPCG(seed, 0)), model: &model{clock: s.clock}}
			for i := range steps {
				what := w.step()
				w.compare()
				if t.Failed() {
					t.Fatalf("seed %d, step %d: %s", seed, i, what)
				}
			}
		})
	}
}

// path returns one of few, so that they meet.
func (w *walk) path() string {
	var b strings.Builder
	for range w.rand.IntN(4) {
		b.WriteString([]string{"/a", "/ab", "/b"}[w.rand.IntN(3)])
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

func (w *walk) token() string {
	if len(w.tokens) == 0 || w.rand.IntN(20) == 0 {
		return "urn:uuid:00000000-0000-4000-8000-000000000000"
	}
	// Recent ones, which are likely to stand.
	recent := w.tokens[max(0, len(w.tokens)-8):]
	return recent[w.rand.IntN(len(recent))]
}

// pathFor returns a path that the lock with this token often covers.
func (w *walk) pathFor(token string) string {
	i := slices.IndexFunc(w.model.locks, func(l *modelLock) bool { return l.Token == token })
	if i < 0 || w.rand.IntN(4) == 0 {
		return w.path()
	}
	return w.model.locks[i].Root
}

func (w *walk) timeout() time.Duration {
	return time.Duration(1+w.rand.IntN(120)) * time.Second
}

func (w *walk) step() string {
	switch n := w.rand.IntN(100); {
	case n < 35:
		return w.create()
	case n < 50:
		return w.refresh()
	case n < 60:
		return w.remove()
	case n < 65:
		return w.removeTree()
	case n < 75:
		return w.hold()
	case n < 85:
		return w.release()
	case n < 98 || w.Reopen == nil:
		d := time.Duration(w.rand.IntN(30)) * time.Second
		w.clock.Advance(d)
		w.model.expire()
		return fmt.Sprint("advance ", d)
	default:
		w.System = w.Reopen(w.t, w.System, w.clock)
		w.releases = nil
		for _, l := range w.model.locks {
			l.holds = 0
		}
		w.model.expire()
		return "reopen"
	}
}

func (w *walk) create() string {
	l := locks.Lock{Root: w.path(), Infinite: w.rand.IntN(3) == 0, Shared: w.rand.IntN(2) == 0, Timeout: w.timeout()}
	conflicts := w.model.conflicts(l)
	granted, err := w.Create(w.t.Context(), l)
	if root := conflictRoot(w.t, err); err != nil {
		if !slices.Contains(conflicts, root) {
			w.t.Errorf("conflict with %q, want one of %q", root, conflicts)
		}
	} else {
		if len(conflicts) > 0 {
			w.t.Errorf("granted in spite of %q", conflicts)
		}
		l.Token, l.Expires = granted.Token, w.clock.Now().Add(l.Timeout)
		w.model.locks = append(w.model.locks, &modelLock{Lock: l})
		w.tokens = append(w.tokens, l.Token)
	}
	return fmt.Sprintf("Create(%+v): %v", l, err)
}

func (w *walk) refresh() string {
	token, timeout := w.token(), w.timeout()
	path := w.pathFor(token)
	_, err := w.Refresh(w.t.Context(), path, token, timeout)
	l := w.model.find(path, token)
	w.same(err, l != nil)
	if l != nil {
		l.Timeout, l.Expires = timeout, w.clock.Now().Add(timeout)
	}
	return fmt.Sprintf("Refresh(%q, %q, %v): %v", path, token, timeout, err)
}

func (w *walk) remove() string {
	token := w.token()
	path := w.pathFor(token)
	err := w.Remove(w.t.Context(), path, token)
	l := w.model.find(path, token)
	w.same(err, l != nil)
	w.model.remove(func(o *modelLock) bool { return o == l })
	return fmt.Sprintf("Remove(%q, %q): %v", path, token, err)
}

func (w *walk) removeTree() string {
	path := w.path()
	if err := w.RemoveTree(w.t.Context(), path); err != nil {
		w.t.Error(err)
	}
	w.model.remove(func(l *modelLock) bool { return l.Root == path || below(l.Root, path) })
	return fmt.Sprintf("RemoveTree(%q)", path)
}

func (w *walk) hold() string {
	token := w.token()
	release, err := w.Hold(w.t.Context(), token)
	i := slices.IndexFunc(w.model.locks, func(l *modelLock) bool { return l.Token == token })
	w.same(err, i >= 0)
	if err == nil && i >= 0 {
		w.model.locks[i].holds++
		w.releases = append(w.releases, held{token, release})
	}
	return fmt.Sprintf("Hold(%q): %v", token, err)
}

func (w *walk) release() string {
	if len(w.releases) == 0 {
		return "nothing to release"
	}
	i := w.rand.IntN(len(w.releases))
	h := w.releases[i]
	w.releases = slices.Delete(w.releases, i, i+1)
	h.release()
	w.model.release(h.token)
	return fmt.Sprintf("release of %q", h.token)
}

// same fails the test unless err is nil or ErrNoSuchLock as the model has it.
func (w *walk) same(err error, found bool) {
	w.t.Helper()
	if found && err != nil || !found && !errors.Is(err, locks.ErrNoSuchLock) {
		w.t.Errorf("got error %v; the model has the lock: %v", err, found)
	}
}

func (w *walk) compare() {
	w.t.Helper()
	path := w.path()
	byToken := cmpopts.SortSlices(func(a, b locks.Lock) bool { return a.Token < b.Token })
	want := w.model.filter(func(l locks.Lock) bool { return covers(l, path) })
	if diff := cmp.Diff(want, w.covering(path), byToken, cmpopts.EquateEmpty()); diff != "" {
		w.t.Errorf("Covering(%q) (-model +got):\n%s", path, diff)
	}
	want = w.model.filter(func(l locks.Lock) bool { return below(l.Root, path) })
	got := w.inside(path)
	if diff := cmp.Diff(want, got, byToken, cmpopts.EquateEmpty()); diff != "" {
		w.t.Errorf("Inside(%q) (-model +got):\n%s", path, diff)
	}
}
