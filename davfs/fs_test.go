package davfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/webdav"

	"sealdav/providers"
	"sealdav/providers/providertest"
)

// plain is a FileSystem under a plain webdav.Handler behind a real server, with
// the remote "r".
type plain struct {
	*testing.T
	store  *store
	faults *providertest.Faults
	fs     *FileSystem
	url    string
}

func newPlain(t *testing.T, opts Options, s *store) *plain {
	t.Helper()
	p := &plain{T: t, store: s, faults: &providertest.Faults{Bucket: s}}
	var err error
	p.fs, err = NewFileSystem([]Remote{{Name: "r", Bucket: p.faults}, {Name: "q", Bucket: newStore("in-q"), ReadOnly: true}}, opts)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(&webdav.Handler{FileSystem: p.fs, LockSystem: webdav.NewMemLS()})
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

// do sends a request; header is "Name: value" pairs.
func (p *plain) do(method, path, body string, header ...string) (int, string, http.Header) {
	p.Helper()
	req, err := http.NewRequestWithContext(p.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.Fatal(err)
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		p.Fatal(err)
	}
	return resp.StatusCode, string(data), resp.Header
}

func (p *plain) want(status int, method, path, body string, header ...string) (string, http.Header) {
	p.Helper()
	got, answer, h := p.do(method, path, body, header...)
	if got != status {
		p.Errorf("%s %s is %d, want %d: %s", method, path, got, status, answer)
	}
	return answer, h
}

func TestPlainHandler(t *testing.T) {
	for _, kind := range storeKinds {
		t.Run(kind.name, func(t *testing.T) {
			p := newPlain(t, Options{}, kind.make("d/", "d/a", "d/s/x"))
			if body, _ := p.want(200, "GET", "/r/d/a", ""); body != "content of d/a" {
				t.Errorf("GET gives %q", body)
			}
			if body, _ := p.want(206, "GET", "/r/d/a", "", "Range: bytes=3-6"); body != "tent" {
				t.Errorf("the range is %q", body)
			}
			p.want(404, "GET", "/r/d/none", "")
			p.want(404, "GET", "/none/d", "")
			p.want(404, "GET", "/r/../d", "")
			_, put := p.want(201, "PUT", "/r/d/new.txt", "hello")
			_, head := p.want(200, "HEAD", "/r/d/new.txt", "")
			if tag := put.Get("ETag"); tag == "" || tag != head.Get("ETag") || head.Get("Content-Length") != "5" {
				t.Errorf("PUT tells ETag %s, HEAD %s and %s bytes", tag, head.Get("ETag"), head.Get("Content-Length"))
			}
			p.want(304, "GET", "/r/d/new.txt", "", "If-None-Match: "+put.Get("ETag"))
			p.want(201, "PUT", "/r/d/new.txt", "")
			if got := contents(t, p.tree(), "d"); !contains(got, "d/new.txt=") {
				t.Errorf("an empty PUT leaves %q", got)
			}
			p.want(409, "PUT", "/r/none/new", "hello")
			p.want(404, "PUT", "/r/d/s", "hello") // x/net's answer to any error but "not exist"
			p.want(404, "PUT", "/q/new", "hello")
			p.want(201, "MKCOL", "/r/m", "")
			p.want(405, "MKCOL", "/r/m/", "")
			p.want(405, "MKCOL", "/r/d/a", "")
			p.want(409, "MKCOL", "/r/none/m", "")
			p.want(405, "MKCOL", "/remote", "")
			p.want(201, "COPY", "/r/d/a", "", "Destination: /r/m/copy")
			p.want(201, "COPY", "/r/d/", "", "Destination: /r/m/d")
			p.want(201, "MOVE", "/r/m/copy", "", "Destination: /r/m/moved")
			p.want(201, "MOVE", "/r/m/d", "", "Destination: /r/tree")
			p.want(204, "MOVE", "/r/tree/a", "", "Destination: /r/m/moved", "Overwrite: T")
			p.want(201, "COPY", "/q/in-q", "", "Destination: /r/m/from-q")
			p.want(204, "DELETE", "/r/tree/s", "")
			p.want(404, "DELETE", "/r/tree/s", "")
			want := "d/a=d/a d/new.txt= d/s/ d/s/x=d/s/x m/ m/from-q=in-q m/moved=d/a tree/ tree/new.txt="
			if got := strings.TrimPrefix(strings.Join(contents(t, p.tree(), ""), " "), "d/ "); got != want {
				t.Errorf("left is\n%s, want\n%s", got, want)
			}
			p.want(405, "DELETE", "/r/", "")
			p.want(405, "DELETE", "/", "")
			p.want(207, "PROPPATCH", "/r/d/a", `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x xmlns="urn:x">1</x></D:prop></D:set></D:propertyupdate>`)
			p.want(207, "PROPPATCH", "/r/d/", `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x xmlns="urn:x">1</x></D:prop></D:set></D:propertyupdate>`)
			if got := contents(t, p.tree(), "d"); !contains(got, "d/a=d/a") {
				t.Errorf("PROPPATCH leaves %q", got)
			}
		})
	}
}

func (p *plain) tree() *tree { return treeOn(p.store, 0) }

// TestPlainPropfind: a folder costs its listing, whatever x/net asks of its
// members, and reads none of them.
func TestPlainPropfind(t *testing.T) {
	for _, ttl := range []time.Duration{0, time.Hour} {
		keys := append(append(numbered("d/", 1000), numbered("few/", 900)...), "top")
		p := newPlain(t, Options{ListCache: ttl}, newStore(keys...))
		for _, tc := range []struct {
			path, cost string
			responses  int
		}{
			{"/r/few/", "1 list", 901},
			{"/r/few", "1 list, 1 stat", 901},
			{"/r/d/", "2 list", 1001}, // a page that is full may not be the last
			{"/r/top", "1 stat", 1},
		} {
			p.fs.forest.trees["r"].forget(t.Context(), "")
			body, _ := p.want(207, "PROPFIND", tc.path, "", "Depth: 1")
			if n := strings.Count(body, "<D:response>"); n != tc.responses {
				t.Errorf("PROPFIND %s has %d responses", tc.path, n)
			}
			wantCost(t, "PROPFIND "+tc.path, p.store, tc.cost)
		}
		p.want(207, "PROPFIND", "/", "", "Depth: 1")
		wantCost(t, "PROPFIND of the root", p.store, "")
	}
	if body, _ := newPlain(t, Options{}, newStore("100%+ü.txt")).want(207, "PROPFIND", "/r/", "", "Depth: 1"); !strings.Contains(body, "/r/100%25+%C3%BC.txt") || !strings.Contains(body, "text/plain") {
		t.Errorf("PROPFIND gives %s", body)
	}
}

// TestPlainMemoEnds: what a request remembers goes with it.
func TestPlainMemoEnds(t *testing.T) {
	s := newStore("d/a")
	p := newPlain(t, Options{}, s)
	p.want(207, "PROPFIND", "/r/d/", "", "Depth: 1")
	s.set("d/b", "")
	if body, _ := p.want(207, "PROPFIND", "/r/d/", "", "Depth: 1"); !strings.Contains(body, "/r/d/b") {
		t.Error("the next request does not see what is new")
	}
	http.DefaultClient.CloseIdleConnections()
	for range 1000 {
		p.fs.mu.Lock()
		n := len(p.fs.memos)
		p.fs.mu.Unlock()
		if n == 0 {
			return
		}
		p.want(404, "GET", "/none", "") // gives the end of the last request time
	}
	t.Error("memos are never forgotten")
}

func TestPlainListingFails(t *testing.T) {
	for _, kind := range []error{providers.ErrUnavailable, fs.ErrPermission, fs.ErrNotExist} {
		p := newPlain(t, Options{}, newStore("d/a", "d/b"))
		p.faults.Hook = func(op providertest.Op) error {
			if op.Name == "list" {
				return kind
			}
			return nil
		}
		if status, body, _ := p.do("PROPFIND", "/r/", "", "Depth: 1"); status == 207 && !strings.Contains(body, "Internal Server Error") {
			t.Errorf("%v: a clean 207: %s", kind, body)
		}
	}
}

// TestPlainPutCut: a body that breaks off stores nothing, however it is sent.
func TestPlainPutCut(t *testing.T) {
	for _, head := range []string{"Content-Length: 100\r\n\r\n12345", "Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n"} {
		s := newStore("d/", "d/a")
		ended := make(chan struct{}, 1)
		f, err := NewFileSystem([]Remote{{Name: "r", Bucket: s}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		h := &webdav.Handler{FileSystem: f, LockSystem: webdav.NewMemLS()}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r)
			ended <- struct{}{}
		}))
		for _, path := range []string{"d/a", "d/new"} {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "PUT /r/%s HTTP/1.1\r\nHost: x\r\n%s", path, head)
			conn.Close()
			<-ended
		}
		server.Close()
		wantAll(t, "a cut PUT", s, "d/", "d/a")
	}
}

// TestPlainPutFails: a store that fails leaves the old file.
func TestPlainPutFails(t *testing.T) {
	p := newPlain(t, Options{}, newStore("d/", "d/a"))
	p.faults.Hook = func(op providertest.Op) error {
		if op.Name == "put" && op.When == providertest.During {
			return providers.ErrUnavailable
		}
		return nil
	}
	p.want(405, "PUT", "/r/d/a", "hello")
	wantAll(t, "a failed PUT", p.store, "d/", "d/a")
	p.faults.Hook = nil
	p.want(201, "PUT", "/r/d/a", "hello")
	wantAll(t, "a PUT", p.store, "d/", "d/a=hello")
}

// TestPlainLock: x/net's LOCK creates the file when it could not find it, for
// whatever reason; that must not empty one that is there.
func TestPlainLock(t *testing.T) {
	lock := `<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>`
	p := newPlain(t, Options{}, newStore("d/", "d/a"))
	p.want(201, "LOCK", "/r/d/new", lock)
	wantAll(t, "LOCK", p.store, "d/", "d/a", "d/new=")
	p.faults.Hook = func(op providertest.Op) error {
		if op.Name == "stat" {
			return providers.ErrUnavailable
		}
		return nil
	}
	p.want(201, "LOCK", "/r/d/a", lock)
	wantAll(t, "LOCK when stat fails", p.store, "d/", "d/a", "d/new=")
}

// TestPlainCopy: the store copies by itself.
func TestPlainCopy(t *testing.T) {
	s := newStore("d/a")
	p := newPlain(t, Options{}, s)
	p.want(201, "COPY", "/r/d/a", "", "Destination: /r/d/b")
	if cost := s.cost(); !strings.Contains(cost, "1 copy") || strings.Contains(cost, "open") || strings.Contains(cost, "put") {
		t.Errorf("COPY cost %s", cost)
	}
	wantAll(t, "COPY", s, "d/a", "d/b=content of d/a")
}

func TestFileSystem(t *testing.T) {
	ctx := t.Context()
	s := newStore("d/", "d/a", "d/b", "d/s/x")
	p := newPlain(t, Options{}, s)
	f := p.fs
	t.Run("bare errors", func(t *testing.T) {
		_, err := f.Stat(ctx, "/r/none")
		_, err2 := f.OpenFile(ctx, "/r/none", os.O_RDONLY, 0)
		_, err3 := f.OpenFile(ctx, "/r/none/a", os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o644)
		err4 := f.Mkdir(ctx, "/r/none/a", 0o755)
		err5 := f.Rename(ctx, "/r/none", "/r/x")
		_, err6 := f.Stat(WithAccess(ctx, Access{Remotes: []string{}}), "/r/d")
		for i, err := range []error{err, err2, err3, err4, err5, err6} {
			if err != fs.ErrNotExist || !os.IsNotExist(err) {
				t.Errorf("%d: %v", i+1, err)
			}
		}
		if err := f.Mkdir(ctx, "/r/d", 0o755); !os.IsExist(err) {
			t.Errorf("Mkdir: %v", err)
		}
		if err := f.RemoveAll(ctx, "/r/none"); err != nil {
			t.Errorf("RemoveAll: %v", err)
		}
		if err := f.RemoveAll(ctx, "/"); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("RemoveAll of the root: %v", err)
		}
	})
	t.Run("read", func(t *testing.T) { testRead(t, f, s) })
	t.Run("readdir", func(t *testing.T) { testReaddir(t, f) })
	t.Run("write", func(t *testing.T) { testWrite(t, f, s) })
	t.Run("rename", func(t *testing.T) {
		if err := f.Rename(ctx, "/r/d/a", "/r/d/s"); !errors.Is(err, errIsDir) {
			t.Errorf("a file onto a folder: %v", err)
		}
		if err := f.Rename(ctx, "/r/d/s", "/r/d/b"); !errors.Is(err, providers.ErrPrecondition) {
			t.Errorf("a folder onto a file: %v", err)
		}
		if err := f.Rename(ctx, "/r/d/a", "/r/d/b"); err != nil {
			t.Errorf("a file onto a file: %v", err)
		}
		if err := f.Rename(ctx, "/r/d", "/q/d"); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("into a read-only remote: %v", err)
		}
	})
}

func open(t *testing.T, f *FileSystem, name string, flag int) webdav.File {
	t.Helper()
	file, err := f.OpenFile(t.Context(), name, flag, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func testRead(t *testing.T, f *FileSystem, s *store) {
	s.cost()
	file := open(t, f, "/r/d/a", os.O_RDONLY)
	if end, err := file.Seek(0, io.SeekEnd); end != 14 || err != nil {
		t.Errorf("Seek to the end: %d, %v", end, err)
	}
	if n, err := file.Read(make([]byte, 5)); n != 0 || err != io.EOF {
		t.Errorf("Read at the end: %d, %v", n, err)
	}
	wantCost(t, "opening and seeking", s, "1 stat")
	file.Seek(3, io.SeekStart)
	buf := make([]byte, 4)
	if _, err := io.ReadFull(file, buf); string(buf) != "tent" || err != nil {
		t.Errorf("Read: %q, %v", buf, err)
	}
	file.Seek(-1, io.SeekCurrent)
	file.Seek(1, io.SeekCurrent)
	if rest, err := io.ReadAll(file); string(rest) != " of d/a" || err != nil {
		t.Errorf("the rest: %q, %v", rest, err)
	}
	wantCost(t, "two reads", s, "2 open")
	if _, err := file.Seek(-1, io.SeekStart); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("Seek before the start: %v", err)
	}
	if _, err := file.Write(buf); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Write: %v", err)
	}
	file.Seek(0, io.SeekStart)
	s.set("d/a", "content of d/a")
	if _, err := file.Read(buf); !errors.Is(err, providers.ErrPrecondition) {
		t.Errorf("Read of another version: %v", err)
	}
	file.Close()
	if _, err := file.Read(buf); err != fs.ErrClosed {
		t.Errorf("Read after Close: %v", err)
	}
}

func testReaddir(t *testing.T, f *FileSystem) {
	for name, want := range map[string]string{"/": "q/ r/", "/r": "d/", "/r/d": "a b s/"} {
		for _, count := range []int{0, 1, 2, 100} {
			dir := open(t, f, name, os.O_RDONLY)
			var got []string
			for {
				infos, err := dir.Readdir(count)
				for _, i := range infos {
					if i.IsDir() != i.Mode().IsDir() {
						t.Errorf("%s has mode %v", i.Name(), i.Mode())
					}
					got = append(got, i.Name()+map[bool]string{true: "/"}[i.IsDir()])
				}
				if count <= 0 || err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			dir.Close()
			if strings.Join(got, " ") != want {
				t.Errorf("Readdir(%d) of %s: %q, want %s", count, name, got, want)
			}
		}
	}
}

func testWrite(t *testing.T, f *FileSystem, s *store) {
	create := os.O_RDWR | os.O_CREATE | os.O_TRUNC
	tests := []struct {
		name string
		flag int
		use  func(webdav.File) error
		want string // of d/w, "old" before
	}{
		{"nothing", create, func(webdav.File) error { return nil }, "old"},
		{"nothing, but stat", create, func(f webdav.File) error { _, err := f.Stat(); return err }, ""},
		{"Write", create, func(f webdav.File) error {
			_, err := io.WriteString(f, "one ")
			_, err2 := io.WriteString(f, "two")
			return errors.Join(err, err2)
		}, "one two"},
		{"ReadFrom", create, func(f webdav.File) error {
			_, err := f.(io.ReaderFrom).ReadFrom(strings.NewReader("read"))
			return err
		}, "read"},
		{"truncate without create", os.O_RDWR | os.O_TRUNC, func(f webdav.File) error { _, err := io.WriteString(f, "x"); return err }, "x"},
		{"no truncate", os.O_RDWR | os.O_CREATE, func(webdav.File) error { return nil }, "old"},
	}
	for _, tc := range tests {
		s.set("d/w", "old")
		file := open(t, f, "/r/d/w", tc.flag)
		if err := tc.use(file); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if err := file.Close(); err != nil {
			t.Errorf("%s: Close: %v", tc.name, err)
		}
		if got := contents(t, treeOn(s, 0), "d"); !contains(got, "d/w="+tc.want) {
			t.Errorf("%s leaves %q", tc.name, got)
		}
	}
	if _, err := f.OpenFile(t.Context(), "/r/d/w", create|os.O_EXCL, 0); err != fs.ErrExist {
		t.Errorf("O_EXCL: %v", err)
	}
	if _, err := f.OpenFile(t.Context(), "/r/d/w", os.O_WRONLY|os.O_APPEND, 0); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("O_APPEND: %v", err)
	}
	boom := errors.New("boom")
	file := open(t, f, "/r/d/w", create)
	if _, err := io.Copy(file, io.MultiReader(strings.NewReader("half"), errReader{boom})); !errors.Is(err, boom) {
		t.Errorf("a body that fails: %v", err)
	}
	if _, err := file.Stat(); !errors.Is(err, boom) {
		t.Errorf("Stat after it: %v", err)
	}
	if err := file.Close(); !errors.Is(err, boom) {
		t.Errorf("Close after it: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	file, err := f.OpenFile(ctx, "/r/d/w", create, 0)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := file.Close(); !errors.Is(err, context.Canceled) {
		t.Errorf("Close after the end: %v", err)
	}
	s.unset("d/w")
}
