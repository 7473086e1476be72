package davfs

import (
	"context"
	"errors"
	"io"
	"iter"

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
	// cache of listings
}

// node is a file or a folder as the tree shows it.
type node struct {
	path string
	dir  bool
	// obj is the object of a file; of a folder its marker, zero where the
	// folder exists only through its children.
	obj providers.Object
}

// transfer says how transferTree copies.
type transfer struct {
	move      bool
	overwrite bool // otherwise an existing destination is ErrPrecondition
	shallow   bool // Depth 0: a folder without its members
}

// failure is one member of a tree operation that failed.
type failure struct {
	path string // within its remote
	dir  bool
	err  error
}

// partialError is a tree operation that failed half way; it names what
// remains to be done. It becomes a 207.
type partialError struct{ failures []failure }

func (e *partialError) Error() string { return "" }

// stat finds what lies at path. asDir prefers the folder, as a request with a
// slash at its end does; a file still answers if there is no folder.
func (t *tree) stat(ctx context.Context, path string, asDir bool) (node, error) {
	return node{}, errors.ErrUnsupported
}

// children yields what lies in a folder, sorted by path, from one listing. If
// there is no such folder the first pair is fs.ErrNotExist (or errNotDir when a
// file is there), so a caller knows before it has written anything.
func (t *tree) children(ctx context.Context, path string) iter.Seq2[node, error] {
	return nil
}

// open reads a file in one request.
func (t *tree) open(ctx context.Context, path string, opts providers.OpenOptions) (io.ReadCloser, node, error) {
	return nil, node{}, errors.ErrUnsupported
}

// put writes a file. created says that there was none before, as far as the
// parent's listing could tell. errNoParent where the folder does not exist,
// errIsDir where the path is a folder.
func (t *tree) put(ctx context.Context, path string, body io.Reader, opts providers.PutOptions) (n node, created bool, err error) {
	return node{}, false, errors.ErrUnsupported
}

// mkdir makes a folder: its marker. fs.ErrExist where anything is there,
// errNoParent where the parent is missing.
func (t *tree) mkdir(ctx context.Context, path string) error {
	return errors.ErrUnsupported
}

// remove deletes a file, or a folder with everything in it.
func (t *tree) remove(ctx context.Context, path string, asDir bool) error {
	return errors.ErrUnsupported
}

// transferTree copies or moves a file or a folder, within a remote or across
// two. Nothing at the destination is deleted before its replacement stands,
// nothing at the source before its copy does.
func transferTree(ctx context.Context, dst *tree, dstPath string, src *tree, from node, how transfer) (created bool, err error) {
	return false, errors.ErrUnsupported
}
