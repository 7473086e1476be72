package gcs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sealdav/internal/testserver"
	"sealdav/providers"
	"sealdav/providers/gcs"
	"sealdav/providers/providertest"
	"sealdav/sse"
)

func put(t testing.TB, b *gcs.Bucket, key, body string) providers.Object {
	t.Helper()
	obj, err := b.Put(t.Context(), key, strings.NewReader(body), providers.PutOptions{Size: int64(len(body)), ContentType: "text/plain"})
	if err != nil {
		t.Fatalf("Put(%q): %v", key, err)
	}
	return obj
}

func read(t testing.TB, b *gcs.Bucket, key string, opts providers.OpenOptions) (string, error) {
	t.Helper()
	body, _, err := b.Open(t.Context(), key, opts)
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(body)
	return string(data), errors.Join(err, body.Close())
}

func list(t testing.TB, b *gcs.Bucket, prefix string, opts providers.ListOptions) (entries []providers.Entry) {
	t.Helper()
	for e, err := range b.List(t.Context(), prefix, opts) {
		if err != nil {
			t.Fatalf("List(%q): %v", prefix, err)
		}
		entries = append(entries, e)
	}
	return entries
}

// wantOps fails the test unless do causes exactly these requests.
func wantOps(t testing.TB, store *testserver.GCS, what string, do func(), want ...string) {
	t.Helper()
	store.Reset()
	do()
	if diff := cmp.Diff(want, store.Ops()); diff != "" {
		t.Errorf("%s: requests (-want +got):\n%s", what, diff)
	}
}

// TestRequests holds every operation to its requests, in each mode.
func TestRequests(t *testing.T) {
	store := testserver.SharedGCS(t)
	for _, tc := range []struct {
		name     string
		settings sse.Settings
		probe    []string // before the first write
		parts    []string // before the first upload in parts
	}{
		{"plain", sse.Settings{}, nil, nil},
		{"CSEK", twoKeys, []string{"insert", "read", "rewrite", "read", "deleteMany"}, []string{"startUpload", "upload", "read", "delete"}},
		{"CMEK", sse.Settings{KMSKeyID: store.KMSKey}, []string{"insert", "describe", "rewrite", "describe", "deleteMany"}, []string{"startUpload", "upload", "describe", "delete"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bucket := store.NewBucket(t)
			if tc.settings.Sealed() {
				store.MustSeal(t, bucket)
			}
			b := open(t, config(store, bucket, tc.settings))
			var obj providers.Object
			wantOps(t, store, "first Put", func() { obj = put(t, b, "dir/a", "0123456789") }, append(tc.probe, "insert")...)
			wantOps(t, store, "Put", func() { put(t, b, "dir/b", "x") }, "insert")
			large := strings.Repeat("0123456789abcdef", 3<<20)
			wantOps(t, store, "first Put of three parts", func() { put(t, b, "large", large) }, append(tc.parts, "startUpload", "upload", "upload", "upload")...)
			wantOps(t, store, "Put of three parts", func() { put(t, b, "large", large) }, "startUpload", "upload", "upload", "upload")
			reading := func(opts providers.OpenOptions, kind error) func() {
				return func() {
					if _, err := read(t, b, "dir/a", opts); !errors.Is(err, kind) {
						t.Errorf("Open(%+v): %v, want %v", opts, err, kind)
					}
				}
			}
			for range 2 {
				wantOps(t, store, "Open", reading(providers.OpenOptions{}, nil), "read")
				wantOps(t, store, "Open of a range", reading(providers.OpenOptions{Range: providers.Range{Offset: 1, Length: 2}}, nil), "read")
				wantOps(t, store, "If-Match", reading(providers.OpenOptions{IfMatch: obj.ETag}, nil), "read")
				wantOps(t, store, "304", reading(providers.OpenOptions{IfNoneMatch: obj.ETag}, providers.ErrNotModified), "readJSON")
				wantOps(t, store, "304 by time", reading(providers.OpenOptions{IfModifiedSince: obj.ModTime}, providers.ErrNotModified), "read")
				wantOps(t, store, "412", reading(providers.OpenOptions{IfMatch: `"1"`}, providers.ErrPrecondition), "read")
				wantOps(t, store, "412 of a foreign tag", reading(providers.OpenOptions{IfMatch: `"abc"`}, providers.ErrPrecondition))
				// Opened anew: it knows nothing but its settings.
				b = open(t, config(store, bucket, tc.settings))
			}
			wantOps(t, store, "Stat", func() { _, _ = b.Stat(t.Context(), "dir/a") }, "describe")
			wantOps(t, store, "Stat of nothing", func() { _, _ = b.Stat(t.Context(), "none") }, "describe")
			wantOps(t, store, "Open of nothing", func() { _, _ = read(t, b, "none", providers.OpenOptions{}) }, "read")
			wantOps(t, store, "List", func() { list(t, b, "", providers.ListOptions{}) }, "list")
			first := append(slices.Clone(tc.probe), "rewrite") // the bucket is a new one
			wantOps(t, store, "Copy", func() {
				if _, err := b.Copy(t.Context(), "copy", obj, providers.CopyOptions{}); err != nil {
					t.Errorf("Copy: %v", err)
				}
			}, first...)
			wantOps(t, store, "Rename", func() {
				if _, err := providertest.Rename(t.Context(), b, "moved", obj, providers.CopyOptions{}); err != nil {
					t.Errorf("Rename: %v", err)
				}
			}, "rewrite", "delete")
			wantOps(t, store, "Delete", func() { _ = b.Delete(t.Context(), "copy") }, "delete")
			wantOps(t, store, "Delete of several", func() { _ = b.Delete(t.Context(), "moved", "dir/b", "none") }, "deleteMany")
		})
	}
}

// TestReadBytes shows that a range takes no byte more from the store.
func TestReadBytes(t *testing.T) {
	store := testserver.SharedGCS(t)
	b := open(t, config(store, store.NewBucket(t), customerKey))
	put(t, b, "k", strings.Repeat("x", 8<<20))
	store.Reset()
	if _, err := read(t, b, "k", providers.OpenOptions{Range: providers.Range{Offset: 1 << 20, Length: 100}}); err != nil {
		t.Fatal(err)
	}
	if got := store.Requests(); len(got) != 1 || got[0].Received != 100 {
		t.Errorf("the store sent %d bytes in %d requests, want 100 in 1", got[0].Received, len(got))
	}
}

// TestKeyChoice: which key an object lies under is asked, never tried.
func TestKeyChoice(t *testing.T) {
	store := testserver.SharedGCS(t)
	bucket := store.NewBucket(t)
	keys := []byte{'r', 's', 'w'}
	for _, k := range keys {
		b := open(t, config(store, bucket, sse.Settings{WriteKey: providertest.NewKey(k)}))
		for i := range 3 {
			put(t, b, fmt.Sprintf("%c/%d", k, i), "content")
		}
	}
	plain := open(t, config(store, bucket, sse.Settings{}))
	put(t, plain, "plain/0", "content")
	reading := func(b *gcs.Bucket, key string) func() {
		return func() {
			if got, err := read(t, b, key, providers.OpenOptions{}); err != nil || got != "content" {
				t.Errorf("Open(%q) = %q, %v", key, got, err)
			}
		}
	}

	b := open(t, config(store, bucket, twoKeys))
	wantOps(t, store, "unknown, under the write key", reading(b, "w/0"), "read")
	wantOps(t, store, "unknown, under a read key", reading(b, "s/0"), "read", "describe", "read")
	wantOps(t, store, "known", reading(b, "s/0"), "read")
	wantOps(t, store, "in the folder of what is known", reading(b, "s/1"), "read")
	wantOps(t, store, "unknown, plain", reading(b, "plain/0"), "read", "describe", "read")
	wantOps(t, store, "after the key changed", func() {
		put(t, open(t, config(store, bucket, sse.Settings{WriteKey: providertest.NewKey('r')})), "s/0", "content")
		store.Reset()
		reading(b, "s/0")()
	}, "read", "describe", "read")

	listed := open(t, config(store, bucket, twoKeys))
	wantPlaces := map[string]string{"r/1": "read key 1", "s/1": "read key 2", "w/1": "write key", "plain/0": ""}
	for _, e := range list(t, listed, "", providers.ListOptions{Recursive: true}) {
		if want, ok := wantPlaces[e.Key]; ok && e.Encryption.Key != want {
			t.Errorf("the listing says %q lies under %q, want %q", e.Key, e.Encryption.Key, want)
		}
	}
	for key := range wantPlaces {
		wantOps(t, store, "listed "+key, reading(listed, key), "read")
	}
}

// TestListPages lists several pages, with and without folders.
func TestListPages(t *testing.T) {
	store := testserver.SharedGCS(t)
	b := open(t, config(store, store.NewBucket(t), sse.Settings{}))
	store.SetPageSize(t, 200)
	const n = 1101
	var want []string
	work := make(chan string)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for key := range work {
				if _, err := b.Put(t.Context(), key, strings.NewReader("x"), providers.PutOptions{Size: 1}); err != nil {
					t.Errorf("Put(%q): %v", key, err)
				}
			}
		})
	}
	for i := range n {
		key := fmt.Sprintf("dir/%05d", i)
		if i%100 == 99 {
			key += "/below"
		}
		want = append(want, key)
		work <- key
	}
	close(work)
	group.Wait()

	var keys []string
	wantOps(t, store, "recursive", func() {
		for _, e := range list(t, b, "", providers.ListOptions{Recursive: true}) {
			keys = append(keys, e.Key)
		}
	}, slices.Repeat([]string{"list"}, 6)...)
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("recursive (-want +got):\n%s", diff)
	}
	keys = nil
	wantOps(t, store, "one folder", func() {
		for _, e := range list(t, b, "dir/", providers.ListOptions{}) {
			keys = append(keys, e.Key)
		}
	}, slices.Repeat([]string{"list"}, 6)...)
	for i := range want {
		want[i] = strings.TrimSuffix(want[i], "below")
	}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("one folder (-want +got):\n%s", diff)
	}
	wantOps(t, store, "the first entry only", func() {
		for range b.List(t.Context(), "", providers.ListOptions{PageSize: 1}) {
			break
		}
	}, "list")
	keys = nil
	for _, e := range list(t, b, "", providers.ListOptions{Recursive: true}) {
		keys = append(keys, e.Key)
	}
	wantOps(t, store, "deletion of 1,001", func() {
		if err := b.Delete(t.Context(), keys[:1001]...); err != nil {
			t.Error(err)
		}
	}, "deleteMany", "deleteMany")
	if left := list(t, b, "", providers.ListOptions{Recursive: true}); len(left) != n-1001 {
		t.Errorf("%d entries are left, want %d", len(left), n-1001)
	}
}

// TestDeleteOneByOne: a store that cannot delete many is asked for each.
func TestDeleteOneByOne(t *testing.T) {
	store := testserver.SharedGCS(t)
	b := open(t, config(store, store.NewBucket(t), sse.Settings{}))
	keys := make([]string, 40)
	for i := range keys {
		keys[i] = fmt.Sprintf("k%d", i)
		put(t, b, keys[i], "x")
	}
	defer store.SetFault(nil)
	store.SetFault(testserver.OnGCSOp("deleteMany", 0, testserver.Fault{Status: 405, Code: "methodNotAllowed"}))
	if err := b.Delete(t.Context(), keys...); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if left := list(t, b, "", providers.ListOptions{}); len(left) > 0 {
		t.Errorf("%d entries are left", len(left))
	}
	// What remains is named.
	put(t, b, "a", "x")
	store.SetFault(func(r *http.Request) *testserver.Fault {
		if r.Method == "DELETE" || r.URL.Query().Has("delete") {
			return &testserver.Fault{Status: 403, Code: "forbidden"}
		}
		return nil
	})
	err := b.Delete(t.Context(), "a", "b")
	if e, ok := errors.AsType[*providers.DeleteError](err); !ok || len(e.Failed) != 2 || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Delete: %v, want a DeleteError with two failures of permission", err)
	}
}
