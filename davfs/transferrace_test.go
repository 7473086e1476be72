package davfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"sealdav/providers"
	"sealdav/providers/local"
	"sealdav/providers/providertest"
	"sealdav/sse"
)

// hooked is a bucket that lets a test act at the moments that matter.
type hooked struct {
	*store
	put    func(key string) // before the content of a PUT is stored
	delete func()           // before the next deletion, once
	copied func(key string) // after a copy to key
}

func (b *hooked) Put(ctx context.Context, key string, body io.Reader, opts providers.PutOptions) (providers.Object, error) {
	if b.put != nil {
		b.put(key)
	}
	return b.store.Put(ctx, key, body, opts)
}

func (b *hooked) Copy(ctx context.Context, dst string, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	obj, err := b.store.Copy(ctx, dst, src, opts)
	if b.copied != nil {
		b.copied(dst)
	}
	return obj, err
}

func (b *hooked) Delete(ctx context.Context, keys ...string) error {
	if act := b.delete; act != nil {
		b.delete = nil
		act()
	}
	return b.store.Delete(ctx, keys...)
}

func (b *hooked) DeleteIf(ctx context.Context, key string, opts providers.DeleteOptions) error {
	if act := b.delete; act != nil {
		b.delete = nil
		act()
	}
	return b.store.DeleteIf(ctx, key, opts)
}

func codeOf(h http.Handler, method, path, body string, header ...string) int {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func (s *store) holds(content string) bool {
	return slices.ContainsFunc(s.all(), func(kv string) bool { return strings.Contains(kv, content) })
}

func handlerOn(t *testing.T, b providers.Bucket) *Handler {
	t.Helper()
	h, err := New([]Remote{{Name: "r", Bucket: b}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestMoveUnderUpload: an upload that was under way when a move began, and was
// answered before the move deleted the source, is not deleted with it.
func TestMoveUnderUpload(t *testing.T) {
	tests := []struct{ name, path, from, to string }{
		{"a member of the folder that is moved", "/r/d/f", "/r/d", "/r/e"},
		{"the file that is moved", "/r/d/f", "/r/d/f", "/r/d/g"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			started, release := make(chan struct{}), make(chan struct{})
			b := &hooked{store: newStore("d/", "d/f")}
			b.put = func(string) { close(started); <-release }
			h := handlerOn(t, b)
			put := make(chan int)
			go func() { put <- codeOf(h, "PUT", tc.path, "new version") }()
			<-started
			stored := 0
			var once sync.Once
			b.copied = func(key string) {
				if strings.HasSuffix(key, "/") {
					return
				}
				once.Do(func() {
					close(release)
					stored = <-put
				})
			}
			move := codeOf(h, "MOVE", tc.from, "", "Destination", tc.to)
			if stored != http.StatusNoContent {
				t.Fatalf("PUT: %d", stored)
			}
			if move != http.StatusMultiStatus {
				t.Errorf("MOVE: %d, want 207", move)
			}
			if !b.holds("new version") {
				t.Errorf("the upload is gone: %q", b.all())
			}
		})
	}
}

// TestWriteWaitsForDeletion: what is written while a move deletes the same name
// is stored after that.
func TestWriteWaitsForDeletion(t *testing.T) {
	for _, from := range []string{"/r/d/f", "/r/d"} {
		b := &hooked{store: newStore("d/", "d/f", "d/x/y")}
		h := handlerOn(t, b)
		put := make(chan int, 1)
		b.delete = func() {
			go func() { put <- codeOf(h, "PUT", "/r/d/f", "new version") }()
		}
		codeOf(h, "MOVE", from, "", "Destination", "/r/e")
		if code := <-put; code < 300 && !b.holds("new version") {
			t.Errorf("MOVE %s: the upload is gone after %d: %q", from, code, b.all())
		}
	}
}

// TestFileReplacesBusyFolder: a file that replaces a folder does not take what
// is written into that meanwhile with it.
func TestFileReplacesBusyFolder(t *testing.T) {
	b := &hooked{store: newStore("f", "d/", "d/old")}
	h := handlerOn(t, b)
	once := false
	b.copied = func(string) {
		if !once {
			once = true
			if code := codeOf(h, "PUT", "/r/d/new", "new version"); code != http.StatusCreated {
				t.Errorf("PUT: %d", code)
			}
		}
	}
	if code := codeOf(h, "COPY", "/r/f", "", "Destination", "/r/d"); code != http.StatusNoContent {
		t.Errorf("COPY: %d", code)
	}
	if b.holds("content of d/old") {
		t.Errorf("what was replaced is still there: %q", b.all())
	}
	if !b.holds("new version") {
		t.Errorf("the upload is gone: %q", b.all())
	}
}

// TestRemotesOfOnePlace: two remotes that show the same directory, in part or
// whole, do not delete by a move what they have only re-encrypted.
func TestRemotesOfOnePlace(t *testing.T) {
	tests := []struct {
		method, from, to string
		want             int
	}{
		{"MOVE", "/old/d/f", "/new/d/f", http.StatusForbidden},
		{"MOVE", "/old/d", "/new/d", http.StatusForbidden},
		{"MOVE", "/old/d", "/new/d/e", http.StatusForbidden},
		{"MOVE", "/old/d/f", "/part/f", http.StatusForbidden},
		{"MOVE", "/part/f", "/old/d/f", http.StatusForbidden},
		{"COPY", "/old/d/e", "/old/d", http.StatusForbidden},
		{"COPY", "/old/d/f", "/new/d/f", http.StatusNoContent},
		{"COPY", "/old/d", "/new/d", http.StatusNoContent},
		{"MOVE", "/old/d/f", "/new/d/g", http.StatusCreated},
	}
	for _, tc := range tests {
		t.Run(tc.method+" "+tc.from+" "+tc.to, func(t *testing.T) {
			dir := t.TempDir()
			open := func(sub string, write byte) providers.Bucket {
				s := sse.Settings{WriteKey: providertest.NewKey(write), ReadKeys: []sse.Key{providertest.NewKey('1')}}
				b, err := local.Open(t.Context(), local.Config{Dir: dir + sub, Settings: s})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { b.Close() })
				return b
			}
			old := open("", '1')
			for _, key := range []string{"d/f", "d/e/x"} {
				if _, err := old.Put(t.Context(), key, strings.NewReader("precious"), providers.PutOptions{Size: 8}); err != nil {
					t.Fatal(err)
				}
			}
			rekeyed := open("", '2')
			h, err := New([]Remote{{Name: "old", Bucket: old}, {Name: "new", Bucket: rekeyed}, {Name: "part", Bucket: open("/d", '2')}}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if code := codeOf(h, tc.method, tc.from, "", "Destination", tc.to); code != tc.want {
				t.Errorf("%d, want %d", code, tc.want)
			}
			key := strings.TrimPrefix(tc.to, "/new/")
			if tc.want == http.StatusForbidden || strings.HasSuffix(tc.to, "/d") {
				key = "d/f"
			}
			body, _, err := rekeyed.Open(t.Context(), key, providers.OpenOptions{})
			if err != nil {
				t.Fatalf("%s: %v", key, err)
			}
			defer body.Close()
			if got, err := io.ReadAll(body); err != nil || string(got) != "precious" {
				t.Errorf("%s holds %q, %v", key, got, err)
			}
			// What was copied lies under the new key alone.
			_, err = old.Stat(t.Context(), key)
			if tc.want < 300 != errors.Is(err, providers.ErrKey) {
				t.Errorf("with the old key: %v", err)
			}
		})
	}
}

// unsorted is a store that lists keys out of their order.
type unsorted struct{ *store }

func (b unsorted) List(ctx context.Context, prefix string, opts providers.ListOptions) iter.Seq2[providers.Entry, error] {
	var all []providers.Entry
	for e := range b.store.List(ctx, prefix, opts) {
		all = append(all, e)
	}
	slices.Reverse(all)
	return func(yield func(providers.Entry, error) bool) {
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// TestUnsortedListing: a move over a folder, which walks two listings side by
// side, does not trust one that is out of order.
func TestUnsortedListing(t *testing.T) {
	s := newStore("src/a", "src/b", "src/c", "dst/z")
	before := s.all()
	h := handlerOn(t, unsorted{s})
	if code := codeOf(h, "MOVE", "/r/src", "", "Destination", "/r/dst"); code < 400 && code != http.StatusMultiStatus {
		t.Errorf("MOVE: %d", code)
	}
	for _, kv := range before {
		if !slices.Contains(s.all(), kv) {
			t.Errorf("%q is gone: %q", kv, s.all())
		}
	}
}

// TestParallelMoves: of several clients that move one file, or folder, one
// does, and the others do not find it.
func TestParallelMoves(t *testing.T) {
	for _, from := range []string{"f", "d"} {
		s := newStore("f", "d/", "d/a", "d/b")
		h := handlerOn(t, s)
		codes := make(chan int)
		for i := range 8 {
			go func() {
				codes <- codeOf(h, "MOVE", "/r/"+from, "", "Destination", fmt.Sprintf("/r/to%d", i))
			}()
		}
		got := map[int]int{}
		for range 8 {
			got[<-codes]++
		}
		if got[http.StatusCreated] != 1 || got[http.StatusNotFound] != 7 {
			t.Errorf("MOVE %s: %v", from, got)
		}
	}
}

// hiding lists as MinIO does: where there is an object "a", not what is below
// "a/".
type hiding struct{ *store }

func (b hiding) List(ctx context.Context, prefix string, opts providers.ListOptions) iter.Seq2[providers.Entry, error] {
	return func(yield func(providers.Entry, error) bool) {
		for e, err := range b.store.List(ctx, prefix, opts) {
			hidden := false
			for i, c := range e.Key {
				if c == '/' && i < len(e.Key)-1 {
					_, statErr := b.Stat(ctx, e.Key[:i])
					hidden = hidden || statErr == nil
				}
			}
			if !hidden && !yield(e, err) {
				return
			}
		}
	}
}

// TestFileReplacesFolder: nothing of the folder stays behind the file, on a
// store that no longer lists it either.
func TestFileReplacesFolder(t *testing.T) {
	for _, method := range []string{"COPY", "MOVE"} {
		s := newStore("d/", "d/a", "d/x/b", "f")
		h := handlerOn(t, hiding{s})
		if code := codeOf(h, method, "/r/f", "", "Destination", "/r/d"); code != http.StatusNoContent {
			t.Errorf("%s: %d", method, code)
		}
		for _, kv := range s.all() {
			if strings.HasPrefix(kv, "d/") {
				t.Errorf("%s: %q is still there", method, kv)
			}
		}
	}
}
