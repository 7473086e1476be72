package providertest

import (
	"context"
	"errors"
	"io"
	"iter"

	"sealdav/providers"
)

// When is the moment of an operation at which Faults asks its hook.
type When int

// The moments.
const (
	Before When = iota // nothing has been asked of the store
	During             // bytes of a body, or entries of a listing, have gone by
	After              // the store has done it, and its answer may still be lost
)

// Op is one moment of one operation.
type Op struct {
	Name string // stat, list, open, put, copy, delete, rename
	Key  string // the key, the prefix of list, the destination of copy and rename, one of delete's
	When When
	// N is how many bytes or entries have gone by, During only. It is 0 when
	// the first is about to come.
	N int64
}

// Faults makes the operations of a Bucket fail. An error that Hook returns is
// the operation's; During a Put it breaks off the body, so that the store
// below sees an upload that fails.
type Faults struct {
	providers.Bucket
	// Hook is called from many goroutines at once. nil lets all pass.
	Hook func(Op) error
}

// ask returns the hook's error in the form that a Bucket gives errors.
func (f *Faults) ask(name, key string, when When, n int64) error {
	if f.Hook == nil {
		return nil
	}
	err := f.Hook(Op{name, key, when, n})
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if _, ok := errors.AsType[*providers.Error](err); ok {
		return err
	}
	return &providers.Error{Op: name, Key: key, Kind: err}
}

// around asks the hook before and after do.
func (f *Faults) around(name, key string, do func() (providers.Object, error)) (providers.Object, error) {
	if err := f.ask(name, key, Before, 0); err != nil {
		return providers.Object{}, err
	}
	obj, err := do()
	if err != nil {
		return providers.Object{}, err
	}
	if err := f.ask(name, key, After, 0); err != nil {
		return providers.Object{}, err
	}
	return obj, nil
}

// Stat implements providers.Bucket.
func (f *Faults) Stat(ctx context.Context, key string) (providers.Object, error) {
	return f.around("stat", key, func() (providers.Object, error) { return f.Bucket.Stat(ctx, key) })
}

// List implements providers.Bucket.
func (f *Faults) List(ctx context.Context, prefix string, opts providers.ListOptions) iter.Seq2[providers.Entry, error] {
	return func(yield func(providers.Entry, error) bool) {
		if err := f.ask("list", prefix, Before, 0); err != nil {
			yield(providers.Entry{}, err)
			return
		}
		var n int64
		for e, err := range f.Bucket.List(ctx, prefix, opts) {
			if err == nil {
				err = f.ask("list", prefix, During, n)
			}
			if err != nil {
				yield(providers.Entry{}, err)
				return
			}
			if n++; !yield(e, nil) {
				return
			}
		}
		if err := f.ask("list", prefix, After, n); err != nil {
			yield(providers.Entry{}, err)
		}
	}
}

// Open implements providers.Bucket.
func (f *Faults) Open(ctx context.Context, key string, opts providers.OpenOptions) (io.ReadCloser, providers.Object, error) {
	if err := f.ask("open", key, Before, 0); err != nil {
		return nil, providers.Object{}, err
	}
	body, obj, err := f.Bucket.Open(ctx, key, opts)
	if err != nil {
		return nil, providers.Object{}, err
	}
	if err := f.ask("open", key, After, 0); err != nil {
		return nil, providers.Object{}, errors.Join(err, body.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{&faultReader{r: body, f: f, name: "open", key: key}, body}, obj, nil
}

// Put implements providers.Bucket.
func (f *Faults) Put(ctx context.Context, key string, body io.Reader, opts providers.PutOptions) (providers.Object, error) {
	return f.around("put", key, func() (providers.Object, error) {
		r := &faultReader{r: body, f: f, name: "put", key: key}
		obj, err := f.Bucket.Put(ctx, key, r, opts)
		if err != nil && r.err != nil {
			err = r.err
		}
		return obj, err
	})
}

// Copy implements providers.Bucket.
func (f *Faults) Copy(ctx context.Context, dst string, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	return f.around("copy", dst, func() (providers.Object, error) { return f.Bucket.Copy(ctx, dst, src, opts) })
}

// Rename implements providers.Renamer.
func (f *Faults) Rename(ctx context.Context, dst string, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	r, ok := f.Bucket.(providers.Renamer)
	if !ok {
		return providers.Object{}, unsupported(dst)
	}
	return f.around("rename", dst, func() (providers.Object, error) { return r.Rename(ctx, dst, src, opts) })
}

// Delete implements providers.Bucket. The hook is asked for each key; those
// it fails Before stay and are in the *providers.DeleteError.
func (f *Faults) Delete(ctx context.Context, keys ...string) error {
	failed := &providers.DeleteError{}
	note := func(key string, when When) bool {
		err := f.ask("delete", key, when, 0)
		if err == nil {
			return false
		}
		e, ok := errors.AsType[*providers.Error](err)
		if !ok {
			e = &providers.Error{Op: "delete", Key: key, Kind: err}
		}
		failed.Failed = append(failed.Failed, e)
		return true
	}
	var rest []string
	for _, key := range keys {
		if !note(key, Before) {
			rest = append(rest, key)
		}
	}
	if err := f.Bucket.Delete(ctx, rest...); err != nil {
		inner, ok := errors.AsType[*providers.DeleteError](err)
		if !ok {
			return err
		}
		failed.Failed = append(failed.Failed, inner.Failed...)
	} else {
		for _, key := range rest {
			note(key, After)
		}
	}
	if len(failed.Failed) > 0 {
		return failed
	}
	return nil
}

// DeleteIf implements providers.Bucket. To the hook it is a delete.
func (f *Faults) DeleteIf(ctx context.Context, key string, opts providers.DeleteOptions) error {
	_, err := f.around("delete", key, func() (providers.Object, error) {
		return providers.Object{}, f.Bucket.DeleteIf(ctx, key, opts)
	})
	return err
}

func unsupported(key string) error {
	return &providers.Error{Op: "rename", Key: key, Kind: errors.ErrUnsupported}
}

// faultReader asks the hook before each read.
type faultReader struct {
	r         io.Reader
	f         *Faults
	name, key string
	n         int64
	err       error // the hook's
}

func (r *faultReader) Read(p []byte) (int, error) {
	if r.err == nil {
		r.err = r.f.ask(r.name, r.key, During, r.n)
	}
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.r.Read(p)
	r.n += int64(n)
	return n, err
}
