package s3_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sealdav/internal/testserver"
	"sealdav/providers"
	"sealdav/providers/s3"
	"sealdav/sse"
)

// cut breaks the connection of a request.
func cut(w http.ResponseWriter) {
	if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
		conn.Close()
	}
}

// TestFaults: whatever the store does in the middle of a write, the old object
// stays, and nothing beside it.
func TestFaults(t *testing.T) {
	store := testserver.SharedMinIO(t)
	part := func(n string) func(*http.Request, string) bool {
		return func(r *http.Request, op string) bool { return op == "Part" && r.URL.Query().Get("partNumber") == n }
	}
	is := func(want string) func(*http.Request, string) bool {
		return func(_ *http.Request, op string) bool { return op == want }
	}
	for _, tc := range []struct {
		name  string
		size  int
		when  func(*http.Request, string) bool
		fault func(http.ResponseWriter)
		kind  error
	}{
		{"PUT refused", 10, is("Put"), func(w http.ResponseWriter) { refuse(w, 507, "XMinioStorageFull", "full") }, providers.ErrQuota},
		{"connection cut in a PUT", 1 << 20, is("Put"), cut, providers.ErrUnavailable},
		{"store away at the start", 11 << 20, is("Create"), func(w http.ResponseWriter) { refuse(w, 503, "SlowDown", "") }, providers.ErrThrottled},
		{"store failing at the second part", 11 << 20, part("2"), func(w http.ResponseWriter) { refuse(w, 500, "InternalError", "") }, providers.ErrUnavailable},
		{"connection cut at the second part", 11 << 20, part("2"), cut, providers.ErrUnavailable},
		{"no space at the last part", 11 << 20, part("3"), func(w http.ResponseWriter) { refuse(w, 507, "XMinioStorageFull", "") }, providers.ErrQuota},
		{"store failing at the end", 11 << 20, is("Complete"), func(w http.ResponseWriter) { refuse(w, 500, "InternalError", "") }, providers.ErrUnavailable},
		{"error in a good answer at the end", 11 << 20, is("Complete"), func(w http.ResponseWriter) { refuse(w, 200, "InternalError", "") }, providers.ErrUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var broken atomic.Bool
			p := newProxy(t, store, func(w http.ResponseWriter, r *http.Request, op string) bool {
				if !broken.Load() || !tc.when(r, op) {
					return false
				}
				_, _ = io.CopyN(io.Discard, r.Body, 1000)
				tc.fault(w)
				return true
			})
			bucket := store.NewBucket(t)
			cfg := config(&p.S3, bucket, customerKey)
			cfg.Buffers, cfg.StateDir = smallParts(), t.TempDir()
			b := open(t, cfg)
			put(t, b, "k", []byte("old"))
			broken.Store(true)
			_, err := b.Put(t.Context(), "k", bytes.NewReader(noise(tc.size)), providers.PutOptions{Size: int64(tc.size)})
			if !errors.Is(err, tc.kind) {
				t.Errorf("Put: %v, want %v", err, tc.kind)
			}
			broken.Store(false)
			if got := string(read(t, b, "k")); got != "old" {
				t.Errorf("the old object is %.10q now", got)
			}
			if left := store.Uploads(t, bucket, "k"); len(left) > 0 {
				t.Errorf("%d uploads left", len(left))
			}
			if notes := journalNotes(t, cfg.StateDir); len(notes) > 0 {
				t.Errorf("left in the journal: %q", notes)
			}
		})
	}
}

func journalNotes(t *testing.T, stateDir string) []string {
	t.Helper()
	notes, err := filepath.Glob(filepath.Join(stateDir, "s3-uploads", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return notes
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestPanicInPart: a bug in the work on one part is that upload's error.
func TestPanicInPart(t *testing.T) {
	f, b := newFakeStore(t)
	large := put(t, b, "large", noise(6<<20))
	b.SetCopyLimits(3<<20, 3<<20)
	if _, err := b.Copy(t.Context(), "copy", large, providers.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	b.WrapTransport(func(next http.RoundTripper) http.RoundTripper {
		return transportFunc(func(r *http.Request) (*http.Response, error) {
			if r.URL.Query().Get("partNumber") == "2" {
				panic("a bug")
			}
			return next.RoundTrip(r)
		})
	})
	_, err := b.Put(t.Context(), "k", bytes.NewReader(noise(11<<20)), providers.PutOptions{Size: 11 << 20})
	if !errors.Is(err, providers.ErrUnavailable) || f.state("k") != "nothing" || f.state("upload of k") != "nothing" {
		t.Errorf("Put: %v", err)
	}
	if _, err = b.Copy(t.Context(), "k", large, providers.CopyOptions{}); !errors.Is(err, providers.ErrUnavailable) || f.state("upload of k") != "nothing" {
		t.Errorf("Copy: %v", err)
	}
}

// TestRetries: one fault is none.
func TestRetries(t *testing.T) {
	store := testserver.SharedMinIO(t)
	var faults atomic.Int32
	p := newProxy(t, store, func(w http.ResponseWriter, r *http.Request, op string) bool {
		if op == "Part" && r.URL.Query().Get("partNumber") == "2" && faults.Add(1) == 1 {
			cut(w)
			return true
		}
		return false
	})
	cfg := config(&p.S3, store.NewBucket(t), customerKey)
	cfg.Buffers = smallParts()
	b := open(t, cfg)
	data := noise(11 << 20)
	put(t, b, "k", data)
	if !bytes.Equal(read(t, b, "k"), data) {
		t.Error("content differs")
	}
}

// TestLostAnswer: the store has completed the upload, and its answer is lost.
func TestLostAnswer(t *testing.T) {
	for name, store := range map[string]*testserver.S3{"MinIO": testserver.SharedMinIO(t), "RGW": testserver.SharedRGW(t)} {
		t.Run(name, func(t *testing.T) {
			var lost atomic.Bool
			var p *proxy
			p = newProxy(t, store, func(w http.ResponseWriter, r *http.Request, op string) bool {
				if op != "Complete" || !lost.CompareAndSwap(false, true) {
					return false
				}
				p.forward.ServeHTTP(httptest.NewRecorder(), r)
				cut(w)
				return true
			})
			bucket := store.NewBucket(t)
			cfg := config(&p.S3, bucket, customerKey)
			cfg.Buffers = smallParts()
			b := open(t, cfg)
			data := noise(6 << 20)
			if obj := put(t, b, "k", data); obj.ETag != stat(t, b, "k").ETag {
				t.Errorf("told ETag %s, it is %s", obj.ETag, stat(t, b, "k").ETag)
			}
			if !bytes.Equal(read(t, b, "k"), data) {
				t.Error("content differs")
			}
		})
	}
}

// TestSilentStore: a store that takes requests of one kind and never answers
// them. The end of patience is a deadline, and nobody's wish.
func TestSilentStore(t *testing.T) {
	large := string(noise(6 << 20))
	put := func(content string) func(context.Context, *s3.Bucket, providers.Object) error {
		return func(ctx context.Context, b *s3.Bucket, _ providers.Object) error {
			_, err := b.Put(ctx, "k", strings.NewReader(content), providers.PutOptions{Size: int64(len(content))})
			return err
		}
	}
	copy := func(ctx context.Context, b *s3.Bucket, src providers.Object) error {
		_, err := b.Copy(ctx, "k", src, providers.CopyOptions{})
		return err
	}
	for _, tc := range []struct {
		op string
		do func(context.Context, *s3.Bucket, providers.Object) error
	}{
		{"Put", put("small")},
		{"Create", put(large)},
		{"Part", put(large)},
		{"Complete", put(large)},
		{"Copy", copy},
		{"PartCopy", func(ctx context.Context, b *s3.Bucket, src providers.Object) error {
			b.SetCopyLimits(3, 3)
			return copy(ctx, b, src)
		}},
		{"Head", func(ctx context.Context, b *s3.Bucket, _ providers.Object) error {
			_, err := b.Stat(ctx, "src")
			return err
		}},
		{"Get", func(ctx context.Context, b *s3.Bucket, _ providers.Object) error {
			_, _, err := b.Open(ctx, "src", providers.OpenOptions{})
			return err
		}},
		{"List", func(ctx context.Context, b *s3.Bucket, _ providers.Object) (err error) {
			for _, err = range b.List(ctx, "", providers.ListOptions{}) {
			}
			return err
		}},
		{"Delete", func(ctx context.Context, b *s3.Bucket, _ providers.Object) error { return b.Delete(ctx, "src") }},
		{"DeleteBatch", func(ctx context.Context, b *s3.Bucket, _ providers.Object) error { return b.Delete(ctx, "src", "k") }},
	} {
		t.Run(tc.op, func(t *testing.T) {
			f, b := newFakeStore(t)
			src := stat(t, b, "src")
			if strings.HasPrefix(tc.op, "P") { // what comes first has to be answered
				_ = put(large)(t.Context(), b, src)
			}
			end := make(chan struct{})
			t.Cleanup(func() { close(end) })
			f.before = func(_ http.ResponseWriter, op, _ string) bool {
				if op == tc.op {
					<-end
				}
				return op == tc.op
			}
			b.SetPatience(300 * time.Millisecond)
			err := tc.do(t.Context(), b, src)
			if !errors.Is(err, providers.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
				t.Errorf("%v, want ErrUnavailable for want of an answer", err)
			}
			ctx, leave := context.WithCancel(t.Context())
			leave()
			if err := tc.do(ctx, b, src); !errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the client has left: %v, want context.Canceled", err)
			}
		})
	}
}

// TestNoCredentials: the advice is about credentials, not the network.
func TestNoCredentials(t *testing.T) {
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	store := fake(t, func(http.ResponseWriter, *http.Request) {})
	cfg := config(store, "b", sse.Settings{})
	cfg.AccessKeyID, cfg.SecretAccessKey = "", ""
	_, err := open(t, cfg).Stat(t.Context(), "k")
	if !errors.Is(err, providers.ErrUnavailable) || !strings.Contains(providers.Advice(err), "access_key_id") {
		t.Errorf("got %v", err)
	}
}

// TestCutBody: a content that was cut is no content that has ended.
func TestCutBody(t *testing.T) {
	store := testserver.SharedMinIO(t)
	var at atomic.Int64
	p := newProxy(t, store, func(w http.ResponseWriter, r *http.Request, op string) bool {
		if op != "Get" || at.Load() == 0 {
			return false
		}
		w.Header().Set("Content-Length", "1000")
		w.Header().Set("ETag", `"x"`)
		_, _ = w.Write(make([]byte, at.Load()))
		_ = http.NewResponseController(w).Flush()
		cut(w)
		return true
	})
	b := open(t, config(&p.S3, store.NewBucket(t), customerKey))
	for _, n := range []int64{1, 500, 999} {
		at.Store(n)
		body, _, err := b.Open(t.Context(), "k", providers.OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.Copy(io.Discard, body)
		if !errors.Is(err, io.ErrUnexpectedEOF) || got != n {
			t.Errorf("cut at %d: read %d bytes, %v", n, got, err)
		}
		body.Close()
	}
}

// TestTooManyParts: what does not fit into an upload is refused at once where
// its size is known, else when it shows.
func TestTooManyParts(t *testing.T) {
	store := testserver.SharedMinIO(t)
	bucket := store.NewBucket(t)
	cfg := config(store, bucket, customerKey)
	cfg.Buffers = smallParts()
	b := open(t, cfg)
	b.SetMaxParts(2)
	for _, size := range []int64{11 << 20, providers.SizeUnknown} {
		_, err := b.Put(t.Context(), "k", bytes.NewReader(noise(11<<20)), providers.PutOptions{Size: size})
		if !errors.Is(err, providers.ErrTooLarge) || providers.Advice(err) == "" {
			t.Errorf("size %d: %v, want ErrTooLarge", size, err)
		}
	}
	if left := store.Uploads(t, bucket, "k"); len(left) > 0 || len(store.Keys(t, bucket)) > 0 {
		t.Errorf("left: %v, %q", left, store.Keys(t, bucket))
	}
}

// TestKilled kills a process in the middle of an upload; the next one aborts
// what it left, but not what a living process is doing.
func TestKilled(t *testing.T) {
	store := testserver.SharedMinIO(t)
	bucket, state := store.NewBucket(t), t.TempDir()
	cfg := config(store, bucket, customerKey)
	cfg.StateDir, cfg.Buffers = state, smallParts()

	// A living upload.
	b := open(t, cfg)
	data := noise(11 << 20)
	body, feed := io.Pipe()
	result := make(chan error, 1)
	go func() {
		_, err := b.Put(t.Context(), "living", body, providers.PutOptions{Size: providers.SizeUnknown})
		result <- err
	}()
	if _, err := feed.Write(data[:10<<20+1]); err != nil {
		t.Fatal(err)
	}

	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHelperUpload$", "-test.v")
	child.Env = append(os.Environ(), "SEALDAV_TEST_UPLOAD="+strings.Join([]string{store.Endpoint, store.CAFile, store.AccessKey, store.SecretKey, bucket, state}, "|"))
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.HasSuffix(lines.Text(), "uploading") {
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed
	killed := func() (n int) {
		for _, u := range store.Uploads(t, bucket, "killed") {
			if *u.Key == "killed" {
				n++
			}
		}
		return n
	}
	if n := killed(); n != 1 {
		t.Fatalf("%d uploads after the kill, want 1", n)
	}

	next := open(t, cfg)
	next.WaitBackground()
	if n := killed(); n != 0 {
		t.Errorf("%d uploads after the next start, want none", n)
	}
	if got := journalNotes(t, state); len(got) != 1 {
		t.Errorf("the journal has %q, want the living upload", got)
	}
	if _, err := feed.Write(data[10<<20+1:]); err != nil {
		t.Fatal(err)
	}
	feed.Close()
	if err := <-result; err != nil {
		t.Errorf("the living upload: %v", err)
	}
	if !bytes.Equal(read(t, next, "living"), data) {
		t.Error("the living upload's content differs")
	}
	if got := journalNotes(t, state); len(got) != 0 {
		t.Errorf("the journal still has %q", got)
	}
}

// TestHelperUpload is the process that TestKilled kills.
func TestHelperUpload(t *testing.T) {
	args := strings.Split(os.Getenv("SEALDAV_TEST_UPLOAD"), "|")
	if len(args) != 6 {
		return // not the child
	}
	cfg := s3.Config{Endpoint: args[0], CAFile: args[1], AccessKeyID: args[2], SecretAccessKey: args[3], Bucket: args[4], StateDir: args[5],
		Region: "us-east-1", Settings: customerKey, Buffers: smallParts()}
	b := open(t, cfg)
	body, feed := io.Pipe()
	go func() {
		// The second part is asked for once the first is on its way.
		_, _ = feed.Write(noise(10<<20 + 1))
		_, _ = os.Stdout.WriteString("uploading\n")
	}()
	_, err := b.Put(t.Context(), "killed", body, providers.PutOptions{Size: providers.SizeUnknown})
	t.Fatalf("Put returned: %v", err)
}

// TestSlowClients: clients that announce content and do not send it keep no
// other from uploading.
func TestSlowClients(t *testing.T) {
	f, b := newFakeStore(t)
	var slow sync.WaitGroup
	defer slow.Wait()
	for i := range 9 { // there are eight buffers
		body, feed := io.Pipe()
		slow.Go(func() {
			_, err := b.Put(t.Context(), fmt.Sprint("slow", i), body, providers.PutOptions{Size: 1 << 20})
			if !errors.Is(err, providers.ErrBody) {
				t.Errorf("an upload that broke off: %v, want ErrBody", err)
			}
		})
		defer feed.CloseWithError(io.ErrUnexpectedEOF) // all of them before the wait
		if _, err := feed.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	put(t, b, "k", noise(1<<20))
	if got := f.state("k"); !strings.HasPrefix(got, "sealed") {
		t.Errorf("the upload is %.20q", got)
	}
}
