package davfs

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The sequences below are what clients send in a day's work, cut to what a
// server can get wrong; each answer is one that the client needs.

func TestFinder(t *testing.T) {
	d := newDrive(t, "dir/")
	d.object("dir/big", strings.Repeat("0123456789", 1000), "")
	const fourProps = `<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:prop><D:getlastmodified/><D:getcontentlength/><D:creationdate/><D:resourcetype/></D:prop></D:propfind>`

	t.Run("mount", func(t *testing.T) {
		// Without 2 as a token of its own the drive is mounted read-only.
		if dav := d.want(200, "OPTIONS", "/r/", "").Header.Get("DAV"); !slices.Contains(strings.Split(dav, ", "), "2") {
			t.Errorf("DAV: %s", dav)
		}
		if p := d.propfind("/r/", "0", fourProps); !strings.Contains(p["/r/"][200]["DAV:resourcetype"], "collection") {
			t.Errorf("not a collection: %v", p)
		}
		if p := d.propfind("/r/", "0", `<D:propfind xmlns:D="DAV:"><D:prop><D:quota-available-bytes/><D:quota-used-bytes/><D:quota/><D:quotaused/></D:prop></D:propfind>`); len(p["/r/"][404]) != 4 {
			t.Errorf("quota: %v", p)
		}
		for _, probe := range []string{"._.", ".DS_Store", ".metadata_never_index", ".Spotlight-V100", "mach_kernel", "Contents"} {
			d.want(404, "PROPFIND", "/r/"+probe, fourProps, "Depth: 0")
		}
	})
	t.Run("new file", func(t *testing.T) {
		d.want(404, "PROPFIND", "/r/dir/x", fourProps, "Depth: 0")
		d.want(404, "PROPFIND", "/r/dir/._x", fourProps, "Depth: 0")
		d.want(201, "PUT", "/r/dir/x", "")
		lock := d.want(200, "LOCK", "/r/dir/x", lockBody, "Depth: 0", "Timeout: Second-600", `Content-Type: text/xml; charset="utf-8"`)
		// The token is read from the body alone.
		_, rest, _ := strings.Cut(lock.body, "<D:locktoken><D:href>")
		token, _, ok := strings.Cut(rest, "</D:href>")
		if !ok {
			t.Fatalf("no token in %s", lock.body)
		}
		ifs := "If: (<" + token + ">)"
		a := d.send("PUT", "/r/dir/x", strings.NewReader("in chunks"), -1, ifs, "X-Expected-Entity-Length: 9")
		if a.StatusCode != 204 || a.Header.Get("ETag") == "" || a.Header.Get("Last-Modified") == "" {
			t.Errorf("PUT: %d %v", a.StatusCode, a.Header)
		}
		if again := d.want(200, "LOCK", "/r/dir/x", "", ifs, "Timeout: Second-600", "Content-Type: text/xml", "Depth: 0"); !strings.Contains(again.body, token) {
			t.Errorf("refresh: %s", again.body)
		}
		d.want(204, "UNLOCK", "/r/dir/x", "", "Lock-Token: <"+token+">")
		d.wantContent("dir/x", "in chunks")
	})
	t.Run("read", func(t *testing.T) {
		a := d.want(200, "GET", "/r/dir/big", "")
		modified := a.Header.Get("Last-Modified")
		d.want(304, "GET", "/r/dir/big", "", "If-Modified-Since: "+modified)
		if a := d.want(206, "GET", "/r/dir/big", "", "If-Range: "+modified, "Range: bytes=9990-"); a.body != "0123456789" {
			t.Errorf("resumed with %q", a.body)
		}
		if a := d.want(206, "GET", "/r/dir/big", "", "Range: bytes=3-5"); a.body != "345" || a.Header.Get("Content-Range") != "bytes 3-5/10000" {
			t.Errorf("part: %q %v", a.body, a.Header)
		}
	})
	t.Run("save by rename", func(t *testing.T) {
		d.want(201, "MKCOL", "/r/dir/x.sb-1/", "")
		d.want(201, "PUT", "/r/dir/x.sb-1/x", "new version")
		token := d.lock("/r/dir/x.sb-1/x", "Depth: 0")
		// Neither Overwrite nor Depth, and the token of the source alone.
		d.want(204, "MOVE", "/r/dir/x.sb-1/x", "", "Destination: DRIVE/r/dir/x", "If: (<"+token+">)")
		if p := d.propfind("/r/dir/x.sb-1/", "1", `<D:propfind xmlns:D="DAV:"><D:prop><D:resourcetype/></D:prop></D:propfind>`); len(p) != 1 {
			t.Errorf("the emptied folder shows %v", p.hrefs())
		}
		d.want(204, "DELETE", "/r/dir/x.sb-1/", "")
		d.wantContent("dir/x", "new version")
	})
	t.Run("rename a folder", func(t *testing.T) {
		d.want(201, "MOVE", "/r/dir/", "", "Destination: DRIVE/r/e%CC%81t%C3%A9/")
		d.wantContent("e\u0301té/x", "new version")
	})
}

func TestExplorer(t *testing.T) {
	d := newDrive(t, "dir/old")
	const update = `<?xml version="1.0" encoding="utf-8" ?><D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:schemas-microsoft-com:"><D:set><D:prop><Z:Win32CreationTime>Tue, 24 Nov 2026 10:00:00 GMT</Z:Win32CreationTime><Z:Win32LastModifiedTime>Tue, 24 Nov 2026 10:00:00 GMT</Z:Win32LastModifiedTime><Z:Win32FileAttributes>00000020</Z:Win32FileAttributes></D:prop></D:set></D:propertyupdate>`

	t.Run("connect", func(t *testing.T) {
		h := d.want(200, "OPTIONS", "/", "").Header
		if h.Get("MS-Author-Via") != "DAV" || !strings.Contains(h.Get("DAV"), "1, 2") || !strings.Contains(h.Get("Allow"), "PROPFIND") {
			t.Errorf("headers %v", h)
		}
		d.propfind("/", "0", "", "translate: f")
		d.propfind("/r", "0", "", "translate: f")
		d.want(404, "PROPFIND", "/r/desktop.ini", "", "Depth: 0", "translate: f")
	})
	t.Run("browse without a slash", func(t *testing.T) {
		a := d.want(207, "PROPFIND", "/r/dir", "", "Depth: 1", "translate: f")
		// A default namespace is not understood.
		if !strings.Contains(a.body, `<D:multistatus xmlns:D="DAV:">`) {
			t.Errorf("body %s", a.body)
		}
		if n := len(a.body); n > 1300 {
			t.Errorf("two responses take %d bytes; Windows shows at most 1,000,000 of a folder", n)
		}
	})
	t.Run("copy a file in", func(t *testing.T) {
		d.want(404, "PROPFIND", "/r/dir/f", "", "Depth: 0")
		d.want(201, "PUT", "/r/dir/f", "")
		a := d.want(200, "LOCK", "/r/dir/f", lockBody, "Timeout: Second-3600")
		token := strings.Trim(a.Header.Get("Lock-Token"), "<>")
		if token == "" || !strings.Contains(a.body, "<D:timeout>Second-3600</D:timeout>") {
			t.Errorf("LOCK: %v %s", a.Header, a.body)
		}
		ifs := "If: (<" + token + ">)"
		if a := d.want(207, "PROPPATCH", "/r/dir/f", update, ifs); !strings.Contains(a.body, "200 OK") || strings.Contains(a.body, "403") {
			t.Errorf("PROPPATCH: %s", a.body)
		}
		if a := d.want(200, "HEAD", "/r/dir/f", ""); a.Header.Get("Content-Length") != "0" {
			t.Errorf("HEAD: %v", a.Header)
		}
		d.want(204, "PUT", "/r/dir/f", "content", ifs)
		d.want(207, "PROPPATCH", "/r/dir/f", strings.Replace(update, "00000020", "00000021", 1), ifs)
		d.want(204, "UNLOCK", "/r/dir/f", "", "Lock-Token: "+token)
		d.wantContent("dir/f", "content")
		const set = "Tue, 24 Nov 2026 10:00:00 GMT"
		want := map[string]string{
			nsWindows + "Win32CreationTime": set, nsWindows + "Win32LastModifiedTime": set, nsWindows + "Win32LastAccessTime": set,
			nsWindows + "Win32FileAttributes": "00000021", "DAV:getlastmodified": set, "DAV:creationdate": "2026-11-24T10:00:00Z",
		}
		const names = `<D:propfind xmlns:D="DAV:" xmlns:Z="urn:schemas-microsoft-com:"><D:prop><Z:Win32CreationTime/><Z:Win32LastModifiedTime/><Z:Win32LastAccessTime/><Z:Win32FileAttributes/><D:getlastmodified/><D:creationdate/></D:prop></D:propfind>`
		for path, depth := range map[string]string{"/r/dir": "1", "/r/dir/f": "0"} {
			if diff := cmp.Diff(want, d.propfind(path, depth, names)["/r/dir/f"][200]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", path, diff)
			}
		}
		// Others have the usual flags.
		if p := d.propfind("/r/dir", "1", names); p["/r/dir/old"][200][nsWindows+"Win32FileAttributes"] != "00000020" ||
			p["/r/dir/"][200][nsWindows+"Win32FileAttributes"] != "00000010" {
			t.Errorf("%v", p)
		}
	})
	t.Run("rename, make a folder, delete", func(t *testing.T) {
		d.want(412, "MOVE", "/r/dir/f", "", "Destination: DRIVE/r/dir/old", "Overwrite: F")
		d.want(201, "MOVE", "/r/dir/f", "", "Destination: DRIVE/r/dir/g", "Overwrite: F")
		d.want(201, "MKCOL", "/r/new", "")
		if a := d.want(207, "PROPPATCH", "/r/new", update); strings.Count(a.body, "HTTP/1.1") != 1 || !strings.Contains(a.body, "200 OK") {
			t.Errorf("PROPPATCH: %s", a.body)
		}
		if p := d.propfind("/r/", "1", ""); p["/r/new/"][200]["DAV:getlastmodified"] != "Tue, 24 Nov 2026 10:00:00 GMT" {
			t.Errorf("%v", p)
		}
		d.want(204, "DELETE", "/r/new", "")
	})
	t.Run("Office saves", func(t *testing.T) {
		d.want(201, "PUT", "/r/dir/doc.xlsx", "first")
		original := d.lock("/r/dir/doc.xlsx")
		d.want(201, "PUT", "/r/dir/~tmp", "")
		tmp := d.lock("/r/dir/~tmp")
		d.want(204, "PUT", "/r/dir/~tmp", "second", "If: (<"+tmp+">)")
		d.want(204, "UNLOCK", "/r/dir/~tmp", "", "Lock-Token: <"+tmp+">")
		d.want(204, "UNLOCK", "/r/dir/doc.xlsx", "", "Lock-Token: <"+original+">")
		tmp = d.lock("/r/dir/~tmp")
		d.want(204, "MOVE", "/r/dir/~tmp", "", "Destination: DRIVE/r/dir/doc.xlsx", "Overwrite: T", "If: (<"+tmp+">)")
		d.wantContent("dir/doc.xlsx", "second")
		d.want(204, "PUT", "/r/dir/doc.xlsx", "third") // no lock is left behind
	})
}

func TestDavfs2(t *testing.T) {
	d := newDrive(t, "dir/")
	d.want(200, "OPTIONS", "/r/", "")
	d.propfind("/r/", "1", `<propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/><getetag/><getlastmodified/><executable xmlns="http://apache.org/dav/props/"/></prop></propfind>`)

	a := d.want(201, "LOCK", "/r/dir/f", lockBody, "Depth: 0", "Timeout: Second-1800")
	token := strings.Trim(a.Header.Get("Lock-Token"), "<>")
	tagged := "If: <DRIVE/r/dir/f> (<" + token + ">)"
	// Every write is bound to the ETag that HEAD has told.
	for _, content := range []string{"first", "second"} {
		etag := d.want(200, "HEAD", "/r/dir/f", "").Header.Get("ETag")
		put := d.want(204, "PUT", "/r/dir/f", content, "If-Match: "+etag, tagged)
		if strings.HasPrefix(etag, "W/") || put.Header.Get("ETag") == etag {
			t.Errorf("ETag %s before, %s after", etag, put.Header.Get("ETag"))
		}
		p := d.propfind("/r/dir/f", "0", "")
		if got := strings.ReplaceAll(p["/r/dir/f"][200]["DAV:getetag"], "&#34;", `"`); got != put.Header.Get("ETag") {
			t.Errorf("PROPFIND tells %s, PUT %s", got, put.Header.Get("ETag"))
		}
	}
	d.want(204, "UNLOCK", "/r/dir/f", "", "Lock-Token: <"+token+">")
	d.want(201, "MOVE", "/r/dir/f", "", "Destination: DRIVE/r/dir/g", "Overwrite: T")
	d.want(200, "HEAD", "/r/dir/g", "")
	d.want(207, "PROPPATCH", "/r/dir/g", `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><executable xmlns="http://apache.org/dav/props/">T</executable></D:prop></D:set></D:propertyupdate>`)
	d.wantContent("dir/g", "second")
}
