package davfs

import "sync"

// watch notes what is written into a folder while a transfer from or to it
// runs, so that the deletions at its end spare what came after its listing.
type watch struct {
	dir string

	mu      sync.Mutex
	written map[string]bool // paths
}

// watches are those of a tree.
type watches struct {
	mu  sync.Mutex
	all map[*watch]bool
}

// add begins to watch a folder, until end is called.
func (w *watches) add(dir string) (one *watch, end func()) {
	one = &watch{dir: dir, written: make(map[string]bool)}
	w.mu.Lock()
	defer w.mu.Unlock()
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

// note tells of a write that begins.
func (w *watches) note(path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for one := range w.all {
		if inside(path, one.dir) {
			one.mu.Lock()
			one.written[path] = true
			one.mu.Unlock()
		}
	}
}

// has reports whether path, or a folder around it, was written.
func (w *watch) has(path string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.written) == 0 {
		return false
	}
	for ; path != w.dir && path != ""; path, _ = splitPath(path) {
		if w.written[path] {
			return true
		}
	}
	return false
}
