// Its name is not replay_windows_test.go, which Go would build on Windows alone.

package tests

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"sealdav/tests/harness"
)

// created and modified are the times of a file in the bodies below.
const (
	created  = "Mon, 02 Mar 2026 08:00:00 GMT"
	modified = "Tue, 03 Mar 2026 09:30:00 GMT"
)

const (
	microsoft = "urn:schemas-microsoft-com:"
	winLock   = `<?xml version="1.0" encoding="utf-8" ?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype><D:owner><D:href>DESKTOP\alice</D:href></D:owner></D:lockinfo>`
	winCopied = `<?xml version="1.0" encoding="utf-8" ?><D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:schemas-microsoft-com:"><D:set><D:prop><Z:Win32CreationTime>Mon, 02 Mar 2026 08:00:00 GMT</Z:Win32CreationTime><Z:Win32LastAccessTime>Wed, 04 Mar 2026 10:11:12 GMT</Z:Win32LastAccessTime><Z:Win32LastModifiedTime>Tue, 03 Mar 2026 09:30:00 GMT</Z:Win32LastModifiedTime><Z:Win32FileAttributes>00000020</Z:Win32FileAttributes></D:prop></D:set></D:propertyupdate>`
	winClosed = `<?xml version="1.0" encoding="utf-8" ?><D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:schemas-microsoft-com:"><D:set><D:prop><Z:Win32LastModifiedTime>Tue, 03 Mar 2026 09:30:00 GMT</Z:Win32LastModifiedTime><Z:Win32FileAttributes>00000020</Z:Win32FileAttributes></D:prop></D:set></D:propertyupdate>`
	winFolder = `<?xml version="1.0" encoding="utf-8" ?><D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:schemas-microsoft-com:"><D:set><D:prop><Z:Win32CreationTime>Mon, 02 Mar 2026 08:00:00 GMT</Z:Win32CreationTime><Z:Win32LastModifiedTime>Tue, 03 Mar 2026 09:30:00 GMT</Z:Win32LastModifiedTime><Z:Win32FileAttributes>00000010</Z:Win32FileAttributes></D:prop></D:set></D:propertyupdate>`
)

// explorer is Windows' WebClient at work on a drive.
type explorer struct{ *wire }

func newExplorer(t *testing.T, s *harness.Server, more ...string) explorer {
	t.Helper()
	return explorer{connect(t, s, append([]string{"Connection: Keep-Alive", "User-Agent: Microsoft-WebDAV-MiniRedir/10.0.26100", "translate: f"}, more...)...)}
}

// propfind has no body, which asks for all properties.
func (e explorer) propfind(status int, path, depth string) answer {
	e.t.Helper()
	a := e.want(status, "PROPFIND "+path, "", "Depth: "+depth)
	// Names in a default namespace are not understood.
	if status == http.StatusMultiStatus && !strings.Contains(string(a.Body), `xmlns:D="DAV:"`) {
		e.t.Errorf("PROPFIND %s: DAV: has no prefix in\n%s", path, a.Body)
	}
	return a
}

// change sends a request that changes something.
func (e explorer) change(status int, line, body string, header ...string) answer {
	e.t.Helper()
	return e.want(status, line, body, append([]string{"Cache-Control: no-cache", "Pragma: no-cache"}, header...)...)
}

// lock takes a lock. There is no Depth, and the token is read from the header.
func (e explorer) lock(path string) string {
	e.t.Helper()
	a := e.change(200, "LOCK "+path, winLock, "Timeout: Second-3600", `Content-Type: text/xml; charset="utf-8"`)
	token, ok := strings.CutPrefix(a.wantHeader("Lock-Token"), "<")
	token, ok2 := strings.CutSuffix(token, ">")
	l := a.activeLock()
	if !ok || !ok2 || l.text(e.t, "locktoken/href") != token {
		e.t.Errorf("LOCK %s: Lock-Token: %s and %+v", path, a.Header.Get("Lock-Token"), l)
	}
	if timeout := l.text(e.t, "timeout"); timeout != "Second-3600" {
		e.t.Errorf("LOCK %s: timeout %s", path, timeout)
	}
	return token
}

// unlock leaves out the brackets that the token should have, as some versions
// do.
func (e explorer) unlock(path, token string) {
	e.t.Helper()
	e.change(204, "UNLOCK "+path, noBody, "Lock-Token: "+token)
}

// newFile copies a file in, as Explorer does.
func (e explorer) newFile(path, content string) {
	e.t.Helper()
	e.propfind(404, path, "0")
	e.change(201, "PUT "+path, "")
	token := e.lock(path)
	held := "If: (<" + token + ">)"
	e.change(207, "PROPPATCH "+path, winCopied, held, `Content-Type: text/xml; charset="utf-8"`).wantSet(path,
		microsoft+"Win32CreationTime", microsoft+"Win32LastAccessTime", microsoft+"Win32LastModifiedTime", microsoft+"Win32FileAttributes")
	e.want(200, "HEAD "+path, noBody).wantHeader("Content-Length", "0")
	e.change(204, "PUT "+path, content, held)
	e.change(207, "PROPPATCH "+path, winClosed, held, `Content-Type: text/xml; charset="utf-8"`).wantSet(path,
		microsoft+"Win32LastModifiedTime", microsoft+"Win32FileAttributes")
	e.unlock(path, token)
}

// TestReplayWindows sends what Windows sends.
func TestReplayWindows(t *testing.T) {
	for _, remote := range sealedRemotes {
		t.Run(remote.name, func(t *testing.T) {
			s := harness.ServeConfig(t, "", remote.make(t))
			for _, part := range []struct {
				name string
				run  func(t *testing.T, s *harness.Server, e explorer)
			}{
				{"connect", winConnect}, {"browse", winBrowse}, {"new file", winNewFile}, {"refresh", winRefresh},
				{"rename", winRename}, {"new folder", winNewFolder}, {"delete", winDelete}, {"Excel saves", winExcel},
			} {
				t.Run(part.name, func(t *testing.T) { part.run(t, s, newExplorer(t, s)) })
			}
		})
	}
}

// winConnect is the connection to a drive without users. It begins at the root
// of the host whatever the drive is.
func winConnect(t *testing.T, s *harness.Server, e explorer) {
	wantRoot(t, e)
	if !e.propfind(207, "/", "0").only("/").collection {
		t.Error("/ is not a folder")
	}
	e.propfind(207, "/drive", "0") // with no slash, and no redirect
	for _, probe := range []string{"desktop.ini", "Desktop.ini", "Thumbs.db", "AutoRun.inf", "folder.jpg", "folder.gif"} {
		e.propfind(404, "/drive/"+probe, "0")
	}
	bare := connect(t, s, "User-Agent: DavClnt", "translate: f", "Connection: Keep-Alive")
	wantRoot(t, explorer{bare})
}

// wantRoot fails unless OPTIONS / says what makes a host a WebDAV server.
func wantRoot(t *testing.T, e explorer) {
	t.Helper()
	a := e.want(200, "OPTIONS /", noBody)
	a.wantHeader("MS-Author-Via", "DAV")
	if dav := a.Header.Get("DAV"); !strings.HasPrefix(dav, "1, 2") && !strings.HasPrefix(dav, "1,2") {
		t.Errorf("DAV: %s", dav)
	}
	for _, method := range []string{"PROPFIND", "PUT", "LOCK"} {
		if !strings.Contains(a.Header.Get("Allow"), method) {
			t.Errorf("Allow: %s lacks %s", a.Header.Get("Allow"), method)
		}
	}
}

// TestReplayWindowsLogin is the connection to a drive that has users: the first
// request comes without a name, and later ones may have the domain before it.
func TestReplayWindowsLogin(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("pass:word"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	r, _ := harness.LocalRemote(t, "drive", harness.NewKey(t).Write())
	r.More = fmt.Sprintf("\n[users.alice]\npassword_hash = %q\n", hash)
	s := harness.ServeConfig(t, "", r)
	login := func(name, password string) string {
		return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
	}
	e := newExplorer(t, s)
	wantRoot(t, e)
	for _, path := range []string{"/", "/drive"} {
		if challenge := e.propfind(401, path, "0").wantHeader("WWW-Authenticate"); !strings.HasPrefix(challenge, "Basic realm=") {
			t.Errorf("WWW-Authenticate: %s", challenge)
		}
	}
	for i, name := range []string{"alice", `DESKTOP\alice`} {
		e := newExplorer(t, s, login(name, "pass:word"))
		wantRoot(t, e)
		e.propfind(207, "/", "0").only("/")
		e.propfind(207, "/", "1").wantMembers("/", "/drive/")
		e.propfind(207, "/drive", "0")
		e.newFile(fmt.Sprintf("/drive/file%d", i), "content")
	}
	newExplorer(t, s, login("alice", "wrong")).propfind(401, "/", "0")
}

func winBrowse(t *testing.T, s *harness.Server, e explorer) {
	e.change(201, "MKCOL /drive/folder", noBody)
	e.change(201, "MKCOL /drive/folder/sub%20folder", noBody)
	s.Put(t, "/drive/folder/file.txt", []byte("12345"))
	all := e.propfind(207, "/drive/folder", "1").multistatus()
	f, ok := all["/drive/folder/file.txt"]
	if !ok || len(all) != 3 {
		t.Fatalf("%d members, among them %v", len(all), f)
	}
	if _, err := time.Parse(http.TimeFormat, f.prop(t, "DAV:getlastmodified")); err != nil {
		t.Error(err)
	}
	if f.prop(t, "DAV:getcontentlength") != "5" || f.collection || !all["/drive/folder/"].collection || !all["/drive/folder/sub%20folder/"].collection {
		t.Errorf("wrong attributes in %v", all)
	}
	if name, ok := f.props["DAV:displayname"]; ok && name.Text != "file.txt" {
		t.Errorf("displayname %s", name.Text)
	}
}

func winNewFile(t *testing.T, s *harness.Server, e explorer) {
	content := string(randomBytes(200_000))
	e.newFile("/drive/new%20file.bin", content)
	same(t, "the file", s.Get(t, "/drive/new%20file.bin"), []byte(content))
	e.wantTimes("/drive/new%20file.bin")
	for name, want := range map[string]string{
		"Win32CreationTime": created, "Win32LastModifiedTime": modified, "Win32LastAccessTime": modified, "Win32FileAttributes": "00000020",
	} {
		body := `<?xml version="1.0" encoding="utf-8" ?><D:propfind xmlns:D="DAV:"><D:prop><Z:` + name + ` xmlns:Z="` + microsoft + `"/></D:prop></D:propfind>`
		r := e.want(207, "PROPFIND /drive/new%20file.bin", body, "Depth: 0").only("/drive/new%20file.bin")
		if got := r.prop(t, microsoft+name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	// A hidden file stays one, without being asked.
	e.change(207, "PROPPATCH /drive/new%20file.bin", strings.Replace(winClosed, "00000020", "00000022", 1), `Content-Type: text/xml; charset="utf-8"`)
	r := e.propfind(207, "/drive/new%20file.bin", "0").only("/drive/new%20file.bin")
	if got := r.prop(t, microsoft+"Win32FileAttributes"); got != "00000022" {
		t.Errorf("the attributes are %s", got)
	}
}

// wantTimes checks the times that Explorer has in its columns.
func (e explorer) wantTimes(path string) {
	e.t.Helper()
	r := e.propfind(207, path, "0").only(path)
	if got := r.prop(e.t, "DAV:getlastmodified"); got != modified {
		e.t.Errorf("%s was changed at %s, want %s", path, got, modified)
	}
	if got := r.prop(e.t, "DAV:creationdate"); got != "2026-03-02T08:00:00Z" {
		e.t.Errorf("%s was created at %s, want %s", path, got, created)
	}
}

func winRefresh(t *testing.T, _ *harness.Server, e explorer) {
	e.change(201, "PUT /drive/held", "")
	token := e.lock("/drive/held")
	a := e.change(200, "LOCK /drive/held", "", "If: (<"+token+">)", "Timeout: Second-3600")
	if got := a.activeLock().text(t, "locktoken/href"); got != token {
		t.Errorf("refreshing gave the token %s", got)
	}
	other := newExplorer(t, e.s)
	other.change(423, "PUT /drive/held", "of someone else")
	other.change(423, "LOCK /drive/held", winLock, "Timeout: Second-3600", `Content-Type: text/xml; charset="utf-8"`)
	e.unlock("/drive/held", token)
	other.change(204, "PUT /drive/held", "later")
}

func winRename(t *testing.T, s *harness.Server, e explorer) {
	e.newFile("/drive/one.txt", "one")
	e.newFile("/drive/two.txt", "two")
	e.change(412, "MOVE /drive/one.txt", noBody, "Destination: SERVER/drive/two.txt", "Overwrite: F")
	same(t, "the file not replaced", s.Get(t, "/drive/two.txt"), []byte("two"))
	e.change(201, "MOVE /drive/one.txt", noBody, "Destination: SERVER/drive/three.txt", "Overwrite: F")
	e.propfind(404, "/drive/one.txt", "0")
	e.wantTimes("/drive/three.txt")
	e.change(201, "MKCOL /drive/dir", noBody)
	e.newFile("/drive/dir/f", "f")
	e.change(201, "MOVE /drive/dir", noBody, "Destination: SERVER/drive/dir2", "Overwrite: F")
	e.propfind(207, "/drive/dir2", "1").wantMembers("/drive/dir2/", "/drive/dir2/f")
	e.propfind(404, "/drive/dir", "0")
}

func winNewFolder(t *testing.T, _ *harness.Server, e explorer) {
	e.propfind(404, "/drive/New%20folder", "0")
	e.change(201, "MKCOL /drive/New%20folder", noBody)
	e.change(207, "PROPPATCH /drive/New%20folder", winFolder, `Content-Type: text/xml; charset="utf-8"`).wantSet("/drive/New%20folder/",
		microsoft+"Win32CreationTime", microsoft+"Win32LastModifiedTime", microsoft+"Win32FileAttributes")
	if !e.propfind(207, "/drive/New%20folder", "0").only("/drive/New%20folder/").collection {
		t.Error("it is no folder")
	}
	e.change(405, "MKCOL /drive/New%20folder", noBody)
}

func winDelete(_ *testing.T, _ *harness.Server, e explorer) {
	e.change(201, "MKCOL /drive/full", noBody)
	e.newFile("/drive/full/f", "x")
	e.change(204, "DELETE /drive/full/f", noBody)
	e.propfind(404, "/drive/full/f", "0")
	e.newFile("/drive/full/g", "x")
	e.change(204, "DELETE /drive/full", noBody)
	e.propfind(404, "/drive/full", "0")
}

// winExcel saves a workbook as Excel does: under another name first, which is
// then moved over the original with the token of that name alone.
func winExcel(t *testing.T, s *harness.Server, e explorer) {
	e.newFile("/drive/Book.xlsx", "as it was")
	original := e.lock("/drive/Book.xlsx")
	e.change(201, "PUT /drive/C0FFEE00", "")
	token := e.lock("/drive/C0FFEE00")
	e.change(204, "PUT /drive/C0FFEE00", "as it is now", "If: (<"+token+">)")
	e.unlock("/drive/C0FFEE00", token)
	e.unlock("/drive/Book.xlsx", original)
	token = e.lock("/drive/C0FFEE00")
	e.change(204, "MOVE /drive/C0FFEE00", noBody, "Destination: SERVER/drive/Book.xlsx", "Overwrite: T", "If: (<"+token+">)")
	same(t, "the workbook", s.Get(t, "/drive/Book.xlsx"), []byte("as it is now"))
	e.propfind(404, "/drive/C0FFEE00", "0")
	again := e.lock("/drive/Book.xlsx") // the lock did not move along
	// A workbook that someone else has open stays as it is.
	other := newExplorer(t, s)
	other.change(201, "PUT /drive/DECAF000", "of someone else")
	token = other.lock("/drive/DECAF000")
	other.change(423, "MOVE /drive/DECAF000", noBody, "Destination: SERVER/drive/Book.xlsx", "Overwrite: T", "If: (<"+token+">)")
	same(t, "the workbook", s.Get(t, "/drive/Book.xlsx"), []byte("as it is now"))
	e.unlock("/drive/Book.xlsx", again)
}

// TestReplayWindowsLargeFolder lists a folder of 3,000 files. Windows shows
// none of it if the properties are more than FileAttributesLimitInBytes,
// 1,000,000 bytes unless it was raised.
func TestReplayWindowsLargeFolder(t *testing.T) {
	r, dir := harness.LocalRemote(t, "drive", "")
	for i := range 3000 {
		name := filepath.Join(dir, fmt.Sprintf("Holiday picture %04d.jpeg", i))
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := newExplorer(t, harness.ServeConfig(t, "", r)).propfind(207, "/drive", "1")
	if n := len(a.multistatus()); n != 3001 {
		t.Errorf("%d members, want 3001", n)
	}
	properties := 0
	for part := range strings.SplitSeq(string(a.Body), "<D:prop>") {
		inside, _, ok := strings.Cut(part, "</D:prop>")
		if ok {
			properties += len(inside)
		}
	}
	t.Logf("%d bytes of properties for each file; the answer has %d", properties/3001, len(a.Body))
	if properties > 1_000_000 {
		t.Errorf("%d bytes of properties, %d for each file", properties, properties/3001)
	}
}
