package davfs

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sealdav/providers"
	"sealdav/providers/providertest"
)

func TestGetRange(t *testing.T) {
	d := newDrive(t)
	d.object("f", "0123456789", "")
	d.object("empty", "", "")
	for _, tt := range []struct {
		rng, path    string
		code         int
		body, answer string // Content-Range
	}{
		{"bytes=2-4", "f", 206, "234", "bytes 2-4/10"},
		{"bytes=0-0", "f", 206, "0", "bytes 0-0/10"},
		{"bytes=0-", "f", 206, "0123456789", "bytes 0-9/10"},
		{"bytes=7-", "f", 206, "789", "bytes 7-9/10"},
		{"bytes=7-99", "f", 206, "789", "bytes 7-9/10"},
		{"bytes=7-99999999999999999999", "f", 206, "789", "bytes 7-9/10"},
		{"bytes=-3", "f", 206, "789", "bytes 7-9/10"},
		{"bytes=-30", "f", 206, "0123456789", "bytes 0-9/10"},
		{"bytes=10-", "f", 416, "", "bytes */10"},
		{"bytes=99999999999999999999-", "f", 416, "", "bytes */10"},
		{"bytes=-0", "f", 416, "", "bytes */10"},
		{"bytes=4-2", "f", 200, "0123456789", ""},
		{"bytes=a-2", "f", 200, "0123456789", ""},
		{"bytes=+1-2", "f", 200, "0123456789", ""},
		{"bytes=-", "f", 200, "0123456789", ""},
		{"lines=1-2", "f", 200, "0123456789", ""},
		{"bytes=0-1,3-4", "f", 206, "01234", "bytes 0-4/10"}, // so near that they are one
		{"bytes=0-", "empty", 200, "", ""},
		{"bytes=-5", "empty", 200, "", ""},
	} {
		t.Run(tt.path+" "+tt.rng, func(t *testing.T) {
			a := d.want(tt.code, "GET", "/r/"+tt.path, "", "Range: "+tt.rng)
			if got := a.Header.Get("Content-Range"); got != tt.answer {
				t.Errorf("Content-Range %q, want %q", got, tt.answer)
			}
			if tt.code != 416 && a.body != tt.body {
				t.Errorf("body %q, want %q", a.body, tt.body)
			}
			if a.ContentLength != int64(len(a.body)) {
				t.Errorf("Content-Length %d, want %d", a.ContentLength, len(a.body))
			}
		})
	}
}

// Item 15 of what x/net does to a bucket: GET costs one request, and reads
// what was asked for and no more.
func TestGetCostsOneRequest(t *testing.T) {
	d := newDrive(t)
	d.object("f", strings.Repeat("x", 1<<20), "")
	etag := d.want(200, "HEAD", "/r/f", "").Header.Get("ETag")
	for _, tt := range []struct {
		name, method string
		headers      []string
		code         int
		calls        string
		read         int64
	}{
		{"whole", "GET", nil, 200, "open f", 1 << 20},
		{"range", "GET", []string{"Range: bytes=100-199"}, 206, "open f", 100},
		{"head", "HEAD", nil, 200, "stat f", 0},
		{"not modified", "GET", []string{"If-None-Match: " + etag}, 304, "open f", 0},
		{"weak tag", "GET", []string{"If-None-Match: W/" + etag}, 304, "open f", 0},
		{"precondition", "GET", []string{`If-Match: "other"`}, 412, "open f", 0},
		{"If-Range holds", "GET", []string{"Range: bytes=0-9", "If-Range: " + etag}, 206, "open f", 10},
		{"If-Range fails", "GET", []string{"Range: bytes=0-9", `If-Range: "old"`}, 200, "open f; open f", 1 << 20},
		{"list of tags", "GET", []string{`If-None-Match: "a", ` + etag}, 304, "stat f", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d.counter.Reset()
			a := d.want(tt.code, tt.method, "/r/f", "", tt.headers...)
			if got := strings.Join(d.counter.Calls(), "; "); got != tt.calls {
				t.Errorf("calls %q, want %q", got, tt.calls)
			}
			if tt.code == 206 || tt.code == 200 && tt.method == "GET" {
				if int64(len(a.body)) != tt.read {
					t.Errorf("%d bytes, want %d", len(a.body), tt.read)
				}
			}
			if tt.code == 304 && a.Header.Get("ETag") != etag {
				t.Errorf("304 tells ETag %q, want %q", a.Header.Get("ETag"), etag)
			}
		})
	}
}

func TestGetConditions(t *testing.T) {
	d := newDrive(t, "f")
	a := d.want(200, "HEAD", "/r/f", "")
	etag, modified := a.Header.Get("ETag"), a.Header.Get("Last-Modified")
	when, err := http.ParseTime(modified)
	if err != nil {
		t.Fatal(err)
	}
	before, after := when.Add(-time.Hour).Format(http.TimeFormat), when.Add(time.Hour).Format(http.TimeFormat)
	for _, tt := range []struct {
		name    string
		code    int
		headers []string
	}{
		{"If-Match", 200, []string{"If-Match: " + etag}},
		{"If-Match any", 200, []string{"If-Match: *"}},
		{"If-Match list", 200, []string{`If-Match: "a", "b,c", ` + etag}},
		{"If-Match two headers", 200, []string{`If-Match: "a"`, "If-Match: " + etag}},
		{"If-Match other", 412, []string{`If-Match: "a"`}},
		{"If-Match weak", 412, []string{"If-Match: W/" + etag}},
		{"If-Match garbage", 412, []string{"If-Match: garbage"}},
		{"If-None-Match any", 304, []string{"If-None-Match: *"}},
		{"If-None-Match other", 200, []string{`If-None-Match: "a"`}},
		{"If-Modified-Since same", 304, []string{"If-Modified-Since: " + modified}},
		{"If-Modified-Since before", 200, []string{"If-Modified-Since: " + before}},
		{"If-Modified-Since garbage", 200, []string{"If-Modified-Since: yesterday"}},
		{"If-None-Match wins over If-Modified-Since", 200, []string{`If-None-Match: "a"`, "If-Modified-Since: " + after}},
		{"If-Unmodified-Since same", 200, []string{"If-Unmodified-Since: " + modified}},
		{"If-Unmodified-Since before", 412, []string{"If-Unmodified-Since: " + before}},
		{"If-Match wins over If-Unmodified-Since", 200, []string{"If-Match: " + etag, "If-Unmodified-Since: " + before}},
		{"If-Range date", 206, []string{"Range: bytes=0-1", "If-Range: " + modified}},
		{"If-Range other date", 200, []string{"Range: bytes=0-1", "If-Range: " + after}},
		{"If-Range weak", 200, []string{"Range: bytes=0-1", "If-Range: W/" + etag}},
		{"If-Range fails and range outside", 200, []string{"Range: bytes=99-", `If-Range: "a"`}},
		{"If-Range holds and range outside", 416, []string{"Range: bytes=99-", "If-Range: " + etag}},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			if method == "HEAD" && strings.Contains(tt.name, "If-Range") {
				continue
			}
			t.Run(method+" "+tt.name, func(t *testing.T) {
				d.want(tt.code, method, "/r/f", "", tt.headers...)
			})
		}
	}
}

func TestHeadHasTheHeadersOfGet(t *testing.T) {
	d := newDriveWith(t, Options{ListCache: time.Hour}, "dir/page.html")
	d.object("dir/odd.txt", "x", "text/odd")
	for _, warm := range []bool{false, true} {
		if warm {
			d.want(207, "PROPFIND", "/r/dir/", "", "Depth: 1")
		}
		for _, path := range []string{"/r/dir/page.html", "/r/dir/odd.txt", "/r/dir/", "/r/dir", "/"} {
			get, head := d.want(200, "GET", path, ""), d.want(200, "HEAD", path, "")
			for _, h := range []http.Header{get.Header, head.Header} {
				h.Del("Date")
				if strings.HasSuffix(path, "/") || path == "/r/dir" {
					h.Del("Content-Length") // a page's is not known before it is written
				}
			}
			if diff := cmp.Diff(get.Header, head.Header); diff != "" {
				t.Errorf("%s, warm %v: GET and HEAD differ:\n%s", path, warm, diff)
			}
		}
	}
}

// What a file of a user's contains must not act with the credentials of those
// who look at it.
func TestFilesAreSandboxed(t *testing.T) {
	d := newDrive(t, "evil.html")
	h := d.want(200, "GET", "/r/evil.html", "").Header
	if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") != "sandbox" {
		t.Errorf("headers: %v", h)
	}
}

// Item 7: an error of the store is told, and never as "not found".
func TestStoreErrorsAreNotNotFound(t *testing.T) {
	for _, tt := range []struct {
		kind error
		code int
	}{
		{providers.ErrUnavailable, 502},
		{providers.ErrThrottled, 503},
		{providers.ErrKey, 403},
		{providers.ErrPlain, 403},
		{providers.ErrQuota, 507},
	} {
		for _, method := range []string{"GET", "HEAD", "PROPFIND", "DELETE", "PUT", "MKCOL", "COPY", "MOVE", "LOCK", "PROPPATCH"} {
			t.Run(method+" "+tt.kind.Error(), func(t *testing.T) {
				d := newDrive(t, "dir/f", "dir/g")
				d.faults.Hook = func(op providertest.Op) error {
					return &providers.Error{Op: op.Name, Key: op.Key, Kind: tt.kind, Err: errSecret, Advice: "Ask the keeper of the keys."}
				}
				body, path := "", "/r/dir/f"
				switch method {
				case "PROPPATCH":
					body = `<D:propertyupdate xmlns:D="DAV:"><D:remove><D:prop><a xmlns="x"/></D:prop></D:remove></D:propertyupdate>`
				case "LOCK":
					body = lockBody
				case "MKCOL":
					path = "/r/dir/new"
				}
				a := d.want(tt.code, method, path, body, "Depth: 0", "Destination: DRIVE/r/dir/g", "Depth: 0")
				if method != "HEAD" && !strings.Contains(a.body, "Ask the keeper of the keys.") {
					t.Errorf("the advice is missing: %q", a.body)
				}
				if strings.Contains(a.body, "AKIA") || strings.Contains(a.body, "internal") {
					t.Errorf("the cause is told to the client: %q", a.body)
				}
				if (tt.kind == providers.ErrThrottled) != (a.Header.Get("Retry-After") != "") {
					t.Errorf("Retry-After: %q", a.Header.Get("Retry-After"))
				}
				if n := strings.Count(d.log.String(), "request failed"); n != 1 {
					t.Errorf("logged %d times:\n%s", n, d.log)
				}
				d.faults.Hook = nil
				d.wantContent("dir/f", "content of dir/f")
				d.wantContent("dir/g", "content of dir/g")
			})
		}
	}
}

// A store that fails in the midst of a file must not make it look complete.
func TestGetBreaksOff(t *testing.T) {
	for _, headers := range [][]string{nil, {"Range: bytes=10-"}} {
		d := newDrive(t)
		d.object("f", strings.Repeat("x", 1<<20), "")
		d.faults.Hook = func(op providertest.Op) error {
			if op.Name == "open" && op.When == providertest.During && op.N > 0 {
				return providers.ErrUnavailable
			}
			return nil
		}
		a := d.do("GET", "/r/f", "", headers...)
		if !errors.Is(a.err, io.ErrUnexpectedEOF) && !errors.Is(a.err, io.EOF) {
			t.Errorf("the body ended with %v, want it broken off", a.err)
		}
	}
}

func TestGetFolder(t *testing.T) {
	d := newDrive(t, "dir/a <b>&.txt", "dir/sub/x", "dir/ü")
	d.counter.Reset()
	a := d.want(200, "GET", "/r/dir/", "")
	d.wantCalls("list dir/")
	for _, want := range []string{
		`href="/r/dir/a%20%3Cb%3E%26.txt"`, "a &lt;b&gt;&amp;.txt", `href="/r/dir/sub/"`, `href="/r/dir/%C3%BC"`,
		`<a href="/"><bdi>All remotes</bdi></a>`, `<a href="/r/"><bdi>r</bdi></a>`, `<a href="/r/dir/" aria-current="page"><bdi>dir</bdi></a>`,
	} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page lacks %s:\n%s", want, a.body)
		}
	}
	if b := d.want(200, "GET", "/r/dir", ""); b.body != a.body {
		t.Errorf("without the slash the page is another:\n%s", b.body)
	}
	d.want(404, "GET", "/r/nothing", "")
	d.want(404, "GET", "/r/nothing/", "")
	d.want(404, "HEAD", "/r/nothing/", "")
	if got := d.want(200, "GET", "/r/dir/sub/x/", "").body; got != "content of dir/sub/x" {
		t.Errorf("a file with a slash at its end is %q", got)
	}
	d.fail("list dir/", providers.ErrUnavailable)
	d.want(502, "GET", "/r/dir/", "")
}

// A file beside a folder of its name: the slash decides.
func TestGetFileBesideFolder(t *testing.T) {
	d := newDrive(t, "a", "a/b")
	if got := d.want(200, "GET", "/r/a", "").body; got != "content of a" {
		t.Errorf("the file is %q", got)
	}
	if got := d.want(200, "GET", "/r/a/", "").body; !strings.Contains(got, `href="/r/a/b"`) {
		t.Errorf("the folder is %q", got)
	}
}
