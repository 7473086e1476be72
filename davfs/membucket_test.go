package davfs_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"sealdav/providers"
)

// memBucket is a bucket in memory, as strict as the contract of
// providers.Bucket. It lists content types as little as a cloud does.
type memBucket struct {
	mu      sync.Mutex
	version int
	objects map[string]memObject
}

type memObject struct {
	providers.Object
	data []byte
}

func newMemBucket(keys ...string) *memBucket {
	b := &memBucket{objects: make(map[string]memObject)}
	for _, key := range keys {
		b.store(key, []byte("content of "+key), providers.PutOptions{})
	}
	return b
}

// store replaces an object. The lock must be held once the bucket is shared.
func (b *memBucket) store(key string, data []byte, opts providers.PutOptions) providers.Object {
	b.version++
	obj := providers.Object{
		Key: key, Size: int64(len(data)), ETag: fmt.Sprintf(`"v%d"`, b.version), ContentType: opts.ContentType,
		ModTime: time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC).Add(time.Duration(b.version) * time.Second), Metadata: opts.Metadata,
	}
	b.objects[key] = memObject{obj, data}
	return obj
}

func (b *memBucket) keys() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.objects))
}

func (b *memBucket) content(key string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.objects[key]
	if !ok {
		return "(missing)"
	}
	return string(o.data)
}

func (b *memBucket) find(ctx context.Context, op, key string) (memObject, error) {
	if err := ctx.Err(); err != nil {
		return memObject{}, err
	}
	o, ok := b.objects[key]
	if !ok {
		return o, providers.NotExist(op, key)
	}
	return o, nil
}

func (b *memBucket) Stat(ctx context.Context, key string) (providers.Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, err := b.find(ctx, "stat", key)
	return o.Object, err
}

func (b *memBucket) List(ctx context.Context, prefix string, opts providers.ListOptions) iter.Seq2[providers.Entry, error] {
	return func(yield func(providers.Entry, error) bool) {
		last := ""
		for _, key := range b.keys() {
			rest, ok := strings.CutPrefix(key, prefix)
			if !ok {
				continue
			}
			if err := ctx.Err(); err != nil {
				yield(providers.Entry{}, err)
				return
			}
			b.mu.Lock()
			e := providers.Entry{Object: b.objects[key].Object}
			b.mu.Unlock()
			e.ContentType, e.Metadata = "", nil
			if i := strings.IndexByte(rest, '/'); i >= 0 && !opts.Recursive && rest != "" {
				dir := prefix + rest[:i+1]
				if dir == last {
					continue
				}
				last = dir
				e = providers.Entry{Object: providers.Object{Key: dir}, Dir: true}
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (b *memBucket) Open(ctx context.Context, key string, opts providers.OpenOptions) (io.ReadCloser, providers.Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, err := b.find(ctx, "open", key)
	if err != nil {
		return nil, o.Object, err
	}
	fail := func(kind error) (io.ReadCloser, providers.Object, error) {
		return nil, providers.Object{}, &providers.Error{Op: "open", Key: key, Kind: kind}
	}
	switch {
	case opts.IfMatch != "" && opts.IfMatch != "*" && opts.IfMatch != o.ETag,
		!opts.IfUnmodifiedSince.IsZero() && o.ModTime.After(opts.IfUnmodifiedSince):
		return fail(providers.ErrPrecondition)
	case opts.IfNoneMatch != "" && opts.IfNoneMatch == o.ETag,
		opts.IfNoneMatch == "" && !opts.IfModifiedSince.IsZero() && !o.ModTime.After(opts.IfModifiedSince):
		return fail(providers.ErrNotModified)
	}
	start, end := opts.Range.Offset, o.Size
	if start < 0 {
		start = max(0, o.Size+start)
	}
	if opts.Range != (providers.Range{}) && start >= o.Size {
		return fail(providers.ErrRange)
	}
	if opts.Range.Length > 0 {
		end = min(end, start+opts.Range.Length)
	}
	return io.NopCloser(struct{ io.Reader }{bytes.NewReader(o.data[start:end])}), o.Object, nil
}

func (b *memBucket) check(op, key string, c providers.Condition) error {
	o, ok := b.objects[key]
	if c.IfAbsent && ok || c.IfMatch != "" && (!ok || o.ETag != c.IfMatch) {
		return &providers.Error{Op: op, Key: key, Kind: providers.ErrPrecondition}
	}
	return nil
}

func (b *memBucket) Put(ctx context.Context, key string, body io.Reader, opts providers.PutOptions) (providers.Object, error) {
	data, err := io.ReadAll(body)
	if err == nil && opts.Size >= 0 && int64(len(data)) != opts.Size {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return providers.Object{}, &providers.Error{Op: "put", Key: key, Kind: err}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.check("put", key, opts.Condition); err != nil {
		return providers.Object{}, err
	}
	return b.store(key, data, opts), nil
}

func (b *memBucket) Copy(ctx context.Context, dst string, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, err := b.find(ctx, "copy", src.Key)
	if err != nil {
		return o.Object, err
	}
	if o.ETag != src.ETag {
		return providers.Object{}, &providers.Error{Op: "copy", Key: dst, Kind: providers.ErrPrecondition}
	}
	if err := b.check("copy", dst, opts.Condition); err != nil {
		return providers.Object{}, err
	}
	put := providers.PutOptions{ContentType: o.ContentType, Metadata: o.Metadata}
	if opts.Replace {
		put.ContentType, put.Metadata = opts.ContentType, opts.Metadata
	}
	return b.store(dst, o.data, put), nil
}

func (b *memBucket) Delete(ctx context.Context, keys ...string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, key := range keys {
		delete(b.objects, key)
	}
	return ctx.Err()
}

func (b *memBucket) Close() error { return nil }
