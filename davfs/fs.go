package davfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"reflect"
	"sync"

	"golang.org/x/net/webdav"
)

// FileSystem is remotes as a webdav.FileSystem. It is complete, so that it
// works under a plain webdav.Handler, and as careful as that handler lets it
// be: an interrupted upload stores nothing, an upload is streamed, COPY of a
// file is the store's own, a folder's PROPFIND is one listing. What a plain
// handler makes of it (MOVE and COPY delete their target first, a failing
// store reads as 404) only Handler puts right.
//
// Its errors are bare fs.ErrNotExist, fs.ErrExist and the like where
// os.IsNotExist and its kin are asked, otherwise those of package providers.
type FileSystem struct {
	forest *forest

	mu    sync.Mutex
	memos map[context.Context]*cache // of the requests under way
}

var _ webdav.FileSystem = (*FileSystem)(nil)

// NewFileSystem returns remotes as one file system, each a folder of its root.
// Their names must differ and be segments of a URL. Of opts, ListCache and
// Logger are used. It makes no request to the stores.
func NewFileSystem(remotes []Remote, opts Options) (*FileSystem, error) {
	f, err := newForest(remotes, opts)
	if err != nil {
		return nil, err
	}
	return newFileSystem(f), nil
}

func newFileSystem(f *forest) *FileSystem {
	return &FileSystem{forest: f, memos: make(map[context.Context]*cache)}
}

// memoEntries bounds what a request remembers, in entries.
const memoEntries = 1 << 20

// scope gives the calls of one HTTP request a common memory: x/net stats each
// member of a folder that it has just listed. Requests are told apart by their
// context, which net/http ends with them; contexts of another origin may live
// for long and get none.
func (f *FileSystem) scope(ctx context.Context) context.Context {
	if memoOf(ctx) != nil || ctx.Done() == nil || ctx.Value(http.ServerContextKey) == nil ||
		!reflect.TypeOf(ctx).Comparable() {
		return ctx
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	memo := f.memos[ctx]
	if memo == nil {
		memo = newCache(0, memoEntries)
		memo.big = memoEntries - 1 // x/net holds all of a folder anyway
		f.memos[ctx] = memo
		context.AfterFunc(ctx, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			delete(f.memos, ctx)
		})
	}
	return withMemo(ctx, memo)
}

// bare turns an error into what x/net understands: it asks os.IsNotExist,
// which does not unwrap, and reads a missing parent as "not exist".
func bare(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errNoParent), Status(err) == http.StatusNotFound:
		return fs.ErrNotExist
	case Status(err) == http.StatusMethodNotAllowed && errors.Is(err, fs.ErrExist):
		return fs.ErrExist
	}
	return err
}

// Mkdir implements webdav.FileSystem. The mode is not kept.
func (f *FileSystem) Mkdir(ctx context.Context, name string, _ os.FileMode) error {
	ctx = f.scope(ctx)
	p, err := f.writable(ctx, name)
	if err != nil {
		return bare(err)
	}
	if p.isRoot() {
		return fs.ErrExist
	}
	return bare(p.tree.mkdir(ctx, p.path))
}

// writable resolves a name that is to be made. Remotes are made in the
// configuration.
func (f *FileSystem) writable(ctx context.Context, name string) (place, error) {
	p, err := f.forest.spelledPlace(ctx, name)
	if isNotExist(err) {
		if _, path, _, _ := parseName(name); path == "" {
			return place{}, fs.ErrPermission
		}
	}
	return p, err
}

// RemoveAll implements webdav.FileSystem. Of what is not there nothing is
// left either, so it is no error.
func (f *FileSystem) RemoveAll(ctx context.Context, name string) error {
	ctx = f.scope(ctx)
	p, err := f.forest.spelledPlace(ctx, name)
	if err == nil && p.isRoot() {
		err = fs.ErrPermission
	}
	if err == nil {
		err = p.tree.remove(ctx, p.path, p.asDir)
	}
	if isNotExist(err) {
		return nil
	}
	return bare(err)
}

// Rename implements webdav.FileSystem. As with os.Rename a file replaces a
// file; a folder does not replace anything.
func (f *FileSystem) Rename(ctx context.Context, oldName, newName string) error {
	ctx = f.scope(ctx)
	from, err := f.forest.spelledPlace(ctx, oldName)
	if err != nil {
		return bare(err)
	}
	to, err := f.writable(ctx, newName)
	if err != nil {
		return bare(err)
	}
	if from.isRoot() || to.isRoot() {
		return fs.ErrPermission
	}
	n, err := from.tree.lookup(ctx, from.path, from.asDir)
	if err != nil {
		return bare(err)
	}
	if !n.dir {
		if there, err := to.tree.stat(ctx, to.path, false); err == nil && there.dir {
			return errIsDir
		}
	}
	_, err = transferTree(ctx, to.tree, to.path, from.tree, n, transfer{move: true, overwrite: !n.dir})
	return bare(err)
}

// Stat implements webdav.FileSystem.
func (f *FileSystem) Stat(ctx context.Context, name string) (os.FileInfo, error) {
	ctx = f.scope(ctx)
	p, err := f.forest.spelledPlace(ctx, name)
	if err != nil {
		return nil, bare(err)
	}
	return f.stat(ctx, p)
}

func (f *FileSystem) stat(ctx context.Context, p place) (*info, error) {
	if p.isRoot() {
		return &info{fs: f, node: node{dir: true}}, nil
	}
	n, err := p.tree.stat(ctx, p.path, p.asDir)
	if err != nil {
		return nil, bare(err)
	}
	return &info{fs: f, tree: p.tree, node: n}, nil
}

// OpenFile implements webdav.FileSystem. An object is written as a whole, so
// there is no appending and no writing into the middle. Opening to create and
// closing with nothing written leaves an empty file where there was none, and
// one that was there as it is (x/net's LOCK opens so whenever it could not
// find the file, for whatever reason); if Stat was asked in between, as PUT
// does, the file is made empty.
func (f *FileSystem) OpenFile(ctx context.Context, name string, flag int, _ os.FileMode) (webdav.File, error) {
	ctx = f.scope(ctx)
	if flag&os.O_APPEND != 0 {
		return nil, fmt.Errorf("append to %s: %w", name, errors.ErrUnsupported)
	}
	if flag&os.O_CREATE != 0 {
		return f.create(ctx, name, flag)
	}
	p, err := f.forest.spelledPlace(ctx, name)
	if err != nil {
		return nil, bare(err)
	}
	i, err := f.stat(ctx, p)
	if err != nil {
		return nil, err
	}
	if flag&os.O_TRUNC != 0 {
		if i.dir {
			return nil, errIsDir
		}
		return &writer{fs: f, ctx: ctx, tree: p.tree, path: i.path, old: &i.node}, nil
	}
	if i.dir {
		return &folder{info: i, ctx: ctx}, nil
	}
	return &reader{info: i, ctx: ctx}, nil
}

func (f *FileSystem) create(ctx context.Context, name string, flag int) (webdav.File, error) {
	p, err := f.writable(ctx, name)
	if err != nil {
		return nil, bare(err)
	}
	if p.isRoot() || p.path == "" {
		return nil, errIsDir
	}
	if err := p.tree.mayWrite(ctx, p.path); err != nil {
		return nil, err
	}
	s, err := p.tree.look(ctx, p.path)
	switch {
	case err != nil:
		return nil, bare(err)
	case !s.parent:
		return nil, fs.ErrNotExist
	case s.dir != nil && s.file == nil:
		return nil, errIsDir
	case flag&os.O_EXCL != 0 && s.file != nil:
		return nil, fs.ErrExist
	case flag&os.O_TRUNC == 0 && s.file != nil:
		return &reader{info: &info{fs: f, tree: p.tree, node: *s.file}, ctx: ctx}, nil
	}
	return &writer{
		fs: f, ctx: ctx, tree: p.tree, path: p.path, old: s.file,
		absent: flag&os.O_EXCL != 0 || flag&os.O_TRUNC == 0,
	}, nil
}
