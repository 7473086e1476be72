package davfs

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"sealdav/providers"
	"sealdav/providers/providertest"
)

// Items 34 and 33: OPTIONS answers everywhere, "*" included, and a prefix is
// whole segments.
func TestOptions(t *testing.T) {
	d := newDriveWith(t, Options{Prefix: "/dav"}, "f")
	for _, path := range []string{"/", "/dav", "/dav/", "/dav/r/f", "/dav/r/none", "/elsewhere"} {
		h := d.want(200, "OPTIONS", path, "").Header
		tokens := strings.Split(h.Get("DAV"), ", ")
		if !slices.Contains(tokens, "1") || !slices.Contains(tokens, "2") || h.Get("MS-Author-Via") != "DAV" || !strings.Contains(h.Get("Allow"), "PROPFIND") {
			t.Errorf("%s: %v", path, h)
		}
	}
	c := d.raw("OPTIONS * HTTP/1.1\nHost: x\n\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != 200 || resp.Header.Get("DAV") != "1, 2" {
		t.Errorf("OPTIONS *: %v %v", resp, err)
	}
	d.want(200, "GET", "/dav/r/f", "")
	d.want(404, "GET", "/r/f", "")
	d.want(404, "GET", "/davother/r/f", "")
	// Windows looks at the host's root before it mounts a folder below it.
	for path, want := range map[string][]string{"/": {"/", "/dav/"}, "/dav": {"/dav/", "/dav/other/", "/dav/r/"}} {
		if got := d.propfind(path, "1", "").hrefs(); !slices.Equal(got, want) {
			t.Errorf("%s shows %v, want %v", path, got, want)
		}
		if got := d.propfind(path, "0", "").hrefs(); !slices.Equal(got, want[:1]) {
			t.Errorf("%s shows %v, want %v", path, got, want[:1])
		}
	}
	d.want(404, "PROPFIND", "/da", "", "Depth: 0")
	if got := d.propfind("/dav/r/", "1", "").hrefs(); !slices.Equal(got, []string{"/dav/r/", "/dav/r/f"}) {
		t.Errorf("hrefs %v", got)
	}
	if page := d.want(200, "GET", "/dav/r/", "").body; !strings.Contains(page, `href="/dav/r/f"`) {
		t.Errorf("page %s", page)
	}
	d.want(201, "COPY", "/dav/r/f", "", "Destination: DRIVE/dav/r/g")
	d.want(409, "COPY", "/dav/r/f", "", "Destination: DRIVE/r/g")
	token := d.lock("/dav/r/f")
	d.want(204, "PUT", "/dav/r/f", "x", "If: <DRIVE/dav/r/f> (<"+token+">)")
}

func TestMethods(t *testing.T) {
	d := newDrive(t, "f")
	for _, m := range []string{"POST", "PATCH", "TRACE", "REPORT", "NONSENSE"} {
		if a := d.want(405, m, "/r/f", ""); a.Header.Get("Allow") == "" {
			t.Errorf("%s: no Allow", m)
		}
	}
	for m := range methods {
		if !slices.Contains(strings.Split(allow, ", "), m) {
			t.Errorf("Allow lacks %s", m)
		}
	}
	if got, want := len(strings.Split(allow, ", ")), len(methods)+1; got != want {
		t.Errorf("Allow has %d methods, want %d", got, want)
	}
}

func TestReadOnlyRemote(t *testing.T) {
	h, err := New([]Remote{{Name: "r", Bucket: newStore("f", "dir/x"), ReadOnly: true}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	do := func(method, path, body string) int {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Destination", "/r/new")
		r.Header.Set("Depth", "0")
		if method == "DELETE" || method == "MOVE" {
			r.Header.Del("Depth")
		}
		h.ServeHTTP(w, r)
		return w.Code
	}
	for _, m := range []string{"PUT", "DELETE", "COPY", "MOVE", "PROPPATCH"} {
		body := ""
		if m == "PUT" || m == "PROPPATCH" {
			body = `<D:propertyupdate xmlns:D="DAV:"/>`
		}
		if code := do(m, "/r/f", body); code != 403 {
			t.Errorf("%s: %d, want 403", m, code)
		}
	}
	if code := do("MKCOL", "/r/new", ""); code != 403 {
		t.Errorf("MKCOL: %d, want 403", code)
	}
	// Windows hangs where it may not lock what it opens.
	if code := do("LOCK", "/r/f", lockBody); code != 200 {
		t.Errorf("LOCK: %d, want 200", code)
	}
	if code := do("LOCK", "/r/new", lockBody); code != 403 {
		t.Errorf("LOCK of nothing: %d, want 403", code)
	}
}

func TestNewRefuses(t *testing.T) {
	b := newStore()
	for name, remotes := range map[string][]Remote{
		"two alike": {{Name: "a", Bucket: b}, {Name: "a", Bucket: b}},
		"no name":   {{Bucket: b}},
		"slash":     {{Name: "a/b", Bucket: b}},
		"dots":      {{Name: "..", Bucket: b}},
		"no bucket": {{Name: "a"}},
	} {
		if _, err := New(remotes, Options{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A panic is for the server to answer, and leaves no lock held.
func TestPanic(t *testing.T) {
	d := newDrive(t, "boom")
	token := d.lock("/r/boom")
	d.faults.Hook = func(op providertest.Op) error {
		if op.Name == "put" {
			panic("it broke")
		}
		return nil
	}
	if a := d.do("PUT", "/r/boom", "x", "If: (<"+token+">)"); a.err == nil {
		t.Errorf("status %d", a.StatusCode)
	}
	held, err := d.locks.Covering(t.Context(), "/r/boom")
	if err != nil || len(held) != 1 {
		t.Fatalf("%v %v", held, err)
	}
	d.faults.Hook = nil
	d.want(204, "UNLOCK", "/r/boom", "", "Lock-Token: <"+token+">")
	d.want(204, "PUT", "/r/boom", "y")
}

// What is a person's to know and what is the log's.
func TestErrorsAreTold(t *testing.T) {
	d := newDrive(t, "f")
	d.fail("open f", providers.ErrKey)
	a := d.want(403, "GET", "/r/f", "")
	if a.body != "403 Forbidden: advice for a person\n" || a.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%q %v", a.body, a.Header)
	}
	log := d.log.String()
	for _, want := range []string{"level=WARN", "method=GET", "remote=r", "path=f", "status=403", "AKIAEXAMPLE"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	d = newDrive(t)
	d.want(404, "GET", "/r/f", "")
	if log := d.log.String(); strings.Contains(log, "level=WARN") {
		t.Errorf("a missing file is a warning:\n%s", log)
	}
}

// What files are called is not logged unless somebody is debugging.
func TestNamesAreNotLogged(t *testing.T) {
	const name = "medical%20record"
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	for _, tt := range []struct {
		method, path string
		cause        error
		logged       string
	}{
		{"GET", "/r/" + name, refused, "dial tcp: connection refused"},
		{"GET", "/r/" + name, codeError{}, "SlowUp"},
		{"PROPFIND", "/r/" + name + "s/", nil, "list: store unavailable: ask whoever runs it"},
		{"DELETE", "/r/" + name + "s/", refused, "connection refused"},
		{"PUT", "/r/" + name, nil, "status=502"},
	} {
		f := &providertest.Faults{Bucket: newStore("medical record", "medical records/x", "medical records//x")}
		f.Hook = func(op providertest.Op) error {
			if op.When != providertest.Before || tt.method == "DELETE" && op.Name == "list" {
				return nil
			}
			return &providers.Error{Op: op.Name, Key: op.Key, Kind: providers.ErrUnavailable, Err: tt.cause, Advice: "ask whoever runs it"}
		}
		log := new(lockedBuffer)
		h, err := New([]Remote{{Name: "r", Bucket: f}}, Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		depth := map[string]string{"PROPFIND": "1", "DELETE": "infinity"}[tt.method]
		codeOf(h, tt.method, tt.path, "", "Depth", depth)
		f.Hook = nil
		codeOf(h, "PROPFIND", "/r/"+name+"s/", "", "Depth", "1") // has a key that no URL can name
		text := log.String()
		if strings.Contains(text, "medical") {
			t.Errorf("%s %s: the log names the file:\n%s", tt.method, tt.path, text)
		}
		for _, want := range []string{tt.logged, "method=" + tt.method, "remote=r", "no URL can name"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s %s: the log lacks %q:\n%s", tt.method, tt.path, want, text)
			}
		}
	}
}

// codeError is an error as the SDK of a store has it.
type codeError struct{}

func (codeError) Error() string     { return "medical record: slow up" }
func (codeError) ErrorCode() string { return "SlowUp" }

// A client that leaves is nobody's fault.
func TestClientLeaves(t *testing.T) {
	d := newDrive(t, "f")
	ctx, cancel := context.WithCancel(t.Context())
	d.faults.Hook = func(op providertest.Op) error {
		if op.When == providertest.Before {
			cancel()
			return context.Canceled
		}
		return nil
	}
	h, err := New([]Remote{{Name: "r", Bucket: d.faults}}, Options{Logger: d.h.log})
	if err != nil {
		t.Fatal(err)
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/r/f", nil).WithContext(ctx))
	if log := d.log.String(); strings.Contains(log, "level=WARN") {
		t.Errorf("log:\n%s", log)
	}
}

func FuzzReadXML(f *testing.F) {
	f.Add(`<D:propfind xmlns:D="DAV:"><D:prop><x:y xmlns:x="z" a="b"/></D:prop></D:propfind>`)
	f.Add(lockBody)
	f.Add(`<!DOCTYPE a><a/>`)
	f.Fuzz(func(t *testing.T, s string) {
		root, _, err := readXML(strings.NewReader(s))
		if err != nil || root == nil {
			return
		}
		// What was read can be written, and read again.
		again, _, err := readXML(strings.NewReader(string(appendElement(nil, root))))
		if err != nil || again == nil {
			t.Fatalf("%q is written as %q: %v", s, appendElement(nil, root), err)
		}
	})
}

func FuzzHeaders(f *testing.F) {
	f.Add("bytes=0-1", `"a", W/"b"`, "(<urn:x>)", "/r/x", "Second-1")
	h, err := New([]Remote{{Name: "r", Bucket: newStore("f")}}, Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, rng, tags, ifs, dst, timeout string) {
		for _, method := range []string{"GET", "HEAD", "PUT", "COPY", "LOCK", "PROPFIND"} {
			r := httptest.NewRequest(method, "/r/f", nil)
			for name, value := range map[string]string{"Range": rng, "If-Range": tags, "If-Match": tags, "If-None-Match": tags,
				"If": ifs, "Destination": dst, "Timeout": timeout, "Depth": timeout, "Lock-Token": ifs} {
				if value != "" {
					r.Header.Set(name, value)
				}
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code >= 500 && w.Code != http.StatusBadGateway { // another host's Destination
				t.Errorf("%s: %d %s", method, w.Code, w.Body)
			}
			_, _ = io.Copy(io.Discard, w.Body)
		}
	})
}

// What each method costs at the store, with nothing cached and with the folder
// listed before.
func TestBudget(t *testing.T) {
	for _, tt := range []struct {
		method, path, body string
		headers            []string
		code               int
		cold, warm         string
	}{
		{"GET", "/r/dir/f", "", nil, 200, "1 open", "1 open"},
		{"HEAD", "/r/dir/f", "", nil, 200, "1 stat", "1 stat"},
		{"GET", "/r/dir/none", "", nil, 404, "1 list, 1 open", ""},
		{"PROPFIND", "/r/dir/f", "", []string{"Depth: 0"}, 207, "1 stat", ""},
		{"PROPFIND", "/r/dir/", "", []string{"Depth: 0"}, 207, "1 list", ""},
		{"PROPFIND", "/r/dir/", "", []string{"Depth: 1"}, 207, "1 list", ""},
		{"PUT", "/r/dir/f", "x", nil, 204, "1 list, 1 put", "1 put"},
		{"PUT", "/r/dir/new", "x", []string{"If-None-Match: *"}, 201, "1 list, 1 put", "1 put"},
		{"MKCOL", "/r/dir/new", "", nil, 201, "1 list, 1 put", "1 put"},
		{"DELETE", "/r/dir/f", "", nil, 204, "1 delete, 1 list", "1 delete"},
		{"COPY", "/r/dir/f", "", []string{"Destination: /r/dir/new"}, 201, "1 copy, 1 list", "1 copy"},
		{"MOVE", "/r/dir/f", "", []string{"Destination: /r/dir/new"}, 201, "1 copy, 1 delete, 1 list", "1 copy, 1 delete"},
		{"PROPPATCH", "/r/dir/f", `<D:propertyupdate xmlns:D="DAV:"/>`, nil, 207, "1 stat", ""},
		{"LOCK", "/r/dir/f", lockBody, nil, 200, "1 stat", ""},
	} {
		for _, warm := range []bool{false, true} {
			d := newDriveWith(t, Options{ListCache: time.Hour}, "dir/", "dir/f", "dir/g")
			want := tt.cold
			if warm {
				d.propfind("/r/dir/", "1", "")
				want = tt.warm
			}
			d.bucket.cost()
			d.want(tt.code, tt.method, tt.path, tt.body, tt.headers...)
			if got := d.bucket.cost(); got != want {
				t.Errorf("%s %s, warm %v: %q, want %q", tt.method, tt.path, warm, got, want)
			}
		}
	}
}
