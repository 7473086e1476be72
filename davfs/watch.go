package davfs

import (
	"context"
	"sync"
)

// watches know what is being written in a tree, so that what a transfer
// deletes at its end (the source of a move, what a folder replaced) is what it
// has copied or seen, and never what a client has written meanwhile and was
// told is stored.
//
// A write is noted for as long as it runs: one that was under way when the
// transfer began counts as well, because it may end at any time. And while a
// transfer deletes, no write of the same name begins: it waits.
type watches struct {
	mu      sync.Mutex
	writing map[string]int // writes under way, by path
	all     map[*watch]bool
	claimed map[string]chan struct{} // being deleted; closed when that has ended
	leaving map[string]chan struct{} // being moved away; closed likewise
}

// takeAway waits until nothing else moves path, or what is below or above it,
// away: of two clients that move one file to two places, one finds it gone. done
// must be called when the move has ended.
func (w *watches) takeAway(ctx context.Context, path string) (done func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		other := w.leavingAt(path)
		if other == nil {
			break
		}
		w.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
		}
		w.mu.Lock()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	if w.leaving == nil {
		w.leaving = make(map[string]chan struct{})
	}
	gone := make(chan struct{})
	w.leaving[path] = gone
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.leaving, path)
		close(gone)
	}, nil
}

// leavingAt finds a move that has to do with path. w.mu is held.
func (w *watches) leavingAt(path string) chan struct{} {
	for p, gone := range w.leaving {
		if p == path || inside(p, path) || inside(path, p) {
			return gone
		}
	}
	return nil
}

// watch is what a transfer sees of the writes to a file, or to a folder and
// below.
type watch struct {
	of      *watches
	path    string
	written map[string]int // by path; of.mu
}

// add begins to watch path, until end is called.
func (w *watches) add(path string) (one *watch, end func()) {
	one = &watch{of: w, path: path, written: make(map[string]int)}
	w.mu.Lock()
	defer w.mu.Unlock()
	for p, n := range w.writing {
		if one.covers(p) {
			one.written[p] = n
		}
	}
	if w.all == nil {
		w.all = make(map[*watch]bool)
	}
	w.all[one] = true
	return one, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, one)
	}
}

func (one *watch) covers(path string) bool { return path == one.path || inside(path, one.path) }

// begin tells of a write to path that begins, once nothing deletes there. end
// must follow.
func (w *watches) begin(ctx context.Context, path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for gone := w.claimed[path]; gone != nil && ctx.Err() == nil; gone = w.claimed[path] {
		w.mu.Unlock()
		select {
		case <-gone:
		case <-ctx.Done():
		}
		w.mu.Lock()
	}
	if w.writing == nil {
		w.writing = make(map[string]int)
	}
	w.writing[path]++
	for one := range w.all {
		if one.covers(path) {
			one.written[path]++
		}
	}
}

// end tells that a write has ended.
func (w *watches) end(path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writing[path]--; w.writing[path] == 0 {
		delete(w.writing, path)
	}
}

// own takes a write of the transfer itself out of what it sees.
func (one *watch) own(path string) {
	one.of.mu.Lock()
	defer one.of.mu.Unlock()
	if one.written[path]--; one.written[path] <= 0 {
		delete(one.written, path)
	}
}

// has reports whether path, or a folder around it, was written.
func (one *watch) has(path string) bool {
	one.of.mu.Lock()
	defer one.of.mu.Unlock()
	return one.saw(path)
}

// saw is has; of.mu is held.
func (one *watch) saw(path string) bool {
	for len(one.written) > 0 {
		if one.written[path] > 0 {
			return true
		}
		if path == one.path || path == "" {
			break
		}
		path, _ = splitPath(path)
	}
	return false
}

// claim takes hold of those of the paths that nobody has written, to delete
// them: until release is called no write to them begins.
func (one *watch) claim(paths []string) (free []bool, release func()) {
	w := one.of
	gone := make(chan struct{})
	free = make([]bool, len(paths))
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.claimed == nil {
		w.claimed = make(map[string]chan struct{})
	}
	for i, path := range paths {
		if free[i] = !one.saw(path) && w.claimed[path] == nil; free[i] {
			w.claimed[path] = gone
		}
	}
	return free, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for i, path := range paths {
			if free[i] {
				delete(w.claimed, path)
			}
		}
		close(gone)
	}
}
