package davfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sealdav/providers"
	"sealdav/providers/providertest"
)

// store is a bucket in memory that counts requests as a store would: a List is
// one for each page, a Delete one for each thousand keys.
type store struct {
	page    int  // entries of a page at most
	dirs    bool // like a directory: a name is a file or a folder, and folders have markers
	renames bool // it is a Renamer that really renames

	mu       sync.Mutex
	version  int
	keys     []string // sorted
	objects  map[string]memObject
	requests map[string]int
}

type memObject struct {
	providers.Object
	data string
}

func newStore(keys ...string) *store {
	s := &store{page: 1000, objects: make(map[string]memObject), requests: make(map[string]int)}
	for _, key := range keys {
		s.set(key, "content of "+key)
	}
	return s
}

func (s *store) set(key, data string) {
	if strings.HasSuffix(key, "/") {
		data = ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replace(key, data, providers.PutOptions{})
}

func (s *store) unset(keys ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		s.drop(key)
	}
}

// all gives the keys and contents, "KEY=CONTENT" where the content is not that
// of newStore.
func (s *store) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, key := range s.keys {
		switch data := s.objects[key].data; {
		case data == "content of "+key, data == "" && strings.HasSuffix(key, "/"):
			all = append(all, key)
		default:
			all = append(all, key+"="+data)
		}
	}
	return all
}

// cost gives the requests since the last call: "1 list, 2 stat".
func (s *store) cost() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var parts []string
	for _, op := range slices.Sorted(maps.Keys(s.requests)) {
		parts = append(parts, fmt.Sprintf("%d %s", s.requests[op], op))
	}
	clear(s.requests)
	return strings.Join(parts, ", ")
}

// replace, drop, request and fail want s.mu held.

func (s *store) replace(key, data string, opts providers.PutOptions) providers.Object {
	s.version++
	obj := providers.Object{
		Key: key, Size: int64(len(data)), ETag: fmt.Sprintf(`"v%d"`, s.version),
		ModTime:     time.Now().Truncate(time.Second),
		ContentType: opts.ContentType, Metadata: opts.Metadata,
	}
	if i, found := slices.BinarySearch(s.keys, key); !found {
		s.keys = slices.Insert(s.keys, i, key)
	}
	s.objects[key] = memObject{obj, data}
	if s.dirs {
		for i := range len(key) - 1 {
			if _, ok := s.objects[key[:i+1]]; key[i] == '/' && !ok {
				s.replace(key[:i+1], "", providers.PutOptions{})
			}
		}
	}
	return obj
}

func (s *store) drop(key string) {
	i, found := slices.BinarySearch(s.keys, key)
	if !found || s.dirs && strings.HasSuffix(key, "/") && i+1 < len(s.keys) && strings.HasPrefix(s.keys[i+1], key) {
		return
	}
	s.keys = slices.Delete(s.keys, i, i+1)
	delete(s.objects, key)
}

func storeError(op, key string, kind error) error {
	return &providers.Error{Op: op, Key: key, Kind: kind}
}

// find counts a request and looks for its object.
func (s *store) find(ctx context.Context, op, key string) (memObject, error) {
	s.requests[op]++
	o, ok := s.objects[key]
	if err := providers.CheckKey(op, key); err != nil {
		return o, err
	}
	switch {
	case ctx.Err() != nil:
		return o, ctx.Err()
	case !ok:
		return o, providers.NotExist(op, key)
	}
	return o, nil
}

// admit checks whether key may be written.
func (s *store) admit(op, key string, c providers.Condition) error {
	if err := providers.CheckKey(op, key); err != nil {
		return err
	}
	o, ok := s.objects[key]
	if c.IfAbsent && ok || c.IfMatch != "" && (!ok || o.ETag != c.IfMatch) {
		return storeError(op, key, providers.ErrPrecondition)
	}
	if !s.dirs {
		return nil
	}
	other, marker := strings.CutSuffix(key, "/")
	if !marker {
		other += "/"
	}
	if _, clash := s.objects[other]; clash {
		return storeError(op, key, fs.ErrExist)
	}
	for i := range len(key) - 1 {
		if _, clash := s.objects[key[:i]]; key[i] == '/' && clash {
			return storeError(op, key, fs.ErrExist)
		}
	}
	return nil
}

func (s *store) Stat(ctx context.Context, key string) (providers.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.find(ctx, "stat", key)
	return o.Object, err
}

func (s *store) List(ctx context.Context, prefix string, opts providers.ListOptions) iter.Seq2[providers.Entry, error] {
	return func(yield func(providers.Entry, error) bool) {
		size, after := s.page, ""
		if opts.PageSize > 0 {
			size = min(size, opts.PageSize)
		}
		for {
			if err := ctx.Err(); err != nil {
				yield(providers.Entry{}, err)
				return
			}
			page := s.listPage(prefix, after, size, opts.Recursive)
			for i, e := range page {
				if i == size {
					break // it only shows that there is more
				}
				if !yield(e, nil) {
					return
				}
				after = e.Key
			}
			if len(page) <= size {
				return
			}
		}
	}
}

// listPage gives the entries after a key, one more than a page has.
func (s *store) listPage(prefix, after string, size int, recursive bool) (page []providers.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests["list"]++
	i, _ := slices.BinarySearch(s.keys, max(prefix, after))
	for ; i < len(s.keys) && len(page) <= size && strings.HasPrefix(s.keys[i], prefix); i++ {
		key := s.keys[i]
		if key == after || strings.HasPrefix(key, providers.ReservedPrefix) {
			continue
		}
		e := providers.Entry{Object: s.objects[key].Object}
		e.ContentType, e.Metadata = "", nil
		if j := strings.IndexByte(key[len(prefix):], '/'); j >= 0 && !recursive {
			dir := key[:len(prefix)+j+1]
			if dir == after || len(page) > 0 && page[len(page)-1].Key == dir {
				continue
			}
			e = providers.Entry{Object: providers.Object{Key: dir}, Dir: true}
		}
		page = append(page, e)
	}
	return page
}

func (s *store) Open(ctx context.Context, key string, opts providers.OpenOptions) (io.ReadCloser, providers.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.find(ctx, "open", key)
	switch {
	case err != nil:
		return nil, providers.Object{}, err
	case opts.IfMatch != "" && opts.IfMatch != "*" && opts.IfMatch != o.ETag,
		!opts.IfUnmodifiedSince.IsZero() && o.ModTime.After(opts.IfUnmodifiedSince):
		return nil, providers.Object{}, storeError("open", key, providers.ErrPrecondition)
	case opts.IfNoneMatch == o.ETag,
		opts.IfNoneMatch == "" && !opts.IfModifiedSince.IsZero() && !o.ModTime.After(opts.IfModifiedSince):
		return nil, providers.Object{}, storeError("open", key, providers.ErrNotModified)
	}
	data := []byte(o.data)
	if r := opts.Range; r != (providers.Range{}) {
		if r.Offset < 0 {
			r.Offset = max(0, o.Size+r.Offset)
		}
		if r.Offset >= o.Size {
			return nil, providers.Object{}, storeError("open", key, providers.ErrRange)
		}
		data = data[r.Offset:]
		if r.Length > 0 {
			data = data[:min(r.Length, int64(len(data)))]
		}
	}
	return io.NopCloser(struct{ io.Reader }{bytes.NewReader(data)}), o.Object, nil
}

func (s *store) Put(ctx context.Context, key string, body io.Reader, opts providers.PutOptions) (providers.Object, error) {
	data, err := io.ReadAll(body)
	if err == nil && opts.Size >= 0 && int64(len(data)) != opts.Size {
		err = fmt.Errorf("%d bytes instead of %d", len(data), opts.Size)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests["put"]++
	switch {
	case ctx.Err() != nil:
		return providers.Object{}, ctx.Err()
	case err != nil:
		return providers.Object{}, &providers.Error{Op: "put", Key: key, Kind: providers.ErrBody, Err: err}
	}
	if err := s.admit("put", key, opts.Condition); err != nil {
		return providers.Object{}, err
	}
	if o, ok := s.objects[key]; ok && s.dirs && strings.HasSuffix(key, "/") {
		return o.Object, nil
	}
	return s.replace(key, string(data), opts), nil
}

func (s *store) Copy(ctx context.Context, dst string, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	return s.copy(ctx, "copy", dst, src, opts)
}

func (s *store) Rename(ctx context.Context, dst string, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	if !s.renames || strings.HasSuffix(dst, "/") {
		return providers.Object{}, storeError("rename", dst, errors.ErrUnsupported)
	}
	return s.copy(ctx, "rename", dst, src, opts)
}

func (s *store) copy(ctx context.Context, op, dst string, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.find(ctx, op, src.Key)
	if err != nil {
		return providers.Object{}, err
	}
	if o.ETag != src.ETag {
		return providers.Object{}, storeError(op, dst, providers.ErrPrecondition)
	}
	if err := s.admit(op, dst, opts.Condition); err != nil {
		return providers.Object{}, err
	}
	if d, ok := s.objects[dst]; ok && s.dirs && strings.HasSuffix(dst, "/") {
		return d.Object, nil
	}
	put := providers.PutOptions{ContentType: o.ContentType, Metadata: o.Metadata}
	if opts.Replace {
		put.ContentType, put.Metadata = opts.ContentType, opts.Metadata
	}
	if op == "rename" {
		s.drop(src.Key)
	}
	return s.replace(dst, o.data, put), nil
}

func (s *store) Delete(ctx context.Context, keys ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests["delete"] += (len(keys) + 999) / 1000
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, key := range slices.Backward(slices.Sorted(slices.Values(keys))) {
		s.drop(key)
	}
	return nil
}

func (s *store) DeleteIf(ctx context.Context, key string, opts providers.DeleteOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, err := s.find(ctx, "delete", key)
	switch {
	case isNotExist(err):
		return nil
	case err != nil:
		return err
	case o.ETag != opts.IfMatch:
		return storeError("delete", key, providers.ErrPrecondition)
	}
	s.drop(key)
	return nil
}

func (s *store) Close() error { return nil }

// TestStore holds the bucket that the other tests stand on to the contract.
func TestStore(t *testing.T) {
	providertest.Run(t, providertest.Config{
		Open: func(testing.TB) providertest.Opener {
			s := newStore()
			return func(providertest.View) providers.Bucket { return s }
		},
		MinimalData: true,
	})
}
