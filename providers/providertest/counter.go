package providertest

import (
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"sealdav/providers"
)

// Counter counts the calls of a Bucket's methods and the bytes of its bodies.
// A call is one request at most stores; a List is one for each page.
type Counter struct {
	providers.Bucket

	mu     sync.Mutex
	counts Counts
	calls  []string
}

// Counts are what a Counter has seen.
type Counts struct {
	Calls        map[string]int // by name: stat, list, open, put, copy, rename, delete
	Keys         int            // given to delete
	Entries      int            // yielded by list
	BytesRead    int64          // from the bodies of open
	BytesWritten int64          // from the bodies of put
}

// String gives the calls in the order of their names: "1 list, 2 stat".
func (c Counts) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(c.Calls)) {
		parts = append(parts, fmt.Sprintf("%d %s", c.Calls[name], name))
	}
	return strings.Join(parts, ", ")
}

// Counts returns what was seen since the last Reset.
func (c *Counter) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := c.counts
	counts.Calls = maps.Clone(counts.Calls)
	return counts
}

// Calls returns each call since the last Reset, in the order of their
// beginnings: "list dir/", "put dir/file".
func (c *Counter) Calls() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

// Reset forgets everything.
func (c *Counter) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts, c.calls = Counts{}, nil
}

func (c *Counter) call(name, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts.Calls == nil {
		c.counts.Calls = map[string]int{}
	}
	c.counts.Calls[name]++
	c.calls = append(c.calls, name+" "+key)
}

func (c *Counter) add(f func(*Counts)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.counts)
}

// Stat implements providers.Bucket.
func (c *Counter) Stat(ctx context.Context, key string) (providers.Object, error) {
	c.call("stat", key)
	return c.Bucket.Stat(ctx, key)
}

// List implements providers.Bucket. The call is counted when the loop begins.
func (c *Counter) List(ctx context.Context, prefix string, opts providers.ListOptions) iter.Seq2[providers.Entry, error] {
	return func(yield func(providers.Entry, error) bool) {
		c.call("list", prefix)
		for e, err := range c.Bucket.List(ctx, prefix, opts) {
			if err == nil {
				c.add(func(n *Counts) { n.Entries++ })
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// Open implements providers.Bucket.
func (c *Counter) Open(ctx context.Context, key string, opts providers.OpenOptions) (io.ReadCloser, providers.Object, error) {
	c.call("open", key)
	body, obj, err := c.Bucket.Open(ctx, key, opts)
	if err != nil {
		return nil, obj, err
	}
	count := func(n int) { c.add(func(counts *Counts) { counts.BytesRead += int64(n) }) }
	return struct {
		io.Reader
		io.Closer
	}{countReader{body, count}, body}, obj, nil
}

// Put implements providers.Bucket.
func (c *Counter) Put(ctx context.Context, key string, body io.Reader, opts providers.PutOptions) (providers.Object, error) {
	c.call("put", key)
	count := func(n int) { c.add(func(counts *Counts) { counts.BytesWritten += int64(n) }) }
	return c.Bucket.Put(ctx, key, countReader{body, count}, opts)
}

// Copy implements providers.Bucket.
func (c *Counter) Copy(ctx context.Context, dst string, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	c.call("copy", dst)
	return c.Bucket.Copy(ctx, dst, src, opts)
}

// Rename implements providers.Renamer. It is counted only where the store can
// rename.
func (c *Counter) Rename(ctx context.Context, dst string, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	r, ok := c.Bucket.(providers.Renamer)
	if !ok {
		return providers.Object{}, unsupported(dst)
	}
	c.call("rename", dst)
	return r.Rename(ctx, dst, src, opts)
}

// Delete implements providers.Bucket.
func (c *Counter) Delete(ctx context.Context, keys ...string) error {
	c.call("delete", strings.Join(keys, " "))
	c.add(func(n *Counts) { n.Keys += len(keys) })
	return c.Bucket.Delete(ctx, keys...)
}

// DeleteIf implements providers.Bucket. It counts as a delete.
func (c *Counter) DeleteIf(ctx context.Context, key string, opts providers.DeleteOptions) error {
	c.call("delete", key)
	c.add(func(n *Counts) { n.Keys++ })
	return c.Bucket.DeleteIf(ctx, key, opts)
}

type countReader struct {
	io.Reader
	count func(n int)
}

func (r countReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.count(n)
	return n, err
}
