package davfs

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestPropfindGzip: an answer is packed for whom it pays and who asks for it,
// and is the same then.
func TestPropfindGzip(t *testing.T) {
	h := cachingHandler(t, newStore(append(numbered("many/", 3000), "few/a")...))
	for _, tc := range []struct {
		accept string
		path   string
		packed bool
	}{
		{"gzip", "/r/many/", true},
		{"gzip, deflate", "/r/many/", true},
		{"gzip", "/r/few/", false},
		{"deflate, gzip;q=0.5", "/r/many/", true},
		{"gzip;q=0", "/r/many/", false},
		{"gzip; q=0.0", "/r/many/", false},
		{"br", "/r/many/", false},
		{"", "/r/many/", false},
	} {
		plain, packed := propfindWith(h, tc.path, ""), propfindWith(h, tc.path, tc.accept)
		body := io.Reader(packed.Body)
		if got := packed.Header().Get("Content-Encoding") == "gzip"; got != tc.packed {
			t.Errorf("Accept-Encoding %q: packed is %t", tc.accept, got)
			continue
		}
		if tc.packed {
			var err error
			if body, err = gzip.NewReader(body); err != nil {
				t.Fatal(err)
			}
			if packed.Header().Get("Content-Length") != "" {
				t.Errorf("Accept-Encoding %q: the length of what is not packed is told", tc.accept)
			}
		}
		text, err := io.ReadAll(body)
		if err != nil || packed.Code != http.StatusMultiStatus || string(text) != plain.Body.String() {
			t.Errorf("Accept-Encoding %q: %d, %v, %d bytes, want %d", tc.accept, packed.Code, err, len(text), plain.Body.Len())
		}
		if packed.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("Vary is %q", packed.Header().Get("Vary"))
		}
	}
}

func cachingHandler(t testing.TB, s *store) *Handler {
	t.Helper()
	h, err := New([]Remote{{Name: "r", Bucket: s}}, Options{ListCache: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func propfindWith(h http.Handler, path, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("PROPFIND", path, strings.NewReader(""))
	r.Header.Set("Depth", "1")
	if accept != "" {
		r.Header.Set("Accept-Encoding", accept)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// discardWriter is a ResponseWriter that keeps nothing.
type discardWriter struct {
	header http.Header
	n      int64
}

func (w *discardWriter) Header() http.Header { return w.header }
func (w *discardWriter) WriteHeader(int)     {}
func (w *discardWriter) Write(p []byte) (int, error) {
	w.n += int64(len(p))
	return len(p), nil
}

// BenchmarkPropfindPacked answers for a folder of 10,000 from the cache: the
// allocations of an operation are those of 10,000 members.
func BenchmarkPropfindPacked(b *testing.B) {
	h := cachingHandler(b, newStore(numbered("d/", 10_000)...))
	for _, accept := range []string{"", "gzip"} {
		b.Run("accept="+accept, func(b *testing.B) {
			b.ReportAllocs()
			var sent int64
			for b.Loop() {
				r := httptest.NewRequest("PROPFIND", "/r/d/", http.NoBody)
				r.Header.Set("Depth", "1")
				r.Header.Set("Accept-Encoding", accept)
				w := &discardWriter{header: http.Header{}}
				h.ServeHTTP(w, r)
				sent = w.n
			}
			b.ReportMetric(float64(sent), "bytes-sent")
		})
	}
}
