package davfs

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sealdav/providers"
	"sealdav/providers/providertest"
)

// Item 17: PUT tells what it has made, and its ETag.
func TestPut(t *testing.T) {
	d := newDrive(t, "dir/")
	a := d.want(201, "PUT", "/r/dir/new.txt", "hello")
	head := d.want(200, "HEAD", "/r/dir/new.txt", "")
	for _, name := range []string{"ETag", "Last-Modified"} {
		if a.Header.Get(name) == "" || a.Header.Get(name) != head.Header.Get(name) {
			t.Errorf("%s: PUT says %q, HEAD %q", name, a.Header.Get(name), head.Header.Get(name))
		}
	}
	d.want(204, "PUT", "/r/dir/new.txt", "again")
	d.wantContent("dir/new.txt", "again")
	d.want(204, "PUT", "/r/dir/new.txt", "")
	d.wantContent("dir/new.txt", "")

	if a := d.send("PUT", "/r/dir/chunked", strings.NewReader("in chunks"), -1, "X-Expected-Entity-Length: 9"); a.StatusCode != 201 {
		t.Errorf("chunked PUT: %d %s", a.StatusCode, a.body)
	}
	d.wantContent("dir/chunked", "in chunks")

	d.want(405, "PUT", "/r/dir", "x")
	d.want(405, "PUT", "/r/dir/", "x")
	d.want(405, "PUT", "/r/newdir/", "x")
	d.want(405, "PUT", "/r/", "x")
	d.want(405, "PUT", "/", "x")
	d.want(409, "PUT", "/r/none/f", "x")
	d.want(409, "PUT", "/nosuch/f", "x")
	d.want(400, "PUT", "/r/dir/../up", "x")
	d.want(403, "PUT", "/r/.sealdav/f", "x")
}

func TestPutContentType(t *testing.T) {
	d := newDrive(t)
	for _, tt := range []struct{ name, sent, want string }{
		{"a.png", "", "image/png"},
		{"b.png", "application/octet-stream", "image/png"},
		{"c.png", "image/x-custom", "image/x-custom"},
		{"d.png", "not a type;;", "image/png"},
		{"e", "text/plain; charset=koi8-r", "text/plain; charset=koi8-r"},
	} {
		d.want(201, "PUT", "/r/"+tt.name, "x", "Content-Type: "+tt.sent)
		if got := d.want(200, "GET", "/r/"+tt.name, "").Header.Get("Content-Type"); got != tt.want {
			t.Errorf("%s sent as %q is %q, want %q", tt.name, tt.sent, got, tt.want)
		}
	}
}

// Item 6: conditions on PUT are honoured, and a part is never taken for the
// whole.
func TestPutConditions(t *testing.T) {
	for _, tt := range []struct {
		name    string
		code    int
		missing bool // the file is
		headers []string
	}{
		{"If-Match", 204, false, []string{`If-Match: ETAG`}},
		{"If-Match list", 204, false, []string{`If-Match: "a", ETAG`}},
		{"If-Match any", 204, false, []string{`If-Match: *`}},
		{"If-Match other", 412, false, []string{`If-Match: "a"`}},
		{"If-Match weak", 412, false, []string{`If-Match: W/ETAG`}},
		{"If-Match missing", 412, true, []string{`If-Match: "a"`}},
		{"If-Match any missing", 412, true, []string{`If-Match: *`}},
		{"If-None-Match any", 412, false, []string{`If-None-Match: *`}},
		{"If-None-Match any missing", 201, true, []string{`If-None-Match: *`}},
		{"If-None-Match same", 412, false, []string{`If-None-Match: ETAG`}},
		{"If-None-Match other", 204, false, []string{`If-None-Match: "a"`}},
		{"If-None-Match other missing", 201, true, []string{`If-None-Match: "a"`}},
		{"If-Unmodified-Since", 412, false, []string{`If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT`}},
		{"If-Modified-Since is for reading", 204, false, []string{`If-Modified-Since: Mon, 01 Jan 2035 00:00:00 GMT`}},
		{"Content-Range", 400, false, []string{`Content-Range: bytes 0-2/17`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDrive(t)
			want := "(missing)"
			var etag string
			if !tt.missing {
				want = "old"
				d.object("f", "old", "")
				etag = d.want(200, "HEAD", "/r/f", "").Header.Get("ETag")
			}
			for i := range tt.headers {
				tt.headers[i] = strings.ReplaceAll(tt.headers[i], "ETAG", etag)
			}
			d.want(tt.code, "PUT", "/r/f", "new", tt.headers...)
			if tt.code < 300 {
				want = "new"
			}
			d.wantContent("f", want)
		})
	}
}

// A write whose conditions were evaluated here is bound to what was seen.
func TestPutConditionIsBound(t *testing.T) {
	d := newDrive(t, "f")
	d.faults.Hook = func(op providertest.Op) error {
		if op.Name == "put" && op.When == providertest.Before {
			d.object("f", "somebody was faster", "")
		}
		return nil
	}
	d.want(412, "PUT", "/r/f", "mine", "If-Match: *")
	d.wantContent("f", "somebody was faster")
}

// raw opens a connection and writes s to it.
func (d *drive) raw(s string) net.Conn {
	d.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, strings.ReplaceAll(s, "\n", "\r\n")); err != nil {
		d.Fatal(err)
	}
	return c
}

// Item 4: an upload that breaks off leaves the old file whole, nothing where
// there was none, and no lock or state that keeps the next attempt out.
func TestPutCut(t *testing.T) {
	for _, tt := range []struct{ name, head, body string }{
		{"half of the length", "Content-Length: 100000", strings.Repeat("x", 50000)},
		{"before the first byte", "Content-Length: 100000", ""},
		{"in a chunk", "Transfer-Encoding: chunked", "1000\r\n" + strings.Repeat("x", 100)},
		{"between chunks", "Transfer-Encoding: chunked", "3\r\nxxx\r\n"},
		{"bad chunk", "Transfer-Encoding: chunked", "3\r\nxxx\r\nzz\r\n"},
		{"chunk without an end", "Transfer-Encoding: chunked", "3\r\nxxxyyy\r\n0\r\n\r\n"},
	} {
		for _, path := range []string{"old", "new"} {
			t.Run(tt.name+" "+path, func(t *testing.T) {
				d := newDrive(t, "old")
				ended := make(chan error, 2)
				d.watchPut(func(err error) { ended <- err })
				c := d.raw(fmt.Sprintf("PUT /r/%s HTTP/1.1\nHost: x\n%s\n\n", path, tt.head))
				io.WriteString(c, tt.body)
				c.(*net.TCPConn).CloseWrite()
				if err := <-ended; err == nil {
					t.Error("the store was told that the body is complete")
				}
				resp, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err == nil && resp.StatusCode < 400 {
					t.Errorf("status %d", resp.StatusCode)
				}
				want := map[string]string{"old": "content of old", "new": "(missing)"}[path]
				d.wantContent(path, want)
				a := d.do("PUT", "/r/"+path, "the next attempt")
				if a.StatusCode/100 != 2 {
					t.Errorf("the next attempt: %d", a.StatusCode)
				}
				d.wantContent(path, "the next attempt")
			})
		}
	}
}

// watchPut calls done with the outcome of each Put that reaches the store.
func (d *drive) watchPut(done func(error)) {
	d.counter.Bucket = &watchedBucket{d.faults, done}
}

type watchedBucket struct {
	*providertest.Faults
	done func(error)
}

func (w *watchedBucket) Put(ctx context.Context, key string, body io.Reader, opts providers.PutOptions) (providers.Object, error) {
	obj, err := w.Faults.Put(ctx, key, body, opts)
	w.done(err)
	return obj, err
}

// A store that fails in the midst of an upload leaves the old file.
func TestPutStoreFails(t *testing.T) {
	d := newDrive(t, "f")
	d.faults.Hook = func(op providertest.Op) error {
		if op.Name == "put" && op.When == providertest.During && op.N > 100 {
			return providers.ErrUnavailable
		}
		return nil
	}
	a := d.send("PUT", "/r/f", strings.NewReader(strings.Repeat("x", 1<<20)), 1<<20)
	if a.err == nil && a.StatusCode != 502 {
		t.Errorf("status %d", a.StatusCode)
	}
	d.wantContent("f", "content of f")
}

// What refuses an upload does so before its body is asked for.
func TestPutRefusedBeforeTheBody(t *testing.T) {
	for _, tt := range []struct {
		name, path, headers string
		access              Access
		code                int
	}{
		{"accepted", "/r/f", "", Access{}, 100},
		{"locked", "/r/locked", "", Access{}, 423},
		{"no parent", "/r/none/f", "", Access{}, 409},
		{"read-only", "/r/f", "", Access{ReadOnly: true}, 403},
		{"not visible", "/r/f", "", Access{Remotes: []string{}}, 409},
		{"a folder", "/r/dir", "", Access{}, 405},
		{"condition", "/r/locked2", "If-None-Match: \"a\", \"b\"\nIf-Match: \"c\"\n", Access{}, 412},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDrive(t, "locked", "dir/")
			d.lock("/r/locked")
			d.as(tt.access)
			c := d.raw("PUT " + tt.path + " HTTP/1.1\nHost: x\n" + tt.headers + "Content-Length: 5\nExpect: 100-continue\n\n")
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.code {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.code)
			}
		})
	}
}

// The server must not cut an upload because the store takes long to complete it,
// nor the connection after it.
func TestPutClearsItsDeadline(t *testing.T) {
	c := new(deadlines)
	b := &body{r: &http.Request{Body: io.NopCloser(strings.NewReader("abc"))}, w: &responseWriter{c: http.NewResponseController(c), idle: idleTimeout}}
	if _, err := io.ReadAll(b); err != nil {
		t.Fatal(err)
	}
	if n := len(c.set); n < 2 || c.set[0].IsZero() || !c.set[n-1].IsZero() {
		t.Errorf("deadlines: %v", c.set)
	}
}

type deadlines struct {
	http.ResponseWriter
	set []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

func TestMkcol(t *testing.T) {
	d := newDrive(t, "dir/", "f")
	d.want(201, "MKCOL", "/r/new", "")
	d.want(201, "MKCOL", "/r/new/sub/", "")
	d.want(405, "MKCOL", "/r/new", "")
	d.want(405, "MKCOL", "/r/f", "")
	d.want(405, "MKCOL", "/r/", "")
	d.want(405, "MKCOL", "/", "")
	d.want(409, "MKCOL", "/r/none/new", "")
	d.want(409, "MKCOL", "/nosuch", "")
	d.want(415, "MKCOL", "/r/body", "<x/>")
	if a := d.send("MKCOL", "/r/body", strings.NewReader("<x/>"), -1); a.StatusCode != 415 {
		t.Errorf("chunked body: %d", a.StatusCode)
	}
	if a := d.send("MKCOL", "/r/chunked", strings.NewReader(""), -1); a.StatusCode != 201 {
		t.Errorf("empty chunked body: %d", a.StatusCode)
	}
	d.wantContent("new/sub/", "")
	d.wantContent("body/", "(missing)")
}

func TestDelete(t *testing.T) {
	d := newDrive(t, "dir/a", "dir/b/c", "f", "g")
	d.want(204, "DELETE", "/r/f", "")
	d.want(404, "DELETE", "/r/f", "")
	d.want(412, "DELETE", "/r/g", "", `If-Match: "old"`)
	d.want(400, "DELETE", "/r/dir/", "", "Depth: 0")
	d.want(400, "DELETE", "/r/dir", "", "Depth: 1")
	d.want(403, "DELETE", "/r/", "")
	d.want(403, "DELETE", "/", "")
	d.want(204, "DELETE", "/r/dir", "", "Depth: infinity")
	if got := strings.Join(d.bucket.all(), " "); got != "g" {
		t.Errorf("the bucket holds %s", got)
	}
}

// Item 11: what a DELETE of a folder leaves behind is told, and only that.
func TestDeletePartly(t *testing.T) {
	d := newDrive(t, "dir/", "dir/a", "dir/bad<&>", "dir/sub/c")
	d.fail("delete dir/bad<&>", providers.ErrUnavailable)
	a := d.want(207, "DELETE", "/r/dir/", "")
	if strings.Count(a.body, "<D:response>") != 1 || !strings.Contains(a.body, "<D:href>/r/dir/bad%3C%26%3E</D:href><D:status>HTTP/1.1 502 Bad Gateway</D:status>") {
		t.Errorf("body: %s", a.body)
	}
	if got := strings.Join(d.bucket.all(), " "); strings.TrimPrefix(got, "dir/ ") != "dir/bad<&>" {
		t.Errorf("the bucket holds %s", got)
	}
	if log := d.log.String(); !strings.Contains(log, "level=WARN") {
		t.Errorf("not logged:\n%s", log)
	}
	d.faults.Hook = nil
	d.want(204, "DELETE", "/r/dir/", "")
}
