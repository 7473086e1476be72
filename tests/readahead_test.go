package tests

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

// TestReadConcurrency reads a large file of a sealed remote in ranges, as many
// at a time as read_concurrency says, each byte once; and never shows parts of
// two versions as one file.
func TestReadConcurrency(t *testing.T) {
	const part, size = 16 << 20, 100<<20 + 1
	store := testserver.SharedMinIO(t)
	proxy := testserver.NewProxy(t, store)
	remote := harness.Remote{Name: "drive", URL: "s3://" + store.NewBucket(t), SSE: harness.NewKey(t).Write(),
		Store: proxy.S3, More: "read_concurrency = 4\n"}
	s := harness.ServeConfig(t, "", remote)
	content := randomBytes(size)
	s.Put(t, "/drive/large", content)

	// The store holds all ranges but the first until four are there. One is
	// over as soon as its last byte has gone by.
	var seen, most atomic.Int64
	all := make(chan struct{})
	proxy.SetFault(func(r *http.Request) *testserver.Fault {
		atATime := int64(0)
		for _, r := range proxy.Requests() {
			var first, last int64
			if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &first, &last); err != nil {
				t.Errorf("%s %s: %v", r.Method, r.Path, err)
			}
			if r.Received < last-first+1 {
				atATime++
			}
		}
		for old := most.Load(); atATime > old && !most.CompareAndSwap(old, atATime); old = most.Load() {
		}
		if r.Header.Get("Range") == "bytes=0-16777215" {
			return nil
		}
		if seen.Add(1) == 4 {
			close(all)
		}
		return &testserver.Fault{Wait: all}
	})
	proxy.Reset()
	same(t, "GET", s.Get(t, "/drive/large"), content)
	var received int64
	for _, r := range proxy.Requests() {
		received += r.Received
	}
	if n := len(proxy.Requests()); n != size/part+1 || received != size {
		t.Errorf("%d requests and %d bytes, want %d and %d: %q", n, received, size/part+1, size, proxy.Ops())
	}
	if n := most.Load(); n != 4 {
		t.Errorf("%d requests at a time, want 4", n)
	}

	replaced := make(chan struct{})
	proxy.SetFault(func(r *http.Request) *testserver.Fault {
		if r.Header.Get("Range") == "bytes=33554432-50331647" {
			return &testserver.Fault{Wait: replaced}
		}
		return nil
	})
	resp, err := s.Stream(t, "/drive/large")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	s.Put(t, "/drive/large", randomBytes(size))
	close(replaced)
	if n, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Errorf("GET of a file that was replaced on the way ended well, after %d bytes", n)
	}
}
