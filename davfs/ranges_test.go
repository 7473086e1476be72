package davfs

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"

	"sealdav/providers"
	"sealdav/providers/providertest"
)

func bigContent() string {
	var b strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&b, "%05d", i)
	}
	return b.String() // 10,000 bytes
}

// readParts takes a multipart answer apart: "RANGE=CONTENT" of each.
func readParts(t *testing.T, a answer) []string {
	t.Helper()
	kind, params, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/byteranges" {
		t.Fatalf("Content-Type %q: %v", a.Header.Get("Content-Type"), err)
	}
	if a.ContentLength != int64(len(a.body)) {
		t.Errorf("Content-Length %d for %d bytes", a.ContentLength, len(a.body))
	}
	r := multipart.NewReader(strings.NewReader(a.body), params["boundary"])
	var parts []string
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(p)
		if err != nil || p.Header.Get("Content-Type") != "text/plain" {
			t.Fatalf("%v %v", p.Header, err)
		}
		parts = append(parts, p.Header.Get("Content-Range")+"="+string(data))
	}
}

func TestRanges(t *testing.T) {
	d := newDrive(t)
	content := bigContent()
	d.object("f", content, "text/plain")
	part := func(start, end int) string {
		return fmt.Sprintf("bytes %d-%d/10000=%s", start, end, content[start:end+1])
	}
	for _, tt := range []struct {
		ranges string
		want   []string // parts
		cost   string
	}{
		{"bytes=0-4,5000-5004", []string{part(0, 4), part(5000, 5004)}, "2 open, 1 stat"},
		{"bytes=5000-5004, 0-4", []string{part(5000, 5004), part(0, 4)}, "2 open, 1 stat"},
		{"bytes=-5,0-0,,", []string{part(9995, 9999), part(0, 0)}, "2 open, 1 stat"},
		{"bytes=9000-,0-4,20000-", []string{part(9000, 9999), part(0, 4)}, "2 open, 1 stat"},
		// Those that overlap, touch or nearly touch are one.
		{"bytes=0-10,5-20,3000-3004,21-30", []string{part(0, 30), part(3000, 3004)}, "2 open, 1 stat"},
		{"bytes=0-10,250-260,5000-5001,100-150", []string{part(0, 260), part(5000, 5001)}, "2 open, 1 stat"},
		{"bytes=0-4,30000-", nil, "1 open, 1 stat"},
		{"bytes=0-4,3-20", nil, "1 open, 1 stat"},
	} {
		d.bucket.cost()
		a := d.want(206, "GET", "/r/f", "", "Range: "+tt.ranges)
		if got := d.bucket.cost(); got != tt.cost {
			t.Errorf("%s costs %q, want %q", tt.ranges, got, tt.cost)
		}
		if tt.want == nil {
			want := "bytes 0-4/10000"
			if tt.ranges == "bytes=0-4,3-20" {
				want = "bytes 0-20/10000"
			}
			if got := a.Header.Get("Content-Range"); got != want || !strings.HasPrefix(content, a.body) || a.Header.Get("Content-Type") != "text/plain" {
				t.Errorf("%s: %q %q %v", tt.ranges, got, a.body, a.Header)
			}
			continue
		}
		if got := readParts(t, a); fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: %.200q, want %.200q", tt.ranges, got, tt.want)
		}
	}
}

// What is not served in parts.
func TestRangesWhole(t *testing.T) {
	d := newDrive(t, "dir/x")
	content := bigContent()
	d.object("f", content, "text/plain")
	d.object("empty", "", "text/plain")
	etag := d.want(200, "HEAD", "/r/f", "").Header.Get("ETag")
	many := "bytes=" + strings.Repeat("1-1,", maxRanges) + "5000-5001"
	for _, headers := range [][]string{
		{"Range: " + many}, {"Range: bytes=0-4,x"}, {"Range: bytes=,"}, {"Range: bytes=0-9000,8000-"},
		{"Range: bytes=0-1,5000-5001", `If-Range: "other"`},
		{"Range: bytes=" + strings.Repeat(",", 100_000) + "0-1"},
	} {
		if a := d.want(200, "GET", "/r/f", "", headers...); a.body != content {
			t.Errorf("%.80q: %d bytes", headers, len(a.body))
		}
	}
	d.want(200, "GET", "/r/empty", "", "Range: bytes=0-1,5-6")
	d.want(200, "GET", "/r/dir", "", "Range: bytes=0-1,5-6")
	d.want(404, "GET", "/r/none", "", "Range: bytes=0-1,5-6")
	d.want(206, "GET", "/r/f", "", "Range: bytes=0-1,5000-5001", "If-Range: "+etag)
	d.want(304, "GET", "/r/f", "", "Range: bytes=0-1,5000-5001", "If-None-Match: "+etag)
	d.want(412, "GET", "/r/f", "", "Range: bytes=0-1,5000-5001", `If-Match: "x"`)
	if a := d.want(416, "GET", "/r/f", "", "Range: bytes=20000-,10000-10001"); a.Header.Get("Content-Range") != "bytes */10000" {
		t.Errorf("%v", a.Header)
	}
}

// All parts are of one version, and a store that fails breaks the connection.
func TestRangesFail(t *testing.T) {
	for name, fail := range map[string]func(d *drive) error{
		"replaced":    func(d *drive) error { d.object("f", strings.Repeat("x", 10_000), "text/plain"); return nil },
		"unavailable": func(*drive) error { return providers.ErrUnavailable },
	} {
		for nth, begun := range []bool{false, true} {
			d := newDrive(t)
			d.object("f", bigContent(), "text/plain")
			opens := 0
			d.faults.Hook = func(op providertest.Op) error {
				if op.Name != "open" || op.When != providertest.Before {
					return nil
				}
				if opens++; opens-1 == nth {
					return fail(d)
				}
				return nil
			}
			a := d.do("GET", "/r/f", "", "Range: bytes=0-4,5000-5004")
			switch {
			case begun && a.err == nil:
				t.Errorf("%s at the second part: it looks complete", name)
			case !begun && name == "replaced" && (a.StatusCode != 200 || a.body != strings.Repeat("x", 10_000)):
				t.Errorf("%s: %d %.20q", name, a.StatusCode, a.body)
			case !begun && name == "unavailable" && a.StatusCode != 502:
				t.Errorf("%s: %d", name, a.StatusCode)
			}
		}
	}
}

func FuzzRanges(f *testing.F) {
	f.Add("bytes=0-4,3-20,-5", int64(100))
	f.Add("bytes=9223372036854775807-,-9223372036854775807,0-9223372036854775807", int64(1<<62))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size <= 0 {
			return
		}
		all := spans(parseRanges(header), size)
		if len(all) > maxRanges {
			t.Errorf("%d parts", len(all))
		}
		for i, s := range all {
			if s.start < 0 || s.length <= 0 || s.length > size-s.start {
				t.Errorf("%q of %d bytes: %v", header, size, s)
			}
			for _, o := range all[:i] {
				if s.start < o.start+o.length && o.start < s.start+s.length {
					t.Errorf("%q of %d bytes: %v and %v overlap", header, size, s, o)
				}
			}
		}
	})
}
