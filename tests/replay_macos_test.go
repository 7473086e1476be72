package tests

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"sealdav/tests/harness"
)

// What macOS sends: the Finder through webdavfs. Its XML has line breaks, its
// requests neither Overwrite nor Depth where others have them.
const (
	macProps = `<?xml version="1.0" encoding="utf-8"?>
<D:propfind xmlns:D="DAV:">
<D:prop>
<D:getlastmodified/>
<D:getcontentlength/>
<D:creationdate/>
<D:resourcetype/>
</D:prop>
</D:propfind>
`
	macList = `<?xml version="1.0" encoding="utf-8"?>
<D:propfind xmlns:D="DAV:">
<D:prop xmlns:A="http://www.apple.com/webdav_fs/props/">
<D:getlastmodified/>
<D:getcontentlength/>
<D:creationdate/>
<D:resourcetype/>
<A:appledoubleheader/>
</D:prop>
</D:propfind>
`
	macQuota = `<?xml version="1.0" encoding="utf-8"?>
<D:propfind xmlns:D="DAV:">
<D:prop>
<D:quota-available-bytes/>
<D:quota-used-bytes/>
<D:quota/>
<D:quotaused/>
</D:prop>
</D:propfind>
`
	macType = `<?xml version="1.0" encoding="utf-8"?>
<D:propfind xmlns:D="DAV:">
<D:prop>
<D:resourcetype/>
</D:prop>
</D:propfind>
`
	macValidators = `<?xml version="1.0" encoding="utf-8"?>
<D:propfind xmlns:D="DAV:">
<D:prop>
<D:getlastmodified/>
<D:getetag/>
</D:prop>
</D:propfind>
`
	macLock = `<?xml version="1.0" encoding="utf-8"?>
<D:lockinfo xmlns:D="DAV:">
<D:lockscope><D:exclusive/></D:lockscope>
<D:locktype><D:write/></D:locktype>
<D:owner>
<D:href>http://www.apple.com/webdav_fs/</D:href>
</D:owner>
</D:lockinfo>
`
)

// finder is the Finder at work on a drive.
type finder struct{ *wire }

func newFinder(t *testing.T, s *harness.Server) finder {
	t.Helper()
	return finder{connect(t, s, "User-Agent: WebDAVFS/3.0.0 (03008000) Darwin/25.1.0 (arm64)", "Accept: */*", "Connection: keep-alive")}
}

func (f finder) propfind(status int, path, depth, body string) answer {
	f.t.Helper()
	a := f.want(status, "PROPFIND "+path, body, "Content-Type: text/xml", "Depth: "+depth)
	if status == http.StatusMultiStatus {
		f.wantFields(a, body)
	}
	return a
}

// wantFields reads an answer as webdavfs does, by local names alone and
// whatever their case: what is in any other namespace must not get in the way.
func (f finder) wantFields(a answer, request string) {
	f.t.Helper()
	seen := map[string]int{}
	for d := xml.NewDecoder(strings.NewReader(string(a.Body))); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		} else if err != nil {
			f.t.Fatalf("%s: %v", a.request, err)
		}
		if e, ok := token.(xml.StartElement); ok {
			seen[strings.ToLower(e.Name.Local)]++
		}
	}
	responses := len(a.multistatus())
	if seen["response"] != responses || seen["href"] != responses {
		f.t.Errorf("%s: read loosely it has %d responses and %d names, want %d", a.request, seen["response"], seen["href"], responses)
	}
	if strings.Contains(request, "resourcetype") && seen["resourcetype"] != responses {
		f.t.Errorf("%s: %d resourcetypes, want %d", a.request, seen["resourcetype"], responses)
	}
}

// wantAttributes checks what the Finder shows of a resource.
func (f finder) wantAttributes(r resource, dir bool) {
	f.t.Helper()
	if r.collection != dir {
		f.t.Errorf("%s: collection %v, want %v", r.href, r.collection, dir)
	}
	if dir {
		return // a folder that only a prefix makes has no times
	}
	if _, err := time.Parse(http.TimeFormat, r.prop(f.t, "DAV:getlastmodified")); err != nil {
		f.t.Errorf("%s: %v", r.href, err)
	}
	// It is read by position, so that there must be no fraction.
	if _, err := time.Parse("2006-01-02T15:04:05Z", r.prop(f.t, "DAV:creationdate")); err != nil {
		f.t.Errorf("%s: %v", r.href, err)
	}
}

// lock takes a lock and returns its token, which the Finder reads from the body
// alone.
func (f finder) lock(path string) string {
	f.t.Helper()
	a := f.want(200, "LOCK "+path, macLock, `Content-Type: text/xml; charset="utf-8"`, "Depth: 0", "Timeout: Second-600")
	l := a.activeLock()
	token := l.text(f.t, "locktoken/href")
	if token == "" || l.text(f.t, "timeout") != "Second-600" || l.text(f.t, "depth") != "0" || len(l.find("lockscope/exclusive")) != 1 {
		f.t.Errorf("LOCK %s: %s", path, a.Body)
	}
	if owner := l.text(f.t, "owner/href"); owner != "http://www.apple.com/webdav_fs/" {
		f.t.Errorf("the owner of the lock is %q", owner)
	}
	return token
}

// refresh renews a lock. After any other answer the Finder forgets its token,
// so that the upload under way fails.
func (f finder) refresh(path, token string) {
	f.t.Helper()
	a := f.want(200, "LOCK "+path, "", "If: (<"+token+">)", "Timeout: Second-600", "Content-Type: text/xml", "Depth: 0")
	if got := a.activeLock().text(f.t, "locktoken/href"); got != token {
		f.t.Errorf("refreshing gave the token %s, want %s", got, token)
	}
}

func (f finder) unlock(path, token string) {
	f.t.Helper()
	f.want(204, "UNLOCK "+path, noBody, "Lock-Token: <"+token+">")
}

// startPut begins the chunked upload of the Finder, whose length is a hint.
func (f finder) startPut(path, token, length string) {
	f.t.Helper()
	f.write("PUT "+path, "If: (<"+token+">)", "Transfer-Encoding: chunked", "X-Expected-Entity-Length: "+length)
}

// endPut reads the answer to it. Its validators spare the Finder a PROPFIND,
// and have to be those that a PROPFIND tells. S3 answers a write with the time
// of its answer, which may be in the second after that of the object.
func (f finder) endPut(path string) {
	f.t.Helper()
	a := f.read("PUT " + path)
	a.wantStatus(201, 204)
	etag, modified := a.wantHeader("ETag"), a.wantHeader("Last-Modified")
	p := f.propfind(207, path, "0", macValidators).only(path)
	told, err := http.ParseTime(modified)
	kept, err2 := http.ParseTime(p.prop(f.t, "DAV:getlastmodified"))
	if err = errors.Join(err, err2); err != nil {
		f.t.Error(err)
	}
	if p.prop(f.t, "DAV:getetag") != etag || told.Sub(kept).Abs() > time.Second {
		f.t.Errorf("PUT %s tells %s, %s; PROPFIND %s, %v", path, etag, modified, p.prop(f.t, "DAV:getetag"), kept)
	}
}

// newFile does what the Finder does to write a new file.
func (f finder) newFile(path, content string) {
	f.t.Helper()
	f.propfind(404, path, "0", macProps)
	f.want(201, "PUT "+path, "").wantHeader("Date")
	token := f.lock(path)
	f.startPut(path, token, "0")
	f.chunk(content)
	f.chunk("")
	f.endPut(path)
	f.unlock(path, token)
}

// TestReplayMacOS sends what a Mac sends.
func TestReplayMacOS(t *testing.T) {
	for _, remote := range sealedRemotes {
		t.Run(remote.name, func(t *testing.T) {
			s := harness.ServeConfig(t, "", remote.make(t))
			for _, part := range []struct {
				name string
				run  func(t *testing.T, s *harness.Server, f finder)
			}{
				{"mount", macMount}, {"browse", macBrowse}, {"new file", macNewFile},
				{"upload that breaks", macBrokenUpload}, {"refresh while uploading", macRefresh},
				{"overwrite", macOverwrite}, {"rename", macRename}, {"save by rename", macAtomicSave},
				{"delete", macDelete}, {"names", macNames(remote)},
			} {
				t.Run(part.name, func(t *testing.T) { part.run(t, s, newFinder(t, s)) })
			}
		})
	}
}

func macMount(t *testing.T, _ *harness.Server, f finder) {
	a := f.want(200, "OPTIONS /drive/", noBody)
	class2 := false
	for token := range strings.SplitSeq(a.Header.Get("DAV"), ",") {
		class2 = class2 || strings.TrimSpace(token) == "2"
	}
	if !class2 {
		t.Errorf("DAV: %q makes the drive read-only", a.Header.Get("DAV"))
	}
	if server := a.Header.Get("Server"); strings.HasPrefix(server, "Microsoft-IIS/") {
		t.Errorf("Server: %s changes what is sent", server)
	}
	f.wantAttributes(f.propfind(207, "/drive/", "0", macProps).only("/drive/"), true)
	f.propfind(207, "/drive/", "0", macQuota).only("/drive/")
	for _, probe := range []string{
		"._.", ".DS_Store", ".metadata_never_index", ".metadata_never_index_unless_rootfs", ".Spotlight-V100", ".ql_disablethumbnails",
		".ql_disablecache", ".hidden", ".localized", "mach_kernel", "Contents", "Backups.backupdb", ".TemporaryItems", ".Trashes",
	} {
		f.propfind(404, "/drive/"+probe, "0", macProps)
	}
}

func macBrowse(t *testing.T, s *harness.Server, f finder) {
	f.want(201, "MKCOL /drive/browse/", noBody)
	f.want(201, "MKCOL /drive/browse/sub/", noBody)
	s.Put(t, "/drive/browse/file", []byte("12345"))
	all := f.propfind(207, "/drive/browse/", "1", macList).multistatus()
	for href, dir := range map[string]bool{"/drive/browse/": true, "/drive/browse/sub/": true, "/drive/browse/file": false} {
		f.wantAttributes(all[href], dir)
		if _, ok := all[href].missing["http://www.apple.com/webdav_fs/props/appledoubleheader"]; !ok {
			t.Errorf("%s: appledoubleheader is neither there nor missing", href)
		}
	}
	if size := all["/drive/browse/file"].prop(t, "DAV:getcontentlength"); len(all) != 3 || size != "5" {
		t.Errorf("%d members, size %s", len(all), size)
	}
	f.propfind(404, "/drive/browse/._file", "0", macProps)
	f.propfind(404, "/drive/browse/._sub", "0", macProps)
}

func macNewFile(t *testing.T, s *harness.Server, f finder) {
	content := string(randomBytes(300_000))
	f.propfind(404, "/drive/new%20file.bin", "0", macProps)
	f.propfind(404, "/drive/._new%20file.bin", "0", macProps)
	f.want(201, "PUT /drive/new%20file.bin", "").wantHeader("Date")
	token := f.lock("/drive/new%20file.bin")
	f.startPut("/drive/new%20file.bin", token, "300000")
	for part := range len(content) / 60_000 {
		f.chunk(content[part*60_000 : (part+1)*60_000])
	}
	f.chunk("")
	f.endPut("/drive/new%20file.bin")
	f.unlock("/drive/new%20file.bin", token)
	same(t, "the file", s.Get(t, "/drive/new%20file.bin"), []byte(content))
	if size := f.propfind(207, "/drive/new%20file.bin", "0", macProps).only("/drive/new%20file.bin").prop(t, "DAV:getcontentlength"); size != "300000" {
		t.Errorf("size %s", size)
	}
	// What of a file has no place in one, by the same steps; the length comes
	// first, as with programs other than the Finder.
	double := "\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + strings.Repeat("\x00", 58)
	f.want(201, "PUT /drive/._new%20file.bin", "")
	token = f.lock("/drive/._new%20file.bin")
	f.want(204, "PUT /drive/._new%20file.bin", double, "If: (<"+token+">)")
	f.unlock("/drive/._new%20file.bin", token)
	f.propfind(207, "/drive/._new%20file.bin", "0", macProps).only("/drive/._new%20file.bin")
}

// macBrokenUpload is an upload that breaks off: the Finder sends it once more,
// from the start, with the token it has.
func macBrokenUpload(t *testing.T, s *harness.Server, f finder) {
	content := string(randomBytes(4 << 20))
	f.want(201, "PUT /drive/broken", "")
	token := f.lock("/drive/broken")
	first := finder{f.again()}
	first.startPut("/drive/broken", token, "4194304")
	first.chunk(content[:3<<20]) // more than sockets hold: the server is reading
	first.cut()
	same(t, "after the first upload", s.Get(t, "/drive/broken"), nil)
	second := finder{f.again()}
	second.startPut("/drive/broken", token, "4194304")
	second.chunk(content)
	second.chunk("")
	second.endPut("/drive/broken")
	f.unlock("/drive/broken", token)
	same(t, "after the second upload", s.Get(t, "/drive/broken"), []byte(content))
}

func macRefresh(t *testing.T, s *harness.Server, f finder) {
	content := string(randomBytes(20 << 20)) // more than one part of an upload
	f.want(201, "PUT /drive/large", "")
	token := f.lock("/drive/large")
	upload := finder{f.again()}
	upload.startPut("/drive/large", token, "20971520")
	for sent := 0; sent < len(content); sent += 4 << 20 {
		upload.chunk(content[sent : sent+4<<20])
		f.refresh("/drive/large", token)
		f.want(423, "PUT /drive/large", "of someone else")
	}
	upload.chunk("")
	upload.endPut("/drive/large")
	f.unlock("/drive/large", token)
	same(t, "the file", s.Get(t, "/drive/large"), []byte(content))
}

func macOverwrite(t *testing.T, s *harness.Server, f finder) {
	s.Put(t, "/drive/edit.txt", []byte("the first version"))
	token := f.lock("/drive/edit.txt")
	a := f.want(200, "GET /drive/edit.txt", noBody)
	a.wantHeader("Content-Length", "17")
	modified := a.wantHeader("Last-Modified")
	f.want(304, "GET /drive/edit.txt", noBody, "If-Modified-Since: "+modified)
	part := f.want(206, "GET /drive/edit.txt", noBody, "Range: bytes=4-8")
	part.wantHeader("Content-Range", "bytes 4-8/17")
	same(t, "a part", part.Body, []byte("first"))
	// A download that broke is gone on with, unless the file is another.
	same(t, "the rest", f.want(206, "GET /drive/edit.txt", noBody, "If-Range: "+modified, "Range: bytes=10-").Body, []byte("version"))
	same(t, "another file", f.want(200, "GET /drive/edit.txt", noBody, "If-Range: Mon, 02 Jan 2006 15:04:05 GMT", "Range: bytes=10-").Body, []byte("the first version"))
	f.startPut("/drive/edit.txt", token, "18")
	f.chunk("the second version")
	f.chunk("")
	f.endPut("/drive/edit.txt")
	f.want(423, "PUT /drive/edit.txt", "without the token")
	f.unlock("/drive/edit.txt", token)
	same(t, "the file", s.Get(t, "/drive/edit.txt"), []byte("the second version"))
}

func macRename(t *testing.T, s *harness.Server, f finder) {
	f.newFile("/drive/old", "content")
	f.propfind(404, "/drive/newname", "0", macProps)
	f.want(201, "MOVE /drive/old", noBody, "Destination: SERVER/drive/newname")
	f.propfind(404, "/drive/old", "0", macProps)
	// Onto a file that is there, from one that a program has open.
	f.newFile("/drive/open", "opened")
	token := f.lock("/drive/open")
	f.want(204, "MOVE /drive/open", noBody, "Destination: SERVER/drive/newname", "If: (<"+token+">)")
	same(t, "the file", s.Get(t, "/drive/newname"), []byte("opened"))
	s.Put(t, "/drive/newname", []byte("no lock has come along"))

	f.want(201, "MKCOL /drive/folder/", noBody)
	f.newFile("/drive/folder/in", "inside")
	f.want(201, "MOVE /drive/folder/", noBody, "Destination: SERVER/drive/re%20named/")
	f.propfind(207, "/drive/re%20named/", "1", macList).wantMembers("/drive/re%20named/", "/drive/re%20named/in")
	f.propfind(404, "/drive/folder/", "0", macProps)
	// Onto an empty folder, which must show itself alone.
	f.want(201, "MKCOL /drive/empty/", noBody)
	f.propfind(207, "/drive/empty/", "1", macType).wantMembers("/drive/empty/")
	f.want(204, "MOVE /drive/re%20named/", noBody, "Destination: SERVER/drive/empty/")
	same(t, "the file in the folder", s.Get(t, "/drive/empty/in"), []byte("inside"))
}

// macAtomicSave is how programs save a document: written into a folder beside
// it, and moved over it.
func macAtomicSave(t *testing.T, s *harness.Server, f finder) {
	s.Put(t, "/drive/Letter.rtf", []byte("draft"))
	const dir = "/drive/Letter.rtf.sb-1a2b3c4d-Xy12Zw/"
	f.propfind(404, dir, "0", macProps)
	f.want(201, "MKCOL "+dir, noBody)
	f.newFile(dir+"Letter.rtf", "final")
	token := f.lock(dir + "Letter.rtf")
	f.want(204, "MOVE "+dir+"Letter.rtf", noBody, "Destination: SERVER/drive/Letter.rtf", "If: (<"+token+">)")
	f.propfind(207, dir, "1", macType).wantMembers(dir)
	f.want(204, "DELETE "+dir, noBody)
	f.propfind(404, dir, "0", macProps)
	same(t, "the document", s.Get(t, "/drive/Letter.rtf"), []byte("final"))
	token = f.lock("/drive/Letter.rtf") // the lock went with the name it was on
	f.unlock("/drive/Letter.rtf", token)
}

func macDelete(t *testing.T, _ *harness.Server, f finder) {
	f.want(201, "MKCOL /drive/gone/", noBody)
	f.newFile("/drive/gone/f", "x")
	token := f.lock("/drive/gone/f")
	f.want(204, "DELETE /drive/gone/f", noBody, "If: (<"+token+">)")
	f.want(404, "DELETE /drive/gone/._f", noBody)
	f.propfind(404, "/drive/gone/f", "0", macProps)
	f.propfind(207, "/drive/gone/", "1", macType).wantMembers("/drive/gone/")
	f.want(204, "DELETE /drive/gone/", noBody)
	f.propfind(404, "/drive/gone/", "0", macProps)
	f.want(200, "OPTIONS /drive/", noBody) // the ping when a connection was lost
}

// macNames are names as a Mac sends them, decomposed and with ":" ";" "?"
// escaped, too.
func macNames(remote kindOfRemote) func(*testing.T, *harness.Server, finder) {
	names := []string{
		"u%CC%88", "100%25", "a%20b%20", "a+b", "%23%3F%3B%26", "%F0%9F%98%80", "%E2%80%AE", "...", "-", "'%22%3C%3E%7C*%3A",
	}
	if len(remote.names([]string{`\`})) > 0 {
		names = append(names, "%5C")
	}
	return func(t *testing.T, _ *harness.Server, f finder) { f.wantNames(t, names) }
}

func (f finder) wantNames(t *testing.T, names []string) {
	f.want(201, "MKCOL /drive/u%CC%88ber/", noBody)
	want := []string{}
	for _, name := range names {
		f.newFile("/drive/u%CC%88ber/"+name, name)
	}
	for href, r := range f.propfind(207, "/drive/u%CC%88ber/", "1", macList).multistatus() {
		if r.collection {
			continue
		}
		a := f.want(200, "GET "+href, noBody)
		want = append(want, string(a.Body))
	}
	if len(want) != len(names) {
		t.Errorf("%d files, %q, want %d", len(want), want, len(names))
	}
	for _, name := range names {
		f.want(200, "GET /drive/u%CC%88ber/"+name, noBody)
		f.want(204, "DELETE /drive/u%CC%88ber/"+name, noBody)
	}
}

// TestReplayMacOSLitter copies a file with its second half to a drive that hides
// such halves: the copy must go through, and the bucket stay clean.
func TestReplayMacOSLitter(t *testing.T) {
	r, dir := harness.LocalRemote(t, "drive", harness.NewKey(t).Write())
	r.More = "litter = \"hide\"\n"
	s := harness.ServeConfig(t, "", r)
	f := newFinder(t, s)
	f.newFile("/drive/f", "content")
	f.newFile("/drive/._f", "\x00\x05\x16\x07 and what Finder keeps there")
	f.newFile("/drive/.DS_Store", "\x00\x00\x00\x01Bud1")
	f.propfind(207, "/drive/._f", "0", macProps).only("/drive/._f")
	f.propfind(207, "/drive/", "1", macList).wantMembers("/drive/", "/drive/f")
	f.want(201, "MOVE /drive/f", noBody, "Destination: SERVER/drive/g")
	f.want(201, "MOVE /drive/._f", noBody, "Destination: SERVER/drive/._g")
	f.want(204, "DELETE /drive/._g", noBody)
	f.propfind(404, "/drive/._g", "0", macProps)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "g" && e.Name() != ".sealdav" {
			t.Errorf("%s lies in the directory", e.Name())
		}
	}
}
