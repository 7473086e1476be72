package tests

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"sealdav/tests/harness"
)

// TestGCSPacked: an object that was stored with Content-Encoding: gzip is
// served as it is stored, which Google does only for who says that he takes it
// so: its size is that of the listing, its parts are parts of it, and no client
// is told to unpack it.
func TestGCSPacked(t *testing.T) {
	b := newGCSBucket(t)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(bytes.Repeat([]byte("content "), 1000))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf("--B\r\nContent-Type: application/json\r\n\r\n{\"name\": \"f.txt\", \"contentEncoding\": \"gzip\", \"contentType\": \"text/plain\"}\r\n--B\r\n\r\n%s\r\n--B--\r\n", packed.Bytes())
	resp, err := b.HTTPClient.Post(b.Endpoint+"/upload/storage/v1/b/"+b.name+"/o?uploadType=multipart", "multipart/related; boundary=B", bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("insert: %s", resp.Status)
	}
	s := harness.ServeConfig(t, "", b.remote("drive", ""))
	s.Copy(t, "/drive/f.txt", "/drive/copy.txt")
	for _, path := range []string{"/drive/f.txt", "/drive/copy.txt"} {
		for _, accepts := range []string{"identity", "gzip"} {
			r := s.Want(t, []int{200}, "GET", path, nil, "Accept-Encoding", accepts)
			same(t, path, r.Body, packed.Bytes())
			if got := r.Header.Get("Content-Encoding"); got != "" {
				t.Errorf("%s is told to be packed: %s", path, got)
			}
			r = s.Want(t, []int{206}, "GET", path, nil, "Accept-Encoding", accepts, "Range", "bytes=10-19")
			same(t, "a range of "+path, r.Body, packed.Bytes()[10:20])
		}
		r := s.Want(t, []int{200}, "HEAD", path, nil)
		if got := r.Header.Get("Content-Length"); got != strconv.Itoa(packed.Len()) {
			t.Errorf("HEAD tells a length of %s, want %d", got, packed.Len())
		}
	}
}
