package davfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sealdav/providers"
	"sealdav/providers/providertest"
)

func treeOn(b providers.Bucket, ttl time.Duration) *tree {
	var c *cache
	if ttl > 0 {
		c = newCache(ttl, maxCachedEntries)
	}
	return newTree(Remote{Name: "r", Bucket: b}, c, slog.New(slog.DiscardHandler))
}

// names gives the children of a folder: "a" a file, "a/" a folder.
func names(t testing.TB, tr *tree, path string) []string {
	t.Helper()
	var all []string
	for n, err := range tr.children(t.Context(), path) {
		if err != nil {
			t.Fatalf("children(%q): %v", path, err)
		}
		if n.dir {
			all = append(all, n.path+"/")
		} else {
			all = append(all, n.path)
		}
	}
	return all
}

func wantIs(t testing.TB, what string, got, want error) {
	t.Helper()
	if (got == nil) != (want == nil) || !errors.Is(got, want) {
		t.Errorf("%s: error is %v, want %v", what, got, want)
	}
}

func wantCost(t testing.TB, what string, s *store, want string) {
	t.Helper()
	if got := s.cost(); got != want {
		t.Errorf("%s cost %q, want %q", what, got, want)
	}
}

func wantAll(t testing.TB, what string, s *store, want ...string) {
	t.Helper()
	slices.Sort(want)
	got := s.all()
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s leaves (-want +got):\n%s", what, diff)
	}
}

// numbered makes n keys "prefix0000"...
func numbered(prefix string, n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%s%04d", prefix, i)
	}
	return keys
}

func do(op string, tr *tree, path string) func(context.Context) error {
	return func(ctx context.Context) error {
		var err error
		switch op {
		case "stat":
			_, err = tr.stat(ctx, strings.TrimSuffix(path, "/"), strings.HasSuffix(path, "/"))
		case "lookup":
			_, err = tr.lookup(ctx, strings.TrimSuffix(path, "/"), strings.HasSuffix(path, "/"))
		case "list":
			for _, err = range tr.children(ctx, path) {
			}
		case "open":
			var body io.ReadCloser
			if body, _, err = tr.open(ctx, path, providers.OpenOptions{}); err == nil {
				body.Close()
			}
		case "put":
			_, _, err = tr.put(ctx, path, strings.NewReader("new"), providers.PutOptions{Size: 3})
		case "mkdir":
			err = tr.mkdir(ctx, path)
		case "remove":
			err = tr.remove(ctx, strings.TrimSuffix(path, "/"), strings.HasSuffix(path, "/"))
		default: // "copy DST", "move DST", with the cost of finding the source
			how, dst, _ := strings.Cut(op, " ")
			var n node
			if n, err = tr.lookup(ctx, strings.TrimSuffix(path, "/"), strings.HasSuffix(path, "/")); err == nil {
				_, err = transferTree(ctx, tr, dst, tr, n, transfer{move: how == "move", overwrite: true})
			}
		}
		return err
	}
}

// TestCost is the budget: requests to the store, cold and with the folder's
// listing cached.
func TestCost(t *testing.T) {
	few := []string{"top", "d/", "d/a", "d/b", "d/sub/x", "e/f", "e/g", "lone/only"}
	many := append([]string{"m/"}, numbered("m/", 2500)...)
	nested := append(append([]string{"n/"}, numbered("n/a/", 1200)...), numbered("n/b/", 1299)...) // 2,500 with the marker
	tests := []struct {
		keys       []string
		op, path   string
		cold, warm string
		err        error
	}{
		{keys: few, op: "stat", path: "", cold: "", warm: ""},
		{keys: few, op: "stat", path: "d/a", cold: "1 stat"},
		{keys: few, op: "stat", path: "d", cold: "1 list, 1 stat"},
		{keys: few, op: "stat", path: "d/", cold: "1 list"},
		{keys: few, op: "stat", path: "top/", cold: "1 list, 1 stat"},
		{keys: few, op: "stat", path: "none", cold: "1 list, 1 stat", err: fs.ErrNotExist},
		{keys: few, op: "lookup", path: "d", cold: "1 list"},
		{keys: few, op: "list", path: "", cold: "1 list"},
		{keys: few, op: "list", path: "d", cold: "1 list"},
		{keys: few, op: "list", path: "none", cold: "1 list, 1 stat", warm: "1 list, 1 stat", err: fs.ErrNotExist},
		{keys: few, op: "list", path: "top", cold: "1 list, 1 stat", warm: "1 list, 1 stat", err: errNotDir},
		{keys: many, op: "list", path: "m", cold: "3 list"},
		{keys: few, op: "open", path: "d/a", cold: "1 open", warm: "1 open"},
		{keys: few, op: "open", path: "d/none", cold: "1 list, 1 open", err: fs.ErrNotExist},
		{keys: few, op: "open", path: "d/sub", cold: "1 list, 1 open", err: errIsDir},
		{keys: few, op: "put", path: "d/new", cold: "1 list, 1 put", warm: "1 put"},
		{keys: few, op: "put", path: "d/a", cold: "1 list, 1 put", warm: "1 put"},
		{keys: few, op: "put", path: "new", cold: "1 list, 1 put", warm: "1 put"},
		{keys: few, op: "put", path: "none/new", cold: "1 list", warm: "1 list", err: errNoParent},
		{keys: few, op: "put", path: "d/sub", cold: "1 list", err: errIsDir},
		{keys: many, op: "put", path: "m/0001", cold: "1 list, 1 put", warm: "1 put"},
		{keys: many, op: "put", path: "m/2400", cold: "2 list, 1 put", warm: "1 put"},
		{keys: many, op: "put", path: "m/new", cold: "2 list, 1 put", warm: "1 put"},
		{keys: few, op: "mkdir", path: "d/new", cold: "1 list, 1 put", warm: "1 put"},
		{keys: few, op: "mkdir", path: "d/a", cold: "1 list", err: fs.ErrExist},
		{keys: few, op: "mkdir", path: "d/sub", cold: "1 list", err: fs.ErrExist},
		{keys: few, op: "mkdir", path: "none/new", cold: "1 list", warm: "1 list", err: errNoParent},
		{keys: many, op: "mkdir", path: "m/new", cold: "2 list, 1 put", warm: "1 put"},
		{keys: few, op: "remove", path: "d/a", cold: "1 delete, 1 list", warm: "1 delete"},
		{keys: few, op: "remove", path: "top", cold: "1 delete, 1 list", warm: "1 delete"},
		{keys: few, op: "remove", path: "none", cold: "1 list", err: fs.ErrNotExist},
		{keys: few, op: "remove", path: "lone/only", cold: "1 delete, 1 list, 1 put", warm: "1 delete, 1 put"},
		{keys: many, op: "remove", path: "m/2400", cold: "1 delete, 2 list", warm: "1 delete"},
		{keys: nested, op: "remove", path: "n", cold: "3 delete, 4 list", warm: "3 delete, 3 list"},
		{keys: few, op: "copy d/new", path: "d/a", cold: "1 copy, 2 list", warm: "1 copy"},
		{keys: few, op: "copy e/new", path: "d/a", cold: "1 copy, 2 list", warm: "1 copy"},
		{keys: many, op: "copy m/x", path: "m/0001", cold: "1 copy, 2 list", warm: "1 copy"},
		{keys: few, op: "move d/new", path: "d/a", cold: "1 copy, 1 delete, 2 list", warm: "1 copy, 1 delete"},
		{keys: few, op: "move e/new", path: "d/a", cold: "1 copy, 1 delete, 2 list", warm: "1 copy, 1 delete"},
		{keys: nested, op: "copy n2", path: "n", cold: "2500 copy, 5 list", warm: "2500 copy, 3 list"},
		{keys: nested, op: "move n2", path: "n", cold: "2500 copy, 3 delete, 5 list", warm: "2500 copy, 3 delete, 3 list"},
	}
	for _, tc := range tests {
		t.Run(tc.op+" "+tc.path, func(t *testing.T) {
			s := newStore(tc.keys...)
			tr := treeOn(s, 0)
			wantIs(t, "cold", do(tc.op, tr, tc.path)(t.Context()), tc.err)
			wantCost(t, "cold", s, tc.cold)

			s = newStore(tc.keys...)
			tr = treeOn(s, time.Hour)
			for _, folder := range []string{"", "d", "e", "m", "lone"} {
				_ = do("list", tr, folder)(t.Context()) // not all of them are there
			}
			s.cost()
			wantIs(t, "warm", do(tc.op, tr, tc.path)(t.Context()), tc.err)
			wantCost(t, "warm", s, tc.warm)
		})
	}
}

func TestChildren(t *testing.T) {
	s := newStore("a", "a/b", "a-b", "a.txt", "empty/", "x//y", "dots/../z", "dots/./z", "dots/k", "/lead", "ü/ö", ".sealdaw")
	s.set("bad/\x00nul", "")
	tests := []struct {
		path string
		want []string
		err  error
	}{
		{path: "", want: []string{".sealdaw", "a", "a-b", "a.txt", "a/", "bad/", "dots/", "empty/", "x/", "ü/"}},
		{path: "a", want: []string{"a/b"}},
		{path: "empty"},
		{path: "ü", want: []string{"ü/ö"}},
		{path: "x"},
		{path: "bad"},
		{path: "dots", want: []string{"dots/k"}},
		{path: "none", err: fs.ErrNotExist},
		{path: "a.txt", err: errNotDir},
		{path: ".sealdav", err: fs.ErrNotExist},
	}
	for _, ttl := range []time.Duration{0, time.Hour} {
		tr := treeOn(s, ttl)
		for range 2 {
			for _, tc := range tests {
				if tc.err != nil {
					for n, err := range tr.children(t.Context(), tc.path) {
						wantIs(t, fmt.Sprintf("children(%q) gives %v", tc.path, n), err, tc.err)
					}
					continue
				}
				if diff := cmp.Diff(tc.want, names(t, tr, tc.path)); diff != "" {
					t.Errorf("children(%q) (-want +got):\n%s", tc.path, diff)
				}
			}
		}
	}
}

// TestChildrenStream: nothing is asked of the store beyond the page that the
// loop has come to.
func TestChildrenStream(t *testing.T) {
	s := newStore(numbered("d/", 3500)...)
	tr := treeOn(s, time.Hour)
	n := 0
	for range tr.children(t.Context(), "d") {
		if n++; n == 1500 {
			break
		}
	}
	wantCost(t, "half a listing", s, "2 list")
	names(t, tr, "d")
	wantCost(t, "a listing after half of one", s, "4 list")
}

func TestFileBesideFolder(t *testing.T) {
	s := newStore("p/a", "p/a/b")
	tr := treeOn(s, 0)
	for asDir, want := range map[bool]bool{false: false, true: true} {
		for _, find := range []func(context.Context, string, bool) (node, error){tr.stat, tr.lookup} {
			n, err := find(t.Context(), "p/a", asDir)
			if err != nil || n.dir != want {
				t.Errorf("asDir %v finds %+v, %v", asDir, n, err)
			}
		}
	}
	if _, created, err := tr.put(t.Context(), "p/a", strings.NewReader("new"), providers.PutOptions{Size: 3}); err != nil || created {
		t.Errorf("put: created %v, %v", created, err)
	}
	wantIs(t, "remove of the file", tr.remove(t.Context(), "p/a", false), nil)
	wantAll(t, "remove of the file", s, "p/a/b")
	s.set("p/a", "content of p/a")
	wantIs(t, "remove of the folder", tr.remove(t.Context(), "p/a", true), nil)
	wantAll(t, "remove of the folder", s, "p/a")
}

func TestPutCreated(t *testing.T) {
	s := newStore(append(numbered("d/", 1500), "d/x-1", "d/x")...)
	for i := range 1200 {
		s.set(fmt.Sprintf("d/x-%04d", i), "")
	}
	s.set("d/x/y", "")
	tr := treeOn(s, 0)
	for path, want := range map[string]bool{"d/0001": false, "d/1400": false, "d/zzz": true, "d/a": true, "d/x": false, "d/x-1": false} {
		_, created, err := tr.put(t.Context(), path, strings.NewReader("new"), providers.PutOptions{Size: 3})
		if err != nil || created != want {
			t.Errorf("put of %s: created %v, %v; want %v", path, created, err, want)
		}
	}
	s.unset("d/x")
	_, _, err := tr.put(t.Context(), "d/x", strings.NewReader("new"), providers.PutOptions{Size: 3})
	wantIs(t, "put onto a folder behind 1,200 names", err, errIsDir)
}

func TestPutBody(t *testing.T) {
	boom := errors.New("connection reset")
	tests := []struct {
		name string
		body io.Reader
		size int64
		want int
	}{
		{"short", strings.NewReader("12345"), 10, 400},
		{"long", strings.NewReader("12345"), 3, 400},
		{"broken", io.MultiReader(strings.NewReader("12345"), errReader{boom}), 10, 400},
		{"broken, of unknown length", io.MultiReader(strings.NewReader("12345"), errReader{boom}), providers.SizeUnknown, 400},
		{"cut", io.MultiReader(strings.NewReader("12345"), errReader{io.ErrUnexpectedEOF}), providers.SizeUnknown, 400},
		{"empty", nil, 0, 200},
	}
	for _, tc := range tests {
		s := newStore("a")
		tr := treeOn(s, time.Hour)
		names(t, tr, "")
		_, _, err := tr.put(t.Context(), "a", tc.body, providers.PutOptions{Size: tc.size})
		if got := Status(err); got != tc.want {
			t.Errorf("%s body: %v is status %d, want %d", tc.name, err, got, tc.want)
		}
		if err != nil {
			wantAll(t, "a "+tc.name+" body", s, "a")
		} else {
			wantAll(t, "a "+tc.name+" body", s, "a=")
		}
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestContentType(t *testing.T) {
	s := newStore()
	tr := treeOn(s, 0)
	for path, want := range map[string]string{"a.JPG": "image/jpeg", "b": "application/octet-stream", "c.tar.gz": "application/gzip", ".txt": "text/plain; charset=utf-8", "e.nope": "application/octet-stream"} {
		n, _, err := tr.put(t.Context(), path, strings.NewReader(""), providers.PutOptions{})
		if err != nil || n.obj.ContentType != want || contentType(n) != want {
			t.Errorf("%s is stored as %q, %v; want %q", path, n.obj.ContentType, err, want)
		}
	}
	n, _, _ := tr.put(t.Context(), "a.jpg", strings.NewReader(""), providers.PutOptions{ContentType: "image/x-mine"})
	if n.obj.ContentType != "image/x-mine" {
		t.Errorf("content type of the client became %q", n.obj.ContentType)
	}
}

// TestFoldersStay: a folder does not go with its last member.
func TestFoldersStay(t *testing.T) {
	tests := []struct {
		keys     []string
		op, path string
		want     []string
	}{
		{[]string{"d/a"}, "remove", "d/a", []string{"d/"}},
		{[]string{"d/a", "d/b"}, "remove", "d/a", []string{"d/b"}},
		{[]string{"d/s/a"}, "remove", "d/s", []string{"d/"}},
		{[]string{"d/s/", "d/s/a"}, "remove", "d/s/a", []string{"d/s/"}},
		{[]string{"a"}, "remove", "a", nil},
		{[]string{"s/a"}, "remove", "s", nil},
		{[]string{"d/a"}, "move b", "d/a", []string{"d/", "b=content of d/a"}},
		{[]string{"d/s/a"}, "move s", "d/s", []string{"d/", "s/a=content of d/s/a"}},
		{[]string{"d/a"}, "move d/b", "d/a", []string{"d/b=content of d/a"}},
		{[]string{"d/a", "d/s/"}, "move d/s/a", "d/a", []string{"d/s/", "d/s/a=content of d/a"}},
		{[]string{"d/a"}, "copy b", "d/a", []string{"d/a", "b=content of d/a"}},
	}
	for _, tc := range tests {
		for _, ttl := range []time.Duration{0, time.Hour} {
			s := newStore(tc.keys...)
			tr := treeOn(s, ttl)
			names(t, tr, "")
			if err := do(tc.op, tr, tc.path)(t.Context()); err != nil {
				t.Errorf("%s of %s: %v", tc.op, tc.path, err)
			}
			wantAll(t, tc.op+" of "+tc.path, s, tc.want...)
		}
	}
}

// TestRemoveOrder: markers are deleted after what is below them, and a folder
// stays if something in it does.
func TestRemoveOrder(t *testing.T) {
	s := newStore("d/", "d/a", "d/s/", "d/s/b", "d/s/t/", "d/s/t/c", "d/u/", "d/u/e")
	f := &providertest.Faults{Bucket: s, Hook: func(op providertest.Op) error {
		if op.Name == "delete" && op.Key == "d/s/b" && op.When == providertest.Before {
			return fs.ErrPermission
		}
		return nil
	}}
	counter := &providertest.Counter{Bucket: f}
	tr := treeOn(counter, 0)
	err := tr.remove(t.Context(), "d", false)
	partial, ok := errors.AsType[*partialError](err)
	if !ok || len(partial.failures) != 1 || partial.failures[0].path != "d/s/b" || partial.tree != tr || Status(err) != 207 {
		t.Fatalf("remove: %v", err)
	}
	if got, want := counter.Calls()[2], "delete d/a d/s/b d/s/t/c d/s/t/ d/s/ d/u/e d/u/ d/"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	f.Hook = nil
	wantIs(t, "remove again", tr.remove(t.Context(), "d", false), nil)
	wantAll(t, "remove again", s)
}

func TestRemoveInBatches(t *testing.T) {
	keys := append(numbered("d/a/", 1500), "d/", "d/a/", "d/b/", "d/b/x")
	s := newStore(keys...)
	f := &providertest.Faults{Bucket: s, Hook: func(op providertest.Op) error {
		if op.Name == "delete" && op.Key == "d/a/0003" && op.When == providertest.Before {
			return fs.ErrPermission
		}
		return nil
	}}
	_, ok := errors.AsType[*partialError](treeOn(f, 0).remove(t.Context(), "d", true))
	if !ok {
		t.Error("no partialError")
	}
	wantAll(t, "a partial remove", s, "d/", "d/a/", "d/a/0003")
}

func TestReadOnly(t *testing.T) {
	s := newStore("a", "d/", "d/b")
	tr := newTree(Remote{Name: "r", Bucket: s, ReadOnly: true}, nil, slog.New(slog.DiscardHandler))
	open := treeOn(s, 0)
	reader := WithAccess(t.Context(), Access{User: "eve", ReadOnly: true})
	for _, op := range []string{"put", "mkdir", "remove", "copy d/c", "move d/c"} {
		wantIs(t, op+" in a read-only remote", do(op, tr, "a")(t.Context()), fs.ErrPermission)
		wantIs(t, op+" by a read-only user", do(op, open, "a")(reader), fs.ErrPermission)
	}
	for _, op := range []string{"put", "mkdir"} {
		wantIs(t, op+" in the reserved part", do(op, open, ".sealdav/x")(t.Context()), fs.ErrPermission)
		wantIs(t, op+" of the reserved name", do(op, open, ".sealdav")(t.Context()), fs.ErrPermission)
	}
	wantIs(t, "remove of a remote", open.remove(t.Context(), "", true), fs.ErrPermission)
	wantAll(t, "all that", s, "a", "d/", "d/b")
	n, _ := tr.stat(t.Context(), "a", false)
	other := newStore()
	_, err := transferTree(t.Context(), treeOn(other, 0), "a", tr, n, transfer{overwrite: true})
	wantIs(t, "copy out of a read-only remote", err, nil)
	_, err = transferTree(t.Context(), treeOn(other, 0), "a", tr, n, transfer{overwrite: true, move: true})
	wantIs(t, "move out of a read-only remote", err, fs.ErrPermission)
}

// TestMissingBucket: a bucket that does not exist is not an empty one.
func TestMissingBucket(t *testing.T) {
	f := &providertest.Faults{Bucket: newStore(), Hook: func(providertest.Op) error { return fs.ErrNotExist }}
	tr := treeOn(f, 0)
	for _, op := range []string{"list", "stat", "lookup", "put", "mkdir", "remove"} {
		err := do(op, tr, "d/a")(t.Context())
		if op == "list" {
			err = do(op, tr, "")(t.Context())
		}
		if got := Status(err); got != 502 {
			t.Errorf("%s: %v is status %d, want 502", op, err, got)
		}
	}
}
