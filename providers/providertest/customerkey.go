package providertest

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"sealdav/providers"
)

func customerKeyCases() []testCase {
	return []testCase{
		{"customer-key/wrong-key", func(t testing.TB, e *env) { wantLocked(t, e, WrongKey) }},
		{"customer-key/no-key", func(t testing.TB, e *env) { wantLocked(t, e, NoKey) }},
		{"customer-key/delete-needs-none", testDeleteNeedsNoKey},
		{"customer-key/overwrite-needs-none", testOverwriteNeedsNoKey},
		{"customer-key/mixed-bucket", testMixedBucket},
		{"customer-key/rotation", testRotation},
		{"customer-key/to-plain", testToPlain},
		{"customer-key/changed-behind-the-back", testKeyChanges},
		{"customer-key/rename-to-write-settings", testRenameChangesKey},
		{"customer-key/copy-large", testCopyLargeAcrossKeys},
	}
}

// wantErrKey fails the test unless err says that the key is the trouble, and
// what to do, and never that the object is not there: a sync client would
// delete its own copy.
func wantErrKey(t testing.TB, what string, err error) {
	t.Helper()
	wantKind(t, what, err, providers.ErrKey)
	if errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: error %v passes for fs.ErrNotExist", what, err)
	}
	if err != nil && providers.Advice(err) == "" {
		t.Errorf("%s: error %v has no advice", what, err)
	}
}

// wantLocked looks at objects through a view that lacks their key.
func wantLocked(t testing.TB, e *env, v View) {
	small := mustPutWith(t, e.b, "dir/small", "secret", providers.PutOptions{Size: 6, ContentType: "text/x-odd"})
	mustPut(t, e.b, "dir/empty", "")
	locked := e.view(v)
	for _, key := range []string{"dir/small", "dir/empty"} {
		_, err := locked.Stat(t.Context(), key)
		wantErrKey(t, "Stat", err)
		for range 2 { // the second time, what failed may be remembered
			_, _, err = read(t.Context(), locked, key, providers.OpenOptions{})
			wantErrKey(t, "Open", err)
		}
		_, _, err = read(t.Context(), locked, key, providers.OpenOptions{Range: providers.Range{Offset: -1}})
		wantErrKey(t, "Open of a range", err)
	}
	_, err := locked.Copy(t.Context(), "copy", small, providers.CopyOptions{})
	wantErrKey(t, "Copy", err)
	_, err = locked.Copy(t.Context(), "dir/small", small, providers.CopyOptions{})
	wantErrKey(t, "Copy onto itself", err)
	_, err = providers.Rename(t.Context(), locked, "moved", small, providers.CopyOptions{})
	wantErrKey(t, "Rename", err)
	wantAbsent(t, locked, "copy")
	wantAbsent(t, locked, "dir/absent")
	wantKeys(t, locked, "dir/", providers.ListOptions{}, "dir/empty", "dir/small")
	for _, entry := range list(t, locked, "dir/small", recursive) {
		if entry.Size != 6 || entry.ETag != small.ETag {
			t.Errorf("List without the key gives %d bytes, ETag %s; want 6, %s", entry.Size, entry.ETag, small.ETag)
		}
	}
	wantContent(t, e.b, "dir/small", "secret")
}

func testDeleteNeedsNoKey(t testing.TB, e *env) {
	for _, v := range []View{WrongKey, NoKey} {
		mustPut(t, e.b, "k", "secret")
		if err := e.view(v).Delete(t.Context(), "k"); err != nil {
			t.Errorf("Delete: %v", err)
		}
		wantAbsent(t, e.b, "k")
		obj := mustPut(t, e.b, "k", "secret")
		if err := e.view(v).DeleteIf(t.Context(), "k", providers.DeleteOptions{IfMatch: obj.ETag, Seen: true}); err != nil {
			t.Errorf("DeleteIf: %v", err)
		}
		wantAbsent(t, e.b, "k")
	}
}

func testOverwriteNeedsNoKey(t testing.TB, e *env) {
	old := mustPut(t, e.b, "k", "secret")
	other := e.view(WrongKey)
	if _, err := putIf(t, other, "k", "no", ifAbsent); !errors.Is(err, providers.ErrPrecondition) {
		t.Errorf("Put if absent over an object under another key: %v", err)
	}
	if _, err := putIf(t, other, "k", "other", providers.Condition{IfMatch: old.ETag}); err != nil {
		t.Fatalf("Put over an object under another key: %v", err)
	}
	wantContent(t, other, "k", "other")
	_, _, err := read(t.Context(), e.b, "k", providers.OpenOptions{})
	wantErrKey(t, "Open of what another key overwrote", err)
}

// testMixedBucket: plain objects and two keys in one folder.
func testMixedBucket(t testing.TB, e *env) {
	second, plain := e.view(SecondKey), e.view(Plain)
	mustPutWith(t, plain, "dir/plain", "content", attributes)
	mustPutWith(t, e.b, "dir/first", "content", attributes)
	mustPutWith(t, second, "dir/second", "content", attributes)
	keys := []string{"dir/first", "dir/plain", "dir/second"}
	wantKeys(t, second, "dir/", providers.ListOptions{}, keys...)
	modes := map[string]string{"dir/plain": "", "dir/first": providers.ModeCustomer, "dir/second": providers.ModeCustomer}
	for _, key := range keys {
		wantContent(t, second, key, "content")
		wantRange(t, second, key, providers.Range{Offset: 3, Length: 2}, "content", "te")
		wantAttributes(t, second, key, attributes.ContentType, attributes.Metadata)
		stat := mustStat(t, second, key)
		if want := modes[key]; want != "" && stat.Encryption.Mode != want || want == "" && stat.Encryption.Mode == providers.ModeCustomer {
			t.Errorf("%q: Encryption.Mode = %q", key, stat.Encryption.Mode)
		}
		copied := mustCopy(t, second, "copy-of-"+key, stat, providers.CopyOptions{})
		if copied.Encryption.Mode != providers.ModeCustomer {
			t.Errorf("the copy of %q has Encryption.Mode = %q", key, copied.Encryption.Mode)
		}
		wantContent(t, second, "copy-of-"+key, "content")
		wantAttributes(t, second, "copy-of-"+key, attributes.ContentType, attributes.Metadata)
		_, _, err := read(t.Context(), e.b, "copy-of-"+key, providers.OpenOptions{})
		wantErrKey(t, fmt.Sprintf("reading the copy of %q without the second key", key), err)
	}
	noKey := e.view(NoKey)
	wantContent(t, noKey, "dir/plain", "content")
	wantContent(t, e.b, "dir/plain", "content")
	wantContent(t, e.view(WrongKey), "dir/plain", "content")
}

func testRotation(t testing.TB, e *env) {
	src := mustPutWith(t, e.b, "k", "content", attributes)
	second := e.view(SecondKey)
	mustCopy(t, second, "k", src, providers.CopyOptions{})
	wantContent(t, second, "k", "content")
	wantAttributes(t, second, "k", attributes.ContentType, attributes.Metadata)
	for _, b := range []providers.Bucket{e.b, e.view(NoKey)} {
		_, _, err := read(t.Context(), b, "k", providers.OpenOptions{})
		wantErrKey(t, "Open with the old key", err)
		_, err = b.Stat(t.Context(), "k")
		wantErrKey(t, "Stat with the old key", err)
	}
}

func testToPlain(t testing.TB, e *env) {
	src := mustPutWith(t, e.b, "k", "content", attributes)
	plain := e.view(Plain)
	mustCopy(t, plain, "k", src, providers.CopyOptions{})
	wantContent(t, plain, "k", "content")
	wantContent(t, e.view(NoKey), "k", "content")
	wantContent(t, e.b, "k", "content")
}

// testKeyChanges: what a bucket remembers of an object's key must not outlive
// the object.
func testKeyChanges(t testing.TB, e *env) {
	second, plain := e.view(SecondKey), e.view(Plain)
	for i, writer := range []providers.Bucket{e.b, second, plain, second, e.b, plain} {
		body := fmt.Sprintf("content %d", i)
		mustPut(t, writer, "k", body)
		wantContent(t, second, "k", body)
		mustStat(t, second, "k")
		wantRange(t, second, "k", providers.Range{Length: 3}, body, "con")
	}
}

func testRenameChangesKey(t testing.TB, e *env) {
	second := e.view(SecondKey)
	src := mustPutWith(t, e.b, "src", "content", attributes)
	mustRename(t, second, "dst", src)
	wantContent(t, second, "dst", "content")
	wantAttributes(t, second, "dst", attributes.ContentType, attributes.Metadata)
	wantAbsent(t, second, "src")
	_, _, err := read(t.Context(), e.b, "dst", providers.OpenOptions{})
	wantErrKey(t, "Open of what was moved under the second key", err)
}

func testCopyLargeAcrossKeys(t testing.TB, e *env) {
	body := noise(4, e.size(2*providers.DefaultPartSize+1, 1<<20))
	src := mustPutWith(t, e.b, "large", body, providers.PutOptions{Size: int64(len(body)), ContentType: "text/x-odd"})
	second := e.view(SecondKey)
	mustCopy(t, second, "dst", src, providers.CopyOptions{})
	wantContent(t, second, "dst", body)
	wantAttributes(t, second, "dst", "text/x-odd", nil)
	_, _, err := read(t.Context(), e.b, "dst", providers.OpenOptions{})
	wantErrKey(t, "Open of a large copy with the old key", err)
}
