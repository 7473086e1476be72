package davfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"strings"
	"sync"

	"sealdav/providers"
)

// tree shows the flat keys of one remote as folders and files, the one place
// where that is decided.
//
// A path is "" for the remote's root, otherwise "a/b" without a slash at
// either end. It is a file if there is an object "a/b", and a folder if there
// is a marker "a/b/" or any key below it. Where both exist the file answers to
// "a/b" and the folder to "a/b/" (asDir).
type tree struct {
	remote Remote
	cache  *cache // nil: none
	memory *memory
	meter  meter
	log    *slog.Logger

	aside     *tree // what litter is kept in that the remote hides; nil: none
	ephemeral bool  // it is such a tree: its folders need not be made

	warned sync.Map // folders whose unspeakable keys were logged

	looking    looking
	unfinished unfinished // transfers to here
	watches    watches    // of transfers under way
}

func newTree(r Remote, c *cache, log *slog.Logger) *tree {
	t := &tree{remote: r, cache: c, memory: newMemory(), log: log.With("remote", r.Name)}
	if r.Litter == LitterHide {
		t.aside = newAside(r, log)
	}
	return t
}

// node is a file or a folder as the tree shows it.
type node struct {
	path string
	dir  bool
	// obj is the object of a file; of a folder its marker, zero where the
	// folder exists only through its children or the marker was not looked at.
	obj providers.Object
	// attrs are what was kept with obj, nil where that is not known.
	attrs *attributes
	// whole: the store was asked for this object alone, and has told all of it.
	whole bool
	// seen is what looking the node up told of the folder it lies in.
	seen parentSeen
}

// transfer says how transferTree copies.
type transfer struct {
	move      bool
	overwrite bool // otherwise an existing destination is ErrPrecondition
	shallow   bool // Depth 0: a folder without its members
	// partOf is the transfer that this one makes room for.
	partOf *mover
	pinned bool // a file only as it was seen, not as it has become since
	merge  bool // into a folder that is there, whose other members stay
	// replace, of a file, takes the place of its content type and metadata.
	replace *providers.CopyOptions
}

// failure is one member of a tree operation that failed.
type failure struct {
	path string // within its remote
	dir  bool
	err  error
}

// partialError is a tree operation that failed half way; it names what
// remains to be done. It becomes a 207.
type partialError struct {
	// tree is where the failures lie: the source of a move whose originals
	// could not be deleted, otherwise what was written to or deleted from.
	tree     *tree
	failures []failure
}

func (e *partialError) Error() string {
	first := e.failures[0]
	if len(e.failures) == 1 {
		return fmt.Sprintf("%s: %v", first.path, first.err)
	}
	return fmt.Sprintf("%d members failed, the first %s: %v", len(e.failures), first.path, first.err)
}

// Unwrap gives the failures, so that errors.Is finds their kinds.
func (e *partialError) Unwrap() []error {
	errs := make([]error, len(e.failures))
	for i, f := range e.failures {
		errs[i] = f.err
	}
	return errs
}

// mayWrite is where a read-only remote, a read-only user and sealdav's own
// part of the remote are kept from being written.
func (t *tree) mayWrite(ctx context.Context, path string) error {
	if t.remote.ReadOnly || AccessOf(ctx).ReadOnly || reserved(path) {
		return fs.ErrPermission
	}
	if t.absent(path) {
		return errLitter
	}
	return nil
}

// list is the bucket's listing, with one difference: a listing that is "not
// found" is a bucket that is, which must not look like an empty folder.
func (t *tree) list(ctx context.Context, prefix string, opts providers.ListOptions) iter.Seq2[providers.Entry, error] {
	return func(yield func(providers.Entry, error) bool) {
		last := ""
		for e, err := range t.remote.Bucket.List(ctx, prefix, opts) {
			if err == nil && e.Key <= last {
				err = &providers.Error{Op: "list", Key: prefix, Kind: providers.ErrUnavailable,
					Advice: "The store lists keys out of their order, so that what a folder holds cannot be told."}
			}
			last = e.Key
			if errors.Is(err, fs.ErrNotExist) {
				err = &providers.Error{Op: "list", Key: prefix, Kind: providers.ErrUnavailable, Err: err,
					Advice: "The bucket of this remote does not exist."}
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// stat finds what lies at path. asDir prefers the folder, as a request with a
// slash at its end does; a file still answers if there is no folder. It costs
// a request for a file, another for a folder that was not asked for as one.
func (t *tree) stat(ctx context.Context, path string, asDir bool) (node, error) {
	if path == "" {
		return node{dir: true}, nil
	}
	if t.absent(path) {
		return node{}, fs.ErrNotExist
	}
	if s, ok := t.known(ctx, path, toRead); ok {
		return s.pick(asDir)
	}
	if endsInLitter(path) {
		s, err := t.look(ctx, path) // as in open
		if err != nil {
			return node{}, err
		}
		return s.pick(asDir)
	}
	memo := memoOf(ctx)
	if n, ok := memo.remembered(t, path, asDir); ok {
		return n, nil
	}
	first, second := t.statFile, t.statFolder
	if asDir {
		first, second = second, first
	}
	n, err := first(ctx, path)
	if isNotExist(err) {
		n, err = second(ctx, path)
	}
	if err == nil {
		memo.remember(t, n, asDir)
	}
	return n, err
}

// lookup is stat by way of the parent's listing: one request for files and
// folders alike unless the folder is larger than a page. The node knows then
// what else lies beside it, which saves remove and transferTree a request.
func (t *tree) lookup(ctx context.Context, path string, asDir bool) (node, error) {
	if path == "" {
		return node{dir: true}, nil
	}
	if t.absent(path) {
		return node{}, fs.ErrNotExist
	}
	s, err := t.look(ctx, path)
	if err != nil {
		return node{}, err
	}
	return s.pick(asDir)
}

func (t *tree) statFile(ctx context.Context, path string) (node, error) {
	obj, err := t.remote.Bucket.Stat(ctx, path)
	if err != nil {
		return node{}, err
	}
	return t.told(path, obj), nil
}

// statFolder asks whether anything lies in the folder at path.
func (t *tree) statFolder(ctx context.Context, path string) (node, error) {
	for _, c := range t.cachesOf(ctx) {
		if n, ok := c.folder(t, path); ok {
			return n, nil
		}
	}
	if memoOf(ctx) != nil {
		return t.firstPage(ctx, path)
	}
	for e, err := range t.list(ctx, dirKey(path), providers.ListOptions{PageSize: 1}) {
		if err != nil {
			return node{}, err
		}
		n := node{path: path, dir: true}
		if e.Key == dirKey(path) && !e.Dir {
			n.obj = e.Object
		}
		return n, nil
	}
	return node{}, fs.ErrNotExist
}

// firstPage is statFolder for a request that will list the folder next: a
// folder of a page is known whole then.
func (t *tree) firstPage(ctx context.Context, path string) (node, error) {
	n := node{path: path, dir: true}
	found, whole := false, true
	fill := t.beginFill(ctx, path)
	defer fill.end()
	count := 0
	for e, err := range t.list(ctx, dirKey(path), providers.ListOptions{PageSize: pageSize}) {
		if err != nil {
			return node{}, err
		}
		found = true
		if c, ok := t.child(path, e); ok {
			fill.add(c.path[len(dirKey(path)):], c)
		} else if e.Key == dirKey(path) && !e.Dir {
			n.obj = e.Object
			t.learnMarker(e.Object)
			fill.marker(e.Object)
		}
		if count++; count == pageSize {
			whole = false
			break
		}
	}
	if !found {
		return node{}, fs.ErrNotExist
	}
	if whole {
		fill.commit()
	}
	return n, nil
}

// child is the node of an entry of the listing of the folder at parent; ok is
// false for the folder's own marker and for keys that no path can say.
func (t *tree) child(parent string, e providers.Entry) (n node, ok bool) {
	key := e.Key
	if e.Dir {
		key = strings.TrimSuffix(key, "/")
	} else if key == dirKey(parent) {
		return node{}, false
	}
	if parent == "" && reserved(key) || t.hiddenMember(key[len(dirKey(parent)):]) {
		return node{}, false
	}
	if !speakable(key[len(dirKey(parent)):]) {
		if _, before := t.warned.LoadOrStore(parent, true); !before {
			attrs := []any{}
			if t.log.Enabled(context.Background(), slog.LevelDebug) { // as in request.attrs
				attrs = append(attrs, "folder", parent, "key", e.Key)
			}
			t.log.Warn("a folder has keys that no URL can name; they are not shown", attrs...)
		}
		return node{}, false
	}
	n = node{path: key, dir: e.Dir}
	if !e.Dir {
		n.obj = e.Object
	} else {
		n.obj.ModTime = e.ModTime
	}
	if e.Metadata != nil { // a listing that tells it
		n.attrs = readAttributes(e.Metadata)
	}
	return n, true
}

// children yields what lies in a folder, sorted by key (a folder's has a slash
// at its end), from one listing. If there is no such folder the first pair is
// fs.ErrNotExist, or the file with errNotDir when that is there, so a caller
// knows before it has written anything. Where the file "a" lies beside the folder "a/" both
// are yielded.
func (t *tree) children(ctx context.Context, path string) iter.Seq2[node, error] {
	return func(yield func(node, error) bool) {
		if t.absent(path) {
			yield(node{}, fs.ErrNotExist)
			return
		}
		for _, c := range t.cachesOf(ctx) {
			if seq, ok := c.children(t, path); ok {
				for n := range seq {
					if !yield(n, nil) {
						return
					}
				}
				return
			}
		}
		t.fetch(ctx, path, yield)
	}
}

// fetch lists a folder from the store, and keeps the listing if it comes to
// its end.
func (t *tree) fetch(ctx context.Context, path string, yield func(node, error) bool) {
	fill := t.beginFill(ctx, path)
	defer fill.end()
	prefix := dirKey(path)
	found := path == ""
	for e, err := range t.list(ctx, prefix, providers.ListOptions{}) {
		if err != nil {
			yield(node{}, err)
			return
		}
		found = true
		n, ok := t.child(path, e)
		if !ok {
			if e.Key == prefix && !e.Dir {
				t.learnMarker(e.Object)
				fill.marker(e.Object)
			}
			continue
		}
		fill.add(n.path[len(prefix):], n)
		if !yield(n, nil) {
			return
		}
	}
	if !found {
		n, err := t.statFile(ctx, path)
		if err == nil {
			err = errNotDir
		}
		yield(n, err)
		return
	}
	fill.commit()
}

// open reads a file in one request, a large one in several if the remote is
// set to.
func (t *tree) open(ctx context.Context, path string, opts providers.OpenOptions) (io.ReadCloser, node, error) {
	if path == "" {
		return nil, node{}, errIsDir
	}
	if t.absent(path) {
		return nil, node{}, fs.ErrNotExist
	}
	s, known := t.known(ctx, path, toRead)
	if !known && endsInLitter(path) {
		// It is mostly not there, and asked for again: a listing answers for
		// the next ones too.
		var err error
		if s, err = t.look(ctx, path); err != nil {
			return nil, node{}, err
		}
		known = true
	}
	if known && s.file == nil {
		if s.dir != nil {
			return nil, node{}, errIsDir
		}
		return nil, node{}, fs.ErrNotExist
	}
	body, obj, err := t.remote.ReadAhead.Open(ctx, t.remote.Bucket, path, opts)
	if err == nil {
		return body, t.told(path, obj), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, node{}, err
	}
	if known { // the listing is older than the store
		t.beginWrite(ctx, path).fail()
	}
	if _, dirErr := t.statFolder(ctx, path); dirErr == nil {
		return nil, node{}, errIsDir
	} else if !errors.Is(dirErr, fs.ErrNotExist) {
		return nil, node{}, dirErr
	}
	return nil, node{}, err
}
