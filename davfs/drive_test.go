package davfs

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"sealdav/davfs/locks"
	"sealdav/providers"
	"sealdav/providers/providertest"
)

// drive is a Handler behind a real server on loopback, with the remotes "r" and
// "other" in memory.
type drive struct {
	*testing.T
	url     string
	bucket  *store // of "r"
	other   *store
	faults  *providertest.Faults  // around bucket
	counter *providertest.Counter // around faults
	locks   *locks.Memory
	log     *lockedBuffer
	h       *Handler

	mu     sync.Mutex
	access Access // of the requests to come
}

// newDrive serves a bucket with the objects keys, each with "content of KEY".
func newDrive(t *testing.T, keys ...string) *drive {
	return newDriveWith(t, Options{}, keys...)
}

func newDriveWith(t *testing.T, opts Options, keys ...string) *drive {
	t.Helper()
	d := &drive{T: t, bucket: newStore(keys...), other: newStore(), locks: locks.NewMemory(), log: new(lockedBuffer)}
	d.faults = &providertest.Faults{Bucket: d.bucket}
	d.counter = &providertest.Counter{Bucket: d.faults}
	opts.Locks = d.locks
	opts.Logger = slog.New(slog.NewTextHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h, err := New([]Remote{{Name: "r", Bucket: d.counter}, {Name: "other", Bucket: d.other}}, opts)
	if err != nil {
		t.Fatal(err)
	}
	d.serve(h)
	return d
}

// serve serves h instead of what was served before.
func (d *drive) serve(h *Handler) {
	d.h = h
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		access := d.access
		d.mu.Unlock()
		h.ServeHTTP(w, r.WithContext(WithAccess(r.Context(), access)))
	}))
	server.Config.DisableGeneralOptionsHandler = true
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	server.Start()
	d.Cleanup(server.Close)
	d.url = server.URL
}

// as makes the requests to come those of another user.
func (d *drive) as(a Access) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.access = a
}

// fail makes operations of the store fail that match "op key" (op alone: on
// any key) with kind, and returns what puts the store right.
func (d *drive) fail(match string, kind error) (repair func()) {
	d.faults.Hook = func(op providertest.Op) error {
		if op.When == providertest.Before && (match == op.Name || match == op.Name+" "+op.Key) {
			return &providers.Error{Op: op.Name, Key: op.Key, Kind: kind, Advice: "advice for a person", Err: errSecret}
		}
		return nil
	}
	return func() { d.faults.Hook = nil }
}

type secretError struct{}

func (secretError) Error() string { return "s3.internal.example refused AKIAEXAMPLE" }

var errSecret = secretError{}

// answer is a response whose body has been read.
type answer struct {
	*http.Response
	body string
	err  error // from reading the body
}

// do sends a request. headers are "Name: value"; DRIVE in a value is the
// drive's URL.
func (d *drive) do(method, path, body string, headers ...string) answer {
	d.Helper()
	return d.send(method, path, strings.NewReader(body), int64(len(body)), headers...)
}

// send sends a request with a body of size bytes, -1 to have it chunked.
func (d *drive) send(method, path string, body io.Reader, size int64, headers ...string) answer {
	d.Helper()
	req, err := http.NewRequestWithContext(d.Context(), method, d.url+path, body)
	if err != nil {
		d.Fatal(err)
	}
	req.ContentLength = size
	if size == 0 {
		req.Body = nil
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, strings.ReplaceAll(value, "DRIVE", d.url))
	}
	resp, err := noRedirects.Do(req)
	if err != nil {
		return answer{Response: &http.Response{}, err: err}
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return answer{resp, string(data), err}
}

var noRedirects = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// want sends a request and fails unless the status is code.
func (d *drive) want(code int, method, path, body string, headers ...string) answer {
	d.Helper()
	a := d.do(method, path, body, headers...)
	if a.err != nil {
		d.Fatalf("%s %s: %v", method, path, a.err)
	}
	if a.StatusCode != code {
		d.Fatalf("%s %s %q: status %d, want %d\n%s", method, path, headers, a.StatusCode, code, a.body)
	}
	return a
}

// object puts an object into the bucket behind the server's back.
func (d *drive) object(key, data, contentType string) {
	d.bucket.mu.Lock()
	defer d.bucket.mu.Unlock()
	d.bucket.replace(key, data, providers.PutOptions{ContentType: contentType})
}

// content is that of the bucket's object.
func (d *drive) content(key string) string {
	d.bucket.mu.Lock()
	defer d.bucket.mu.Unlock()
	o, ok := d.bucket.objects[key]
	if !ok {
		return "(missing)"
	}
	return o.data
}

// wantContent fails unless the bucket's object has this content.
func (d *drive) wantContent(key, content string) {
	d.Helper()
	if got := d.content(key); got != content {
		d.Errorf("%s holds %q, want %q", key, got, content)
	}
}

// wantCalls fails unless exactly these calls of the store were made since the
// last Reset of the counter.
func (d *drive) wantCalls(want ...string) {
	d.Helper()
	if got := d.counter.Calls(); strings.Join(got, "; ") != strings.Join(want, "; ") {
		d.Errorf("calls of the store: %q, want %q", got, want)
	}
}

const lockBody = `<?xml version="1.0" encoding="utf-8"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype><D:owner><D:href>http://example.org/me</D:href></D:owner></D:lockinfo>`

var sharedBody = strings.Replace(lockBody, "D:exclusive", "D:shared", 1)

// lock takes a lock and returns its token.
func (d *drive) lock(path string, headers ...string) string {
	d.Helper()
	a := d.do("LOCK", path, lockBody, headers...)
	if a.StatusCode != 200 && a.StatusCode != 201 {
		d.Fatalf("LOCK %s: status %d\n%s", path, a.StatusCode, a.body)
	}
	return strings.Trim(a.Header.Get("Lock-Token"), "<>")
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
