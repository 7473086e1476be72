package tests

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"testing"

	"sealdav/tests/harness"
)

// TestLargeFile uploads 1 GiB to each cloud, and reads ranges of it and the
// whole. TestDavfs2 does so through a mount, on a directory and on S3.
func TestLargeFile(t *testing.T) {
	gcs, azure := newGCSBucket(t), newAzure(t)
	gcs.MustSeal(t, gcs.name)
	azure.Seal(azure.name)
	sse := gcsWrite(harness.NewKey(t))
	for name, remote := range map[string]harness.Remote{"GCS": gcs.remote("drive", sse), "Azurite": azure.remote(t, "drive", sse)} {
		t.Run(name, func(t *testing.T) {
			s := harness.ServeConfig(t, "", remote)
			size := largeSize()
			whole := sha256.New()
			body := io.TeeReader(io.LimitReader(&pattern{}, size), whole)
			if r, err := s.Try(t, "PUT", "/drive/large", body); err != nil || r.Status != http.StatusCreated {
				t.Fatalf("PUT = %d, %v\n%s", r.Status, err, r.Body)
			}
			for _, from := range []int64{0, 16<<20 - 50, size / 2, size - 100} {
				r := s.Do(t, "GET", "/drive/large", nil, "Range", fmt.Sprintf("bytes=%d-%d", from, from+99))
				if want := fmt.Sprintf("bytes %d-%d/%d", from, from+99, size); r.Status != http.StatusPartialContent || r.Header.Get("Content-Range") != want {
					t.Errorf("range at %d = %d, %s", from, r.Status, r.Header.Get("Content-Range"))
				}
				want := make([]byte, 100)
				_, _ = (&pattern{from}).Read(want) // never fails
				same(t, fmt.Sprintf("100 bytes at %d", from), r.Body, want)
			}
			resp, err := s.Stream(t, "/drive/large")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			again := sha256.New()
			if n, err := io.Copy(again, resp.Body); n != size || err != nil || !bytes.Equal(again.Sum(nil), whole.Sum(nil)) {
				t.Errorf("GET: %d bytes of %d, %v, or others", n, size, err)
			}
		})
	}
}

// pattern is content without an end in which every eight bytes are their own
// offset, and so differ from all others.
type pattern struct{ at int64 }

func (p *pattern) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(p.at &^ 7 >> (8 * (p.at & 7)))
		p.at++
	}
	return len(b), nil
}
