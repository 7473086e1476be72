package providertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sealdav/providers"
)

func listCases() []testCase {
	return []testCase{
		{"list/empty", testListEmpty},
		{"list/folding", testListFolding},
		{"list/order", testListOrder},
		{"list/file-beside-folder", testFileBesideFolder},
		{"list/markers", testListMarkers},
		{"list/prefix-within-name", testListPrefixWithinName},
		{"list/pages", testListPages},
		{"list/leaving-early", testListLeavingEarly},
		{"list/cancelled", testListCancelled},
	}
}

func mustPutAll(t testing.TB, b providers.Bucket, keys ...string) {
	t.Helper()
	for _, key := range keys {
		mustPut(t, b, key, "content of "+key)
	}
}

func testListEmpty(t testing.TB, e *env) {
	wantKeys(t, e.b, "", providers.ListOptions{})
	wantKeys(t, e.b, "", recursive)
	mustPutAll(t, e.b, "dir/file")
	for _, prefix := range []string{"absent", "absent/", "dir/absent/", "dir/file/", "dir/file2", "di/"} {
		wantKeys(t, e.b, prefix, providers.ListOptions{})
		wantKeys(t, e.b, prefix, recursive)
	}
}

func testListFolding(t testing.TB, e *env) {
	mustPutAll(t, e.b, "top", "dir/a", "dir/b", "dir/sub/c", "dir/sub/deep/d", "other/e")
	wantKeys(t, e.b, "", providers.ListOptions{}, "dir/*", "other/*", "top")
	wantKeys(t, e.b, "dir/", providers.ListOptions{}, "dir/a", "dir/b", "dir/sub/*")
	wantKeys(t, e.b, "dir", providers.ListOptions{}, "dir/*")
	wantKeys(t, e.b, "dir/s", providers.ListOptions{}, "dir/sub/*")
	wantKeys(t, e.b, "dir/sub/", providers.ListOptions{}, "dir/sub/c", "dir/sub/deep/*")
	wantKeys(t, e.b, "", recursive, "dir/a", "dir/b", "dir/sub/c", "dir/sub/deep/d", "other/e", "top")
	wantKeys(t, e.b, "dir/sub/", recursive, "dir/sub/c", "dir/sub/deep/d")
	for _, entry := range list(t, e.b, "", providers.ListOptions{}) {
		want := providers.Entry{Dir: true, Object: providers.Object{Key: entry.Key, ModTime: entry.ModTime}}
		if entry.Dir && cmp.Diff(want, entry) != "" {
			t.Errorf("folded entry %q has more than its key and time: %+v", entry.Key, entry)
		}
	}
}

// testListOrder: "/" sorts after "-" and "." but before letters, so that a
// folder's place is not that of its name alone.
func testListOrder(t testing.TB, e *env) {
	keys := []string{"A", "B", "a b", "a!x", "a-b", "a.txt", "a/b", "a/c/d", "a0", "aa", "b", "Ä", "~", "é", "e\u0301", "日本", "🧀"}
	mustPutAll(t, e.b, keys...)
	slices.Sort(keys)
	wantKeys(t, e.b, "", recursive, keys...)
	wantKeys(t, e.b, "", providers.ListOptions{Recursive: true, PageSize: 2}, keys...)
	var folded []string
	for _, key := range keys {
		switch key {
		case "a/b":
			folded = append(folded, "a/*")
		case "a/c/d":
		default:
			folded = append(folded, key)
		}
	}
	wantKeys(t, e.b, "", providers.ListOptions{}, folded...)
	wantKeys(t, e.b, "", providers.ListOptions{PageSize: 2}, folded...)
}

func testFileBesideFolder(t testing.TB, e *env) {
	mustPutAll(t, e.b, "a", "a/b", "a-b", "a.txt")
	mustPut(t, e.b, "a/", "")
	wantKeys(t, e.b, "", recursive, "a", "a-b", "a.txt", "a/", "a/b")
	wantKeys(t, e.b, "", providers.ListOptions{}, "a", "a-b", "a.txt", "a/*")
	wantKeys(t, e.b, "a/", providers.ListOptions{}, "a/", "a/b")
	wantContent(t, e.b, "a", "content of a")
	wantContent(t, e.b, "a/b", "content of a/b")
	if err := e.b.Delete(t.Context(), "a"); err != nil {
		t.Errorf("Delete: %v", err)
	}
	wantKeys(t, e.b, "", recursive, "a-b", "a.txt", "a/", "a/b")
}

// testListMarkers: a key ending in "/" with an empty body is an object like
// any other, folded into its folder's entry only from above.
func testListMarkers(t testing.TB, e *env) {
	put := mustPut(t, e.b, "dir/", "")
	mustPut(t, e.b, "dir/sub/", "")
	if put.Key != "dir/" || put.Size != 0 {
		t.Errorf("Put returns %q of %d bytes", put.Key, put.Size)
	}
	wantKeys(t, e.b, "", providers.ListOptions{}, "dir/*")
	wantKeys(t, e.b, "dir/", providers.ListOptions{}, "dir/", "dir/sub/*")
	wantKeys(t, e.b, "", recursive, "dir/", "dir/sub/")
	mustPut(t, e.b, "dir/file", "x")
	wantKeys(t, e.b, "dir/", recursive, "dir/", "dir/file", "dir/sub/")
	wantAbsent(t, e.b, "dir")
	wantAbsent(t, e.b, "dir/file/")
	wantContent(t, e.b, "dir/", "")
	if stat := mustStat(t, e.b, "dir/"); stat.Key != "dir/" || stat.Size != 0 {
		t.Errorf("Stat returns %q of %d bytes", stat.Key, stat.Size)
	}
	if err := e.b.Delete(t.Context(), "dir/", "dir/file", "dir/sub/"); err != nil {
		t.Errorf("Delete: %v", err)
	}
	wantAbsent(t, e.b, "dir/")
	if got := list(t, e.b, "", recursive); len(got) != 0 {
		t.Errorf("left after Delete: %+v", got)
	}
}

func testListPrefixWithinName(t testing.TB, e *env) {
	mustPutAll(t, e.b, "photo-1", "photo-2", "photos/x", "phone", "x/photo")
	wantKeys(t, e.b, "photo", providers.ListOptions{}, "photo-1", "photo-2", "photos/*")
	wantKeys(t, e.b, "photo-", recursive, "photo-1", "photo-2")
	wantKeys(t, e.b, "x/ph", providers.ListOptions{}, "x/photo")
}

func testListPages(t testing.TB, e *env) {
	var files, top []string
	for i := range e.size(60, 12) {
		files = append(files, fmt.Sprintf("dir%02d/file", i), fmt.Sprintf("dir%02d/other", i), fmt.Sprintf("file%02d", i))
		top = append(top, fmt.Sprintf("dir%02d/*", i), fmt.Sprintf("file%02d", i))
	}
	slices.Sort(files)
	slices.Sort(top)
	mustPutAll(t, e.b, files...)
	for _, size := range []int{1, 3, 7, 1000, 0} {
		wantKeys(t, e.b, "", providers.ListOptions{Recursive: true, PageSize: size}, files...)
		wantKeys(t, e.b, "", providers.ListOptions{PageSize: size}, top...)
	}
}

func testListLeavingEarly(t testing.TB, e *env) {
	mustPutAll(t, e.b, "a", "b/c", "d", "e")
	for n := range 4 {
		for _, opts := range []providers.ListOptions{{PageSize: 1}, {Recursive: true, PageSize: 2}, {}} {
			seen := 0
			for _, err := range e.b.List(t.Context(), "", opts) {
				if err != nil {
					t.Errorf("List: %v", err)
				}
				if seen++; seen > n {
					break
				}
			}
			if seen != n+1 {
				t.Errorf("List gave %d entries, want %d", seen, n+1)
			}
		}
	}
	seq := e.b.List(t.Context(), "", providers.ListOptions{})
	for range 2 { // a sequence can be run again
		n := 0
		for range seq {
			n++
		}
		if n != 4 {
			t.Errorf("List gave %d entries, want 4", n)
		}
	}
}

func testListCancelled(t testing.TB, e *env) {
	mustPutAll(t, e.b, "a", "b", "c")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	n := 0
	for _, err := range e.b.List(ctx, "", providers.ListOptions{PageSize: 1}) {
		if last != nil {
			t.Fatal("List goes on after an error")
		}
		last = err
		n++
		cancel()
	}
	// Entries of the page at hand may still come.
	if last == nil && n < 3 || last != nil && !errors.Is(last, context.Canceled) {
		t.Errorf("List of a cancelled context gave %d entries and ended with %v", n, last)
	}
	for _, err := range e.b.List(ctx, "", providers.ListOptions{}) {
		wantContextError(t, "List", err)
	}
}
