package providertest

import (
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sealdav/providers"
)

var errNotExist = fs.ErrNotExist

func basicCases() []testCase {
	return []testCase{
		{"basic/put-stat-open-list-delete", testRoundTrip},
		{"basic/empty-object", testEmptyObject},
		{"basic/absent", testAbsent},
		{"basic/content-type", testContentType},
		{"basic/metadata", testMetadata},
		{"basic/metadata-utf8", testMetadataUTF8},
		{"basic/etag", testETag},
		{"basic/mod-time", testModTime},
		{"basic/encryption", testEncryption},
		{"basic/survives-reopening", testReopen},
		{"basic/reserved-prefix", testReservedPrefix},
	}
}

func testRoundTrip(t testing.TB, e *env) {
	put := mustPut(t, e.b, "dir/file.txt", "hello")
	if put.Key != "dir/file.txt" || put.Size != 5 {
		t.Errorf("Put returns %q of %d bytes", put.Key, put.Size)
	}
	stat := mustStat(t, e.b, "dir/file.txt")
	if stat.Key != "dir/file.txt" || stat.Size != 5 {
		t.Errorf("Stat returns %q of %d bytes", stat.Key, stat.Size)
	}
	wantContent(t, e.b, "dir/file.txt", "hello")
	wantKeys(t, e.b, "", recursive, "dir/file.txt")
	for _, entry := range list(t, e.b, "dir/f", recursive) {
		if entry.Size != 5 {
			t.Errorf("List gives %d bytes, want 5", entry.Size)
		}
	}
	mustPut(t, e.b, "dir/file.txt", "other content")
	wantContent(t, e.b, "dir/file.txt", "other content")
	if err := e.b.Delete(t.Context(), "dir/file.txt"); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	wantAbsent(t, e.b, "dir/file.txt")
	wantKeys(t, e.b, "", recursive)
}

func testEmptyObject(t testing.TB, e *env) {
	for _, size := range []int64{0, providers.SizeUnknown} {
		put := mustPutWith(t, e.b, "empty", "", providers.PutOptions{Size: size})
		wantContent(t, e.b, "empty", "")
		if stat := mustStat(t, e.b, "empty"); stat.Size != 0 || put.Size != 0 {
			t.Errorf("size %d: Put gives %d bytes, Stat %d", size, put.Size, stat.Size)
		}
	}
	for _, entry := range list(t, e.b, "", recursive) {
		if entry.Size != 0 {
			t.Errorf("List gives %d bytes", entry.Size)
		}
	}
}

func testAbsent(t testing.TB, e *env) {
	mustPut(t, e.b, "here/file", "x")
	for _, key := range []string{"absent", "here/absent", "absent/absent", "here/fil", "here/file2"} {
		wantAbsent(t, e.b, key)
		_, _, err := e.b.Open(t.Context(), key, providers.OpenOptions{})
		wantKind(t, "Open", err, fs.ErrNotExist)
	}
}

func testContentType(t testing.TB, e *env) {
	const want = "text/x-odd; charset=utf-8"
	opts := providers.PutOptions{Size: 1, ContentType: want}
	mustPutWith(t, e.b, "k", "x", opts)
	if got := mustStat(t, e.b, "k").ContentType; got != want {
		t.Errorf("Stat.ContentType = %q, want %q", got, want)
	}
	if _, obj := mustRead(t, e.b, "k"); obj.ContentType != want {
		t.Errorf("Open.ContentType = %q, want %q", obj.ContentType, want)
	}
}

func testMetadata(t testing.TB, e *env) {
	wantMetadata(t, e, map[string]string{"mtime": "1700000000.5", "with-dash": "a b", "empty": ""})
}

func testMetadataUTF8(t testing.TB, e *env) {
	wantMetadata(t, e, map[string]string{"title": "Käse – 日本 🧀", "looks-encoded": "=?utf-8?q?a?= %20"})
}

func wantMetadata(t testing.TB, e *env, want map[string]string) {
	t.Helper()
	mustPutWith(t, e.b, "k", "x", providers.PutOptions{Size: 1, Metadata: want})
	if diff := cmp.Diff(want, mustStat(t, e.b, "k").Metadata); diff != "" {
		t.Errorf("Stat.Metadata (-want +got):\n%s", diff)
	}
	_, obj := mustRead(t, e.b, "k")
	if diff := cmp.Diff(want, obj.Metadata); diff != "" {
		t.Errorf("Open.Metadata (-want +got):\n%s", diff)
	}
}

// observed returns what every method says of key, by the method's name.
func observed(t testing.TB, b providers.Bucket, key string) map[string]providers.Object {
	t.Helper()
	_, opened := mustRead(t, b, key)
	m := map[string]providers.Object{"Stat": mustStat(t, b, key), "Open": opened}
	for _, e := range list(t, b, key, recursive) {
		if e.Key == key {
			m["List"] = e.Object
		}
	}
	if len(m) != 3 {
		t.Errorf("List does not have %q", key)
	}
	return m
}

func testETag(t testing.TB, e *env) {
	seen := map[string]string{}
	for _, body := range []string{"one", "two", "", "three"} {
		put := mustPut(t, e.b, "k", body)
		if len(put.ETag) < 3 || put.ETag[0] != '"' || !strings.HasSuffix(put.ETag, `"`) {
			t.Fatalf("Put.ETag = %s is no strong entity tag", put.ETag)
		}
		if old, ok := seen[put.ETag]; ok {
			t.Errorf("ETag of %q and %q are both %s", old, body, put.ETag)
		}
		seen[put.ETag] = body
		for method, obj := range observed(t, e.b, "k") {
			if obj.ETag != put.ETag {
				t.Errorf("%s.ETag = %s, Put's was %s", method, obj.ETag, put.ETag)
			}
		}
	}
}

func testModTime(t testing.TB, e *env) {
	before := time.Now()
	put := mustPut(t, e.b, "k", "x")
	objs := observed(t, e.b, "k")
	if !put.ModTime.IsZero() {
		objs["Put"] = put
	}
	want := objs["Stat"].ModTime
	for method, obj := range objs {
		// HTTP tells whole seconds, and the store's clock is another one.
		if d := obj.ModTime.Sub(before).Abs(); d > 5*time.Minute {
			t.Errorf("%s.ModTime = %v is %v away from now", method, obj.ModTime, d)
		}
		if got := obj.ModTime; method != "Put" && got.Unix() != want.Unix() {
			t.Errorf("%s.ModTime = %v, Stat's is %v", method, got, want)
		}
	}
}

func testEncryption(t testing.TB, e *env) {
	if e.Mode == "" {
		return
	}
	put := mustPut(t, e.b, "k", "x")
	copied, err := e.b.Copy(t.Context(), "copy", put, providers.CopyOptions{})
	if err != nil {
		t.Fatalf("Copy: %v", err)
	}
	for what, obj := range map[string]providers.Object{
		"Put": put, "Stat": mustStat(t, e.b, "k"), "Copy": copied, "Stat of the copy": mustStat(t, e.b, "copy"),
	} {
		if obj.Encryption.Mode != e.Mode {
			t.Errorf("%s: Encryption.Mode = %q, want %q", what, obj.Encryption.Mode, e.Mode)
		}
	}
}

func testReopen(t testing.TB, e *env) {
	put := mustPutWith(t, e.b, "dir/k", "content", providers.PutOptions{Size: 7, ContentType: "text/x-odd"})
	b := e.view(Written)
	wantContent(t, b, "dir/k", "content")
	for method, obj := range observed(t, b, "dir/k") {
		if obj.ETag != put.ETag {
			t.Errorf("%s.ETag = %s after reopening, Put's was %s", method, obj.ETag, put.ETag)
		}
	}
}

// testReservedPrefix: a provider may refuse to write there, but must not list it.
func testReservedPrefix(t testing.TB, e *env) {
	mustPut(t, e.b, ".sealdaw", "a neighbour")
	key := providers.ReservedPrefix + "probe"
	_, err := e.b.Put(t.Context(), key, reader("x"), providers.PutOptions{Size: 1})
	wantKeys(t, e.b, "", recursive, ".sealdaw")
	wantKeys(t, e.b, "", providers.ListOptions{}, ".sealdaw")
	wantKeys(t, e.b, ".seal", recursive, ".sealdaw")
	wantKeys(t, e.b, providers.ReservedPrefix, recursive)
	if err == nil {
		if err := e.b.Delete(t.Context(), key); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
}
