package providertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sealdav/providers"
)

// mustPut stores body under key and fails the test otherwise.
func mustPut(t testing.TB, b providers.Bucket, key, body string) providers.Object {
	t.Helper()
	return mustPutWith(t, b, key, body, providers.PutOptions{Size: int64(len(body))})
}

func mustPutWith(t testing.TB, b providers.Bucket, key, body string, opts providers.PutOptions) providers.Object {
	t.Helper()
	obj, err := b.Put(t.Context(), key, reader(body), opts)
	if err != nil {
		t.Fatalf("Put(%q): %v", key, err)
	}
	return obj
}

func mustStat(t testing.TB, b providers.Bucket, key string) providers.Object {
	t.Helper()
	obj, err := b.Stat(t.Context(), key)
	if err != nil {
		t.Fatalf("Stat(%q): %v", key, err)
	}
	return obj
}

// read opens key and reads it to its end.
func read(ctx context.Context, b providers.Bucket, key string, opts providers.OpenOptions) ([]byte, providers.Object, error) {
	body, obj, err := b.Open(ctx, key, opts)
	if err != nil {
		return nil, obj, err
	}
	data, err := io.ReadAll(body)
	return data, obj, errors.Join(err, body.Close())
}

func mustRead(t testing.TB, b providers.Bucket, key string) (string, providers.Object) {
	t.Helper()
	data, obj, err := read(t.Context(), b, key, providers.OpenOptions{})
	if err != nil {
		t.Fatalf("Open(%q): %v", key, err)
	}
	return string(data), obj
}

// wantContent fails the test unless key holds want.
func wantContent(t testing.TB, b providers.Bucket, key, want string) {
	t.Helper()
	got, obj := mustRead(t, b, key)
	if got != want {
		t.Errorf("Open(%q) reads %s, want %s", key, abbreviate(got), abbreviate(want))
	}
	if obj.Size != int64(len(want)) {
		t.Errorf("Open(%q).Size = %d, want %d", key, obj.Size, len(want))
	}
}

func abbreviate(s string) string {
	if len(s) <= 80 {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q... (%d bytes)", s[:40], len(s))
}

// wantKind fails the test unless err is of the kind, in the form the contract
// gives errors, and passes for no other kind that is handled in its own way.
func wantKind(t testing.TB, what string, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%s: error is %v, want %v", what, err, kind)
		return
	}
	e, ok := errors.AsType[*providers.Error](err)
	if !ok {
		t.Errorf("%s: error %v (%T) is no *providers.Error", what, err, err)
		return
	}
	if e.Op == "" || e.Kind == nil {
		t.Errorf("%s: error %#v names no operation or no kind", what, e)
	}
}

// wantAbsent fails the test unless there is no object key.
func wantAbsent(t testing.TB, b providers.Bucket, key string) {
	t.Helper()
	if _, err := b.Stat(t.Context(), key); err == nil {
		t.Errorf("%q is there", key)
	} else {
		wantKind(t, fmt.Sprintf("Stat(%q)", key), err, errNotExist)
	}
}

// list returns the whole of a listing.
func list(t testing.TB, b providers.Bucket, prefix string, opts providers.ListOptions) []providers.Entry {
	t.Helper()
	var entries []providers.Entry
	for e, err := range b.List(t.Context(), prefix, opts) {
		if err != nil {
			t.Fatalf("List(%q): %v", prefix, err)
		}
		entries = append(entries, e)
	}
	return entries
}

// wantKeys fails the test unless the listing has just these keys in this
// order; folded ones are written with a "*" behind the slash. A store whose
// folders are real may show markers ("dir/") that nobody put, and goes on
// showing a folder whose last object has gone: those pass.
func wantKeys(t testing.TB, b providers.Bucket, prefix string, opts providers.ListOptions, want ...string) {
	t.Helper()
	var got []string
	for _, e := range list(t, b, prefix, opts) {
		key := e.Key
		if e.Dir {
			key += "*"
		} else if strings.HasSuffix(key, "/") && !slices.Contains(want, key) {
			continue
		}
		got = append(got, key)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("List(%q, %+v) (-want +got):\n%s", prefix, opts, diff)
	}
}

var recursive = providers.ListOptions{Recursive: true}

// wantNothingLeft fails the test if a failed write left anything behind.
func (e *env) wantNothingLeft(t testing.TB) {
	t.Helper()
	if e.Leftovers == nil {
		return
	}
	if left := e.Leftovers(t, e.b); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// size returns full, or small where little data is wanted.
func (e *env) size(full, small int) int {
	if e.MinimalData {
		return small
	}
	return full
}

// noise returns n bytes that do not repeat, the same for the same seed.
func noise(seed uint64, n int) string {
	var key [32]byte
	key[0] = byte(seed)
	data := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(data)
	return string(data)
}

// plainReader hides the other methods of a reader, so that a provider cannot
// seek in it, ask its length, or close it unnoticed.
type plainReader struct{ io.Reader }

func reader(s string) io.Reader { return plainReader{strings.NewReader(s)} }

// failingReader gives n bytes and then err.
func failingReader(n int, err error) io.Reader {
	return io.MultiReader(reader(noise(7, n)), &hookReader{Reader: bytes.NewReader(nil), at: 0, hook: func() error { return err }})
}

// hookReader calls hook once at bytes have been read; an error from it is the
// reader's.
type hookReader struct {
	io.Reader
	at   int64
	read int64
	hook func() error
	done bool
}

func (r *hookReader) Read(p []byte) (int, error) {
	if !r.done && r.read >= r.at {
		r.done = true
		if err := r.hook(); err != nil {
			return 0, err
		}
	}
	if !r.done {
		p = p[:min(int64(len(p)), r.at-r.read)]
	}
	n, err := r.Reader.Read(p)
	r.read += int64(n)
	return n, err
}

// wantContextError fails the test unless err can be told to be the context's.
func wantContextError(t testing.TB, what string, err error) {
	t.Helper()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%s: error is %v, want %v", what, err, context.Canceled)
	}
}
