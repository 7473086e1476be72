package davfs

import (
	"context"
	"encoding/xml"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sealdav/providers"
	"sealdav/providers/providertest"
)

// TestCacheFollowsWrites: after a write of ours the cached listing is the
// store's, without asking it.
func TestCacheFollowsWrites(t *testing.T) {
	tests := []struct{ op, path, folder, cost string }{
		{"put", "d/new", "d", "1 put"},
		{"put", "d/a", "d", "1 put"},
		{"put", "aaa", "", "1 put"},
		{"mkdir", "d/new", "d", "1 put"},
		{"mkdir", "d/new", "d/new", "1 list, 1 put"}, // nobody has listed it yet
		{"remove", "d/a", "d", "1 delete"},
		{"copy d/b", "d/a", "d", "1 copy"},
		{"copy d/c", "d/a", "d", "1 copy"},
		{"move d/a2", "d/a", "d", "1 copy, 1 delete"},
		{"move s/a2", "d/a", "d", "1 copy, 1 delete"},
		{"remove", "s", "", "1 delete, 1 list"},
		{"copy t", "s", "", "1 copy, 1 list"},
		{"move t", "s", "", "1 copy, 1 delete, 1 list"},
	}
	for _, tc := range tests {
		s := newStore("d/", "d/a", "d/b", "d/s/x", "s/y")
		tr := treeOn(s, time.Hour)
		for _, folder := range []string{"", "d", "s"} {
			names(t, tr, folder)
		}
		s.cost()
		if err := do(tc.op, tr, tc.path)(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := names(t, tr, tc.folder)
		wantCost(t, tc.op+" "+tc.path+" and a listing", s, tc.cost)
		if diff := cmp.Diff(names(t, treeOn(s, 0), tc.folder), got); diff != "" {
			t.Errorf("%s of %s: cache and store differ (-store +cache):\n%s", tc.op, tc.path, diff)
		}
	}
}

func TestCacheNodes(t *testing.T) {
	s := newStore("d/a", "d/b/c")
	tr := treeOn(s, time.Hour)
	names(t, tr, "d")
	for _, fresh := range []bool{true, false} {
		if !fresh {
			if _, _, err := tr.put(t.Context(), "d/a", strings.NewReader("new"), providers.PutOptions{Size: 3, ContentType: "text/x-mine"}); err != nil {
				t.Fatal(err)
			}
		}
		cached, err := tr.stat(t.Context(), "d/a", false)
		stored, err2 := treeOn(s, 0).stat(t.Context(), "d/a", false)
		cached.seen = 0
		stored.attrs, stored.whole, cached.attrs = nil, false, nil // of no listing
		if fresh {
			stored.obj.ContentType = "" // a listing does not tell
		}
		if diff := cmp.Diff(stored, cached, cmp.AllowUnexported(node{})); diff != "" || err != nil || err2 != nil {
			t.Errorf("(-store +cache), %v, %v:\n%s", err, err2, diff)
		}
	}
}

// TestCacheLooked: what a write has seen of a folder serves the next writes,
// but nobody who reads: an object that another tool has put there is found.
func TestCacheLooked(t *testing.T) {
	s := newStore("d/a")
	tr := treeOn(s, time.Hour)
	put := func(path string) {
		t.Helper()
		if _, _, err := tr.put(t.Context(), path, strings.NewReader(""), providers.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	put("d/b")
	s.cost()
	put("d/c")
	wantCost(t, "the next put", s, "1 put")
	s.set("d/new", "x")
	wantIs(t, "open of what another tool has put", do("open", tr, "d/new")(t.Context()), nil)
	if got := names(t, tr, "d"); !slices.Contains(got, "d/new") {
		t.Errorf("the listing lacks d/new: %q", got)
	}
}

// TestCacheStale: what the store says wins where it is asked, and the cache
// learns from it.
func TestCacheStale(t *testing.T) {
	s := newStore("d/a", "d/b")
	tr := treeOn(s, time.Hour)
	names(t, tr, "d")
	s.unset("d/a")
	wantIs(t, "open of what is gone", do("open", tr, "d/a")(t.Context()), fs.ErrNotExist)
	if got := names(t, tr, "d"); !slices.Equal(got, []string{"d/b"}) {
		t.Errorf("the listing still says %q", got)
	}
	s.set("d/new", "x")
	wantIs(t, "open of what is new to the cache", do("open", tr, "d/new")(t.Context()), fs.ErrNotExist)
	_, _, err := tr.put(t.Context(), "d/new", strings.NewReader(""), providers.PutOptions{Condition: providers.Condition{IfAbsent: true}})
	wantIs(t, "put", err, providers.ErrPrecondition)
	wantIs(t, "open after a refusal", do("open", tr, "d/new")(t.Context()), nil)
}

func TestCacheExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore("d/a")
		tr := treeOn(s, time.Minute)
		names(t, tr, "d")
		time.Sleep(59 * time.Second)
		names(t, tr, "d")
		wantCost(t, "two listings in a minute", s, "1 list")
		time.Sleep(2 * time.Second)
		names(t, tr, "d")
		wantCost(t, "a listing after a minute", s, "1 list")
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		tr.cache.mu.Lock()
		defer tr.cache.mu.Unlock()
		if len(tr.cache.folders) != 0 || tr.cache.entries != 0 || tr.cache.timer != nil {
			t.Errorf("%d folders of %d entries are kept for nobody", len(tr.cache.folders), tr.cache.entries)
		}
	})
}

func TestCacheBound(t *testing.T) {
	var keys []string
	for i := range 10 {
		keys = append(keys, numbered(fmt.Sprintf("d%d/", i), 9)...)
	}
	s := newStore(keys...)
	tr := treeOn(s, 0)
	tr.cache = newCache(time.Hour, 50)
	for i := range 10 {
		names(t, tr, fmt.Sprintf("d%d", i))
	}
	names(t, tr, "d5")
	names(t, tr, "d0")
	wantCost(t, "listings", s, "11 list")
	if tr.cache.entries != 50 || tr.cache.lru.Len() != 5 {
		t.Errorf("%d entries in %d folders", tr.cache.entries, tr.cache.lru.Len())
	}
	if _, _, err := tr.put(t.Context(), "d0/new", strings.NewReader(""), providers.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if tr.cache.entries > 50 {
		t.Errorf("%d entries after a put", tr.cache.entries)
	}
	s.set("big/x", "")
	for _, key := range numbered("big/", 60) {
		s.set(key, "")
	}
	names(t, tr, "big")
	if _, ok := tr.cache.folders[folderID{tr, "big"}]; ok {
		t.Error("a folder larger than the cache is kept")
	}
}

// tellingStore is a store whose listings tell the metadata.
type tellingStore struct{ *store }

func (s tellingStore) List(ctx context.Context, prefix string, opts providers.ListOptions) iter.Seq2[providers.Entry, error] {
	return func(yield func(providers.Entry, error) bool) {
		for e, err := range s.store.List(ctx, prefix, opts) {
			s.mu.Lock()
			e.Metadata = s.objects[e.Key].Metadata
			s.mu.Unlock()
			if !yield(e, err) {
				return
			}
		}
	}
}

// TestCacheBoundsBytes: an entry with properties counts for what it takes, in
// listings that are kept, that a write changes, and that are being fetched.
func TestCacheBoundsBytes(t *testing.T) {
	heavy := func(value string) *attributes {
		name := xml.Name{Space: "urn:test", Local: "p"}
		return &attributes{dead: []property{{name, []byte(`<p xmlns="urn:test">` + value + `</p>`)}}}
	}
	metadata, err := heavy(strings.Repeat("properties ", 180)).metadata(nil)
	if err != nil {
		t.Fatal(err)
	}
	const bound, each = 270, 9 // a file is about 2 KiB
	s := tellingStore{newStore("d0/plain", "d1/plain")}
	for i := range 20 {
		for _, key := range numbered(fmt.Sprintf("d%d/", i), 9) {
			s.replace(key, "", providers.PutOptions{Metadata: metadata})
		}
	}
	tr := treeOn(s, 0)
	tr.cache = newCache(time.Hour, bound)
	weigh := func(when string, folders int) {
		t.Helper()
		bytes := 0
		for _, l := range tr.cache.folders {
			for _, it := range l.items {
				bytes += len(it.name) + it.attrs.bytes()
			}
		}
		if n := tr.cache.lru.Len(); bytes > bound*entryBytes || n != folders || tr.cache.filling != 0 {
			t.Errorf("%s: %d bytes in %d folders, %d being fetched; want %d folders", when, bytes, n, tr.cache.filling, folders)
		}
	}
	for i := range 20 {
		names(t, tr, fmt.Sprintf("d%d", i))
	}
	weigh("listed", 3)
	before := tr.cache.entries
	opts := providers.PutOptions{Metadata: metadata}
	for _, step := range []struct {
		do      func() error
		entries int
	}{
		{func() error { _, _, err := tr.put(t.Context(), "d19/new", strings.NewReader(""), opts); return err }, each},
		{func() error { _, _, err := tr.put(t.Context(), "d19/new", strings.NewReader(""), opts); return err }, each},
		{func() error { return tr.remove(t.Context(), "d19/new", false) }, 0},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if got := tr.cache.entries - before; got != step.entries {
			t.Errorf("a write changes the weight by %d, want %d", got, step.entries)
		}
	}
	weigh("written", 3)

	var fetched []fills // as many as there is room for
	for i := range 20 {
		f := tr.beginFill(t.Context(), fmt.Sprintf("d%d", i))
		for j := range 9 {
			f.add(strconv.Itoa(j), node{attrs: heavy(strings.Repeat("x", 2000))})
		}
		fetched = append(fetched, f)
	}
	bytes := 0
	for _, f := range fetched {
		for _, it := range f[1].l.items {
			bytes += it.attrs.bytes()
		}
	}
	if bytes > bound*entryBytes || bytes < 100*entryBytes {
		t.Errorf("%d bytes are being fetched", bytes)
	}
	for _, f := range fetched {
		f.end()
	}
	weigh("fetched", 3)
}

// TestCacheOverlap: a listing that was under way when something was written
// does not bring back what was there before, whatever the write was.
func TestCacheOverlap(t *testing.T) {
	for _, tc := range []struct{ op, path string }{
		{"put", "d/new"}, {"remove", "d/a"}, {"mkdir", "d/new"}, {"move d/z", "d/a"}, {"copy d/z", "d/a"},
		{"remove", "d"}, {"move e", "d"}, {"remove", "d/s"},
	} {
		s := newStore("d/", "d/a", "d/b", "d/s/c", "x")
		tr := treeOn(s, time.Hour)
		next := tr.children(t.Context(), "d")
		first := true
		for range next {
			if first { // the page is fetched
				first = false
				if err := do(tc.op, tr, tc.path)(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range 2 {
			var got, want []string
			for n, err := range tr.children(t.Context(), "d") {
				got = append(got, fmt.Sprint(n.path, n.dir, err))
			}
			for n, err := range treeOn(s, 0).children(t.Context(), "d") {
				want = append(want, fmt.Sprint(n.path, n.dir, err))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s of %s (-store +cache):\n%s", tc.op, tc.path, diff)
			}
		}
	}
}

// TestCacheKeepsOverlapped: a listing during which something was written is
// kept with that in it, so that many uploads at once do not list a folder each.
func TestCacheKeepsOverlapped(t *testing.T) {
	s := newStore("d/", "d/a")
	tr := treeOn(s, time.Hour)
	first := true
	for range tr.children(t.Context(), "d") {
		if first {
			first = false
			wantIs(t, "put", do("put", tr, "d/b")(t.Context()), nil)
		}
	}
	s.cost()
	if got := names(t, tr, "d"); !slices.Equal(got, []string{"d/a", "d/b"}) {
		t.Errorf("the listing says %q", got)
	}
	wantCost(t, "a listing", s, "")
}

// TestCacheLarge: writes into a folder that does not fit a page look at a page
// of it once.
func TestCacheLarge(t *testing.T) {
	s := newStore(numbered("d/", 1500)...)
	tr := treeOn(s, time.Hour)
	for i, tc := range []struct{ op, path, cost string }{
		{"put", "d/x0", "2 list, 1 put"},
		{"put", "d/x1", "1 list, 1 put"},
		{"put", "d/0003", "1 list, 1 put"},
		{"mkdir", "d/x2", "1 list, 1 put"},
		{"remove", "d/0003", "1 delete, 1 list"},
		{"put", "d/x3", "2 list, 1 put"}, // it may not be large any more
	} {
		s.cost()
		wantIs(t, tc.op, do(tc.op, tr, tc.path)(t.Context()), nil)
		wantCost(t, fmt.Sprintf("%d: %s %s", i, tc.op, tc.path), s, tc.cost)
	}
}

// TestCacheContended: of two writes of one name that overlap nobody knows which
// came last, so the listing is asked for again.
func TestCacheContended(t *testing.T) {
	s := newStore("d/", "d/a")
	var tr *tree
	inner := false
	f := &providertest.Faults{Bucket: s}
	f.Hook = func(op providertest.Op) error {
		if op.Name == "put" && op.When == providertest.After && !inner {
			inner = true // the answer to the first is still on its way
			_, _, err := tr.put(context.Background(), "d/a", strings.NewReader("second"), providers.PutOptions{Size: 6})
			return err
		}
		return nil
	}
	tr = treeOn(f, time.Hour)
	names(t, tr, "d")
	if _, _, err := tr.put(t.Context(), "d/a", strings.NewReader("first"), providers.PutOptions{Size: 5}); err != nil {
		t.Fatal(err)
	}
	n, err := tr.stat(t.Context(), "d/a", false)
	if err != nil || n.obj.Size != 6 {
		t.Errorf("stat says %d bytes, %v", n.obj.Size, err)
	}
}

// TestCacheRandom lets many writers and readers loose, and wants the cache to
// say what the store says once they have stopped.
func TestCacheRandom(t *testing.T) {
	s := newStore("d/", "e/", "d/s/")
	tr := treeOn(s, time.Hour)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 1))
			pick := func() string {
				return []string{"d", "e", "d/s"}[r.IntN(3)] + "/" + string(rune('a'+r.IntN(6)))
			}
			for range 300 {
				ctx := context.Background()
				// Many of these are refused; what counts is that all agree.
				switch path := pick(); r.IntN(8) {
				case 0, 1:
					_ = do("put", tr, path)(ctx)
				case 2:
					_ = do("mkdir", tr, path)(ctx)
				case 3:
					_ = do("remove", tr, path)(ctx)
				case 4:
					_ = do("copy "+pick(), tr, path)(ctx)
				case 5:
					_ = do("move "+pick(), tr, path)(ctx)
				default:
					_ = do("list", tr, []string{"", "d", "e", "d/s"}[r.IntN(4)])(ctx)
				}
			}
		})
	}
	wg.Wait()
	fresh := treeOn(s, 0)
	for _, folder := range []string{"", "d", "e", "d/s"} {
		want, got := listed(fresh, folder), listed(tr, folder)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-store +cache):\n%s", folder, diff)
		}
	}
	if len(tr.cache.fills) != 0 || len(tr.cache.writes) != 0 {
		t.Errorf("%d fills and %d writes are never over", len(tr.cache.fills), len(tr.cache.writes))
	}
}

func listed(tr *tree, folder string) []string {
	var all []string
	for n, err := range tr.children(context.Background(), folder) {
		all = append(all, fmt.Sprint(n.path, n.dir, n.obj.ETag, err))
	}
	return all
}

func TestCacheOrder(t *testing.T) {
	keys := []string{"a", "a-", "a/", "a.b", "b/", "b", "ab", "ab/", "a\x01", "é/"}
	items := make([]item, len(keys))
	for i, key := range keys {
		name, dir := strings.CutSuffix(key, "/")
		items[i] = item{name: name, dir: dir}
	}
	slices.SortFunc(items, compareItems)
	slices.Sort(keys)
	for i, it := range items {
		name, dir := strings.CutSuffix(keys[i], "/")
		if it.name != name || it.dir != dir {
			t.Errorf("item %d is %q, want %q", i, it.name, keys[i])
		}
	}
}

func TestKeyList(t *testing.T) {
	var a, b keyList
	var want []string
	for i := range 1000 {
		key := fmt.Sprintf("dir%03d/a long name of a file %d", i/7, i)
		want = append(want, key)
	}
	slices.Sort(want)
	for i, key := range want {
		if i%2 == 0 {
			a.add(key)
		}
		if i%3 != 0 || i%2 != 0 {
			b.add(key)
		}
	}
	collect := func(l *keyList) (got []string) {
		for i, key := range l.all() {
			if i != len(got) {
				t.Fatalf("key %d has the index %d", len(got), i)
			}
			got = append(got, key)
		}
		return got
	}
	if diff := cmp.Diff(want, collect(a.merge(&b))); diff != "" {
		t.Errorf("merge (-want +got):\n%s", diff)
	}
	if a.merge(nil) != &a || (*keyList)(nil).merge(&a) != &a {
		t.Error("merging with nothing is not the list itself")
	}
	if perKey := len(b.buf) / b.n; perKey > 25 {
		t.Errorf("%d bytes per key", perKey)
	}
}
