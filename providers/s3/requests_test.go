package s3_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sealdav/internal/testserver"
	"sealdav/providers"
	"sealdav/providers/providertest"
	"sealdav/providers/s3"
	"sealdav/sse"
)

// smallParts are buffers with the smallest parts that S3 takes.
func smallParts() *providers.Buffers { return providers.NewBuffers(5<<20, 40<<20) }

func noise(n int) []byte {
	data := make([]byte, n)
	r := rand.NewChaCha8([32]byte{})
	_, _ = r.Read(data)
	return data
}

func put(t testing.TB, b providers.Bucket, key string, data []byte) providers.Object {
	t.Helper()
	obj, err := b.Put(t.Context(), key, bytes.NewReader(data), providers.PutOptions{Size: int64(len(data))})
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

func read(t testing.TB, b providers.Bucket, key string) []byte {
	t.Helper()
	body, _, err := b.Open(t.Context(), key, providers.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func stat(t testing.TB, b providers.Bucket, key string) providers.Object {
	t.Helper()
	obj, err := b.Stat(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

// TestRequests counts what each operation costs on a sealed remote of MinIO.
func TestRequests(t *testing.T) {
	store := testserver.SharedMinIO(t)
	p := newProxy(t, store, nil)
	bucket := store.NewBucket(t)
	cfg := config(&p.S3, bucket, sse.Settings{WriteKey: providertest.NewKey('w'), ReadKeys: []sse.Key{providertest.NewKey('1'), providertest.NewKey('2')}})
	cfg.Buffers = smallParts()
	b := open(t, cfg)
	old := open(t, config(store, bucket, sse.Settings{WriteKey: providertest.NewKey('2')}))
	plain := open(t, config(store, bucket, sse.Settings{}))
	foreign := open(t, config(store, bucket, sse.Settings{WriteKey: providertest.NewKey('x')}))
	big := noise(12 << 20)
	put(t, old, "old/a", []byte("x"))
	put(t, old, "old/b", []byte("x"))
	put(t, plain, "plain/a", []byte("x"))
	put(t, foreign, "foreign/a", []byte("x"))
	var small, large providers.Object
	for _, tc := range []struct {
		name string
		do   func()
		want string
	}{
		{"nothing at open", func() {}, ""},
		{"first put, with the probe", func() { small = put(t, b, "k", []byte("content")) }, "Copy DeleteBatch Get Get Put Put"},
		{"put", func() { put(t, b, "k2", []byte("content")) }, "Put"},
		{"put of unknown size", func() {
			if _, err := b.Put(t.Context(), "k2", strings.NewReader("x"), providers.PutOptions{Size: providers.SizeUnknown}); err != nil {
				t.Error(err)
			}
		}, "Put"},
		{"put of one whole part", func() { put(t, b, "k3", big[:5<<20]) }, "Put"},
		{"first put of three parts, with the probe", func() { large = put(t, b, "large", big) }, "Complete Complete Create Create Delete Get Part Part Part Part"},
		{"put of three parts", func() { large = put(t, b, "large", big) }, "Complete Create Part Part Part"},
		{"stat", func() { stat(t, b, "k") }, "Head"},
		{"open", func() { read(t, b, "k") }, "Get"},
		{"copy, verified afterwards", func() { _, _ = b.Copy(t.Context(), "k4", small, providers.CopyOptions{}) }, "Copy Head"},
		{"delete", func() { _ = b.Delete(t.Context(), "k4") }, "Delete"},
		{"delete of many", func() { _ = b.Delete(t.Context(), "k2", "k3", "k4") }, "DeleteBatch"},
		{"delete of none", func() { _ = b.Delete(t.Context()) }, ""},
		{"list", func() {
			for _, err := range b.List(t.Context(), "", providers.ListOptions{}) {
				if err != nil {
					t.Error(err)
				}
			}
		}, "List"},
		{"absent", func() { _, _ = b.Stat(t.Context(), "absent") }, "Head"},
		{"an old key, guessed last but one", func() { read(t, b, "old/a") }, "Get Get Get"},
		{"an old key, known", func() { read(t, b, "old/a"); stat(t, b, "old/a") }, "Get Head"},
		{"an old key, as its neighbour", func() { read(t, b, "old/b") }, "Get"},
		{"plain", func() { read(t, b, "plain/a") }, "Get Get Get Get"},
		{"plain, known", func() { read(t, b, "plain/a") }, "Get"},
		{"no key fits", func() { _, _ = b.Stat(t.Context(), "foreign/a") }, "Get Head Head Head Head"},
		{"no key fits, known", func() { _, _, _ = b.Open(t.Context(), "foreign/a", providers.OpenOptions{}) }, ""},
		{"first large copy, with the probe", func() {
			b.SetCopyLimits(5<<20, 5<<20)
			_, _ = b.Copy(t.Context(), "large2", large, providers.CopyOptions{})
		}, "Complete Complete Create Create DeleteBatch Get Head Head PartCopy PartCopy PartCopy PartCopy Put"},
		{"large copy, verified afterwards", func() {
			if _, err := b.Copy(t.Context(), "large2", large, providers.CopyOptions{}); err != nil {
				t.Error(err)
			}
		}, "Complete Create Head Head PartCopy PartCopy PartCopy"},
	} {
		p.take()
		tc.do()
		if diff := cmp.Diff(tc.want, strings.Join(p.take(), " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
	if !bytes.Equal(read(t, b, "large2"), big) {
		t.Error("the large copy differs")
	}
}

// TestLarge puts and copies in parts under every mode, and looks at what the
// store says of the result.
func TestLarge(t *testing.T) {
	minio, rgw := testserver.SharedMinIO(t), testserver.SharedRGW(t)
	for _, tc := range []struct {
		name     string
		store    *testserver.S3
		settings sse.Settings
		mode     string
		sums     string
	}{
		{"MinIO plain", minio, sse.Settings{}, providers.ModeNone, s3.ChecksumsRequired},
		{"MinIO plain with checksums", minio, sse.Settings{}, providers.ModeNone, s3.ChecksumsSupported},
		{"MinIO SSE-S3", minio, sse.Settings{Algorithm: sse.AES256}, providers.ModeSSE, ""},
		{"MinIO SSE-KMS", minio, sse.Settings{KMSKeyID: minio.KMSKey}, providers.ModeKMS, ""},
		{"MinIO SSE-C with checksums", minio, customerKey, providers.ModeCustomer, s3.ChecksumsSupported},
		{"RGW plain", rgw, sse.Settings{}, providers.ModeNone, ""},
		{"RGW SSE-KMS", rgw, sse.Settings{KMSKeyID: rgw.KMSKey}, providers.ModeKMS, ""},
		{"RGW SSE-C", rgw, customerKey, providers.ModeCustomer, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bucket := tc.store.NewBucket(t)
			cfg := config(tc.store, bucket, tc.settings)
			cfg.Buffers, cfg.Checksums = smallParts(), tc.sums
			b := open(t, cfg)
			b.SetCopyLimits(5<<20, 5<<20)
			data := noise(11 << 20)
			obj, err := b.Put(t.Context(), "k", bytes.NewReader(data), providers.PutOptions{Size: providers.SizeUnknown, ContentType: "text/x-odd", Metadata: map[string]string{"a": "Grüße"}})
			if err != nil {
				t.Fatal(err)
			}
			copied, err := b.Copy(t.Context(), "copy", obj, providers.CopyOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for key, told := range map[string]providers.Object{"k": obj, "copy": copied} {
				seen := stat(t, b, key)
				if seen.ETag != told.ETag || seen.Size != told.Size || seen.Encryption.Mode != tc.mode || told.Encryption.Mode != tc.mode {
					t.Errorf("%s: told %+v, it is %+v, want mode %s", key, told, seen, tc.mode)
				}
				if seen.ContentType != "text/x-odd" || seen.Metadata["a"] != "Grüße" {
					t.Errorf("%s: attributes %q, %q", key, seen.ContentType, seen.Metadata)
				}
				if !bytes.Equal(read(t, b, key), data) {
					t.Errorf("%s: content differs", key)
				}
			}
			if left := tc.store.Uploads(t, bucket, "k", "copy"); len(left) > 0 {
				t.Errorf("%d uploads left", len(left))
			}
		})
	}
}

// TestOneBuffer: uploads that share the only buffer wait for each other, and
// none for itself.
func TestOneBuffer(t *testing.T) {
	store := testserver.SharedMinIO(t)
	cfg := config(store, store.NewBucket(t), customerKey)
	cfg.Buffers = providers.NewBuffers(5<<20, 1)
	b := open(t, cfg)
	data := noise(11 << 20)
	var uploads sync.WaitGroup
	for _, key := range []string{"a", "b", "c"} {
		uploads.Go(func() {
			if _, err := b.Put(t.Context(), key, bytes.NewReader(data), providers.PutOptions{Size: providers.SizeUnknown}); err != nil {
				t.Errorf("%s: %v", key, err)
			}
		})
	}
	uploads.Wait()
}
