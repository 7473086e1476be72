package davfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"sealdav/providers"
	"sealdav/providers/providertest"
)

// kinds of stores that transfers must work on.
var storeKinds = []struct {
	name string
	make func(keys ...string) *store
}{
	{"bucket", newStore},
	{"renaming bucket", func(keys ...string) *store { s := newStore(keys...); s.renames = true; return s }},
	{"directory", func(keys ...string) *store {
		s := newStore()
		s.dirs, s.renames = true, true
		for _, key := range keys {
			s.set(key, "content of "+key)
		}
		return s
	}},
}

// find looks a source up as a handler does: "a/" is the folder.
func find(t testing.TB, tr *tree, path string) node {
	t.Helper()
	n, err := tr.lookup(t.Context(), strings.TrimSuffix(path, "/"), strings.HasSuffix(path, "/"))
	if err != nil {
		t.Fatalf("lookup(%q): %v", path, err)
	}
	return n
}

// contents gives path=content of every file below path, and the folders.
func contents(t testing.TB, tr *tree, path string) []string {
	t.Helper()
	var all []string
	for _, name := range names(t, tr, path) {
		if dir, ok := strings.CutSuffix(name, "/"); ok {
			all = append(append(all, name), contents(t, tr, dir)...)
			continue
		}
		body, _, err := tr.open(t.Context(), name, providers.OpenOptions{})
		if err != nil {
			t.Fatalf("open(%q): %v", name, err)
		}
		data := make([]byte, 100)
		n, _ := body.Read(data)
		body.Close()
		all = append(all, name+"="+strings.TrimPrefix(string(data[:n]), "content of "))
	}
	return all
}

type transferTest struct {
	name      string
	keys      []string
	from, to  string
	how       transfer
	want      []string // of contents, after a copy; a move leaves "from" out
	created   bool
	err       error
	onlyMixed bool // needs a file beside a folder of the same name
}

func transferTests() []transferTest {
	over := transfer{overwrite: true}
	return []transferTest{
		{name: "file", keys: []string{"d/", "d/a", "e/"}, from: "d/a", to: "e/b", want: []string{"e/b=d/a"}, created: true},
		{name: "file beside itself", keys: []string{"e/", "e/x"}, from: "e/x", to: "e/y", want: []string{"e/y=e/x"}, created: true},
		{name: "file over file", keys: []string{"d/", "d/a", "e/", "e/b"}, from: "d/a", to: "e/b", how: over, want: []string{"e/b=d/a"}},
		{name: "file over file refused", keys: []string{"d/", "d/a", "e/", "e/b"}, from: "d/a", to: "e/b", err: providers.ErrPrecondition},
		{name: "file over folder", keys: []string{"d/", "d/a", "e/", "e/b/", "e/b/c", "e/b/s/d"}, from: "d/a", to: "e/b", how: over, want: []string{"e/b=d/a"}},
		{name: "file over folder refused", keys: []string{"d/", "d/a", "e/", "e/b/c"}, from: "d/a", to: "e/b", err: providers.ErrPrecondition},
		{name: "file without parent", keys: []string{"d/", "d/a", "e/"}, from: "d/a", to: "e/none/b", err: errNoParent},
		{name: "file into a file", keys: []string{"d/", "d/a", "e/", "e/f"}, from: "d/a", to: "e/f/b", err: errNoParent},
		{name: "file onto itself", keys: []string{"d/", "d/a"}, from: "d/a", to: "d/a", how: over, err: errSame},
		{name: "file into itself", keys: []string{"d/", "d/a"}, from: "d/a", to: "d/a/b", how: over, err: errNoParent},
		{name: "file over its folder", keys: []string{"d/", "d/a", "d/b"}, from: "d/a", to: "d", how: over, err: errOverlap},
		{name: "file over its folder refused", keys: []string{"d/", "d/a"}, from: "d/a", to: "d", err: providers.ErrPrecondition},
		{name: "folder", keys: []string{"d/", "d/s/", "d/s/a", "d/s/t/", "d/s/u/v", "e/"}, from: "d/s/", to: "e/n",
			want: []string{"e/n/", "e/n/a=d/s/a", "e/n/t/", "e/n/u/", "e/n/u/v=d/s/u/v"}, created: true},
		{name: "empty folder", keys: []string{"d/", "d/s/", "e/"}, from: "d/s/", to: "e/n", want: []string{"e/n/"}, created: true},
		{name: "folder without a marker", keys: []string{"d/s/a", "e/"}, from: "d/s/", to: "e/n", want: []string{"e/n/", "e/n/a=d/s/a"}, created: true},
		{name: "folder over folder", keys: []string{"d/s/", "d/s/a", "d/s/b", "d/s/k/x", "e/n/", "e/n/b", "e/n/c", "e/n/k/", "e/n/k/y", "e/n/l/", "e/n/l/z"}, from: "d/s/", to: "e/n", how: over,
			want: []string{"e/n/", "e/n/a=d/s/a", "e/n/b=d/s/b", "e/n/k/", "e/n/k/x=d/s/k/x"}},
		{name: "folder over folder refused", keys: []string{"d/s/", "d/s/a", "e/n/"}, from: "d/s/", to: "e/n", err: providers.ErrPrecondition},
		{name: "folder over file", keys: []string{"d/s/", "d/s/a", "d/s/b", "e/n"}, from: "d/s/", to: "e/n", how: over,
			want: []string{"e/n/", "e/n/a=d/s/a", "e/n/b=d/s/b"}},
		{name: "folder over folder with other types", keys: []string{"d/s/", "d/s/a", "d/s/b/c", "d/s/z", "e/n/", "e/n/a/", "e/n/a/x", "e/n/b", "e/n/z"}, from: "d/s/", to: "e/n", how: over,
			want: []string{"e/n/", "e/n/a=d/s/a", "e/n/b/", "e/n/b/c=d/s/b/c", "e/n/z=d/s/z"}},
		{name: "folder into itself", keys: []string{"d/", "d/s/a"}, from: "d/", to: "d/s/n", how: over, err: errOverlap},
		{name: "folder over its parent", keys: []string{"d/s/a", "d/b"}, from: "d/s/", to: "d", how: over, err: errOverlap},
		{name: "folder without parent", keys: []string{"d/s/a"}, from: "d/s/", to: "none/n", err: errNoParent},
		{name: "folder of a longer name", keys: []string{"d/s/a", "d/s2/b"}, from: "d/s/", to: "d/s2/n", want: []string{"d/s2/", "d/s2/b=d/s2/b", "d/s2/n/", "d/s2/n/a=d/s/a"}, created: true},
		{name: "onto the remote", keys: []string{"d/s/a"}, from: "d/s/", to: "", how: over, err: fs.ErrPermission},
		{name: "file that lies beside a folder", keys: []string{"d/a", "d/a/b", "e/"}, from: "d/a", to: "e/n", want: []string{"e/n=d/a"}, created: true, onlyMixed: true},
		{name: "folder that lies beside a file", keys: []string{"d/a", "d/a/b", "e/"}, from: "d/a/", to: "e/n", want: []string{"e/n/", "e/n/b=d/a/b"}, created: true, onlyMixed: true},
		{name: "folder that holds both", keys: []string{"d/s/a", "d/s/a/b", "e/"}, from: "d/s/", to: "e/n", want: []string{"e/n/", "e/n/a=d/s/a", "e/n/a/", "e/n/a/b=d/s/a/b"}, created: true, onlyMixed: true},
	}
}

func TestTransfer(t *testing.T) {
	for _, kind := range storeKinds {
		for _, tc := range transferTests() {
			for _, how := range []string{"copy", "move"} {
				for _, ttl := range []time.Duration{0, time.Hour} {
					if tc.onlyMixed && kind.name == "directory" {
						continue // it cannot hold that
					}
					t.Run(fmt.Sprintf("%s/%s %s/cache %v", kind.name, how, tc.name, ttl), func(t *testing.T) {
						s := kind.make(tc.keys...)
						tr := treeOn(s, ttl)
						tc.how.move = how == "move"
						if ttl > 0 {
							contents(t, tr, "")
						}
						testTransfer(t, tc, s, tr)
					})
				}
			}
		}
	}
}

func testTransfer(t *testing.T, tc transferTest, s *store, tr *tree) {
	before := s.all()
	created, err := transferTree(t.Context(), tr, tc.to, tr, find(t, tr, tc.from), tc.how)
	wantIs(t, "transfer", err, tc.err)
	if created != tc.created {
		t.Errorf("created is %v", created)
	}
	if tc.err != nil {
		wantAll(t, "a refusal", s, before...)
		return
	}
	fresh := treeOn(s, 0)
	got := contents(t, fresh, "")
	for _, want := range tc.want {
		if !contains(got, want) {
			t.Errorf("%s is missing from %q", want, got)
		}
	}
	to := 0
	for _, line := range got {
		if strings.Contains(line, "replaced-") {
			t.Errorf("%s is left", line)
		}
		if strings.HasPrefix(line, tc.to+"/") || strings.HasPrefix(line, tc.to+"=") {
			to++
		}
		if path, _, _ := strings.Cut(line, "="); tc.how.move && path == tc.from {
			t.Errorf("%s is still there", line)
		}
	}
	in := 0
	for _, want := range tc.want {
		if strings.HasPrefix(want, tc.to+"/") || strings.HasPrefix(want, tc.to+"=") {
			in++
		}
	}
	if to != in {
		t.Errorf("the destination has %d members, want %d: %q", to, in, got)
	}
	if !tc.how.move {
		for _, line := range before {
			if key := strings.TrimSuffix(line, "/"); strings.HasPrefix(line, tc.from) && !strings.HasSuffix(line, "/") && !contains(got, key+"="+key) {
				t.Errorf("%s is gone or changed", line)
			}
		}
	}
	// What the cache tells is what the store has.
	if cached := contents(t, tr, ""); strings.Join(cached, " ") != strings.Join(got, " ") {
		t.Errorf("the cache says %q, the store %q", cached, got)
	}
}

func contains(lines []string, want string) bool {
	for _, line := range lines {
		if line == want {
			return true
		}
	}
	return false
}

func TestShallowCopy(t *testing.T) {
	for _, kind := range storeKinds {
		s := kind.make("d/", "d/a", "e/n/x", "f")
		tr := treeOn(s, 0)
		for _, to := range []string{"m", "d/inside", "e/n", "f"} {
			_, err := transferTree(t.Context(), tr, to, tr, find(t, tr, "d/"), transfer{overwrite: true, shallow: true})
			wantIs(t, kind.name+": shallow copy to "+to, err, nil)
		}
		want := []string{"d/", "d/a=d/a", "d/inside/", "e/", "e/n/", "f/", "m/"}
		if got := contents(t, tr, ""); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: %q, want %q", kind.name, got, want)
		}
	}
}

func TestTransferAcross(t *testing.T) {
	for _, kind := range storeKinds {
		for _, move := range []bool{false, true} {
			from, to := newStore("d/", "d/s/", "d/s/a", "d/s/t/", "d/s/u/v", "f"), kind.make("n/", "n/old")
			src, dst := treeOn(from, 0), treeOn(to, 0)
			from.mu.Lock()
			from.replace("f", "file", providers.PutOptions{ContentType: "text/x-mine", Metadata: map[string]string{"k": "v"}})
			from.mu.Unlock()
			_, err := transferTree(t.Context(), dst, "n", src, find(t, src, "d/s/"), transfer{move: move, overwrite: true})
			wantIs(t, "folder", err, nil)
			_, err = transferTree(t.Context(), dst, "f2", src, find(t, src, "f"), transfer{move: move})
			wantIs(t, "file", err, nil)
			want := []string{"f2=file", "n/", "n/a=d/s/a", "n/t/", "n/u/", "n/u/v=d/s/u/v"}
			if got := contents(t, dst, ""); strings.Join(got, " ") != strings.Join(want, " ") {
				t.Errorf("%s: %q, want %q", kind.name, got, want)
			}
			obj, _ := to.Stat(t.Context(), "f2")
			if obj.ContentType != "text/x-mine" || obj.Metadata["k"] != "v" {
				t.Errorf("f2 has %q and %v", obj.ContentType, obj.Metadata)
			}
			if move {
				wantAll(t, "moves", from, "d/")
			} else {
				wantAll(t, "copies", from, "d/", "d/s/", "d/s/a", "d/s/t/", "d/s/u/v", "f=file")
			}
		}
	}
}

func TestTransferRemote(t *testing.T) {
	for _, keys := range [][]string{nil, {"a", "d/", "d/b"}} {
		src, to := treeOn(newStore(keys...), 0), newStore("x")
		dst := treeOn(to, 0)
		created, err := transferTree(t.Context(), dst, "copy", src, find(t, src, ""), transfer{})
		if err != nil || !created {
			t.Errorf("copy of a remote: created %v, %v", created, err)
		}
		if got := names(t, dst, "copy"); len(got) != min(len(keys), 2) {
			t.Errorf("copy of %q has %q", keys, got)
		}
	}
}

// TestTransferBroken: a source that breaks off while it is streamed is the
// store's failure, and leaves what was at the destination.
func TestTransferBroken(t *testing.T) {
	from, to := newStore("a"), newStore("b")
	f := &providertest.Faults{Bucket: from, Hook: func(op providertest.Op) error {
		if op.Name == "open" && op.When == providertest.During && op.N > 0 {
			return providers.ErrUnavailable
		}
		return nil
	}}
	src, dst := treeOn(f, 0), treeOn(to, 0)
	_, err := transferTree(t.Context(), dst, "b", src, find(t, src, "a"), transfer{move: true, overwrite: true})
	if Status(err) != 502 {
		t.Errorf("%v is status %d", err, Status(err))
	}
	wantAll(t, "it", from, "a")
	wantAll(t, "it", to, "b")
}

// TestMoveKeepsSource: nothing of the source is deleted if one copy failed.
func TestMoveKeepsSource(t *testing.T) {
	s := newStore(append(numbered("d/", 1200), "d/", "e/n/", "e/n/left")...)
	before := s.all()
	f := &providertest.Faults{Bucket: s, Hook: func(op providertest.Op) error {
		if op.Name == "copy" && op.Key == "e/n/0700" {
			return providers.ErrKey
		}
		return nil
	}}
	tr := treeOn(f, 0)
	_, err := transferTree(t.Context(), tr, "e/n", tr, find(t, tr, "d/"), transfer{move: true, overwrite: true})
	partial, ok := errors.AsType[*partialError](err)
	if !ok || len(partial.failures) != 1 || partial.failures[0].path != "e/n/0700" || partial.tree != tr || !errors.Is(err, providers.ErrKey) {
		t.Fatalf("move: %v", err)
	}
	after := s.all()
	for _, line := range before {
		if !contains(after, line) {
			t.Errorf("%s is gone", line)
		}
	}
}

// TestMoveDeletionFails: copies stand, originals remain: a 207 names them.
func TestMoveDeletionFails(t *testing.T) {
	for _, from := range []string{"d/a", "d/"} {
		s := newStore("d/", "d/a", "d/b", "e/")
		f := &providertest.Faults{Bucket: s, Hook: func(op providertest.Op) error {
			if op.Name == "delete" && op.Key == "d/a" && op.When == providertest.Before {
				return fs.ErrPermission
			}
			return nil
		}}
		tr := treeOn(f, 0)
		_, err := transferTree(t.Context(), tr, "e/n", tr, find(t, tr, from), transfer{move: true})
		partial, ok := errors.AsType[*partialError](err)
		if !ok || len(partial.failures) != 1 || partial.failures[0].path != "d/a" || Status(partial.failures[0].err) != 403 {
			t.Errorf("move of %s: %v", from, err)
		}
	}
}

// TestTransferCancelled: who leaves during a move has everything where it was,
// and some of it where it was to go.
func TestTransferCancelled(t *testing.T) {
	s := newStore(numbered("d/", 500)...)
	before := len(s.all())
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	n := 0
	f := &providertest.Faults{Bucket: s, Hook: func(op providertest.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if op.Name == "copy" && op.When == providertest.Before {
			if n++; n == 100 {
				cancel()
			}
		}
		return nil
	}}
	tr := treeOn(f, 0)
	_, err := transferTree(ctx, tr, "e", tr, find(t, tr, "d/"), transfer{move: true})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("move: %v", err)
	}
	left := 0
	for _, line := range s.all() {
		if strings.HasPrefix(line, "d/") {
			left++
		}
	}
	if left != before || n > 100+copiesInFlight {
		t.Errorf("%d of %d are left, %d copies were begun", left, before, n)
	}
}

// TestTransferInFlight counts the copies that run at the same time.
func TestTransferInFlight(t *testing.T) {
	s, other := newStore(numbered("d/", 200)...), newStore()
	var mu sync.Mutex
	now, most := 0, 0
	f := &providertest.Faults{Bucket: s, Hook: func(op providertest.Op) error {
		if op.Name != "copy" && op.Name != "open" {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		switch op.When {
		case providertest.Before:
			now++
		case providertest.After:
			now--
		}
		most = max(most, now)
		return nil
	}}
	tr := newTree(Remote{Name: "r", Bucket: f}, nil, slog.New(slog.DiscardHandler))
	for dst, limit := range map[*tree]int{tr: copiesInFlight, treeOn(other, 0): streamsInFlight} {
		most = 0
		if _, err := transferTree(t.Context(), dst, "e", tr, find(t, tr, "d/"), transfer{}); err != nil || most > limit {
			t.Errorf("%d at a time, at most %d wanted; %v", most, limit, err)
		}
	}
}

// TestSourceChanged: what a cached listing says of a source may be old.
func TestSourceChanged(t *testing.T) {
	s := newStore("d/a", "d/s/b")
	tr := treeOn(s, time.Hour)
	contents(t, tr, "")
	s.set("d/a", "newer")
	wantIs(t, "copy", do("copy n", tr, "d/a")(t.Context()), nil)
	wantAll(t, "copy of a file changed elsewhere", s, "d/a=newer", "d/s/b", "n=newer")
	s.unset("d/a")
	wantIs(t, "copy of what is gone", do("copy m", tr, "d/a")(t.Context()), fs.ErrNotExist)
}

// TestWrittenMeanwhile: what is written into the source or the destination of
// a transfer while it runs is not deleted at its end.
func TestWrittenMeanwhile(t *testing.T) {
	s := newStore("d/", "d/a", "d/s/b", "e/n/", "e/n/old")
	f := &providertest.Faults{Bucket: s}
	tr := treeOn(f, time.Hour)
	var once sync.Once
	f.Hook = func(op providertest.Op) error {
		if op.Name == "copy" && op.Key == "e/n/a" && op.When == providertest.After {
			once.Do(func() {
				for _, path := range []string{"d/a", "d/new", "e/n/new"} {
					if _, _, err := tr.put(context.Background(), path, strings.NewReader("later"), providers.PutOptions{Size: 5}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		return nil
	}
	_, err := transferTree(t.Context(), tr, "e/n", tr, find(t, tr, "d/"), transfer{move: true, overwrite: true})
	partial, ok := errors.AsType[*partialError](err)
	if !ok || len(partial.failures) != 1 || partial.failures[0].path != "d/a" {
		t.Errorf("move: %v", err)
	}
	wantAll(t, "a move", s, "d/", "d/a=later", "d/new=later", "e/n/", "e/n/a=content of d/a", "e/n/new=later", "e/n/s/b=content of d/s/b")
}
