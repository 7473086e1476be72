// Package bench measures the built binary as a whole: `make bench`.
package bench

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

const (
	transferred = 2 << 30   // bytes up and down
	maxPeak     = 256 << 20 // bytes of resident memory
)

// BenchmarkTransfer uploads and downloads 2 GiB on a sealed MinIO remote and
// reports the rates and the server's peak of resident memory, which must not
// be above 256 MiB. Client, server and store share the machine.
func BenchmarkTransfer(b *testing.B) {
	for _, c := range []struct {
		name   string
		length int64 // -1: chunked, as the Finder uploads
	}{{"length", transferred}, {"chunked", -1}} {
		b.Run(c.name, func(b *testing.B) {
			store := testserver.SharedMinIO(b)
			s := harness.ServeConfig(b, "", harness.Remote{
				Name: "drive", URL: "s3://" + store.NewBucket(b), Store: store, SSE: harness.NewKey(b).Write(),
			})
			for b.Loop() {
				up := upload(b, s, c.length)
				down := download(b, s)
				b.ReportMetric(up, "up-MB/s")
				b.ReportMetric(down, "down-MB/s")
			}
			peak := harness.Memory(b, s.PID(), "VmHWM")
			b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
			b.Logf("peak resident memory of a %d MiB upload (%s) and download: %d MiB", transferred>>20, c.name, peak>>20)
			if peak > maxPeak {
				b.Errorf("the peak is above %d MiB", maxPeak>>20)
			}
		})
	}
}

// pattern is an endless body whose every MiB differs from the one before.
type pattern struct {
	block [1 << 20]byte
	pos   int64
	left  int64
	sum   hash.Hash
}

func newPattern(length int64) *pattern {
	p := &pattern{left: length, sum: sha256.New()}
	for i := range p.block {
		p.block[i] = byte(i * i >> 7)
	}
	return p
}

func (p *pattern) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	off := int(p.pos % int64(len(p.block)))
	if off == 0 {
		copy(p.block[:], strconv.FormatInt(p.pos, 16))
	}
	n := copy(b, p.block[off:min(int64(len(p.block)), int64(off)+p.left)])
	_, _ = p.sum.Write(b[:n]) // never fails
	p.pos, p.left = p.pos+int64(n), p.left-int64(n)
	return n, nil
}

var uploaded []byte // the SHA-256 of what upload sent last

// upload returns MB/s.
func upload(b *testing.B, s *harness.Server, length int64) float64 {
	b.Helper()
	body := newPattern(transferred)
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPut, s.URL+"/drive/large", body)
	if err != nil {
		b.Fatal(err)
	}
	req.ContentLength = length
	start := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated && resp.StatusCode != http.StatusNoContent {
		b.Fatalf("PUT: %s", resp.Status)
	}
	uploaded = body.sum.Sum(nil)
	return transferred / time.Since(start).Seconds() / 1e6
}

// download returns MB/s, and fails unless it gets what was uploaded.
func download(b *testing.B, s *harness.Server) float64 {
	b.Helper()
	start := time.Now()
	resp, err := s.Stream(b, "/drive/large")
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, resp.Body)
	if err != nil || n != transferred || !bytes.Equal(sum.Sum(nil), uploaded) {
		b.Fatalf("GET: %d bytes, %v, and SHA-256 %x, want %x", n, err, sum.Sum(nil), uploaded)
	}
	return transferred / time.Since(start).Seconds() / 1e6
}
