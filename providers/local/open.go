package local

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"sealdav/providers"
)

// Open implements providers.Bucket.
func (b *Bucket) Open(ctx context.Context, key string, opts providers.OpenOptions) (io.ReadCloser, providers.Object, error) {
	if err := ctx.Err(); err != nil {
		return nil, providers.Object{}, fail("open", key, err)
	}
	o, err := b.open(key)
	if err != nil {
		return nil, providers.Object{}, fail("open", key, err)
	}
	body, err := b.content(ctx, o, opts)
	if err != nil {
		_ = o.Close() // was only read
		return nil, providers.Object{}, fail("open", key, err)
	}
	return body, o.obj, nil
}

func (b *Bucket) content(ctx context.Context, o *opened, opts providers.OpenOptions) (io.ReadCloser, error) {
	if err := checkConditions(o.obj, opts); err != nil {
		return nil, err
	}
	if err := b.MayOpen(o.obj); err != nil {
		return nil, err
	}
	offset, length, err := resolve(opts.Range, o.obj.Size)
	if err != nil {
		return nil, err
	}
	r, err := o.reader(offset, length)
	if err != nil {
		return nil, err
	}
	return &body{ctx: ctx, r: r, left: length, o: o}, nil
}

// MayOpen implements providers.Strict.
func (b *Bucket) MayOpen(obj providers.Object) error {
	if !b.requireEncrypted || obj.Encryption.Mode != providers.ModeNone || strings.HasSuffix(obj.Key, "/") {
		return nil
	}
	return &providers.Error{Op: "open", Key: obj.Key, Kind: providers.ErrPlain,
		Advice: "The file is not encrypted, and the remote is set to require_encrypted. Renaming it on this drive seals it."}
}

// reader gives a part of the content.
func (o *opened) reader(offset, length int64) (io.Reader, error) {
	if o.header != nil {
		return unseal(o.File, o.header, o.keys, offset, length)
	}
	return io.NewSectionReader(o.File, offset, length), nil
}

// checkConditions follows the order of RFC 9110, section 13.2.2.
func checkConditions(obj providers.Object, opts providers.OpenOptions) error {
	mod := obj.ModTime.Truncate(time.Second) // as HTTP tells it
	switch {
	case opts.IfMatch != "":
		if opts.IfMatch != "*" && opts.IfMatch != obj.ETag {
			return errPrecondition("the entity tag is " + obj.ETag)
		}
	case !opts.IfUnmodifiedSince.IsZero() && mod.After(opts.IfUnmodifiedSince):
		return errPrecondition("the object was modified since")
	}
	switch {
	case opts.IfNoneMatch != "":
		if opts.IfNoneMatch == obj.ETag {
			return &providers.Error{Kind: providers.ErrNotModified}
		}
	case !opts.IfModifiedSince.IsZero() && !mod.After(opts.IfModifiedSince):
		return &providers.Error{Kind: providers.ErrNotModified}
	}
	return nil
}

// resolve turns a range into an offset and a length within size bytes.
func resolve(r providers.Range, size int64) (offset, length int64, err error) {
	if r == (providers.Range{}) {
		return 0, size, nil
	}
	offset = r.Offset
	if offset < 0 {
		offset = max(0, size+offset)
	}
	if offset >= size {
		return 0, 0, &providers.Error{Kind: providers.ErrRange}
	}
	length = size - offset
	if r.Length > 0 {
		length = min(length, r.Length)
	}
	return offset, length, nil
}

// body is the content of an object, or a part of it.
type body struct {
	ctx  context.Context // of the Open, for its reads
	r    io.Reader
	left int64 // bytes to come
	o    *opened
}

func (b *body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, fail("open", b.o.obj.Key, err)
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	if err == nil || errors.Is(err, io.EOF) && b.left == 0 {
		return n, err
	}
	if errors.Is(err, io.EOF) { // another program has cut the file off
		return n, io.ErrUnexpectedEOF
	}
	return n, fail("open", b.o.obj.Key, err)
}

func (b *body) Close() error { return fail("open", b.o.obj.Key, b.o.Close()) }
