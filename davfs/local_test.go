package davfs

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sealdav/providers"
	"sealdav/providers/local"
	"sealdav/providers/providertest"
	"sealdav/sse"
)

func newLocal(t *testing.T, keys ...string) providers.Bucket {
	t.Helper()
	b, err := local.Open(t.Context(), local.Config{Dir: t.TempDir(), Settings: sse.Settings{WriteKey: providertest.NewKey('1')}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, key := range keys {
		data := "content of " + key
		if strings.HasSuffix(key, "/") {
			data = ""
		}
		if _, err := b.Put(t.Context(), key, strings.NewReader(data), providers.PutOptions{Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// TestTransferLocal runs the transfers on a real, sealed directory.
func TestTransferLocal(t *testing.T) {
	for _, tc := range transferTests() {
		if tc.onlyMixed {
			continue // a directory cannot hold that
		}
		for _, move := range []bool{false, true} {
			tc.how.move = move
			tr := treeOn(newLocal(t, tc.keys...), 0)
			// The directory in memory shows what is to come of it.
			model := storeKinds[2].make(tc.keys...)
			want := treeOn(model, 0)
			_, wantErr := transferTree(t.Context(), want, tc.to, want, find(t, want, tc.from), tc.how)
			_, err := transferTree(t.Context(), tr, tc.to, tr, find(t, tr, tc.from), tc.how)
			if Status(err) != Status(wantErr) {
				t.Errorf("%s, move %v: %v, want %v", tc.name, move, err, wantErr)
			}
			if diff := cmp.Diff(contents(t, want, ""), contents(t, tr, "")); diff != "" {
				t.Errorf("%s, move %v (-model +directory):\n%s", tc.name, move, diff)
			}
		}
	}
}

func TestTreeLocal(t *testing.T) {
	tr := treeOn(newLocal(t, "d/", "d/a", "d/s/x", "t/u/v"), 0)
	for _, step := range []struct {
		op, path string
		status   int
	}{
		{"put", "d/new", 200}, {"put", "d/s", 405}, {"put", "none/x", 409}, {"put", "d/a/x", 409},
		{"mkdir", "d/m", 200}, {"mkdir", "d/a", 405}, {"mkdir", "d/m", 405},
		{"remove", "d/s/x", 200}, {"remove", "t", 200}, {"remove", "none", 404},
		{"open", "d/s", 405}, {"open", "d/none", 404}, {"list", "d/a", 405}, {"list", "none", 404},
		{"put", strings.Repeat("n", 300), 400},
	} {
		if err := do(step.op, tr, step.path)(t.Context()); Status(err) != step.status {
			t.Errorf("%s %s: %v", step.op, step.path, err)
		}
	}
	if diff := cmp.Diff([]string{"d/", "d/a=d/a", "d/m/", "d/new=new", "d/s/"}, contents(t, tr, "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestBelowFileLocal: below a file there is nothing, for a directory too.
func TestBelowFileLocal(t *testing.T) {
	h, err := New([]Remote{{Name: "r", Bucket: newLocal(t, "file")}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/r/file/k", "/r/file/k/", "/r/file/sub/k", "/r/file/"} {
		for method, want := range map[string]int{"GET": 404, "HEAD": 404, "PROPFIND": 404, "DELETE": 404, "PUT": 409, "MKCOL": 409} {
			if path == "/r/file/" || strings.HasSuffix(path, "/") && method == "PUT" {
				continue // other rules
			}
			w := httptest.NewRecorder()
			r := httptest.NewRequest(method, path, nil)
			r.Header.Set("Depth", "1")
			if method == "DELETE" {
				r.Header.Del("Depth")
			}
			h.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s %s: %d %s, want %d", method, path, w.Code, w.Body, want)
			}
		}
	}
}

// TestPlainLocal: what require_encrypted keeps from readers does not go to
// another remote either; a copy within the remote seals it.
func TestPlainLocal(t *testing.T) {
	dir := t.TempDir()
	open := func(c local.Config) providers.Bucket {
		b, err := local.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		return b
	}
	plain := open(local.Config{Dir: dir})
	if _, err := plain.Put(t.Context(), "plain", strings.NewReader("x"), providers.PutOptions{Size: 1}); err != nil {
		t.Fatal(err)
	}
	sealed := open(local.Config{Dir: dir, Settings: sse.Settings{WriteKey: providertest.NewKey('1')}, RequireEncrypted: true})
	h, err := New([]Remote{{Name: "r", Bucket: sealed}, {Name: "other", Bucket: open(local.Config{Dir: t.TempDir()})}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		method, path, to string
		want             int
	}{
		{"GET", "/r/plain", "", 403},
		{"COPY", "/r/plain", "/other/plain", 403},
		{"MOVE", "/r/plain", "/other/plain", 403},
		{"GET", "/other/plain", "", 404},
		{"COPY", "/r/plain", "/r/sealed", 201},
		{"GET", "/r/sealed", "", 200},
		{"GET", "/r/plain", "", 403},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(tc.method, tc.path, nil)
		if tc.to != "" {
			r.Header.Set("Destination", tc.to)
		}
		h.ServeHTTP(w, r)
		if w.Code != tc.want {
			t.Errorf("%s %s to %q: %d %s, want %d", tc.method, tc.path, tc.to, w.Code, w.Body, tc.want)
		}
	}
}
