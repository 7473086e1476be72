package davfs

import (
	"bytes"
	"context"
	"errors"
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

// What litter may take, for each remote that hides it. A copy in Finder looks
// for its "._" file within seconds; the rest is for its peace of mind.
const (
	litterTime    = 10 * time.Minute
	litterObjects = 1000
	litterBytes   = 8 << 20
	litterSize    = 1 << 20 // of one object; of larger ones only the size is kept
)

// litterBucket is a bucket in memory that forgets: what is old, and the oldest
// when it is full. It demands little of what it is asked, as nothing in it
// matters.
type litterBucket struct {
	now        func() time.Time
	total, one int64 // bytes of content: of all objects, of each

	mu      sync.Mutex
	version int64
	bytes   int64
	objects map[string]litterObject
}

type litterObject struct {
	providers.Object
	data  []byte // nil where it was too large
	added time.Time
	order int64
}

func newLitterBucket() *litterBucket {
	return &litterBucket{now: time.Now, total: litterBytes, one: litterSize, objects: make(map[string]litterObject)}
}

// expire drops what is too old or too much. b.mu is held.
func (b *litterBucket) expire() {
	limit := b.now().Add(-litterTime)
	for key, o := range b.objects {
		if o.added.Before(limit) {
			b.drop(key)
		}
	}
	for len(b.objects) > litterObjects || b.bytes > b.total {
		oldest := ""
		for key, o := range b.objects {
			if oldest == "" || o.order < b.objects[oldest].order {
				oldest = key
			}
		}
		b.drop(oldest)
	}
}

// drop forgets an object. b.mu is held.
func (b *litterBucket) drop(key string) {
	b.bytes -= int64(len(b.objects[key].data))
	delete(b.objects, key)
}

func (b *litterBucket) dropBelow(prefix string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key := range b.objects {
		if strings.HasPrefix(key, prefix) {
			b.drop(key)
		}
	}
}

// find finds an object. b.mu is held.
func (b *litterBucket) find(ctx context.Context, op, key string) (litterObject, error) {
	b.expire()
	if err := providers.CheckKey(op, key); err != nil {
		return litterObject{}, err
	}
	o, ok := b.objects[key]
	switch {
	case ctx.Err() != nil:
		return litterObject{}, ctx.Err()
	case !ok:
		return litterObject{}, providers.NotExist(op, key)
	}
	return o, nil
}

// admit checks the condition of a write. b.mu is held.
func (b *litterBucket) admit(ctx context.Context, op, key string, c providers.Condition) error {
	o, err := b.find(ctx, op, key)
	switch {
	case err != nil && !isNotExist(err):
		return err
	case c.IfAbsent && err == nil, c.IfMatch != "" && o.ETag != c.IfMatch:
		return &providers.Error{Op: op, Key: key, Kind: providers.ErrPrecondition}
	}
	return nil
}

// add keeps an object. b.mu is held.
func (b *litterBucket) add(obj providers.Object, data []byte) providers.Object {
	b.drop(obj.Key)
	b.version++
	obj.ETag = fmt.Sprintf(`"litter-%d"`, b.version)
	obj.ModTime = b.now().Truncate(time.Second)
	b.objects[obj.Key] = litterObject{Object: obj, data: data, added: b.now(), order: b.version}
	b.bytes += int64(len(data))
	b.expire()
	return obj
}

// Stat implements providers.Bucket.
func (b *litterBucket) Stat(ctx context.Context, key string) (providers.Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, err := b.find(ctx, "stat", key)
	return o.Object, err
}

// List implements providers.Bucket.
func (b *litterBucket) List(ctx context.Context, prefix string, opts providers.ListOptions) iter.Seq2[providers.Entry, error] {
	b.mu.Lock()
	b.expire()
	found := make(map[string]providers.Entry)
	for key, o := range b.objects {
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok || strings.HasPrefix(key, providers.ReservedPrefix) {
			continue
		}
		e := providers.Entry{Object: o.Object}
		if i := strings.IndexByte(rest, '/'); i >= 0 && !opts.Recursive {
			e = providers.Entry{Object: providers.Object{Key: prefix + rest[:i+1]}, Dir: true}
		}
		found[e.Key] = e
	}
	b.mu.Unlock()
	return func(yield func(providers.Entry, error) bool) {
		for _, key := range slices.Sorted(maps.Keys(found)) {
			if err := ctx.Err(); err != nil {
				yield(providers.Entry{}, err)
				return
			}
			if !yield(found[key], nil) {
				return
			}
		}
	}
}

// Open implements providers.Bucket.
func (b *litterBucket) Open(ctx context.Context, key string, opts providers.OpenOptions) (io.ReadCloser, providers.Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, err := b.find(ctx, "open", key)
	if err == nil && o.data == nil && o.Size > 0 {
		err = providers.NotExist("open", key)
	}
	if err != nil {
		return nil, providers.Object{}, err
	}
	fail := func(kind error) (io.ReadCloser, providers.Object, error) {
		return nil, providers.Object{}, &providers.Error{Op: "open", Key: key, Kind: kind}
	}
	switch {
	case opts.IfMatch != "" && opts.IfMatch != "*" && opts.IfMatch != o.ETag,
		!opts.IfUnmodifiedSince.IsZero() && o.ModTime.After(opts.IfUnmodifiedSince):
		return fail(providers.ErrPrecondition)
	case opts.IfNoneMatch == o.ETag,
		opts.IfNoneMatch == "" && !opts.IfModifiedSince.IsZero() && !o.ModTime.After(opts.IfModifiedSince):
		return fail(providers.ErrNotModified)
	}
	data := o.data
	if opts.Range != (providers.Range{}) {
		start, length := extent(opts.Range, o.Size)
		if start >= o.Size {
			return fail(providers.ErrRange)
		}
		data = data[start : start+length]
	}
	return io.NopCloser(bytes.NewReader(data)), o.Object, nil
}

// Put implements providers.Bucket. Of a body that is too large it takes the
// size, so that who wrote it finds it again, and the content it forgets.
func (b *litterBucket) Put(ctx context.Context, key string, body io.Reader, opts providers.PutOptions) (providers.Object, error) {
	var kept bytes.Buffer
	size, err := io.Copy(&kept, io.LimitReader(body, b.one+1))
	if err == nil && size > b.one {
		kept = bytes.Buffer{}
		var rest int64
		rest, err = io.Copy(io.Discard, body)
		size += rest
	}
	if err == nil && opts.Size >= 0 && size != opts.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return providers.Object{}, &providers.Error{Op: "put", Key: key, Kind: providers.ErrBody, Err: err}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.admit(ctx, "put", key, opts.Condition); err != nil {
		return providers.Object{}, err
	}
	return b.add(providers.Object{Key: key, Size: size, ContentType: opts.ContentType, Metadata: opts.Metadata}, kept.Bytes()), nil
}

// Copy implements providers.Bucket.
func (b *litterBucket) Copy(ctx context.Context, dst string, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, err := b.find(ctx, "copy", src.Key)
	if err != nil {
		return providers.Object{}, err
	}
	if o.ETag != src.ETag {
		return providers.Object{}, &providers.Error{Op: "copy", Key: dst, Kind: providers.ErrPrecondition}
	}
	if err := b.admit(ctx, "copy", dst, opts.Condition); err != nil {
		return providers.Object{}, err
	}
	obj := o.Object
	obj.Key = dst
	if opts.Replace {
		obj.ContentType, obj.Metadata = opts.ContentType, opts.Metadata
	}
	return b.add(obj, o.data), nil
}

// Delete implements providers.Bucket.
func (b *litterBucket) Delete(ctx context.Context, keys ...string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, key := range keys {
		b.drop(key)
	}
	return nil
}

// DeleteIf implements providers.Bucket.
func (b *litterBucket) DeleteIf(ctx context.Context, key string, opts providers.DeleteOptions) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.admit(ctx, "delete", key, providers.Condition{IfMatch: opts.IfMatch})
	if _, ok := b.objects[key]; !ok && errors.Is(err, providers.ErrPrecondition) {
		return nil
	}
	if err == nil {
		b.drop(key)
	}
	return err
}

// Close implements providers.Bucket.
func (b *litterBucket) Close() error { return nil }

var _ providers.Bucket = (*litterBucket)(nil)
