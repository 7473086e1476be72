package providertest

import (
	"context"
	"crypto/sha256"
	"io"
	"testing"
	"time"

	"sealdav/providers"
)

func readCases() []testCase {
	return []testCase{
		{"read/ranges", testRanges},
		{"read/range-of-empty", testRangeOfEmpty},
		{"read/range-large", testLargeRanges},
		{"read/if-match", testIfMatch},
		{"read/if-none-match", testIfNoneMatch},
		{"read/if-modified-since", testIfModifiedSince},
		{"read/if-unmodified-since", testIfUnmodifiedSince},
		{"read/cancelled", testOpenCancelled},
		{"read/closed-early", testCloseEarly},
	}
}

func wantRange(t testing.TB, b providers.Bucket, key string, r providers.Range, whole, want string) {
	t.Helper()
	got, obj, err := read(t.Context(), b, key, providers.OpenOptions{Range: r})
	if err != nil {
		t.Errorf("Open(%q, %+v): %v", key, r, err)
		return
	}
	if string(got) != want {
		t.Errorf("Open(%q, %+v) reads %s, want %s", key, r, abbreviate(string(got)), abbreviate(want))
	}
	if obj.Size != int64(len(whole)) {
		t.Errorf("Open(%q, %+v).Size = %d, want the whole object's %d", key, r, obj.Size, len(whole))
	}
}

func testRanges(t testing.TB, e *env) {
	const whole = "0123456789"
	put := mustPut(t, e.b, "k", whole)
	for _, tc := range []struct {
		r    providers.Range
		want string
	}{
		{providers.Range{}, whole},
		{providers.Range{Length: 1}, "0"},
		{providers.Range{Length: 10}, whole},
		{providers.Range{Length: 11}, whole},
		{providers.Range{Offset: 3}, "3456789"},
		{providers.Range{Offset: 3, Length: 4}, "3456"},
		{providers.Range{Offset: 9}, "9"},
		{providers.Range{Offset: 9, Length: 1}, "9"},
		{providers.Range{Offset: 8, Length: 100}, "89"},
		{providers.Range{Offset: -1}, "9"},
		{providers.Range{Offset: -4}, "6789"},
		{providers.Range{Offset: -10}, whole},
		{providers.Range{Offset: -11}, whole},
	} {
		wantRange(t, e.b, "k", tc.r, whole, tc.want)
	}
	for _, r := range []providers.Range{{Offset: 10}, {Offset: 10, Length: 1}, {Offset: 1 << 40}} {
		_, _, err := e.b.Open(t.Context(), "k", providers.OpenOptions{Range: r})
		wantKind(t, "Open beyond the end", err, providers.ErrRange)
	}
	got, _, err := read(t.Context(), e.b, "k", providers.OpenOptions{
		Range: providers.Range{Offset: 2, Length: 2}, IfMatch: put.ETag})
	if err != nil || string(got) != "23" {
		t.Errorf("range with If-Match reads %q, %v", got, err)
	}
}

func testRangeOfEmpty(t testing.TB, e *env) {
	mustPut(t, e.b, "empty", "")
	wantRange(t, e.b, "empty", providers.Range{}, "", "")
	for _, r := range []providers.Range{{Length: 1}, {Offset: 1}, {Offset: -1}} {
		_, _, err := e.b.Open(t.Context(), "empty", providers.OpenOptions{Range: r})
		wantKind(t, "Open of a range of nothing", err, providers.ErrRange)
	}
}

// testLargeRanges puts several parts, with and without a known size, and
// reads at the borders of parts and of the packages of a sealed format.
func testLargeRanges(t testing.TB, e *env) {
	const block = 64 << 10
	whole := noise(1, e.size(40<<20, 1<<20)+12345)
	n := int64(len(whole))
	want := sha256.Sum256([]byte(whole))
	for _, size := range []int64{n, providers.SizeUnknown} {
		mustPutWith(t, e.b, "large", whole, providers.PutOptions{Size: size})
		body, obj, err := e.b.Open(t.Context(), "large", providers.OpenOptions{})
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		h := sha256.New()
		if _, err := io.Copy(h, body); err != nil {
			t.Errorf("read: %v", err)
		}
		if err := body.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if got := [32]byte(h.Sum(nil)); got != want || obj.Size != n {
			t.Errorf("size %d: reads %d bytes with SHA-256 %x, want %x", size, obj.Size, got, want)
		}
	}
	borders := []int64{block, 2 * block, 1 << 20, n}
	if n > 2*providers.DefaultPartSize {
		borders = append(borders, providers.DefaultPartSize, 2*providers.DefaultPartSize)
	}
	for _, at := range borders {
		for _, from := range []int64{at - block, at - 2, at - 1, at, at + 1} {
			for _, length := range []int64{1, 3, block, block + 1} {
				if from < 0 || from >= n {
					continue
				}
				r := providers.Range{Offset: from, Length: length}
				wantRange(t, e.b, "large", r, whole, whole[from:min(n, from+length)])
			}
		}
	}
	wantRange(t, e.b, "large", providers.Range{Offset: -block}, whole, whole[n-block:])
	wantRange(t, e.b, "large", providers.Range{Offset: n / 2}, whole, whole[n/2:])
}

// openKind opens k and returns only the error.
func openKind(t testing.TB, b providers.Bucket, opts providers.OpenOptions) error {
	t.Helper()
	_, _, err := read(t.Context(), b, "k", opts)
	return err
}

func testIfMatch(t testing.TB, e *env) {
	old := mustPut(t, e.b, "k", "one")
	now := mustPut(t, e.b, "k", "two")
	for _, tag := range []string{now.ETag, "*"} {
		if err := openKind(t, e.b, providers.OpenOptions{IfMatch: tag}); err != nil {
			t.Errorf("If-Match %s: %v", tag, err)
		}
	}
	err := openKind(t, e.b, providers.OpenOptions{IfMatch: old.ETag})
	wantKind(t, "If-Match with an old tag", err, providers.ErrPrecondition)
}

func testIfNoneMatch(t testing.TB, e *env) {
	old := mustPut(t, e.b, "k", "one")
	now := mustPut(t, e.b, "k", "two")
	if err := openKind(t, e.b, providers.OpenOptions{IfNoneMatch: old.ETag}); err != nil {
		t.Errorf("If-None-Match with an old tag: %v", err)
	}
	err := openKind(t, e.b, providers.OpenOptions{IfNoneMatch: now.ETag})
	wantKind(t, "If-None-Match", err, providers.ErrNotModified)
	err = openKind(t, e.b, providers.OpenOptions{IfNoneMatch: now.ETag, Range: providers.Range{Length: 1}})
	wantKind(t, "If-None-Match with a range", err, providers.ErrNotModified)
}

func testIfModifiedSince(t testing.TB, e *env) {
	mustPut(t, e.b, "k", "one")
	mod := mustStat(t, e.b, "k").ModTime
	if err := openKind(t, e.b, providers.OpenOptions{IfModifiedSince: mod.Add(-time.Hour)}); err != nil {
		t.Errorf("If-Modified-Since an hour before: %v", err)
	}
	// HTTP tells whole seconds: a client sends back what it was told.
	since := mod.Truncate(time.Second)
	err := openKind(t, e.b, providers.OpenOptions{IfModifiedSince: since})
	wantKind(t, "If-Modified-Since", err, providers.ErrNotModified)
}

func testIfUnmodifiedSince(t testing.TB, e *env) {
	mustPut(t, e.b, "k", "one")
	mod := mustStat(t, e.b, "k").ModTime
	if err := openKind(t, e.b, providers.OpenOptions{IfUnmodifiedSince: mod.Truncate(time.Second)}); err != nil {
		t.Errorf("If-Unmodified-Since: %v", err)
	}
	err := openKind(t, e.b, providers.OpenOptions{IfUnmodifiedSince: mod.Add(-time.Hour)})
	wantKind(t, "If-Unmodified-Since an hour before", err, providers.ErrPrecondition)
}

func testOpenCancelled(t testing.TB, e *env) {
	mustPut(t, e.b, "k", "one")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := read(ctx, e.b, "k", providers.OpenOptions{})
	wantContextError(t, "Open", err)
	_, err = e.b.Stat(ctx, "k")
	wantContextError(t, "Stat", err)
}

func testCloseEarly(t testing.TB, e *env) {
	mustPut(t, e.b, "k", noise(1, 1<<20))
	body, _, err := e.b.Open(t.Context(), "k", providers.OpenOptions{})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	if _, err := io.ReadFull(body, make([]byte, 10)); err != nil {
		t.Errorf("read: %v", err)
	}
	if err := body.Close(); err != nil {
		t.Errorf("closing a body that was not read to its end: %v", err)
	}
}
