package davfs

import (
	"context"
	"io/fs"
	"sync"

	"sealdav/providers"
)

// pageSize is how many entries of a parent's listing are looked at before a
// write: a page of S3, so one request.
const pageSize = 1000

// namesPage is how many names that begin with that of a file are looked at to
// find it and a folder of its name. What sorts between the two is rare.
const namesPage = 32

// sight is what is known of a path and of the folder it lies in.
type sight struct {
	parent bool  // the folder exists
	kept   bool  // the folder exists without any member: by its marker, or as the root
	others bool  // something else lies in the folder
	file   *node // the file at the path, if there is one
	dir    *node // the folder at the path, if there is one; without its marker
}

// pick chooses between a file and a folder of one name.
func (s sight) pick(asDir bool) (node, error) {
	switch {
	case s.file == nil && s.dir == nil:
		return node{}, fs.ErrNotExist
	case s.dir == nil || s.file != nil && !asDir:
		n := *s.file
		n.seen = s.seen()
		return n, nil
	}
	n := *s.dir
	n.seen = s.seen()
	return n, nil
}

// exists reports whether anything is at the path.
func (s sight) exists() bool { return s.file != nil || s.dir != nil }

// seen is what a node remembers of its folder.
func (s sight) seen() parentSeen {
	if s.kept || s.others || s.file != nil && s.dir != nil {
		return parentStays
	}
	return parentVanishes
}

// parentSeen says what becomes of a folder when a node in it goes.
type parentSeen int

const (
	parentUnknown  parentSeen = iota
	parentStays               // it has a marker or other members
	parentVanishes            // it exists through this node alone
)

// known is what a cached listing tells of path.
func (t *tree) known(ctx context.Context, path string, v view) (sight, bool) {
	for _, c := range t.cachesOf(ctx) {
		if s, ok := c.sight(t, path, v); ok {
			return s, true
		}
	}
	return sight{}, false
}

// look tells what lies at path and whether its folder exists, from a page of
// the folder's listing: one request, none if the listing is cached. Only where
// the folder is larger than a page and the page ends before the name does it
// take a second request.
func (t *tree) look(ctx context.Context, path string) (sight, error) {
	if s, ok := t.known(ctx, path, toWrite); ok {
		return s, nil
	}
	parent, _ := splitPath(path)
	if t.cache != nil {
		// Many uploads at once would all list their folder otherwise.
		wait, end := t.looking.begin(parent)
		if wait == nil {
			defer end()
		} else {
			select {
			case <-wait:
			case <-ctx.Done():
				return sight{}, context.Cause(ctx)
			}
			if s, ok := t.known(ctx, path, toWrite); ok {
				return s, nil
			}
		}
	}
	if t.cache.isLarge(t, parent) {
		s := sight{parent: true, kept: parent == "", others: true}
		return s, t.lookFurther(ctx, path, "", &s)
	}
	s := sight{parent: parent == "" || t.ephemeral, kept: parent == "" || t.ephemeral}
	fill := t.beginFill(ctx, parent)
	defer fill.end()
	count, last := 0, ""
	for e, err := range t.list(ctx, dirKey(parent), providers.ListOptions{PageSize: pageSize}) {
		if err != nil {
			return sight{}, err
		}
		s.parent = true
		count++
		last = e.Key
		if n, ok := t.child(parent, e); ok {
			fill.add(n.path[len(dirKey(parent)):], n)
			s.note(path, n)
		} else if e.Key == dirKey(parent) && !e.Dir {
			s.kept = true
			t.learnMarker(e.Object)
			fill.marker(e.Object)
		} else {
			s.others = true
		}
		if count == pageSize {
			break
		}
	}
	if count < pageSize {
		if s.parent {
			fill.commitLooked()
		}
		return s, nil
	}
	t.cache.noteLarge(t, parent)
	err := t.lookFurther(ctx, path, last, &s)
	return s, err
}

// looking are the folders that are being looked at for a write.
type looking struct {
	mu      sync.Mutex
	folders map[string]chan struct{} // closed when that is done
}

// begin says that the caller looks at a folder now, until it calls end. If
// somebody does already it returns a channel to wait for instead.
func (l *looking) begin(folder string) (wait <-chan struct{}, end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait, ok := l.folders[folder]; ok {
		return wait, nil
	}
	if l.folders == nil {
		l.folders = make(map[string]chan struct{})
	}
	done := make(chan struct{})
	l.folders[folder] = done
	return nil, func() {
		l.mu.Lock()
		delete(l.folders, folder)
		l.mu.Unlock()
		close(done)
	}
}

// note adds a member of the folder to what is known.
func (s *sight) note(path string, n node) {
	switch {
	case n.path != path:
		s.others = true
	case n.dir:
		s.dir = new(n)
	default:
		s.file = new(n)
	}
}

// lookFurther settles what a page that ended with the key last left open.
func (t *tree) lookFurther(ctx context.Context, path, last string, s *sight) error {
	if last >= dirKey(path) {
		return nil
	}
	if last < path {
		settled, err := t.lookByName(ctx, path, s)
		if settled || err != nil {
			return err
		}
	}
	n, err := t.statFolder(ctx, path)
	switch {
	case err == nil:
		s.dir = &n
		return nil
	case isNotExist(err):
		return nil
	}
	return err
}

// lookByName lists the names that begin with path: the file is the first of
// them. It is settled unless so many lie between the file and the folder
// ("a-1", "a-2"... come before "a/") that the page ends before.
func (t *tree) lookByName(ctx context.Context, path string, s *sight) (settled bool, err error) {
	count := 0
	for e, err := range t.list(ctx, path, providers.ListOptions{PageSize: namesPage}) {
		if err != nil {
			return false, err
		}
		parent, _ := splitPath(path)
		if n, ok := t.child(parent, e); ok {
			s.note(path, n)
		}
		if e.Key >= dirKey(path) {
			return true, nil
		}
		if count++; count == namesPage {
			return false, nil
		}
	}
	return true, nil
}

// keepsParent reports whether the folder of n stays when n goes.
func (t *tree) keepsParent(ctx context.Context, n node) (bool, error) {
	if parent, _ := splitPath(n.path); parent == "" {
		return true, nil
	}
	if n.seen == parentUnknown {
		s, err := t.look(ctx, n.path)
		if err != nil {
			return false, err
		}
		n.seen = s.seen()
	}
	return n.seen == parentStays, nil
}

// keepParent gives the folder of n a marker if it would vanish with n: a
// collection stays when its last member goes (RFC 4918 section 5.2 knows
// empty collections).
func (t *tree) keepParent(ctx context.Context, n node) error {
	stays, err := t.keepsParent(ctx, n)
	if err != nil || stays {
		return err
	}
	parent, _ := splitPath(n.path)
	return t.putMarker(ctx, parent)
}
