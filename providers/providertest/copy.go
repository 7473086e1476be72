package providertest

import (
	"fmt"
	"io/fs"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sealdav/providers"
)

func copyCases() []testCase {
	return []testCase{
		{"copy/keeps-attributes", testCopyKeeps},
		{"copy/replaces-attributes", testCopyReplaces},
		{"copy/over-another", testCopyOver},
		{"copy/onto-itself", testCopyOntoItself},
		{"copy/empty", testCopyEmpty},
		{"copy/large", testCopyLarge},
		{"copy/absent-source", testCopyAbsent},
		{"copy/changed-source", testCopyChanged},
		{"copy/from-listing", testCopyFromListing},
	}
}

func renameCases() []testCase {
	return []testCase{
		{"rename/moves", testRename},
		{"rename/over-another", testRenameOver},
		{"rename/onto-itself", testRenameOntoItself},
		{"rename/conditions", testRenameConditions},
		{"rename/absent-or-changed-source", testRenameStale},
	}
}

func deleteCases() []testCase {
	return []testCase{
		{"delete/absent", testDeleteAbsent},
		{"delete/many", testDeleteMany},
		{"delete/if-match", func(t testing.TB, e *env) { testDeleteIf(t, e, false) }},
		{"delete/if-match-seen", func(t testing.TB, e *env) { testDeleteIf(t, e, true) }},
	}
}

var attributes = providers.PutOptions{
	Size: 7, ContentType: "text/x-odd", Metadata: map[string]string{"author": "Ada", "mtime": "12"},
}

func mustCopy(t testing.TB, b providers.Bucket, dst string, src providers.Object, opts providers.CopyOptions) providers.Object {
	t.Helper()
	obj, err := b.Copy(t.Context(), dst, src, opts)
	if err != nil {
		t.Fatalf("Copy(%q, %q): %v", dst, src.Key, err)
	}
	if stat := mustStat(t, b, dst); obj.Key != dst || obj.Size != src.Size || obj.ETag != stat.ETag {
		t.Errorf("Copy returns %+v, Stat then %+v", obj, stat)
	}
	return obj
}

func wantAttributes(t testing.TB, b providers.Bucket, key, contentType string, metadata map[string]string) {
	t.Helper()
	got := mustStat(t, b, key)
	if got.ContentType != contentType {
		t.Errorf("%q has the content type %q, want %q", key, got.ContentType, contentType)
	}
	if diff := cmp.Diff(metadata, got.Metadata); diff != "" && len(metadata)+len(got.Metadata) > 0 {
		t.Errorf("%q: metadata (-want +got):\n%s", key, diff)
	}
}

func testCopyKeeps(t testing.TB, e *env) {
	src := mustPutWith(t, e.b, "src", "content", attributes)
	mustCopy(t, e.b, "folder/dst", src, providers.CopyOptions{})
	wantContent(t, e.b, "folder/dst", "content")
	wantContent(t, e.b, "src", "content")
	wantAttributes(t, e.b, "folder/dst", attributes.ContentType, attributes.Metadata)
}

func testCopyReplaces(t testing.TB, e *env) {
	src := mustPutWith(t, e.b, "src", "content", attributes)
	meta := map[string]string{"new": "1"}
	mustCopy(t, e.b, "dst", src, providers.CopyOptions{Replace: true, ContentType: "text/x-new", Metadata: meta})
	wantAttributes(t, e.b, "dst", "text/x-new", meta)
	mustCopy(t, e.b, "src", src, providers.CopyOptions{Replace: true, ContentType: "text/x-new", Metadata: meta})
	wantAttributes(t, e.b, "src", "text/x-new", meta)
	wantContent(t, e.b, "src", "content")
	src = mustStat(t, e.b, "src")
	mustCopy(t, e.b, "bare", src, providers.CopyOptions{Replace: true, ContentType: "text/x-bare"})
	wantAttributes(t, e.b, "bare", "text/x-bare", nil)
}

func testCopyOver(t testing.TB, e *env) {
	mustPutWith(t, e.b, "dst", "longer, old content", providers.PutOptions{Size: 19, ContentType: "text/x-old", Metadata: map[string]string{"old": "1"}})
	src := mustPutWith(t, e.b, "src", "content", attributes)
	mustCopy(t, e.b, "dst", src, providers.CopyOptions{})
	wantContent(t, e.b, "dst", "content")
	wantAttributes(t, e.b, "dst", attributes.ContentType, attributes.Metadata)
}

func testCopyOntoItself(t testing.TB, e *env) {
	src := mustPutWith(t, e.b, "k", "content", attributes)
	mustCopy(t, e.b, "k", src, providers.CopyOptions{})
	wantContent(t, e.b, "k", "content")
	wantAttributes(t, e.b, "k", attributes.ContentType, attributes.Metadata)
	wantKeys(t, e.b, "", recursive, "k")
}

func testCopyEmpty(t testing.TB, e *env) {
	src := mustPut(t, e.b, "empty", "")
	mustCopy(t, e.b, "dst", src, providers.CopyOptions{})
	wantContent(t, e.b, "dst", "")
}

func testCopyLarge(t testing.TB, e *env) {
	body := noise(3, e.size(2*providers.DefaultPartSize+1, 1<<20))
	opts := attributes
	opts.Size = providers.SizeUnknown
	src := mustPutWith(t, e.b, "large", body, opts)
	mustCopy(t, e.b, "dst", src, providers.CopyOptions{})
	wantContent(t, e.b, "dst", body)
	wantAttributes(t, e.b, "dst", attributes.ContentType, attributes.Metadata)
}

func testCopyAbsent(t testing.TB, e *env) {
	src := mustPut(t, e.b, "src", "content")
	if err := e.b.Delete(t.Context(), "src"); err != nil {
		t.Fatal(err)
	}
	mustPut(t, e.b, "dst", "old")
	_, err := e.b.Copy(t.Context(), "dst", src, providers.CopyOptions{})
	wantKind(t, "Copy of an absent source", err, fs.ErrNotExist)
	wantContent(t, e.b, "dst", "old")
}

func testCopyChanged(t testing.TB, e *env) {
	src := mustPut(t, e.b, "src", "content")
	mustPut(t, e.b, "src", "changed")
	mustPut(t, e.b, "dst", "old")
	for _, dst := range []string{"dst", "new", "src"} {
		_, err := e.b.Copy(t.Context(), dst, src, providers.CopyOptions{})
		wantKind(t, fmt.Sprintf("Copy of a changed source to %q", dst), err, providers.ErrPrecondition)
	}
	wantContent(t, e.b, "dst", "old")
	wantContent(t, e.b, "src", "changed")
	wantAbsent(t, e.b, "new")
	e.wantNothingLeft(t)
}

// testCopyFromListing: a listing's entry is enough to copy from.
func testCopyFromListing(t testing.TB, e *env) {
	mustPutWith(t, e.b, "src", "content", attributes)
	for _, entry := range list(t, e.b, "src", recursive) {
		mustCopy(t, e.b, "dst", entry.Object, providers.CopyOptions{})
	}
	wantContent(t, e.b, "dst", "content")
	wantAttributes(t, e.b, "dst", attributes.ContentType, attributes.Metadata)
}

func mustRename(t testing.TB, b providers.Bucket, dst string, src providers.Object) providers.Object {
	t.Helper()
	obj, err := providers.Rename(t.Context(), b, dst, src, providers.CopyOptions{})
	if err != nil {
		t.Fatalf("Rename(%q, %q): %v", dst, src.Key, err)
	}
	if stat := mustStat(t, b, dst); obj.Key != dst || obj.Size != src.Size || obj.ETag != stat.ETag {
		t.Errorf("Rename returns %+v, Stat then %+v", obj, stat)
	}
	return obj
}

func testRename(t testing.TB, e *env) {
	src := mustPutWith(t, e.b, "src", "content", attributes)
	mustRename(t, e.b, "folder/dst", src)
	wantAbsent(t, e.b, "src")
	wantContent(t, e.b, "folder/dst", "content")
	wantAttributes(t, e.b, "folder/dst", attributes.ContentType, attributes.Metadata)
	obj, err := providers.Rename(t.Context(), e.b, "back", mustStat(t, e.b, "folder/dst"),
		providers.CopyOptions{Replace: true, ContentType: "text/x-new"})
	if err != nil || obj.Key != "back" {
		t.Fatalf("Rename with Replace: %+v, %v", obj, err)
	}
	wantAttributes(t, e.b, "back", "text/x-new", nil)
	wantAbsent(t, e.b, "folder/dst")
}

func testRenameOver(t testing.TB, e *env) {
	old := mustPut(t, e.b, "dst", "old")
	src := mustPut(t, e.b, "src", "content")
	if obj := mustRename(t, e.b, "dst", src); obj.ETag == old.ETag {
		t.Errorf("the ETag stayed %s when the object was replaced", old.ETag)
	}
	wantContent(t, e.b, "dst", "content")
	wantKeys(t, e.b, "", recursive, "dst")
}

func testRenameOntoItself(t testing.TB, e *env) {
	src := mustPut(t, e.b, "k", "content")
	mustRename(t, e.b, "k", src)
	wantContent(t, e.b, "k", "content")
}

func testRenameConditions(t testing.TB, e *env) {
	src := mustPut(t, e.b, "src", "content")
	mustPut(t, e.b, "dst", "old")
	opts := providers.CopyOptions{Condition: ifAbsent}
	_, err := providers.Rename(t.Context(), e.b, "dst", src, opts)
	wantKind(t, "Rename if absent", err, providers.ErrPrecondition)
	wantContent(t, e.b, "dst", "old")
	wantContent(t, e.b, "src", "content")
	if _, err := providers.Rename(t.Context(), e.b, "new", src, opts); err != nil {
		t.Errorf("Rename if absent: %v", err)
	}
	wantKeys(t, e.b, "", recursive, "dst", "new")
}

func testRenameStale(t testing.TB, e *env) {
	src := mustPut(t, e.b, "src", "content")
	mustPut(t, e.b, "src", "changed")
	_, err := providers.Rename(t.Context(), e.b, "dst", src, providers.CopyOptions{})
	wantKind(t, "Rename of a changed source", err, providers.ErrPrecondition)
	wantContent(t, e.b, "src", "changed")
	if err := e.b.Delete(t.Context(), "src"); err != nil {
		t.Fatal(err)
	}
	_, err = providers.Rename(t.Context(), e.b, "dst", src, providers.CopyOptions{})
	wantKind(t, "Rename of an absent source", err, fs.ErrNotExist)
	wantAbsent(t, e.b, "dst")
}

func testDeleteAbsent(t testing.TB, e *env) {
	mustPut(t, e.b, "dir/k", "x")
	for _, keys := range [][]string{nil, {"absent"}, {"absent/absent", "dir/absent"}, {"dir/k", "dir/k", "absent"}, {"dir/k"}} {
		if err := e.b.Delete(t.Context(), keys...); err != nil {
			t.Errorf("Delete(%q): %v", keys, err)
		}
	}
	wantAbsent(t, e.b, "dir/k")
}

func testDeleteMany(t testing.TB, e *env) {
	mustPut(t, e.b, "stays", "x")
	keys := make([]string, e.size(1100, 30))
	work := make(chan string)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for key := range work {
				if _, err := e.b.Put(t.Context(), key, reader("x"), providers.PutOptions{Size: 1}); err != nil {
					t.Errorf("Put(%q): %v", key, err)
				}
			}
		})
	}
	for i := range keys {
		keys[i] = fmt.Sprintf("many/%d & more/%04d", i%7, i)
		work <- keys[i]
	}
	close(work)
	wg.Wait()
	if got := list(t, e.b, "many/", recursive); len(got) < len(keys) {
		t.Errorf("List has %d entries, want %d", len(got), len(keys))
	}
	if err := e.b.Delete(t.Context(), keys...); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	wantKeys(t, e.b, "", recursive, "stays")
}

// testDeleteIf: seen leaves it to the store alone.
func testDeleteIf(t testing.TB, e *env, seen bool) {
	const key = "dir/k"
	old := mustPut(t, e.b, key, "one")
	now := mustPut(t, e.b, key, "two")
	ifMatch := func(etag string) error {
		return e.b.DeleteIf(t.Context(), key, providers.DeleteOptions{IfMatch: etag, Seen: seen})
	}
	for _, etag := range []string{old.ETag, `"0123456789abcdef0123456789abcdef"`} {
		wantKind(t, "DeleteIf of another version", ifMatch(etag), providers.ErrPrecondition)
		wantContent(t, e.b, key, "two")
	}
	if err := ifMatch(now.ETag); err != nil {
		t.Errorf("DeleteIf: %v", err)
	}
	wantAbsent(t, e.b, key)
	if err := ifMatch(now.ETag); err != nil {
		t.Errorf("DeleteIf of what is gone: %v", err)
	}
	mustPut(t, e.b, key, "three")
	for _, entry := range list(t, e.b, key, recursive) { // whose tag is as good
		if err := ifMatch(entry.ETag); err != nil {
			t.Errorf("DeleteIf with the tag of a listing: %v", err)
		}
	}
	wantAbsent(t, e.b, key)
}
