package azure_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sealdav/internal/testserver"
	"sealdav/providers"
	"sealdav/providers/azure"
	"sealdav/providers/providertest"
	"sealdav/sse"
)

// putFolder makes a folder blob, as the hierarchical namespace does.
func putFolder(t testing.TB, b providers.Bucket, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := b.Put(t.Context(), name, strings.NewReader(""), providers.PutOptions{Metadata: map[string]string{"hdi_isfolder": "true"}}); err != nil {
			t.Fatal(err)
		}
	}
}

func keysOf(entries []providers.Entry) string {
	var keys []string
	for _, e := range entries {
		if e.Dir {
			e.Key += "*"
		}
		keys = append(keys, e.Key)
	}
	return strings.Join(keys, " ")
}

// TestFolderBlobs lists trees with folder blobs in them, deletes what was
// listed, and looks at what is left, in an account where a folder goes only
// when it is empty.
func TestFolderBlobs(t *testing.T) {
	foreign := sse.Settings{WriteKey: providertest.NewKey('x')}
	for _, tc := range []struct {
		name    string
		fill    func(plain, foreign providers.Bucket)
		prefix  string
		listed  string // recursively
		entries string // otherwise
		left    []string
	}{
		{
			name: "nested",
			fill: func(b, _ providers.Bucket) {
				putFolder(t, b, "d", "d/sub", "d/sub/deep", "d/sub-x", "other")
				put(t, b, "d/f", nil)
				put(t, b, "d/sub/deep/g", nil)
				put(t, b, "d/sub.txt", nil)
				put(t, b, "d-file", nil)
			},
			prefix:  "d/",
			listed:  "d/ d/f d/sub-x/ d/sub.txt d/sub/ d/sub/deep/ d/sub/deep/g",
			entries: "d/ d/f d/sub-x/* d/sub.txt d/sub/*",
			left:    []string{"d-file", "other"},
		},
		{
			name:   "empty",
			fill:   func(b, _ providers.Bucket) { putFolder(t, b, "d", "e") },
			prefix: "d/", listed: "d/", entries: "d/",
			left: []string{"e"},
		},
		{
			name: "beside markers",
			fill: func(b, _ providers.Bucket) {
				putFolder(t, b, "d", "d/sub")
				put(t, b, "d/", nil)
				put(t, b, "d/sub/", nil)
				put(t, b, "d/sub/f", nil)
			},
			prefix: "d/", listed: "d/ d/sub/ d/sub/f", entries: "d/ d/sub/*",
		},
		{
			name: "a file beside a folder, under a key that is not at hand",
			fill: func(b, foreign providers.Bucket) {
				putFolder(t, b, "seen")
				put(t, foreign, "d", []byte("a file"))
				put(t, b, "d/", nil)
				put(t, b, "d/f", nil)
			},
			prefix: "d/", listed: "d/ d/f", entries: "d/ d/f",
			left: []string{"d", "seen"},
		},
		{
			name: "a folder blob under a key that is not at hand",
			fill: func(b, foreign providers.Bucket) {
				putFolder(t, foreign, "d")
				put(t, b, "d/f", nil)
			},
			prefix: "d/", listed: "d/ d/f", entries: "d/ d/f",
		},
		{
			name: "sealdav's own",
			fill: func(b, _ providers.Bucket) {
				putFolder(t, b, ".sealdav", "d")
				put(t, b, "f", nil)
			},
			listed: "d/ f", entries: "d/* f",
			left: []string{".sealdav"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := testserver.NewAzure(t)
			p.SetQuirks(testserver.AzureQuirks{Hierarchical: true})
			name := p.NewContainer(t)
			tc.fill(open(t, config(p, name, sse.Settings{})), open(t, config(p, name, foreign)))
			b := open(t, config(p, name, sse.Settings{}))
			list(t, b, "", providers.ListOptions{}) // who deletes a folder has seen it
			for _, size := range []int{0, 1, 2, 3} {
				if got := keysOf(list(t, b, tc.prefix, providers.ListOptions{PageSize: size})); got != tc.entries {
					t.Errorf("pages of %d: %s, want %s", size, got, tc.entries)
				}
				if got := keysOf(list(t, b, tc.prefix, providers.ListOptions{Recursive: true, PageSize: size})); got != tc.listed {
					t.Errorf("pages of %d, recursively: %s, want %s", size, got, tc.listed)
				}
			}
			if err := b.Delete(t.Context(), strings.Fields(tc.listed)...); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(tc.left, p.Keys(t, name)); diff != "" {
				t.Errorf("what is left (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFolderBlobAndMarker: of a folder that has both a marker is what counts,
// for Stat as for listings.
func TestFolderBlobAndMarker(t *testing.T) {
	p := testserver.NewAzure(t)
	b := open(t, config(p, p.NewContainer(t), sse.Settings{}))
	putFolder(t, b, "d", "d/sub")
	for _, key := range []string{"d/", "d/sub/"} {
		want := put(t, b, key, nil)
		if got := stat(t, b, key); got.ETag != want.ETag {
			t.Errorf("Stat(%s) is not the marker", key)
		}
		for _, opts := range []providers.ListOptions{{Recursive: true}, {Recursive: true, PageSize: 1}} {
			entries := list(t, b, "", opts)
			i := slices.IndexFunc(entries, func(e providers.Entry) bool { return e.Key == key })
			if i < 0 || entries[i].ETag != want.ETag {
				t.Errorf("in pages of %d %s is not the marker", opts.PageSize, key)
			}
		}
	}
}

// TestFolderBlobReplaced: a file that has come into the place of a folder blob
// is not deleted for it.
func TestFolderBlobReplaced(t *testing.T) {
	p := testserver.NewAzure(t)
	name := p.NewContainer(t)
	b, other := open(t, config(p, name, sse.Settings{})), open(t, config(p, name, sse.Settings{}))
	putFolder(t, other, "d", "e")
	if got := keysOf(list(t, b, "", providers.ListOptions{Recursive: true})); got != "d/ e/" {
		t.Fatalf("listed %s", got)
	}
	put(t, other, "d", []byte("a file"))
	putFolder(t, other, "e")
	if err := b.Delete(t.Context(), "d/", "e/"); err != nil {
		t.Error(err)
	}
	if got := p.Keys(t, name); !slices.Equal(got, []string{"d"}) {
		t.Errorf("left: %q, want the file d", got)
	}
}

// TestFolderBlobRefused: a folder blob that may not be deleted is a failure of
// its marker.
func TestFolderBlobRefused(t *testing.T) {
	p := testserver.NewAzure(t)
	name := p.NewContainer(t)
	b := open(t, config(p, name, sse.Settings{}))
	putFolder(t, b, "d", "e")
	list(t, b, "", providers.ListOptions{})
	p.SetFault(func(r *http.Request) *testserver.Fault {
		if r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, "/d") {
			return &testserver.Fault{Status: 403, Code: "AuthorizationPermissionMismatch"}
		}
		return nil
	})
	err := b.Delete(t.Context(), "d/", "e/")
	if failed, ok := err.(*providers.DeleteError); !ok || len(failed.Failed) != 1 || failed.Failed[0].Key != "d/" {
		t.Errorf("Delete: %v, want the failure of d/", err)
	}
	if got := p.Keys(t, name); !slices.Equal(got, []string{"d"}) {
		t.Errorf("left: %q", got)
	}
}

// TestFolderBlobRequests counts what folder blobs cost: a HEAD to list a
// folder, none if its name was looked at a moment ago, and none at all where no
// such blob has been seen.
func TestFolderBlobRequests(t *testing.T) {
	p := testserver.NewAzure(t)
	name := p.NewContainer(t)
	fill := open(t, config(p, name, sse.Settings{}))
	putFolder(t, fill, "d", "d/sub", "empty")
	put(t, fill, "d/f", nil)
	put(t, fill, "flat/f", nil)
	var b *azure.Bucket
	fresh := func() { b = open(t, config(p, name, sse.Settings{})) }
	for _, tc := range []struct {
		name string
		do   func()
		want string
	}{
		{"none seen", func() { fresh(); list(t, b, "flat/", providers.ListOptions{}) }, "ListBlobs"},
		{"seen in its parent", func() {
			list(t, b, "", providers.ListOptions{})
			list(t, b, "d/", providers.ListOptions{Recursive: true})
		}, "ListBlobs ListBlobs"},
		{"seen by its member", func() { fresh(); list(t, b, "d/", providers.ListOptions{}) }, "GetBlobProperties ListBlobs"},
		{"a file that is missing", func() {
			_, _ = b.Stat(t.Context(), "none")
			list(t, b, "none/", providers.ListOptions{PageSize: 1})
		}, "GetBlobProperties ListBlobs"},
		{"a folder that is looked for as a file", func() {
			_, _ = b.Stat(t.Context(), "empty")
			list(t, b, "empty/", providers.ListOptions{PageSize: 1})
		}, "GetBlobProperties ListBlobs"},
		{"read as a file", func() {
			_, _, _ = b.Open(t.Context(), "flat", providers.OpenOptions{})
			list(t, b, "flat/", providers.ListOptions{PageSize: 1})
		}, "GetBlob ListBlobs"},
		{"copy of a folder blob", func() {
			entries := list(t, b, "empty/", providers.ListOptions{Recursive: true})
			mustCopy(t, b, "copy/", entries[0].Object, providers.CopyOptions{})
		}, "GetBlobProperties ListBlobs PutBlob"},
		{"delete", func() {
			if err := b.Delete(t.Context(), "empty/", "d/f", "d/sub/", "d/"); err != nil {
				t.Error(err)
			}
		}, "DeleteBlob DeleteBlob DeleteBlob DeleteBlob DeleteBlob Batch"},
	} {
		p.Reset()
		tc.do()
		// A slow machine may look again at what it saw too long ago.
		most := map[string]int{}
		for op := range strings.FieldsSeq(tc.want) {
			most[op]++
		}
		for _, op := range p.Ops() {
			if most[op]--; most[op] < 0 {
				t.Errorf("%s: %s, want %s", tc.name, ops(p), tc.want)
				break
			}
		}
	}
	if got := p.Keys(t, name); !slices.Equal(got, []string{"copy/", "flat/f"}) {
		t.Errorf("left: %q", got)
	}
}
