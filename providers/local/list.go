package local

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sealdav/providers"
)

// List implements providers.Bucket. A directory's names are read at once and
// sorted; what lies in them only as the loop comes to it.
func (b *Bucket) List(ctx context.Context, prefix string, opts providers.ListOptions) iter.Seq2[providers.Entry, error] {
	return func(yield func(providers.Entry, error) bool) {
		dir := prefix[:strings.LastIndex(prefix, "/")+1]
		w := &walk{ctx: ctx, b: b, prefix: prefix, recursive: opts.Recursive, yield: yield}
		if dir == "" {
			w.children("")
		} else if _, err := path(dir); err == nil { // else there can be nothing below
			w.dir(dir)
		}
		if w.err != nil {
			yield(providers.Entry{}, fail("list", prefix, w.err))
		}
	}
}

// walk is one listing under way. Its methods report whether to go on.
type walk struct {
	ctx       context.Context
	b         *Bucket
	prefix    string
	recursive bool
	yield     func(providers.Entry, error) bool
	err       error
}

// dir yields a directory's marker and what is in it; its key ends in "/".
func (w *walk) dir(key string) bool {
	if !strings.HasPrefix(key, w.prefix) { // the prefix goes on within a name
		return w.children(key)
	}
	o, err := w.b.openAny(key)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err == nil {
		w.b.attributes(o.File, &o.obj)
		err = o.Close()
	}
	if err != nil {
		w.err = err
		return false
	}
	o.obj.Encryption = w.b.keys.writeEncryption()
	return w.yield(providers.Entry{Object: o.obj}, nil) && w.children(key)
}

// item is a name in a directory.
type item struct {
	key  string // of the whole path; directories end in "/"
	name string
	link bool
}

// children yields what is in a directory; the root's key is "".
func (w *walk) children(dir string) bool {
	root, all, err := w.b.readDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil {
		w.err = err
		return false
	}
	defer root.Close() //nolint:errcheck // was only read
	for _, c := range all {
		if w.err = w.ctx.Err(); w.err != nil {
			return false
		}
		if !strings.HasPrefix(c.key, w.prefix) {
			continue
		}
		goOn := true
		switch {
		case isMarker(c.key) && w.recursive:
			goOn = w.dir(c.key)
		case isMarker(c.key):
			e := providers.Entry{Dir: true, Object: providers.Object{Key: c.key}}
			if info, err := root.Lstat(c.name); err == nil {
				e.ModTime = info.ModTime()
			}
			goOn = w.yield(e, nil)
		default:
			if obj, ok := w.b.describe(root, c); ok {
				goOn = w.yield(providers.Entry{Object: obj}, nil)
			}
		}
		if !goOn {
			return false
		}
	}
	return true
}

// readDir returns the objects and directories in a directory in the order of
// their keys, and the directory, for the caller to close.
func (b *Bucket) readDir(dir string) (*os.Root, []item, error) {
	name := "."
	if dir != "" {
		var err error
		if name, err = path(dir); err != nil {
			return nil, nil, err
		}
	}
	root, err := b.root.OpenRoot(name)
	if err != nil {
		// Of a file the system's own error has no number to go by.
		if info, statErr := b.root.Stat(name); statErr == nil && !info.IsDir() {
			err = fs.ErrNotExist
		}
		return nil, nil, absent(err)
	}
	all, err := readNames(root, dir)
	if err != nil {
		_ = root.Close() // was only read
		return nil, nil, err
	}
	slices.SortFunc(all, func(a, b item) int { return cmp.Compare(a.key, b.key) })
	return root, all, nil
}

func readNames(root *os.Root, dir string) ([]item, error) {
	f, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // was only read
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	all := make([]item, 0, len(entries))
	for _, e := range entries {
		c := item{key: dir + e.Name(), name: e.Name(), link: e.Type()&fs.ModeSymlink != 0}
		switch {
		case e.IsDir():
			c.key += "/"
		case !c.link && !e.Type().IsRegular():
			continue // a pipe, a socket, a device
		}
		if _, err := path(c.key); err == nil { // else reserved, or no key
			all = append(all, c)
		}
	}
	return all, nil
}

// describe says of a file in a directory what a listing says. It needs no key,
// and a file that cannot be read or is damaged is still listed.
func (b *Bucket) describe(dir *os.Root, c item) (providers.Object, bool) {
	name := c.name
	if c.link { // it may lead to another directory below the root
		dir, name = b.root, filepath.FromSlash(c.key)
	}
	info, err := dir.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return providers.Object{}, false
	}
	f, err := dir.OpenFile(name, openRead, 0)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return providers.Object{}, false
		}
		return providers.Object{Key: c.key, Size: info.Size(), ModTime: info.ModTime(), ETag: entityTag(info)}, true
	}
	defer f.Close() //nolint:errcheck // was only read
	if now, err := f.Stat(); err == nil {
		info = now // it may have been replaced
	}
	obj := providers.Object{Key: c.key, Size: info.Size(), ModTime: info.ModTime(), ETag: entityTag(info)}
	b.attributes(f, &obj)
	h, err := readHeader(f, info)
	switch {
	case err != nil:
	case h == nil:
		obj.Encryption.Mode = providers.ModeNone
	default:
		obj.Size = h.size()
		_, obj.Encryption, _ = b.keys.unlock(h) // no key that fits is no error here
	}
	return obj, true
}

// attributes fills in what is kept beside the content, unless it is damaged.
func (b *Bucket) attributes(f *os.File, obj *providers.Object) {
	attrs, err := readAttributes(f)
	if err != nil {
		return
	}
	obj.ContentType, obj.Metadata = attrs.ContentType, attrs.Metadata
	if obj.Metadata == nil {
		obj.Metadata = map[string]string{} // told, and none
	}
}
