package davfs

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sealdav/providers"
)

// forest is all remotes together, as Handler and FileSystem share them. Which
// of them a user sees is decided here and nowhere else; whether he may write
// is decided by the trees.
type forest struct {
	trees  map[string]*tree
	names  []string // sorted
	cache  *cache   // shared by the trees; nil: none
	memory *memory  // shared by the trees
	// started is the time of folders that have none of their own, because it
	// stays the same: clients show 1970 for none.
	started time.Time
}

// newForest plants the remotes, whose names must differ.
func newForest(remotes []Remote, opts Options) (*forest, error) {
	f := &forest{trees: make(map[string]*tree, len(remotes)), memory: newMemory(), started: time.Now()}
	if opts.ListCache > 0 {
		f.cache = newCache(opts.ListCache, maxCachedEntries)
	}
	log := opts.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	for _, r := range remotes {
		if err := checkRemote(r); err != nil {
			return nil, err
		}
		if f.trees[r.Name] != nil {
			return nil, fmt.Errorf("two remotes are called %q; give one of them another name", r.Name)
		}
		t := newTree(r, f.cache, log)
		t.memory = f.memory
		f.trees[r.Name] = t
		f.names = append(f.names, r.Name)
	}
	slices.Sort(f.names)
	return f, nil
}

func checkRemote(r Remote) error {
	switch {
	case r.Bucket == nil:
		return fmt.Errorf("remote %q has no bucket", r.Name)
	case r.Litter.check() != nil:
		return fmt.Errorf("remote %q: %w", r.Name, r.Litter.check())
	case r.Name == "":
		return fmt.Errorf("a remote has no name")
	case r.Name == "." || r.Name == ".." || !utf8.ValidString(r.Name) ||
		strings.ContainsFunc(r.Name, func(c rune) bool { return c == '/' || c < ' ' || c == 0x7f }):
		return fmt.Errorf("the remote name %q cannot be a segment of a URL", r.Name)
	}
	return nil
}

// place is where a name leads: a path in a tree, or, with no tree, the root
// that lists the remotes.
type place struct {
	tree  *tree
	path  string
	asDir bool // the name had a slash at its end
}

// isRoot reports the root of all remotes.
func (p place) isRoot() bool { return p.tree == nil }

// resolve finds the place of a name ("/remote/a/b"). A remote that the user of
// ctx may not see does not exist. Names that cannot be are fs.ErrInvalid.
func (f *forest) resolve(ctx context.Context, name string) (place, error) {
	remote, path, asDir, err := parseName(name)
	if err != nil {
		return place{}, err
	}
	if remote == "" {
		return place{asDir: true}, nil
	}
	t := f.trees[remote]
	if t == nil || !AccessOf(ctx).May(remote) {
		return place{}, fs.ErrNotExist
	}
	if len(path) > providers.MaxKey {
		return place{}, providers.CheckKey("stat", path)
	}
	return place{tree: t.holding(path), path: path, asDir: asDir}, nil
}

// visible lists the trees that the user of ctx may see, sorted by name.
func (f *forest) visible(ctx context.Context) []*tree {
	access := AccessOf(ctx)
	var trees []*tree
	for _, name := range f.names {
		if access.May(name) {
			trees = append(trees, f.trees[name])
		}
	}
	return trees
}
