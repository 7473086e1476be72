package davfs

import (
	"context"
	"io/fs"
	"time"

	"golang.org/x/net/webdav"
)

// info describes a node as an fs.FileInfo, without ever asking the store. x/net
// takes ETag and ContentType from it instead of opening the file.
type info struct {
	node
	fs   *FileSystem
	tree *tree // nil: the root of all remotes
}

var _ interface {
	fs.FileInfo
	webdav.ETager
	webdav.ContentTyper
} = (*info)(nil)

// Name is the last segment of the name.
func (i *info) Name() string {
	switch {
	case i.tree == nil:
		return "/"
	case i.path == "":
		return i.tree.remote.Name
	}
	_, name := splitPath(i.path)
	return name
}

// Size is the length of the content in bytes, 0 of a folder.
func (i *info) Size() int64 {
	if i.dir {
		return 0
	}
	return i.obj.Size
}

func (i *info) Mode() fs.FileMode {
	mode := fs.FileMode(0o644)
	if i.dir {
		mode = fs.ModeDir | 0o755
	}
	if i.tree == nil || i.tree.remote.ReadOnly {
		mode &^= 0o222
	}
	return mode
}

// ModTime is when the file was stored. A folder that exists only through its
// members has no time of its own and gets the server's start.
func (i *info) ModTime() time.Time {
	if i.modTime().IsZero() {
		return i.fs.forest.started
	}
	return i.modTime()
}

func (i *info) IsDir() bool { return i.dir }

// Sys is the providers.Object.
func (i *info) Sys() any { return i.obj }

// ETag implements webdav.ETager.
func (i *info) ETag(context.Context) (string, error) {
	if i.dir || i.obj.ETag == "" {
		return "", webdav.ErrNotImplemented
	}
	return i.obj.ETag, nil
}

// ContentType implements webdav.ContentTyper.
func (i *info) ContentType(context.Context) (string, error) {
	return contentType(i.node), nil
}

// writtenInfo is the info of a file that is being written: of what is stored
// as soon as it is.
type writtenInfo struct{ w *writer }

func (i *writtenInfo) info() *info {
	n := node{path: i.w.path}
	if i.w.stored != nil {
		n = *i.w.stored
	} else {
		n.obj.Size = i.w.size
	}
	return &info{fs: i.w.fs, tree: i.w.tree, node: n}
}

func (i *writtenInfo) Name() string       { return i.info().Name() }
func (i *writtenInfo) Size() int64        { return i.info().Size() }
func (i *writtenInfo) Mode() fs.FileMode  { return i.info().Mode() }
func (i *writtenInfo) ModTime() time.Time { return i.info().ModTime() }
func (i *writtenInfo) IsDir() bool        { return false }
func (i *writtenInfo) Sys() any           { return i.info().obj }

// ETag implements webdav.ETager.
func (i *writtenInfo) ETag(ctx context.Context) (string, error) { return i.info().ETag(ctx) }

// ContentType implements webdav.ContentTyper.
func (i *writtenInfo) ContentType(ctx context.Context) (string, error) {
	return i.info().ContentType(ctx)
}
