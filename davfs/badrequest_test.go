package davfs

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// What a client gets that sends what makes no sense, or means harm: a 4xx, and
// nothing has changed.
func TestBadRequests(t *testing.T) {
	const find, patch = `<D:propfind xmlns:D="DAV:">%s</D:propfind>`, `<D:propertyupdate xmlns:D="DAV:">%s</D:propertyupdate>`
	nested := strings.Repeat("<a>", 20_000) + strings.Repeat("</a>", 20_000)
	bomb := `<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><D:propfind xmlns:D="DAV:"><D:prop>&c;</D:prop></D:propfind>`
	to := "Destination: /r/new"
	manyLists := "If: " + strings.Repeat("(<urn:x>)", 10_000)
	for _, tt := range []struct {
		name, method, path, body string
		code                     int
		headers                  []string
	}{
		{"bomb", "PROPFIND", "/r/d/", bomb, 400, []string{"Depth: 0"}},
		{"bomb", "PROPPATCH", "/r/f", bomb, 400, nil},
		{"bomb", "LOCK", "/r/f", bomb, 400, nil},
		{"nested", "PROPFIND", "/r/d/", fmt.Sprintf(find, nested), 400, []string{"Depth: 0"}},
		{"nested", "PROPPATCH", "/r/f", fmt.Sprintf(patch, nested), 400, nil},
		{"nested", "LOCK", "/r/f", strings.Replace(lockBody, "http://example.org/me", nested, 1), 400, nil},
		{"many", "PROPFIND", "/r/d/", fmt.Sprintf(find, "<D:prop>"+strings.Repeat("<x/>", 20_000)+"</D:prop>"), 400, []string{"Depth: 0"}},
		{"large", "PROPFIND", "/r/d/", strings.Repeat(" ", maxXMLBytes+1), 413, []string{"Depth: 0"}},
		{"large", "LOCK", "/r/f", strings.Repeat("x", maxXMLBytes+1), 413, nil},
		{"not XML", "PROPFIND", "/r/d/", "{}", 400, []string{"Depth: 0"}},
		{"truncated", "PROPFIND", "/r/d/", `<D:propfind xmlns:D="DAV:">`, 400, []string{"Depth: 0"}},
		{"invalid UTF-8", "PROPFIND", "/r/d/", "<D:propfind xmlns:D=\"DAV:\"><D:prop>\xff</D:prop></D:propfind>", 400, []string{"Depth: 0"}},

		{"body", "GET", "/r/f", "x", 415, nil}, {"body", "HEAD", "/r/f", "x", 415, nil},
		{"body", "MKCOL", "/r/new", "x", 415, nil}, {"body", "DELETE", "/r/f", "x", 415, nil},
		{"body", "COPY", "/r/f", "x", 415, []string{to}}, {"body", "MOVE", "/r/f", "x", 415, []string{to}},
		{"body", "UNLOCK", "/r/f", "x", 415, []string{"Lock-Token: <urn:x>"}},

		{"depth", "PROPFIND", "/r/f", "", 400, []string{"Depth: 2"}},
		{"depth", "PROPFIND", "/r/f", "", 400, []string{"Depth: 0, 1"}},
		{"depth", "DELETE", "/r/f", "", 400, []string{"Depth: garbage"}},
		{"depth", "DELETE", "/r/d/", "", 400, []string{"Depth: 0"}},
		{"depth", "COPY", "/r/d/", "", 400, []string{to, "Depth: 1"}},
		{"depth", "MOVE", "/r/d/", "", 400, []string{to, "Depth: 0"}},
		{"depth", "LOCK", "/r/f", lockBody, 400, []string{"Depth: 1"}},
		{"overwrite", "COPY", "/r/f", "", 400, []string{to, "Overwrite: maybe"}},
		{"no destination", "MOVE", "/r/f", "", 400, nil},
		{"relative", "MOVE", "/r/f", "", 400, []string{"Destination: new"}},
		{"no host", "MOVE", "/r/f", "", 400, []string{"Destination: http:///r/new"}},
		{"no path", "MOVE", "/r/f", "", 400, []string{"Destination: http:r/new"}},
		{"bad escape", "MOVE", "/r/f", "", 400, []string{"Destination: /r/%zz"}},
		{"dots", "MOVE", "/r/f", "", 400, []string{"Destination: /r/../other/x"}},
		{"NUL", "MOVE", "/r/f", "", 400, []string{"Destination: /r/%00"}},
		{"no remote", "COPY", "/r/f", "", 409, []string{"Destination: /none/x"}},
		{"a remote", "COPY", "/r/f", "", 403, []string{"Destination: /other/"}},
		{"the root", "COPY", "/r/f", "", 403, []string{"Destination: /"}},

		{"many lists", "PUT", "/r/f", "x", 400, []string{manyLists}},
		{"many lists", "DELETE", "/r/f", "", 400, []string{manyLists}},
		{"many lists", "LOCK", "/r/f", "", 400, []string{manyLists}},
		{"If", "PUT", "/r/f", "x", 400, []string{"If: ((("}},
		{"If", "MOVE", "/r/f", "", 400, []string{to, "If: garbage"}},
		{"lock token", "UNLOCK", "/r/f", "", 400, nil},
		{"lock token", "UNLOCK", "/r/f", "", 400, []string{"Lock-Token: <a b>"}},
		{"unknown lock", "UNLOCK", "/r/f", "", 409, []string{"Lock-Token: <urn:uuid:0>"}},
		{"Content-Range", "PUT", "/r/f", "x", 400, []string{"Content-Range: bytes 0-0/1"}},

		{"NUL", "GET", "/r/a%00", "", 400, nil}, {"NUL", "PUT", "/r/a%00", "x", 400, nil},
		{"dots", "GET", "/r/%2e%2e/other/x", "", 400, nil}, {"dots", "PUT", "/r/..%2fother%2fx", "x", 400, nil},
		{"not UTF-8", "GET", "/r/%ff", "", 400, nil}, {"not UTF-8", "MKCOL", "/r/%c3%28", "", 400, nil},
		{"overlong", "GET", "/r/%c0%af", "", 400, nil},
		{"twice encoded", "GET", "/r/%2566", "", 404, nil},
		{"long", "PUT", "/r/" + strings.Repeat("x", 1025), "x", 400, nil},
		{"long", "MKCOL", "/r/" + strings.Repeat("x", 1024), "", 400, nil},
		{"long", "GET", "/r/" + strings.Repeat("x/", 5000), "", 400, nil},
		{"long", "PROPFIND", "/r/" + strings.Repeat("x", 2000), "", 400, []string{"Depth: 0"}},
		{"long", "COPY", "/r/f", "", 400, []string{"Destination: /r/" + strings.Repeat("x", 1025)}},
		{"our own", "GET", "/r/.sealdav/x", "", 404, nil}, {"our own", "PROPFIND", "/r/.sealdav/", "", 404, []string{"Depth: 1"}},
		{"our own", "PUT", "/r/.sealdav/x", "x", 403, nil}, {"our own", "MKCOL", "/r/.sealdav", "", 403, nil},
		{"our own", "DELETE", "/r/.sealdav", "", 403, nil}, {"our own", "LOCK", "/r/.sealdav/x", lockBody, 403, nil},
		{"our own", "MOVE", "/r/f", "", 403, []string{"Destination: /r/.sealdav/x"}},
		{"root", "PUT", "/", "x", 405, nil}, {"root", "DELETE", "/", "", 403, nil}, {"root", "MKCOL", "/", "", 405, nil},
		{"remote", "DELETE", "/r/", "", 403, nil}, {"remote", "MOVE", "/r/", "", 403, []string{"Destination: /other/x"}},
		{"no such remote", "PUT", "/none/x", "x", 409, nil}, {"no such remote", "GET", "/none/x", "", 404, nil},
	} {
		d := newDrive(t, "d/x", "f")
		a := d.do(tt.method, tt.path, tt.body, tt.headers...)
		if a.err != nil || a.StatusCode != tt.code {
			t.Errorf("%s: %s %.60s %.80q: %d, want %d: %v %s", tt.name, tt.method, tt.path, tt.headers, a.StatusCode, tt.code, a.err, a.body)
		}
		d.wantKeys("d/x f")
		if ls, err := d.locks.Inside(t.Context(), "/"); err != nil || len(ls) > 0 {
			t.Errorf("%s: locks remain: %v %v", tt.name, ls, err)
		}
	}
}

// What looks odd and is right.
func TestOddRequests(t *testing.T) {
	d := newDrive(t, "d/x", "f", "%61", "a b")
	for _, path := range []string{"/r/%66", "/%72/f", "//r///f", "/r/f?query", "/r/%2561", "/r/a%20b", "/r/d%2fx", "/r/d%2Fx"} {
		d.want(200, "GET", path, "")
	}
	for _, timeout := range []string{"garbage", "Second-", "Second-99999999999999999999", "Infinite, Second-4100000000", "Second--1", strings.Repeat("x,", 2000)} {
		a := d.want(200, "LOCK", "/r/f", lockBody, "Timeout: "+timeout, "Depth: 0")
		d.want(204, "UNLOCK", "/r/f", "", "Lock-Token: "+a.Header.Get("Lock-Token"))
	}
	d.want(201, "COPY", "/r/f", "", "Destination: /r/by%20path") // an absolute path
	d.wantContent("by path", "content of f")
	d.want(201, "COPY", "/r/f", "", "Destination: DRIVE/r/by-url", "Depth: 0")
	d.want(204, "DELETE", "/r/f", "", "Depth: 0")
	// What net/http refuses before it is ours to.
	for _, request := range []string{"GET /r/%zz HTTP/1.1\nHost: x\n\n", "GET /r/f HTTP/1.1\nHost: x\nX: \x00\n\n"} {
		resp, err := http.ReadResponse(bufio.NewReader(d.raw(request)), nil)
		if err != nil || resp.StatusCode != 400 {
			t.Errorf("%q: %v %v", request, resp, err)
		}
	}
	resp, err := http.ReadResponse(bufio.NewReader(d.raw("GET /r/f HTTP/1.1\nHost: x\nX: "+strings.Repeat("x", 2<<20)+"\n\n")), nil)
	if err != nil || resp.StatusCode != 431 {
		t.Errorf("huge headers: %v %v", resp, err)
	}
}

func (d *drive) lockTokens(path string) []string {
	d.Helper()
	all, err := d.locks.Covering(d.Context(), path)
	if err != nil {
		d.Fatal(err)
	}
	var tokens []string
	for _, l := range all {
		tokens = append(tokens, l.Token)
	}
	return tokens
}

// FuzzHandler sends anything to a Handler: it neither panics nor blames the
// store, and what lies beside the remote stays.
func FuzzHandler(f *testing.F) {
	f.Add("PROPFIND", "/r/d", "Depth: 1", `<D:propfind xmlns:D="DAV:"><D:allprop/></D:propfind>`)
	f.Add("LOCK", "/r/new", "Timeout: Second-5\nDepth: 0", lockBody)
	f.Add("MOVE", "/r/d/", "Destination: /r/e/\nOverwrite: F\nIf: <http://x/r/f> ([\"a\"] Not <urn:x>)", "")
	f.Add("GET", "/r/f", "Range: bytes=0-1,3-\nIf-Range: \"x\"\nIf-None-Match: W/\"y\", *", "")
	f.Add("PUT", "/r/u\u0308\x01", "If-Match: *\nX-OC-Mtime: 1\nContent-Type: a/b", "x")
	f.Add("PROPPATCH", "/r/f", "", `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x xmlns="y">z</x></D:prop></D:set></D:propertyupdate>`)
	f.Add("COPY", "/", "Destination: /r/._x", "")
	f.Fuzz(func(t *testing.T, method, path, headers, body string) {
		b := newStore("f", "d/x", "d/sub/y", "\u00fc", "a/", "a")
		h, err := New([]Remote{{Name: "r", Bucket: b, Litter: LitterHide}}, Options{ListCache: time.Minute, PropfindInfinity: true})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/", strings.NewReader(body))
		r.Method, r.URL.Path = method, path
		for line := range strings.SplitSeq(headers, "\n") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				r.Header.Add(name, value)
			}
		}
		if r.Header.Get("Content-Length") == "chunked" {
			r.ContentLength = -1
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch {
		case w.Code < 500, w.Code == http.StatusInsufficientStorage && method == "PROPPATCH":
		case w.Code == http.StatusBadGateway && r.Header.Get("Destination") != "": // another server
		default:
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
