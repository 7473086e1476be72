package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sealdav/providers"
)

// chunk is how much of a body is read at once, in bytes.
const chunk = 256 << 10

// write is one object to be written.
type write struct {
	key   string
	cond  providers.Condition
	attrs attributes
	// unchanged is, where a copy goes onto its own source, the tag that the
	// source must still have.
	unchanged string
}

// Put implements providers.Bucket.
func (b *Bucket) Put(ctx context.Context, key string, body io.Reader, opts providers.PutOptions) (providers.Object, error) {
	w := write{key: key, cond: opts.Condition, attrs: attributes{ContentType: opts.ContentType, Metadata: opts.Metadata}}
	obj, err := b.put(ctx, w, body, opts.Size)
	return obj, fail("put", key, err)
}

func (b *Bucket) put(ctx context.Context, w write, body io.Reader, size int64) (providers.Object, error) {
	name, err := path(w.key)
	if err != nil {
		return providers.Object{}, err
	}
	if err := ctx.Err(); err != nil {
		return providers.Object{}, err
	}
	if isMarker(w.key) {
		return b.putMarker(ctx, w, name, body)
	}
	// Not the last word, but it saves an upload that cannot succeed.
	if err := b.check(w, name); err != nil {
		return providers.Object{}, err
	}
	t, err := b.newTemp()
	if err != nil {
		return providers.Object{}, err
	}
	defer t.discard()
	n, err := b.fill(ctx, t, body, size)
	if err != nil {
		return providers.Object{}, err
	}
	w.attrs.Sealed = b.keys.seals()
	if err := writeAttributes(t.File, w.attrs); err != nil {
		return providers.Object{}, err
	}
	if err := t.Sync(); err != nil {
		return providers.Object{}, err
	}
	info, err := b.commit(ctx, w, name, t)
	if err != nil {
		return providers.Object{}, err
	}
	return b.written(w, info, n), nil
}

// written describes what has just been written.
func (b *Bucket) written(w write, info fs.FileInfo, size int64) providers.Object {
	return providers.Object{
		Key: w.key, Size: size, ModTime: info.ModTime(), ETag: entityTag(info),
		ContentType: w.attrs.ContentType, Metadata: w.attrs.Metadata, Encryption: b.keys.writeEncryption(),
	}
}

// fill writes body into a new file, sealed where new objects are, and returns
// its length.
func (b *Bucket) fill(ctx context.Context, t *temp, body io.Reader, size int64) (int64, error) {
	if !b.keys.seals() {
		n, err := pour(ctx, t.File, body, size)
		if err != nil {
			return 0, err
		}
		return n, refuseSealed(t)
	}
	s, err := b.keys.seal(t)
	if err != nil {
		return 0, err
	}
	n, err := pour(ctx, s, body, size)
	if err != nil {
		return 0, errors.Join(err, s.Close())
	}
	return n, s.finish(n)
}

// refuseSealed refuses to keep, as a plain file, what would pass for a sealed
// one: it could never be read again.
func refuseSealed(t *temp) error {
	info, err := t.Stat()
	if err != nil {
		return err
	}
	if h, err := readHeader(t, info); h != nil || errors.Is(err, ErrDamaged) {
		return &providers.Error{Kind: fs.ErrPermission, Err: err,
			Advice: "The content is a sealed file of sealdav's own, and here it would be taken for one sealed by this remote. Copy it into the directory itself, or put it into an archive first."}
	} else if err != nil {
		return err
	}
	return nil
}

// pour copies a body of the given size, or of any with SizeUnknown, and tells
// an error of the body from one of the disk.
func pour(ctx context.Context, dst io.Writer, body io.Reader, size int64) (int64, error) {
	src := &bodyReader{ctx: ctx, r: body}
	limited := io.Reader(src)
	if size >= 0 {
		limited = io.LimitReader(src, size+1) // one more shows a body that is too long
	}
	buf := make([]byte, chunk)
	n, err := io.CopyBuffer(struct{ io.Writer }{dst}, limited, buf)
	switch {
	case err != nil && src.err != nil && ctx.Err() != nil:
		return 0, ctx.Err()
	case err != nil && src.err != nil:
		return 0, &providers.Error{Kind: providers.ErrBody, Err: src.err}
	case err != nil:
		return 0, err
	case size >= 0 && n < size:
		return 0, &providers.Error{Kind: providers.ErrBody, Err: fmt.Errorf("the body ended after %d of %d bytes: %w", n, size, io.ErrUnexpectedEOF)}
	case size >= 0 && n > size:
		return 0, &providers.Error{Kind: providers.ErrBody, Err: fmt.Errorf("the body went on after %d bytes", size)}
	}
	return n, nil
}

// bodyReader notes the error of a body, and ends with its context.
type bodyReader struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (r *bodyReader) Read(p []byte) (int, error) {
	if r.err = r.ctx.Err(); r.err != nil {
		return 0, r.err
	}
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // one that wraps io.EOF is no end
		r.err = err
	}
	return n, err
}

// check looks at the conditions of a write.
func (b *Bucket) check(w write, name string) error {
	info, err := b.root.Stat(name)
	switch err = absent(err); {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err == nil && info.IsDir() != isMarker(w.key):
		return errClash()
	}
	if w.cond == (providers.Condition{}) && w.unchanged == "" {
		return nil
	}
	tag, err := b.currentTag(w.key)
	if err != nil {
		return err
	}
	switch {
	case w.cond.IfAbsent && tag != "":
		return errPrecondition("the object is there already")
	case w.cond.IfMatch != "" && w.cond.IfMatch != tag:
		return errPrecondition("the object's entity tag is another")
	case w.unchanged != "" && w.unchanged != tag:
		return errPrecondition("the source has changed")
	}
	return nil
}

// commit gives a temporary file its name, if the conditions still hold.
func (b *Bucket) commit(ctx context.Context, w write, name string, t *temp) (fs.FileInfo, error) {
	unlock, err := b.lock(w.key)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := b.check(w, name); err != nil {
		return nil, err
	}
	if err := b.root.Chtimes(t.name, time.Time{}, b.now()); err != nil {
		return nil, err
	}
	info, err := t.Stat()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return info, b.place(name, func() error {
		if w.cond.IfAbsent {
			return b.link(t.name, name)
		}
		return b.root.Rename(t.name, name)
	})
}

// link gives a file a second name if that is free, for other programs too.
func (b *Bucket) link(from, to string) error {
	err := b.root.Link(from, to)
	switch {
	case err == nil:
		return b.root.Remove(from)
	case errors.Is(err, fs.ErrExist):
		return errPrecondition("the object is there already")
	case errors.Is(err, fs.ErrNotExist):
		return err
	}
	// A file system without links. The lock keeps other sealdavs away.
	return b.root.Rename(from, to)
}

// place makes the parents of a name, calls do, which puts a file there, and
// makes the new names last. If do fails the new parents are removed again.
func (b *Bucket) place(name string, do func() error) error {
	for attempt := 1; ; attempt++ {
		made, err := b.makeParents(name)
		if err == nil {
			err = do()
		}
		if err != nil {
			for _, dir := range slices.Backward(made) {
				_ = b.root.Remove(dir) // stays if something is in it by now
			}
			// The parent may have been deleted in between.
			if errors.Is(err, fs.ErrNotExist) && attempt < 5 {
				continue
			}
			return err
		}
		for _, dir := range made {
			if err := syncDir(b.root, filepath.Dir(dir)); err != nil {
				return err
			}
		}
		return syncDir(b.root, filepath.Dir(name))
	}
}

// makeParents makes the directories above name and returns those that are new.
func (b *Bucket) makeParents(name string) (made []string, err error) {
	for i, r := range name {
		if r != filepath.Separator {
			continue
		}
		err := b.root.Mkdir(name[:i], 0o777)
		switch {
		case err == nil:
			made = append(made, name[:i])
		case !errors.Is(err, fs.ErrExist):
			return made, err
		}
	}
	return made, nil
}

// putMarker makes the directory of a marker.
func (b *Bucket) putMarker(ctx context.Context, w write, name string, body io.Reader) (providers.Object, error) {
	n, err := pour(ctx, io.Discard, io.LimitReader(body, 1), providers.SizeUnknown)
	if err != nil {
		return providers.Object{}, err
	}
	if n > 0 {
		return providers.Object{}, &providers.Error{Kind: fs.ErrInvalid,
			Advice: `A key ending in "/" is a folder in a directory and cannot have content.`}
	}
	unlock, err := b.lock(w.key)
	if err != nil {
		return providers.Object{}, err
	}
	defer unlock()
	if err := b.check(w, name); err != nil {
		return providers.Object{}, err
	}
	err = b.place(name, func() error {
		err := b.root.Mkdir(name, 0o777)
		if errors.Is(err, fs.ErrExist) && !w.cond.IfAbsent {
			err = nil
		} else if errors.Is(err, fs.ErrExist) {
			err = errPrecondition("the folder is there already")
		}
		return err
	})
	if err != nil {
		return providers.Object{}, err
	}
	dir, err := b.root.Open(name)
	if err != nil {
		return providers.Object{}, err
	}
	defer dir.Close() //nolint:errcheck // an attribute needs no closing
	return b.describeMarker(w, dir)
}

func (b *Bucket) describeMarker(w write, dir *os.File) (providers.Object, error) {
	if err := writeAttributes(dir, w.attrs); err != nil {
		return providers.Object{}, err
	}
	info, err := dir.Stat()
	if err != nil {
		return providers.Object{}, err
	}
	return b.written(w, info, 0), nil
}
