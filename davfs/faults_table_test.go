package davfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sealdav/davfs/locks"
	"sealdav/providers"
	"sealdav/providers/providertest"
)

// faultKinds are the ways in which a store fails, and what the client is told.
var faultKinds = []struct {
	name   string
	kind   error
	status int
}{
	{"throttled", providers.ErrThrottled, 503},
	{"unavailable", providers.ErrUnavailable, 502},
	{"permission", fs.ErrPermission, 403},
	{"key", providers.ErrKey, 403},
	{"quota", providers.ErrQuota, 507},
	{"deadline", context.DeadlineExceeded, 504},
	// Somebody was faster: not the store's failure. What it means depends on
	// what is gone; a bucket that is gone is 502.
	{"not exist", fs.ErrNotExist, 0},
}

// faultRequest is a request of the table.
type faultRequest struct {
	name, method, path, body string
	headers                  []string
	keys                     []string // of the remote r
}

func faultRequests() []faultRequest {
	const patch = `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x xmlns="y">z</x></D:prop></D:set></D:propertyupdate>`
	to := func(path string) []string { return []string{"Destination: " + path} }
	files := []string{"d/", "d/f", "d/g", "e/x"}
	alone := []string{"d/f", "e/x"} // d has no marker and only one member
	trees := []string{"d/s/", "d/s/a", "d/s/b/c", "e/n/", "e/n/a", "e/n/x"}
	return []faultRequest{
		{"", "GET", "/r/d/f", "", nil, files},
		{"range", "GET", "/r/d/f", "", []string{"Range: bytes=0-3"}, files},
		{"ranges", "GET", "/r/d/f", "", []string{"Range: bytes=0-0,200-"}, []string{"d/f"}},
		{"conditional", "GET", "/r/d/f", "", []string{`If-None-Match: "a", "b"`}, files},
		{"page", "GET", "/r/d/", "", nil, files},
		{"other spelling", "GET", "/r/d/u\u0308", "", nil, []string{"d/\u00fc"}},
		{"", "HEAD", "/r/d/f", "", nil, files},
		{"file", "PROPFIND", "/r/d/f", "", []string{"Depth: 0"}, files},
		{"folder", "PROPFIND", "/r/d", "", []string{"Depth: 0"}, files},
		{"folder", "PROPFIND", "/r/d/", "", []string{"Depth: 1"}, files},
		{"infinity", "PROPFIND", "/r/", "", []string{"Depth: infinity"}, files},
		{"over", "PUT", "/r/d/f", "new", nil, files},
		{"new", "PUT", "/r/d/new", "new", nil, files},
		{"if absent", "PUT", "/r/d/new", "new", []string{"If-None-Match: *"}, files},
		{"if there", "PUT", "/r/d/f", "new", []string{"If-Match: *"}, files},
		{"other spelling", "PUT", "/r/d/u\u0308", "new", nil, []string{"d/\u00fc"}},
		{"litter", "PUT", "/r/d/._f", "new", nil, files},
		{"", "MKCOL", "/r/d/new", "", nil, files},
		{"file", "DELETE", "/r/d/f", "", nil, files},
		{"last member", "DELETE", "/r/d/f", "", nil, alone},
		{"folder", "DELETE", "/r/d/s", "", nil, trees},
		{"file", "COPY", "/r/d/f", "", to("/r/e/f"), files},
		{"over file", "COPY", "/r/d/f", "", to("/r/e/x"), files},
		{"over folder", "COPY", "/r/d/f", "", to("/r/e"), files},
		{"folder", "COPY", "/r/d/s", "", to("/r/e/new"), trees},
		{"folder over folder", "COPY", "/r/e/n", "", to("/r/d/s"), trees},
		{"to another remote", "COPY", "/r/d/s", "", to("/other/s"), trees},
		{"file", "MOVE", "/r/d/f", "", to("/r/e/f"), files},
		{"last member", "MOVE", "/r/d/f", "", to("/r/e/f"), alone},
		{"over file", "MOVE", "/r/d/f", "", to("/r/e/x"), files},
		{"over folder", "MOVE", "/r/d/f", "", to("/r/e"), files},
		{"folder", "MOVE", "/r/d/s", "", to("/r/e/new"), trees},
		{"folder over folder", "MOVE", "/r/e/n", "", to("/r/d/s"), trees},
		{"folder over file", "MOVE", "/r/d/s", "", to("/r/e/n/x"), trees},
		{"file to another remote", "MOVE", "/r/d/f", "", to("/other/f"), files},
		{"folder to another remote", "MOVE", "/r/d/s", "", to("/other/s"), trees},
		{"file", "PROPPATCH", "/r/d/f", patch, nil, files},
		{"folder", "PROPPATCH", "/r/d/", patch, nil, files},
		{"new", "LOCK", "/r/d/new", lockBody, nil, files},
		{"file", "LOCK", "/r/d/f", lockBody, nil, files},
		{"folder", "LOCK", "/r/d/", lockBody, nil, files},
	}
}

// TestFaultTable makes every moment of every call that every method makes to a
// bucket fail in every way: what was there stands, the status tells what
// happened and never that a file is gone, no lock is left, and the same request
// again ends as if nothing had been.
func TestFaultTable(t *testing.T) {
	for _, kind := range storeKinds {
		for _, request := range faultRequests() {
			for _, warm := range []bool{false, true} {
				name := fmt.Sprintf("%s/%s %s %s/warm %v", kind.name, request.method, request.name, request.path, warm)
				t.Run(name, func(t *testing.T) {
					clean := newFaultDrive(t, kind.make, request, warm)
					code, _ := clean.send(request)
					if code < 200 || code > 299 {
						t.Fatalf("without a fault: %d", code)
					}
					for at, when := range clean.moments {
						for _, fault := range faultKinds {
							if when != providertest.Before && fault.kind != providers.ErrUnavailable {
								continue // how it fails matters for what comes next alone
							}
							d := newFaultDrive(t, kind.make, request, warm)
							d.try(request, clean, at, code, fault.kind, fault.status)
							if t.Failed() {
								t.Fatalf("moment %d (%v), %s", at, d.failed, fault.name)
							}
						}
					}
				})
			}
		}
	}
}

// faultDrive is a Handler over two buckets that fail at one moment.
type faultDrive struct {
	*testing.T
	h        *Handler
	r, other *store
	locks    *locks.Memory

	mu      sync.Mutex
	moments []providertest.When // since the request began
	at      int                 // the one that fails, -1: none
	kind    error
	failed  providertest.Op
}

func newFaultDrive(t *testing.T, makeStore func(...string) *store, request faultRequest, warm bool) *faultDrive {
	t.Helper()
	d := &faultDrive{T: t, r: makeStore(request.keys...), other: makeStore("old"), locks: locks.NewMemory(), at: -1}
	if request.name == "ranges" {
		d.r.set("d/f", strings.Repeat("0123456789", 100))
	}
	faulty := func(s *store) providers.Bucket { return &providertest.Faults{Bucket: s, Hook: d.hook} }
	opts := Options{Locks: d.locks, PropfindInfinity: true}
	if warm {
		opts.ListCache = time.Hour
	}
	h, err := New([]Remote{{Name: "r", Bucket: faulty(d.r)}, {Name: "other", Bucket: faulty(d.other)}}, opts)
	if err != nil {
		t.Fatal(err)
	}
	d.h = h
	if warm {
		for _, path := range []string{"/r/", "/r/d/", "/r/e/", "/r/d/s/", "/r/e/n/", "/other/"} {
			d.send(faultRequest{method: "PROPFIND", path: path, headers: []string{"Depth: 1"}})
		}
	}
	d.moments = nil
	return d
}

func (d *faultDrive) hook(op providertest.Op) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.moments = append(d.moments, op.When)
	if len(d.moments)-1 != d.at {
		return nil
	}
	d.failed = op
	return d.kind
}

// send returns the status, 0 where the answer was broken off.
func (d *faultDrive) send(request faultRequest) (code int, body string) {
	d.Helper()
	r := httptest.NewRequest(request.method, "/", strings.NewReader(request.body))
	r.URL.Path = request.path
	for _, h := range request.headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler {
				panic(p)
			}
			code = 0
		}
	}()
	d.h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func (d *faultDrive) held() []string {
	d.Helper()
	all, err := d.locks.Inside(d.Context(), "/")
	if err != nil {
		d.Fatal(err)
	}
	var roots []string
	for _, l := range all {
		roots = append(roots, l.Root)
	}
	slices.Sort(roots)
	return roots
}

// contents are those of both buckets, as checkNothingLost wants them.
func (d *faultDrive) contents() []string { return append(d.r.all(), d.other.all()...) }

// try sends the request with one moment failing, and again with none.
func (d *faultDrive) try(request faultRequest, clean *faultDrive, at, ok int, kind error, status int) {
	d.Helper()
	before := d.contents()
	d.at, d.kind = at, kind
	code, body := d.send(request)
	d.at = -1
	reads := request.method == "GET" || request.method == "HEAD" || request.method == "PROPFIND"
	switch {
	case code >= 200 && code <= 299 && code != http.StatusMultiStatus: // it was made up for
	case code == http.StatusMultiStatus:
		if !reads && strings.Contains(body, " 404 ") && !errors.Is(kind, fs.ErrNotExist) {
			d.Errorf("a member is told to be gone:\n%s", body)
		}
	case code == 0 && reads:
	case status == 0:
		if code == 0 || code >= 500 && code != 502 {
			d.Errorf("status %d", code)
		}
	case code != status:
		d.Errorf("status %d, want %d: %s", code, status, body)
	}
	d.checkKept(before, clean)
	if code < 200 || code > 299 {
		if roots := d.held(); len(roots) > 0 {
			d.Errorf("after status %d locks are left on %v", code, roots)
		}
	}
	d.retry(request, clean, code, ok)
}

// checkKept wants each content that the finished request would have kept.
func (d *faultDrive) checkKept(before []string, clean *faultDrive) {
	d.Helper()
	kept, has := contentsOf(clean.contents()), contentsOf(d.contents())
	for c := range contentsOf(before) {
		if kept[c] && !has[c] {
			d.Errorf("the content of %s is lost; left is %q", c, d.contents())
		}
	}
}

// contentsOf are the contents of files in the lines of store.all.
func contentsOf(lines []string) map[string]bool {
	contents := make(map[string]bool)
	for _, line := range lines {
		key, data, changed := strings.Cut(line, "=")
		switch {
		case strings.HasSuffix(key, "/"):
		case changed:
			contents[strings.TrimPrefix(data, "content of ")] = true
		default:
			contents[key] = true
		}
	}
	return contents
}

// retry sends the request again, as its client does.
func (d *faultDrive) retry(request faultRequest, clean *faultDrive, first, ok int) {
	d.Helper()
	if first >= 200 && first <= 299 && first != http.StatusMultiStatus && request.method != "GET" {
		d.wantSettled(clean)
		return
	}
	code, body := d.send(request)
	switch {
	case code == ok, code == http.StatusCreated && ok == http.StatusNoContent, code == http.StatusNoContent && ok == http.StatusCreated, code == http.StatusOK && ok == http.StatusCreated:
	case code == http.StatusNotFound && (request.method == "DELETE" || request.method == "MOVE"),
		code == http.StatusMethodNotAllowed && request.method == "MKCOL",
		code == http.StatusPreconditionFailed && slices.Contains(request.headers, "If-None-Match: *"):
		// The first has done it, and only its answer was lost.
	default:
		d.Errorf("the first time %d, again %d: %s", first, code, body)
	}
	d.wantSettled(clean)
}

// wantSettled wants the files that the request leaves when nothing fails.
func (d *faultDrive) wantSettled(clean *faultDrive) {
	d.Helper()
	for i, s := range []*store{d.r, d.other} {
		wantSettled(d.T, d.at, s, []*store{clean.r, clean.other}[i])
	}
}

// TestEveryFailureIsExplained: whatever a store can answer with, a person is
// told in a sentence unless the status says it all.
func TestEveryFailureIsExplained(t *testing.T) {
	saysAll := []error{context.Canceled, context.DeadlineExceeded, fs.ErrNotExist, fs.ErrExist, fs.ErrInvalid,
		providers.ErrNotModified, providers.ErrRange, providers.ErrTooLarge, errors.ErrUnsupported}
	for _, row := range kindStatus {
		if slices.Contains(saysAll, row.kind) {
			continue
		}
		err := row.kind
		if err == providers.ErrBody {
			err = &bodyError{io.ErrUnexpectedEOF}
		}
		if why := explain(err); why == "" && row.kind != providers.ErrPlain { // that has always an advice
			t.Errorf("%v: nothing is said", row.kind)
		}
	}
	if got := explain(&providers.Error{Kind: providers.ErrKey, Advice: "do this"}); got != "do this" {
		t.Errorf("an advice becomes %q", got)
	}
}
