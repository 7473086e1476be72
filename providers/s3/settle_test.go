package s3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sealdav/providers"
	"sealdav/sse"
)

// TestLiesUnsealed: a store that stops sealing after the probe, in every way it
// can answer. What lies there in the clear goes again.
func TestLiesUnsealed(t *testing.T) {
	large := string(noise(6 << 20))
	putting := func(content string) func(*testing.T, providers.Bucket, providers.Object) error {
		return func(t *testing.T, b providers.Bucket, _ providers.Object) error {
			_, err := b.Put(t.Context(), "k", strings.NewReader(content), providers.PutOptions{Size: int64(len(content))})
			return err
		}
	}
	copying := func(t *testing.T, b providers.Bucket, src providers.Object) error {
		_, err := b.Copy(t.Context(), "k", src, providers.CopyOptions{})
		return err
	}
	for _, tc := range []struct {
		name string
		lie  func(*fakeStore)
		do   func(*testing.T, providers.Bucket, providers.Object) error
	}{
		{"put", func(f *fakeStore) { f.plainPut, f.mutePut = true, true }, putting("secret")},
		{"put without an ETag", func(f *fakeStore) { f.plainPut, f.mutePut, f.noETag = true, true, true }, putting("secret")},
		{"put with another ETag", func(f *fakeStore) { f.plainPut, f.mutePut, f.otherETag = true, true, true }, putting("secret")},
		{"upload in parts that keeps quiet of it", func(f *fakeStore) { f.plainParts = true }, putting(large)},
		{"copy", func(f *fakeStore) { f.plainCopy, f.muteCopy = true, true }, copying},
		{"copy without an ETag", func(f *fakeStore) { f.plainCopy, f.muteCopy, f.noETag = true, true, true }, copying},
		{"copy with another ETag", func(f *fakeStore) { f.plainCopy, f.muteCopy, f.otherETag = true, true, true }, copying},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, b := newFakeStore(t)
			src := stat(t, b, "src")
			f.tell(func() { tc.lie(f) })
			err := tc.do(t, b, src)
			wantUnverified(t, "the write", err)
			if strings.Contains(providers.Advice(err), "nothing was kept") {
				t.Errorf("the advice conceals that what was replaced is gone: %v", err)
			}
			if got := f.state("k"); got != "nothing" {
				t.Errorf("left behind: %.20s", got)
			}
		})
	}
}

// TestUnsealedThenReplaced: what another writer has put over a write that the
// store did not seal is left, and told.
func TestUnsealedThenReplaced(t *testing.T) {
	f, b := newFakeStore(t)
	f.tell(func() {
		f.plainPut, f.mutePut = true, true
		f.before = func(_ http.ResponseWriter, op, _ string) bool {
			if op == "Head" {
				f.tell(func() { f.store("k", []byte("theirs"), false) })
			}
			return false
		}
	})
	_, err := b.Put(t.Context(), "k", strings.NewReader("secret"), providers.PutOptions{Size: 6})
	if !errors.Is(err, providers.ErrUnverified) || providers.Advice(err) != providers.AdviceAnother {
		t.Errorf("Put: %v", err)
	}
	if got := f.state("k"); got != "plain theirs" {
		t.Errorf("what lies there is %s", got)
	}
}

// TestCopyInPartsProbed: a store that copies parts in the clear is given the
// content instead.
func TestCopyInPartsProbed(t *testing.T) {
	f, b := newFakeStore(t)
	f.tell(func() { f.plainPartCopy = true })
	b.SetCopyLimits(3, 3)
	if _, err := b.Copy(t.Context(), "k", stat(t, b, "src"), providers.CopyOptions{}); err != nil {
		t.Error(err)
	}
	if got := f.state("k"); got != "sealed source" {
		t.Errorf("the copy is %s", got)
	}
}

// TestCopyOntoItselfUnsealed: the only copy of a content neither goes nor
// stays in the clear.
func TestCopyOntoItselfUnsealed(t *testing.T) {
	f, b := newFakeStore(t)
	src := stat(t, b, "src")
	f.tell(func() { f.plainCopy, f.muteCopy = true, true })
	if _, err := b.Copy(t.Context(), "src", src, providers.CopyOptions{}); err != nil {
		t.Error(err)
	}
	if got := f.state("src"); got != "sealed source" {
		t.Errorf("the object is %s", got)
	}
	f.tell(func() { f.plainPut, f.mutePut = true, true })
	_, err := b.Copy(t.Context(), "src", stat(t, b, "src"), providers.CopyOptions{})
	if !errors.Is(err, providers.ErrUnverified) {
		t.Errorf("a store that seals nothing: %v", err)
	}
}

// TestCopyLookedAt: MinIO says nothing of a copy, which must be looked at.
// Neither the client's leaving nor a store that fails a while harms a copy
// that stands.
func TestCopyLookedAt(t *testing.T) {
	for name, tc := range map[string]struct {
		fails int  // so many HEADs fail
		leave bool // the client leaves once the copy stands
		want  bool
	}{
		"the client leaves":  {leave: true, want: true},
		"the store stutters": {fails: 5, want: true},
		"the store is gone":  {fails: 1000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, b := newFakeStore(t)
			put(t, b, "k", []byte("good"))
			src := stat(t, b, "src")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			f.tell(func() {
				f.muteCopy = true
				f.before = func(w http.ResponseWriter, op, key string) bool {
					if op != "Head" || key != "k" || tc.fails == 0 {
						return false
					}
					tc.fails--
					w.WriteHeader(500)
					return true
				}
				f.after = func(_ http.ResponseWriter, op, _ string) bool {
					if tc.leave && op == "Head" {
						cancel()
					}
					return false
				}
			})
			_, err := b.Copy(ctx, "k", src, providers.CopyOptions{})
			if tc.want != (err == nil) || err != nil && (!errors.Is(err, providers.ErrUnavailable) || providers.Advice(err) == "") {
				t.Errorf("Copy: %v", err)
			}
			if got := f.state("k"); got != "sealed source" {
				t.Errorf("the destination is %s", got)
			}
		})
	}
}

// TestOutcomeUnknown: the answers to a write are lost, and the store has not
// sealed it. What is new and ours goes; what was there before stays.
func TestOutcomeUnknown(t *testing.T) {
	for _, tc := range []struct {
		name string
		op   string
		done bool // the write is carried out
		old  string
		age  time.Duration // of the old one
		want string
	}{
		{"put", "Put", true, "", 0, "nothing"},
		{"put that is not carried out", "Put", false, "secret", time.Hour, "plain secret"},
		{"put that is not carried out, over a new object", "Put", false, "better", 0, "plain better"},
		{"copy", "Copy", true, "", 0, "nothing"},
		{"copy that is not carried out", "Copy", false, "source", time.Hour, "plain source"},
		{"copy that is not carried out, over a new object", "Copy", false, "better", 0, "plain better"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f, b := newFakeStore(t)
			src := stat(t, b, "src")
			f.tell(func() {
				if tc.old != "" {
					old := f.store("k", []byte(tc.old), false)
					old.modified = time.Now().Add(-tc.age)
					f.objects["k"] = old
				}
				f.plainPut, f.plainCopy = true, true
				fail := func(w http.ResponseWriter, op, _ string) bool {
					if op == tc.op {
						w.WriteHeader(500)
					}
					return op == tc.op
				}
				if tc.done {
					f.after = fail
				} else {
					f.before = fail
				}
			})
			var err error
			if tc.op == "Put" {
				_, err = b.Put(t.Context(), "k", strings.NewReader("secret"), providers.PutOptions{Size: 6})
			} else {
				_, err = b.Copy(t.Context(), "k", src, providers.CopyOptions{})
			}
			if !errors.Is(err, providers.ErrUnavailable) {
				t.Errorf("got %v, want ErrUnavailable", err)
			}
			if got := f.state("k"); got != tc.want {
				t.Errorf("what lies there is %s, want %s", got, tc.want)
			}
		})
	}
}

// TestOutcomeUnknownInParts: the same of an upload in parts, whose client is
// gone by then. Its object is dated back to when the upload was created.
func TestOutcomeUnknownInParts(t *testing.T) {
	large := noise(6 << 20)
	for name, tc := range map[string]struct {
		done bool
		want string
	}{
		"completed":     {true, "nothing"},
		"not completed": {false, "plain old"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, b := newFakeStore(t)
			put(t, b, "large", large) // the probe of parts passes
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			lose := func(w http.ResponseWriter, op, _ string) bool {
				if op != "Complete" {
					return false
				}
				leave()
				w.WriteHeader(500)
				return true
			}
			f.tell(func() {
				f.store("k", []byte("old"), false)
				f.plainParts = true
				if tc.done {
					f.after = lose
				} else {
					f.before = lose
				}
			})
			// Longer than the second to which stores tell time, and some grace.
			slow := io.MultiReader(bytes.NewReader(large), pause(3*time.Second))
			_, err := b.Put(ctx, "k", slow, providers.PutOptions{Size: int64(len(large))})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want context.Canceled", err)
			}
			if got := f.state("k"); got != tc.want {
				t.Errorf("what lies there is %.20s, want %s", got, tc.want)
			}
		})
	}
}

// pause is a body that ends after a while.
type pause time.Duration

func (p pause) Read([]byte) (int, error) {
	time.Sleep(time.Duration(p))
	return 0, io.EOF
}

// TestRefusalEnds: an object that no key opened is tried again once it is
// another, by our own hand or as a listing shows.
func TestRefusalEnds(t *testing.T) {
	for _, tc := range []struct {
		name    string
		replace func(*testing.T, *fakeStore, providers.Bucket)
	}{
		{"put", func(t *testing.T, _ *fakeStore, b providers.Bucket) { put(t, b, "k", []byte("new")) }},
		{"listed", func(t *testing.T, f *fakeStore, b providers.Bucket) {
			list(t, b)
			f.tell(func() { f.store("k", []byte("new"), false) })
			list(t, b)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &fakeStore{objects: map[string]fakeObject{}}
			f.store("k", []byte("old"), true)
			b := open(t, config(fake(t, f.ServeHTTP), "b", sse.Settings{})) // one candidate: no key
			if _, _, err := b.Open(t.Context(), "k", providers.OpenOptions{}); !errors.Is(err, providers.ErrKey) {
				t.Fatalf("without the key: %v, want ErrKey", err)
			}
			tc.replace(t, f, b)
			if got := string(read(t, b, "k")); got != "new" {
				t.Errorf("reads %q", got)
			}
		})
	}
}

func list(t *testing.T, b providers.Bucket) {
	t.Helper()
	for _, err := range b.List(t.Context(), "", providers.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestAnswerLostUnderCondition: the answer to a conditional write is lost, and
// its repetition finds its own object in the way.
func TestAnswerLostUnderCondition(t *testing.T) {
	for _, tc := range []struct {
		name, content string
		ours          bool // the write was carried out
	}{
		{"folder marker", "", true},
		{"content", "mine", true},
		{"another writer came first", "mine", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, b := newFakeStore(t)
			var lost atomic.Bool
			lose := func(w http.ResponseWriter, op, _ string) bool {
				if op != "Put" || lost.Swap(true) {
					return false
				}
				w.WriteHeader(500)
				return true
			}
			f.tell(func() {
				if tc.ours {
					f.after = lose
				} else {
					f.before = func(w http.ResponseWriter, op, key string) bool {
						if !lose(w, op, key) {
							return false
						}
						f.tell(func() { f.store("k", []byte("them"), true) })
						return true
					}
				}
			})
			obj, err := b.Put(t.Context(), "k", strings.NewReader(tc.content), providers.PutOptions{Condition: providers.Condition{IfAbsent: true}, Size: int64(len(tc.content))})
			switch {
			case tc.ours && err != nil:
				t.Errorf("our own write stands in our way: %v", err)
			case tc.ours && obj.ETag != stat(t, b, "k").ETag:
				t.Errorf("told the ETag %s, it is %s", obj.ETag, stat(t, b, "k").ETag)
			case !tc.ours && !errors.Is(err, providers.ErrPrecondition):
				t.Errorf("got %v, want ErrPrecondition", err)
			}
		})
	}
}
