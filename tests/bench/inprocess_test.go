package bench

import (
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"sealdav/davfs"
	"sealdav/internal/testserver"
	"sealdav/providers/s3"
	"sealdav/sse"
)

// BenchmarkInProcess has the server in this process, for -cpuprofile and
// -memprofile, without the proxy. The profiles hold the client's part as well.
func BenchmarkInProcess(b *testing.B) {
	s := &site{store: testserver.SharedMinIO(b)}
	s.bucket = s.store.NewBucket(b)
	handler := serveHere(b, s.store, s.bucket)
	server := httptest.NewServer(handler)
	b.Cleanup(server.Close)
	url := server.URL + "/drive"
	put(b, url+"/first", 1) // pays for the probe
	const size = 256 << 20
	b.Run("PUT", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			put(b, url+"/big", size)
		}
	})
	b.Run("GET", func(b *testing.B) {
		put(b, url+"/big", size)
		b.SetBytes(size)
		for b.Loop() {
			get(b, url+"/big", "", nil)
		}
	})
	b.Run("PUT_small", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			put(b, url+"/"+strconv.Itoa(i%100), smallSize)
		}
	})
	b.Run("GET_small", func(b *testing.B) {
		put(b, url+"/small", smallSize)
		for b.Loop() {
			get(b, url+"/small", "", nil)
		}
	})
	lists := httptest.NewServer(serveHere(b, testserver.Listing(b), "bucket"))
	b.Cleanup(lists.Close)
	b.Run("PROPFIND", func(b *testing.B) {
		for b.Loop() {
			propfind(b, lists.URL+"/drive/40000/")
		}
	})
}

// serveHere is a handler with one remote, sealed by a fresh key.
func serveHere(b *testing.B, store *testserver.S3, bucket string) *davfs.Handler {
	b.Helper()
	key, err := sse.GenerateKey()
	if err != nil {
		b.Fatal(err)
	}
	remote, err := s3.Open(b.Context(), s3.Config{
		Bucket: bucket, Endpoint: store.Endpoint, Region: store.Region, CAFile: store.CAFile,
		AccessKeyID: store.AccessKey, SecretAccessKey: store.SecretKey,
		Settings: sse.Settings{WriteKey: key},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = remote.Close() })
	handler, err := davfs.New([]davfs.Remote{{Name: "drive", Bucket: remote}}, davfs.Options{ListCache: 2 * time.Second})
	if err != nil {
		b.Fatal(err)
	}
	return handler
}
