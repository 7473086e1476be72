package providertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"sealdav/providers"
)

func putCases() []testCase {
	return []testCase{
		{"put/body-fails", testBodyFails},
		{"put/body-fails-after-a-part", testBodyFailsAfterPart},
		{"put/body-too-short", testBodyTooShort},
		{"put/body-too-long", testBodyTooLong},
		{"put/cancelled", testPutCancelled},
		{"put/cancelled-before", testPutCancelledBefore},
		{"put/does-not-close-body", testPutDoesNotClose},
		{"put/odd-readers", testOddReaders},
		{"put/replaces-attributes", testPutReplacesAttributes},
		{"put/concurrent-with-reads", testConcurrent},
	}
}

var errBody = errors.New("the body broke off")

// wantPutFails puts a body that must fail onto an absent key and onto an
// object, and looks at what is left each time.
func (e *env) wantPutFails(t testing.TB, what string, body func() io.Reader, size int64, kinds ...error) {
	t.Helper()
	mustPut(t, e.b, "old", "old content")
	tag := mustStat(t, e.b, "old").ETag
	for _, key := range []string{"old", "new", "folder/new"} {
		_, err := e.b.Put(t.Context(), key, body(), providers.PutOptions{Size: size, ContentType: "text/x-new"})
		for _, kind := range kinds {
			wantKind(t, fmt.Sprintf("%s: Put(%q)", what, key), err, kind)
		}
		if err == nil {
			t.Fatalf("%s: Put(%q) succeeded", what, key)
		}
	}
	wantContent(t, e.b, "old", "old content")
	if got := mustStat(t, e.b, "old"); got.ETag != tag || got.ContentType == "text/x-new" {
		t.Errorf("%s: the old object became %+v", what, got)
	}
	wantAbsent(t, e.b, "new")
	wantAbsent(t, e.b, "folder/new")
	wantKeys(t, e.b, "", recursive, "old")
	e.wantNothingLeft(t)
}

func testBodyFails(t testing.TB, e *env) {
	for _, n := range []int{0, 1, 1000, 100_000} {
		for _, size := range []int64{providers.SizeUnknown, 100_001} {
			body := func() io.Reader { return failingReader(n, errBody) }
			what := fmt.Sprintf("failing at byte %d, size %d", n, size)
			e.wantPutFails(t, what, body, size, providers.ErrBody, errBody)
		}
	}
	// The error that a cut HTTP request gives must not pass for an end.
	body := func() io.Reader { return failingReader(10, io.ErrUnexpectedEOF) }
	e.wantPutFails(t, "unexpected EOF", body, providers.SizeUnknown, providers.ErrBody, io.ErrUnexpectedEOF)
	// All the bytes came, and still the body says that it failed.
	body = func() io.Reader { return failingReader(10, errBody) }
	e.wantPutFails(t, "failing at the end", body, 10, providers.ErrBody, errBody)
}

func testBodyFailsAfterPart(t testing.TB, e *env) {
	part := e.size(providers.DefaultPartSize, 1<<20)
	for _, n := range []int{part, part + 1, 2 * part} {
		for _, size := range []int64{providers.SizeUnknown, int64(3 * part)} {
			body := func() io.Reader { return failingReader(n, errBody) }
			what := fmt.Sprintf("failing at byte %d, size %d", n, size)
			e.wantPutFails(t, what, body, size, providers.ErrBody, errBody)
		}
	}
}

func testBodyTooShort(t testing.TB, e *env) {
	part := e.size(providers.DefaultPartSize, 1<<20)
	for _, tc := range []struct{ body, size int }{{0, 1}, {9, 10}, {part, part + 1}, {part + 1, 2*part + 5}} {
		data := noise(1, tc.body)
		what := fmt.Sprintf("%d bytes for %d", tc.body, tc.size)
		e.wantPutFails(t, what, func() io.Reader { return reader(data) }, int64(tc.size), providers.ErrBody)
	}
}

func testBodyTooLong(t testing.TB, e *env) {
	part := e.size(providers.DefaultPartSize, 1<<20)
	for _, tc := range []struct{ body, size int }{{1, 0}, {10, 9}, {part + 1, part}, {2*part + 6, 2*part + 5}} {
		data := noise(1, tc.body)
		what := fmt.Sprintf("%d bytes for %d", tc.body, tc.size)
		e.wantPutFails(t, what, func() io.Reader { return reader(data) }, int64(tc.size), providers.ErrBody)
	}
}

func testPutCancelled(t testing.TB, e *env) {
	mustPut(t, e.b, "old", "old content")
	part := int64(e.size(providers.DefaultPartSize, 1<<20))
	for _, at := range []int64{0, 10, part, 2 * part} {
		for _, size := range []int64{providers.SizeUnknown, 2*part + 10} {
			for _, key := range []string{"old", "new"} {
				ctx, cancel := context.WithCancel(t.Context())
				body := &hookReader{Reader: strings.NewReader(noise(2, int(2*part+10))), at: at, hook: func() error { cancel(); return nil }}
				_, err := e.b.Put(ctx, key, body, providers.PutOptions{Size: size})
				wantContextError(t, fmt.Sprintf("Put(%q) cancelled at byte %d", key, at), err)
				cancel()
			}
		}
	}
	wantContent(t, e.b, "old", "old content")
	wantAbsent(t, e.b, "new")
	wantKeys(t, e.b, "", recursive, "old")
	e.wantNothingLeft(t)
}

func testPutCancelledBefore(t testing.TB, e *env) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := e.b.Put(ctx, "new", reader("x"), providers.PutOptions{Size: 1})
	wantContextError(t, "Put", err)
	wantAbsent(t, e.b, "new")
}

// closeReader notes that it was closed.
type closeReader struct {
	io.Reader
	closed bool
}

func (r *closeReader) Close() error {
	r.closed = true
	return nil
}

func testPutDoesNotClose(t testing.TB, e *env) {
	for _, size := range []int64{5, providers.SizeUnknown} {
		body := &closeReader{Reader: strings.NewReader("hello")}
		if _, err := e.b.Put(t.Context(), "k", body, providers.PutOptions{Size: size}); err != nil {
			t.Errorf("Put: %v", err)
		}
		if body.closed {
			t.Error("Put closed the body")
		}
	}
}

// trickle gives one byte at a time, every other time none.
type trickle struct {
	r    io.Reader
	turn bool
}

func (r *trickle) Read(p []byte) (int, error) {
	if r.turn = !r.turn; r.turn || len(p) == 0 {
		return 0, nil
	}
	return r.r.Read(p[:1])
}

// atOnce gives its last bytes together with io.EOF.
type atOnce struct{ data []byte }

func (r *atOnce) Read(p []byte) (int, error) {
	n := copy(p, r.data)
	if r.data = r.data[n:]; len(r.data) == 0 {
		return n, io.EOF
	}
	return n, nil
}

func testOddReaders(t testing.TB, e *env) {
	const want = "some content"
	for _, size := range []int64{int64(len(want)), providers.SizeUnknown} {
		for name, body := range map[string]io.Reader{
			"trickle": &trickle{r: strings.NewReader(want)},
			"atOnce":  &atOnce{[]byte(want)},
			"seeker":  strings.NewReader(want),
			"buffer":  bytes.NewBufferString(want),
		} {
			if _, err := e.b.Put(t.Context(), "k", body, providers.PutOptions{Size: size}); err != nil {
				t.Errorf("%s: Put: %v", name, err)
			}
			wantContent(t, e.b, "k", want)
		}
	}
}

func testPutReplacesAttributes(t testing.TB, e *env) {
	mustPutWith(t, e.b, "k", "x", providers.PutOptions{Size: 1, ContentType: "text/x-odd", Metadata: map[string]string{"a": "b"}})
	mustPutWith(t, e.b, "k", "y", providers.PutOptions{Size: 1, ContentType: "text/x-new"})
	got := mustStat(t, e.b, "k")
	if got.ContentType != "text/x-new" || len(got.Metadata) != 0 {
		t.Errorf("after replacing: %q, %v; want text/x-new and no metadata", got.ContentType, got.Metadata)
	}
}

// testConcurrent replaces an object again and again under the eyes of readers,
// who must see one of its contents whole.
func testConcurrent(t testing.TB, e *env) {
	content := func(i int) string { return strings.Repeat(string(rune('a'+i)), 100_000+i*1000) }
	mustPut(t, e.b, "k", content(0))
	done := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				got, obj, err := read(t.Context(), e.b, "k", providers.OpenOptions{})
				if err != nil {
					t.Errorf("Open: %v", err)
				} else if i := int(got[0] - 'a'); string(got) != content(i) || obj.Size != int64(len(got)) {
					t.Errorf("a reader saw %s, not one of the contents", abbreviate(string(got)))
				}
				if _, err := e.b.Stat(t.Context(), "k"); errors.Is(err, fs.ErrNotExist) {
					t.Error("Stat does not find an object that is being replaced")
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for w := range 2 {
		writers.Go(func() {
			for i := range 10 {
				body := content(2*i + w)
				if _, err := e.b.Put(t.Context(), "k", reader(body), providers.PutOptions{Size: int64(len(body))}); err != nil {
					t.Errorf("Put: %v", err)
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
}
