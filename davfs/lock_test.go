package davfs

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"sealdav/providers"
	"sealdav/providers/providertest"
)

func TestLock(t *testing.T) {
	d := newDrive(t, "f", "dir/x")
	a := d.want(200, "LOCK", "/r/f", lockBody, "Depth: 0", "Timeout: Second-600")
	token := strings.Trim(a.Header.Get("Lock-Token"), "<>")
	// Item 19.
	if !regexp.MustCompile(`^urn:uuid:[0-9a-f-]{36}$`).MatchString(token) {
		t.Errorf("token %q", token)
	}
	for _, want := range []string{token, "Second-600", "<D:depth>0</D:depth>", "<D:lockroot><D:href>/r/f</D:href>", "http://example.org/me"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the body lacks %q:\n%s", want, a.body)
		}
	}
	a = d.want(423, "LOCK", "/r/f", lockBody)
	if !strings.Contains(a.body, "<D:no-conflicting-lock><D:href>/r/f</D:href></D:no-conflicting-lock>") {
		t.Errorf("body %s", a.body)
	}
	d.want(423, "LOCK", "/r/f", sharedBody)
	d.want(423, "PUT", "/r/f", "x")
	d.want(423, "DELETE", "/r/f", "")
	d.want(204, "PUT", "/r/f", "x", "If: (<"+token+">)")
	d.want(204, "UNLOCK", "/r/f", "", "Lock-Token: <"+token+">")
	d.want(204, "PUT", "/r/f", "y")
	d.want(412, "PUT", "/r/f", "x", "If: (<"+token+">)")
	d.wantContent("f", "y")

	a = d.want(200, "LOCK", "/r/dir", lockBody) // Windows sends no Depth
	if !strings.Contains(a.body, "<D:depth>infinity</D:depth>") {
		t.Errorf("body %s", a.body)
	}
	d.want(423, "PUT", "/r/dir/new", "x")
	d.want(423, "MKCOL", "/r/dir/new", "")
}

func TestLockRequests(t *testing.T) {
	d := newDrive(t, "f", "dir/x")
	for _, tt := range []struct {
		name, path, body string
		code             int
		headers          []string
	}{
		{"depth 1", "/r/f", lockBody, 400, []string{"Depth: 1"}},
		{"root", "/", lockBody, 403, nil},
		{"no such remote", "/nosuch", lockBody, 409, nil},
		{"no parent", "/r/none/f", lockBody, 409, nil},
		{"missing folder", "/r/none/", lockBody, 409, nil},
		{"empty without If", "/r/f", "", 400, nil},
		{"no lockinfo", "/r/f", `<x/>`, 400, nil},
		{"no type", "/r/f", `<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:shared/></D:lockscope></D:lockinfo>`, 400, nil},
		{"no scope", "/r/f", `<D:lockinfo xmlns:D="DAV:"><D:lockscope/><D:locktype><D:write/></D:locktype></D:lockinfo>`, 400, nil},
		{"long owner", "/r/f", strings.Replace(lockBody, "http://example.org/me", strings.Repeat("x", 5000), 1), 400, nil},
		{"refresh of nothing", "/r/f", "", 412, []string{"If: (<urn:uuid:0>)"}},
		{"bad If", "/r/f", lockBody, 400, []string{"If: garbage"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d.want(tt.code, "LOCK", tt.path, tt.body, tt.headers...)
			if ls, err := d.locks.Inside(t.Context(), "/"); err != nil || len(ls) > 0 {
				t.Errorf("locks remain: %v %v", ls, err)
			}
		})
	}
	d.wantKeys("dir/x f")
}

// What an owner element contains comes back as it was meant, and does no harm.
func TestLockOwner(t *testing.T) {
	d := newDrive(t, "f")
	body := strings.Replace(lockBody, "<D:href>http://example.org/me</D:href>", `me &amp; <b xmlns="x" a="&lt;">you</b><![CDATA[</D:owner>]]>`, 1)
	a := d.want(200, "LOCK", "/r/f", body)
	const want = `<D:owner>me &amp; <x:b xmlns:x="x" a="&lt;">you</x:b>&lt;/D:owner&gt;</D:owner>`
	if !strings.Contains(a.body, want) {
		t.Errorf("the body lacks %s:\n%s", want, a.body)
	}
	d.propfind("/r/f", "0", "") // is well-formed
}

// Item 5: LOCK makes a file only where nothing lies, and an error of the store
// is not "nothing".
func TestLockUnmapped(t *testing.T) {
	d := newDrive(t, "f")
	a := d.want(201, "LOCK", "/r/new", lockBody, "Depth: 0")
	d.wantContent("new", "")
	token := strings.Trim(a.Header.Get("Lock-Token"), "<>")
	d.want(423, "PUT", "/r/new", "x")
	d.want(204, "PUT", "/r/new", "x", "If: <DRIVE/r/new> (<"+token+">)")

	for _, op := range []string{"stat f", "list", "list f/"} {
		repair := d.fail(op, providers.ErrUnavailable)
		a := d.do("LOCK", "/r/f", lockBody)
		repair()
		d.wantContent("f", "content of f")
		if a.StatusCode == 201 {
			t.Errorf("LOCK while %q fails: created", op)
		}
		if err := d.locks.RemoveTree(t.Context(), "/r/f"); err != nil {
			t.Fatal(err)
		}
	}
	// Somebody is faster: his file stays.
	d.faults.Hook = func(op providertest.Op) error {
		if op.Name == "put" && op.When == providertest.Before {
			d.object("race", "faster", "")
		}
		return nil
	}
	d.want(200, "LOCK", "/r/race", lockBody)
	d.wantContent("race", "faster")
	// The file cannot be made: no lock remains.
	d.fail("put late", providers.ErrUnavailable)
	d.want(502, "LOCK", "/r/late", lockBody)
	if ls, err := d.locks.Covering(t.Context(), "/r/late"); err != nil || len(ls) > 0 {
		t.Errorf("locks remain: %v %v", ls, err)
	}
}

func TestLockRefresh(t *testing.T) {
	d := newDrive(t, "dir/f")
	token := d.lock("/r/dir/", "Timeout: Second-60")
	a := d.want(200, "LOCK", "/r/dir/f", "", "If: (<"+token+">)", "Timeout: Second-1200", "Depth: 0")
	if !strings.Contains(a.body, "Second-1200") || !strings.Contains(a.body, token) {
		t.Errorf("body %s", a.body)
	}
	// Item 28: the host in a tag may be that of a proxy.
	d.want(200, "LOCK", "/r/dir/f", "", "If: <https://proxy.example/r/dir/f> (<"+token+">)")
}

// Item 24: a lock is refreshed and ended while an upload under it runs.
func TestLockDuringPut(t *testing.T) {
	d := newDrive(t, "f")
	token := d.lock("/r/f")
	w, done := d.upload("/r/f", "first ", "If: (<"+token+">)")
	d.want(200, "LOCK", "/r/f", "", "If: (<"+token+">)", "Timeout: Second-600")
	d.want(204, "UNLOCK", "/r/f", "", "Lock-Token: <"+token+">")
	io.WriteString(w, "second")
	w.Close()
	if a := <-done; a.StatusCode != http.StatusNoContent {
		t.Errorf("PUT: %d %v", a.StatusCode, a.err)
	}
	d.wantContent("f", "first second")
}

// upload begins a PUT, and returns once it is at the store. The rest of the body
// is what is written then.
func (d *drive) upload(path, begin string, headers ...string) (rest *io.PipeWriter, done <-chan answer) {
	d.Helper()
	started := make(chan struct{})
	d.faults.Hook = func(op providertest.Op) error {
		if op.Name == "put" && op.When == providertest.Before {
			close(started)
		}
		return nil
	}
	r, w := io.Pipe()
	answers := make(chan answer, 1)
	go func() { answers <- d.send("PUT", path, r, -1, headers...) }()
	if _, err := io.WriteString(w, begin); err != nil {
		d.Fatal(err)
	}
	<-started
	return w, answers
}

func TestUnlock(t *testing.T) {
	d := newDrive(t, "dir/f", "g")
	token := d.lock("/r/dir/")
	d.want(400, "UNLOCK", "/r/dir/", "")
	// Item 26: the URL must be in the lock's scope.
	a := d.want(409, "UNLOCK", "/r/g", "", "Lock-Token: <"+token+">")
	if !strings.Contains(a.body, "<D:lock-token-matches-request-uri/>") {
		t.Errorf("body %s", a.body)
	}
	d.want(409, "UNLOCK", "/r/dir/", "", "Lock-Token: <urn:uuid:0>")
	d.want(204, "UNLOCK", "/r/dir/f", "", "Lock-Token: "+token) // without brackets
	d.want(201, "PUT", "/r/dir/new", "x")
}

// A token is honoured for the user who took the lock alone.
func TestLockUsers(t *testing.T) {
	d := newDrive(t, "f")
	d.as(Access{User: "alice"})
	token := d.lock("/r/f")
	d.as(Access{User: "bob"})
	d.want(423, "PUT", "/r/f", "x", "If: (<"+token+">)")
	d.want(403, "UNLOCK", "/r/f", "", "Lock-Token: <"+token+">")
	d.want(403, "LOCK", "/r/f", "", "If: (<"+token+">)")
	d.as(Access{User: "alice"})
	d.want(204, "PUT", "/r/f", "x", "If: (<"+token+">)")
	d.as(Access{User: "carol", ReadOnly: true})
	d.want(403, "LOCK", "/r/f", lockBody)
}

// Items 20 and 21, and RFC 4918 section 10.4.
func TestIf(t *testing.T) {
	d := newDrive(t, "mine", "theirs", "free")
	mine, theirs := d.lock("/r/mine"), d.lock("/r/theirs")
	etag := d.want(200, "HEAD", "/r/mine", "").Header.Get("ETag")
	for _, tt := range []struct {
		name, path, header string
		code               int
	}{
		{"token", "/r/mine", "(<MINE>)", 204},
		{"no header", "/r/mine", "", 423},
		{"tag names my own file", "/r/theirs", "</r/mine> (<MINE>)", 423},
		{"token of another resource", "/r/theirs", "(<MINE>)", 412},
		{"Not", "/r/theirs", "(Not <MINE>)", 423},
		{"Not no-lock", "/r/theirs", "(Not <DAV:no-lock>)", 423},
		{"token and Not no-lock", "/r/mine", "(<MINE>) (Not <DAV:no-lock>)", 204},
		{"token and wrong tag", "/r/mine", `(<MINE> ["wrong"])`, 412},
		{"token or wrong tag", "/r/mine", `(<MINE>) (["wrong"])`, 204},
		{"corrupt token but holds", "/r/mine", `(<MINEx>) (Not <DAV:no-lock>)`, 423},
		{"unlocked, tag wrong", "/r/free", `(["wrong"])`, 412},
		{"unlocked, Not wrong tag", "/r/free", `(Not ["wrong"])`, 204},
		{"other host", "/r/mine", "<http://elsewhere.example/r/mine> (<MINE>)", 204},
		{"not a resource", "/r/mine", "<http://elsewhere.example/nowhere> (<MINE>)", 412},
		{"bad", "/r/free", "<MINE>", 400},
		{"many lists", "/r/free", strings.Repeat("(<urn:x>)", 10000), 400},
		{"etag", "/r/mine", "(<MINE> [ETAG])", 204}, // last: it changes
	} {
		t.Run(tt.name, func(t *testing.T) {
			var headers []string
			if tt.header != "" {
				if tt.name == "etag" {
					etag = d.want(200, "HEAD", "/r/mine", "").Header.Get("ETag")
				}
				headers = []string{"If: " + strings.NewReplacer("MINE", mine, "THEIRS", theirs, "ETAG", etag).Replace(tt.header)}
			}
			d.want(tt.code, "PUT", tt.path, "x", headers...)
		})
	}
	d.wantContent("theirs", "content of theirs")
	d.want(412, "GET", "/r/free", "", `If: (["wrong"])`)
	d.want(412, "PROPFIND", "/r/free", "", `If: (["wrong"])`, "Depth: 0")
}

func TestSharedLocks(t *testing.T) {
	d := newDrive(t, "f")
	first := d.want(200, "LOCK", "/r/f", sharedBody).Header.Get("Lock-Token")
	second := d.want(200, "LOCK", "/r/f", sharedBody).Header.Get("Lock-Token")
	d.want(423, "LOCK", "/r/f", lockBody)
	d.want(423, "PUT", "/r/f", "x")
	d.want(204, "PUT", "/r/f", "x", "If: ("+first+")")
	d.want(204, "PUT", "/r/f", "x", "If: ("+second+")")
	d.want(204, "UNLOCK", "/r/f", "", "Lock-Token: "+first)
	d.want(423, "PUT", "/r/f", "x")
}

// Whoever takes many shared locks with long owners fills no memory, and makes
// no listing large, nor the buffers that are kept for the next one.
func TestLockBomb(t *testing.T) {
	d := newDrive(t)
	for i := range 1000 {
		d.object(fmt.Sprintf("d/%d", i), "", "")
	}
	body := strings.Replace(sharedBody, "http://example.org/me", strings.Repeat("x", 4000), 1)
	for range 64 {
		d.want(200, "LOCK", "/r/d/", body)
	}
	d.want(503, "LOCK", "/r/d/", body)
	for _, tt := range []struct {
		path, depth string
		most        int
	}{
		{"/r/d/1", "0", 512 << 10},
		{"/r/d/", "1", 32 << 20}, // a thousand times 64 locks without their owners
	} {
		a := d.want(207, "PROPFIND", tt.path, `<D:propfind xmlns:D="DAV:"><D:prop><D:lockdiscovery/></D:prop></D:propfind>`, "Depth: "+tt.depth)
		if len(a.body) > tt.most {
			t.Errorf("PROPFIND of %s: %d bytes, want at most %d", tt.path, len(a.body), tt.most)
		}
		if got := strings.Count(a.body, "<D:owner>"); got == 0 || got > maxOwners/4000 {
			t.Errorf("PROPFIND of %s tells %d owners", tt.path, got)
		}
	}
	for range 100 {
		p := multistatusBuffers.Get().(*[]byte)
		if cap(*p) > maxPooled {
			t.Fatalf("a buffer of %d bytes is kept", cap(*p))
		}
	}
	d.want(423, "PUT", "/r/d/1", "x")
	d.want(204, "PUT", "/r/d/1", "x", "If: (<"+d.lockTokens("/r/d/1")[0]+">)")
}

// A folder locked with depth 0 keeps strangers from adding to it, but not from
// writing what is in it.
func TestLockedFolderKeepsItsMembers(t *testing.T) {
	d := newDrive(t, "dir/f")
	token := d.lock("/r/dir/", "Depth: 0")
	d.want(423, "PUT", "/r/dir/new", "x")
	d.want(423, "MKCOL", "/r/dir/new", "")
	d.want(423, "LOCK", "/r/dir/new", lockBody)
	d.want(204, "PUT", "/r/dir/f", "x")
	d.want(201, "PUT", "/r/dir/new", "x", "If: <DRIVE/r/dir/> (<"+token+">)")
	d.want(200, "LOCK", "/r/dir/f", lockBody)
}

// Where several share a lock inside a folder, or around what is locked in it,
// the token of one of them is enough for the folder.
func TestSharedLocksInside(t *testing.T) {
	d := newDrive(t, "dir/f", "dir/g")
	d.want(200, "LOCK", "/r/dir/f", sharedBody, "Depth: 0")
	mine := d.want(200, "LOCK", "/r/dir/f", sharedBody, "Depth: 0").Header.Get("Lock-Token")
	d.want(423, "DELETE", "/r/dir/", "")
	d.want(200, "LOCK", "/r/dir/g", sharedBody, "Depth: 0")
	d.want(423, "DELETE", "/r/dir/", "", "If: </r/dir/f> ("+mine+")")
	around := d.want(200, "LOCK", "/r/dir/", sharedBody).Header.Get("Lock-Token")
	d.want(204, "DELETE", "/r/dir/", "", "If: ("+around+")")
	if ls, err := d.locks.Inside(t.Context(), "/"); err != nil || len(ls) > 0 {
		t.Errorf("locks remain: %v %v", ls, err)
	}
}

// Locks on the members of a folder that is replaced end with them; a lock on
// the destination itself stays.
func TestReplacedFolderLosesItsLocks(t *testing.T) {
	d := newDrive(t, "src/f", "dst/f")
	inner, outer := d.lock("/r/dst/f"), d.lock("/r/dst/", "Depth: 0")
	d.want(204, "COPY", "/r/src/", "", "Destination: DRIVE/r/dst/", "If: <DRIVE/r/dst/f> (<"+inner+">) <DRIVE/r/dst/> (<"+outer+">)")
	d.wantContent("dst/f", "content of src/f")
	ls, err := d.locks.Inside(t.Context(), "/")
	if err != nil || len(ls) != 1 || ls[0].Root != "/r/dst" {
		t.Errorf("locks: %v %v", ls, err)
	}
}

// A client that stops in the midst of a body is told so, and it is no failure
// of the store.
func TestStalledBody(t *testing.T) {
	err := fmt.Errorf("put: %w", &bodyError{os.ErrDeadlineExceeded})
	if got := statusOf(err); got != http.StatusRequestTimeout {
		t.Errorf("status %d, want 408", got)
	}
}

// Item 25: an infinite timeout is told as what was granted, and the root of a
// lock is a URL path, prefix and escapes included, wherever it is told.
func TestLockIsTold(t *testing.T) {
	d := newDriveWith(t, Options{Prefix: "/d"}, "a <&%ü")
	const path = "/d/r/a%20%3C%26%25%C3%BC"
	const root = "<D:lockroot><D:href>" + path + "</D:href></D:lockroot>"
	timeout := fmt.Sprintf("<D:timeout>Second-%d</D:timeout>", int(maxLockTimeout.Seconds()))
	a := d.want(200, "LOCK", path, lockBody, "Timeout: Infinite", "Depth: 0")
	b := d.want(207, "PROPFIND", path, `<D:propfind xmlns:D="DAV:"><D:prop><D:lockdiscovery/></D:prop></D:propfind>`, "Depth: 0")
	for _, body := range []string{a.body, b.body} {
		if !strings.Contains(body, root) || !strings.Contains(body, timeout) {
			t.Errorf("the lock is told as\n%s", body)
		}
	}
	if c := d.want(423, "PUT", path, "x"); !strings.Contains(c.body, "<D:href>"+path+"</D:href>") {
		t.Errorf("body %s", c.body)
	}
}
