package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"sealdav/providers"
)

// Copy implements providers.Bucket: the content is unsealed and sealed anew.
func (b *Bucket) Copy(ctx context.Context, dst string, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	obj, err := b.copy(ctx, dst, src, opts)
	return obj, fail("copy", dst, err)
}

func (b *Bucket) copy(ctx context.Context, dst string, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	if _, err := path(dst); err != nil {
		return providers.Object{}, err
	}
	o, err := b.open(src.Key)
	if err != nil {
		return providers.Object{}, err
	}
	defer o.Close() //nolint:errcheck // was only read
	if o.obj.ETag != src.ETag {
		return providers.Object{}, errPrecondition("the source has changed")
	}
	r, err := o.reader(0, o.obj.Size)
	if err != nil {
		return providers.Object{}, err
	}
	w := write{key: dst, cond: opts.Condition, attrs: attributes{ContentType: o.obj.ContentType, Metadata: o.obj.Metadata}}
	if opts.Replace {
		w.attrs = attributes{ContentType: opts.ContentType, Metadata: opts.Metadata}
	}
	if dst == src.Key {
		w.unchanged = src.ETag
		if opts.Replace && !o.info.IsDir() && b.keys.underWriteSettings(o.header) {
			return b.relabel(w, o)
		}
	}
	obj, err := b.put(ctx, w, r, o.obj.Size)
	// The body that failed is our own file: not the caller's fault.
	if e, ok := errors.AsType[*providers.Error](err); ok && errors.Is(e.Kind, providers.ErrBody) {
		err = e.Err
	}
	return obj, err
}

// relabel changes what is kept beside the content of a file that need not be
// written anew. The system does it in one step; the file stays the same version.
func (b *Bucket) relabel(w write, o *opened) (providers.Object, error) {
	name, err := path(w.key)
	if err != nil {
		return providers.Object{}, err
	}
	unlock, err := b.lock(w.key)
	if err != nil {
		return providers.Object{}, err
	}
	defer unlock()
	if err := b.check(w, name); err != nil {
		return providers.Object{}, err
	}
	w.attrs.Sealed = b.keys.seals()
	if err := writeAttributes(o.File, w.attrs); err != nil {
		return providers.Object{}, err
	}
	return b.written(w, o.info, o.obj.Size), o.Sync()
}

// Rename implements providers.Renamer.
func (b *Bucket) Rename(ctx context.Context, dst string, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	obj, err := b.rename(ctx, dst, src, opts)
	if errors.Is(err, errors.ErrUnsupported) {
		// The caller will copy it and delete the source.
		obj, err = b.respell(ctx, dst, src, opts, err)
	}
	return obj, fail("rename", dst, err)
}

func (b *Bucket) rename(ctx context.Context, dst string, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	to, err := path(dst)
	if err != nil {
		return providers.Object{}, err
	}
	from, err := path(src.Key)
	if err != nil {
		return providers.Object{}, err
	}
	if err := ctx.Err(); err != nil {
		return providers.Object{}, err
	}
	unlock, err := b.lock(src.Key, dst)
	if err != nil {
		return providers.Object{}, err
	}
	defer unlock()
	obj, err := b.renamable(from, dst, src, opts)
	if err != nil {
		return providers.Object{}, err
	}
	one, err := b.oneName(from, to)
	if err != nil {
		return providers.Object{}, err
	}
	if one {
		opts.IfAbsent = false // what is there is the source itself
	}
	if err := b.check(write{key: dst, cond: opts.Condition}, to); err != nil {
		return providers.Object{}, err
	}
	obj.Key = dst
	if dst == src.Key {
		return obj, nil
	}
	if err := b.place(to, func() error { return b.move(from, to, one, opts.IfAbsent) }); err != nil {
		return providers.Object{}, err
	}
	return obj, syncDir(b.root, filepath.Dir(from))
}

// respell renames what must be written anew if dst is another spelling of its
// name, for then a copy followed by the deletion of the source would delete
// both: it is copied onto itself first. Otherwise it returns unsupported.
func (b *Bucket) respell(ctx context.Context, dst string, src providers.Object, opts providers.CopyOptions, unsupported error) (providers.Object, error) {
	from, err := path(src.Key)
	if err != nil {
		return providers.Object{}, err
	}
	to, err := path(dst)
	if err != nil {
		return providers.Object{}, err
	}
	one, err := b.oneName(from, to)
	if err != nil {
		return providers.Object{}, err
	}
	if !one || from == to || isMarker(src.Key) != isMarker(dst) {
		return providers.Object{}, unsupported
	}
	if isMarker(src.Key) {
		err := b.move(from, to, true, false)
		src.Key = dst
		return src, err
	}
	opts.IfAbsent = false
	obj, err := b.copy(ctx, src.Key, src, opts)
	if err != nil {
		return providers.Object{}, err
	}
	return b.rename(ctx, dst, obj, providers.CopyOptions{})
}

// renamable returns the source if its file can be renamed as it is, and
// errors.ErrUnsupported if it must be written anew.
func (b *Bucket) renamable(from, dst string, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	if opts.Replace || isMarker(src.Key) || isMarker(dst) {
		return providers.Object{}, &providers.Error{Kind: errors.ErrUnsupported}
	}
	o, err := b.open(src.Key)
	if err != nil {
		return providers.Object{}, err
	}
	defer o.Close() //nolint:errcheck // was only read
	if o.obj.ETag != src.ETag {
		return providers.Object{}, errPrecondition("the source has changed")
	}
	if info, err := b.root.Lstat(from); err != nil {
		return providers.Object{}, err
	} else if info.Mode()&fs.ModeSymlink != 0 || !b.keys.underWriteSettings(o.header) {
		return providers.Object{}, &providers.Error{Kind: errors.ErrUnsupported}
	}
	return o.obj, nil
}

// move renames a file; one says that both paths are one name. Two names of one
// file, as a crash between link and remove leaves them, are not renamed onto
// each other by the system.
func (b *Bucket) move(from, to string, one, ifAbsent bool) error {
	if one && filepath.Base(from) == filepath.Base(to) {
		return nil // the folders differ in their spelling
	}
	if ifAbsent {
		return b.link(from, to)
	}
	if !one {
		same, err := b.sameFile(from, to)
		if err != nil {
			return err
		}
		if same {
			return b.root.Remove(from)
		}
	}
	return b.root.Rename(from, to)
}

// sameFile reports whether two paths lead to one file.
func (b *Bucket) sameFile(from, to string) (bool, error) {
	a, err := b.root.Lstat(from)
	if err != nil {
		return false, err
	}
	c, err := b.root.Lstat(to)
	return err == nil && os.SameFile(a, c), nil
}

// oneName reports whether two paths are one entry of one directory, as on a
// disk that folds case, and not two names of one file. What cannot be told
// counts as one: renaming two is only without effect, removing one deletes.
func (b *Bucket) oneName(from, to string) (bool, error) {
	same, err := b.sameFile(from, to)
	if !same || err != nil || from == to {
		return same, err
	}
	info, err := b.root.Lstat(from)
	if err != nil {
		return false, err
	}
	if links(info) == 1 {
		return true, nil
	}
	parent, err := b.root.Stat(filepath.Dir(from))
	if err != nil {
		return false, err
	}
	other, err := b.root.Stat(filepath.Dir(to))
	if err != nil {
		return false, err
	}
	switch {
	case !os.SameFile(parent, other):
		return false, nil
	case filepath.Base(from) == filepath.Base(to):
		return true, nil
	}
	names, err := b.names(filepath.Dir(from))
	return !slices.Contains(names, filepath.Base(from)) || !slices.Contains(names, filepath.Base(to)), err
}

// names are the names in a directory as they are spelled there.
func (b *Bucket) names(dir string) ([]string, error) {
	f, err := b.root.Open(dir)
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	return names, errors.Join(err, f.Close())
}
