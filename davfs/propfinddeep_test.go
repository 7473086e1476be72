package davfs

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"

	"sealdav/providers"
	"sealdav/providers/providertest"
)

func TestPropfindInfinity(t *testing.T) {
	keys := []string{"a", "a-b", "a/b/c", "a/b/d", "a//x", "e/", "e/f/", "g/../h", ".sealdav/x", "z"}
	d := newDriveWith(t, Options{PropfindInfinity: true}, keys...)
	d.other.set("o", "")
	below := []string{"/r/", "/r/a", "/r/a-b", "/r/a/", "/r/a/b/", "/r/a/b/c", "/r/a/b/d", "/r/e/", "/r/e/f/", "/r/g/", "/r/z"}
	for path, want := range map[string][]string{
		"/r/":      below,
		"/":        append([]string{"/", "/other/", "/other/o"}, below...),
		"/r/a/":    {"/r/a/", "/r/a/b/", "/r/a/b/c", "/r/a/b/d"},
		"/r/a/b":   {"/r/a/b/", "/r/a/b/c", "/r/a/b/d"},
		"/r/e":     {"/r/e/", "/r/e/f/"},
		"/r/e/f/":  {"/r/e/f/"},
		"/r/z":     {"/r/z"},
		"/other/":  {"/other/", "/other/o"},
		"/r/a/b/c": {"/r/a/b/c"},
	} {
		for _, depth := range []string{"infinity", ""} {
			got := d.propfind(path, depth, "").hrefs()
			slices.Sort(got)
			if slices.Sort(want); !slices.Equal(got, want) {
				t.Errorf("%s shows %v, want %v", path, got, want)
			}
		}
	}
	d.want(404, "PROPFIND", "/r/none", "", "Depth: infinity")
	d.want(404, "PROPFIND", "/r/none/", "", "Depth: infinity")
	d.bucket.cost()
	d.want(207, "PROPFIND", "/r/", "", "Depth: infinity")
	if got := d.bucket.cost(); got != "1 list" {
		t.Errorf("costs %q", got)
	}
	d.fail("list", providers.ErrUnavailable)
	d.want(502, "PROPFIND", "/r/", "", "Depth: infinity")

	d = newDrive(t, keys...)
	for _, path := range []string{"/", "/r/", "/r/z"} {
		if a := d.want(403, "PROPFIND", path, "", "Depth: infinity"); !strings.Contains(a.body, "<D:propfind-finite-depth/>") {
			t.Errorf("%s: %s", path, a.body)
		}
	}
}

func TestPropfindInfinityLocks(t *testing.T) {
	d := newDriveWith(t, Options{PropfindInfinity: true}, "a/b/c", "a/b/d", "a/e", "f")
	deep := d.lock("/r/a/b")
	single := d.lock("/r/a/e", "Depth: 0")
	a := d.want(207, "PROPFIND", "/r/", `<D:propfind xmlns:D="DAV:"><D:prop><D:lockdiscovery/></D:prop></D:propfind>`, "Depth: infinity")
	for token, want := range map[string]int{deep: 3, single: 1} {
		if got := strings.Count(a.body, token); got != want {
			t.Errorf("a lock is told %d times, want %d:\n%s", got, want, a.body)
		}
	}
}

// discard is a client that takes everything and keeps nothing.
type discard struct {
	header http.Header
	n      int64
}

func (d *discard) Header() http.Header { return d.header }
func (d *discard) WriteHeader(int)     {}
func (d *discard) Write(p []byte) (int, error) {
	d.n += int64(len(p))
	return len(p), nil
}

// However much lies below a folder, memory is bounded; and a store that fails
// in the midst breaks the connection.
func TestPropfindInfinityStreams(t *testing.T) {
	const n = 200_000
	b := &endlessBucket{n: n}
	h, err := New([]Remote{{Name: "r", Bucket: b}}, Options{PropfindInfinity: true})
	if err != nil {
		t.Fatal(err)
	}
	w := &discard{header: http.Header{}}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b.during = func() {
		runtime.GC()
		runtime.ReadMemStats(&after)
	}
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "PROPFIND", "/r/", nil))
	if after.HeapAlloc > before.HeapAlloc+8<<20 {
		t.Errorf("%d KiB are held in the midst", (after.HeapAlloc-before.HeapAlloc)>>10)
	}
	if w.n < n*100 {
		t.Errorf("%d bytes for %d members", w.n, n)
	}

	d := newDriveWith(t, Options{PropfindInfinity: true})
	for i := range 500 {
		d.object(fmt.Sprintf("d%03d/f", i), "x", "")
	}
	d.faults.Hook = func(op providertest.Op) error {
		if op.Name == "list" && op.When == providertest.During && op.N == 400 {
			return providers.ErrUnavailable
		}
		return nil
	}
	if a := d.do("PROPFIND", "/r/", "", "Depth: infinity"); a.err == nil {
		t.Errorf("a listing that broke off looks complete: %d", a.StatusCode)
	}
}

// endlessBucket lists n objects that nobody has to hold.
type endlessBucket struct {
	store
	n      int
	during func()
}

func (b *endlessBucket) List(context.Context, string, providers.ListOptions) iter.Seq2[providers.Entry, error] {
	return func(yield func(providers.Entry, error) bool) {
		for i := range b.n {
			key := fmt.Sprintf("d%04d/e%02d/f%03d", i/1000, i/100%10, i%100)
			if !yield(providers.Entry{Object: providers.Object{Key: key, Size: 1, ETag: `"x"`}}, nil) {
				return
			}
		}
		b.during()
	}
}
