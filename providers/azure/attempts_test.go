package azure_test

import (
	"bytes"
	"strings"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/providers"
)

// TestClosedConnection: a server closes connections that were idle for a while,
// and a request may be on its way on one of them. It is sent again, whole: the
// transport does so with few kinds of request, the SDK with all.
func TestClosedConnection(t *testing.T) {
	small, large := noise(100), noise(5<<19)
	when := map[string]testserver.Fault{"before it is heeded": {Drop: true}, "after": {DropAnswer: true}}
	for _, tc := range []struct {
		op string
		do func(t *testing.T, b providers.Bucket, src providers.Object)
	}{
		{"GetBlob", func(t *testing.T, b providers.Bucket, _ providers.Object) { read(t, b, "src") }},
		{"GetBlobProperties", func(t *testing.T, b providers.Bucket, _ providers.Object) { stat(t, b, "src") }},
		{"ListBlobs", func(t *testing.T, b providers.Bucket, _ providers.Object) { list(t, b, "", providers.ListOptions{}) }},
		{"PutBlob", func(t *testing.T, b providers.Bucket, _ providers.Object) { wantPut(t, b, "k", small) }},
		{"PutBlock", func(t *testing.T, b providers.Bucket, _ providers.Object) { wantPut(t, b, "k", large) }},
		{"PutBlockList", func(t *testing.T, b providers.Bucket, _ providers.Object) { wantPut(t, b, "k", large) }},
		{"PutBlobFromURL", func(t *testing.T, b providers.Bucket, src providers.Object) {
			mustCopy(t, b, "k", src, providers.CopyOptions{})
			if !bytes.Equal(read(t, b, "k"), small) {
				t.Error("the copy differs")
			}
		}},
		{"DeleteBlob", func(t *testing.T, b providers.Bucket, _ providers.Object) { wantDeleted(t, b, "src") }},
		{"Batch", func(t *testing.T, b providers.Bucket, _ providers.Object) { wantDeleted(t, b, "src", "large") }},
	} {
		for name, fault := range when {
			t.Run(tc.op+", closed "+name, func(t *testing.T) {
				t.Parallel()
				p := testserver.NewAzure(t)
				cfg := config(p, p.NewContainer(t), customerKey)
				cfg.Buffers = smallParts()
				b := open(t, cfg)
				put(t, b, "large", large)
				src := put(t, b, "src", small)
				mustCopy(t, b, "probed", src, providers.CopyOptions{})
				p.Reset()
				p.SetFault(testserver.OnAzureOp(tc.op, 1, fault))
				tc.do(t, b, src)
				// Of the blocks of an upload, only one meets the fault.
				if ops := strings.Join(p.Ops(), " ") + " "; strings.Count(ops, tc.op+" ") < 2 {
					t.Errorf("no second attempt: %s", ops)
				}
			})
		}
	}
}

func wantPut(t *testing.T, b providers.Bucket, key string, data []byte) {
	t.Helper()
	put(t, b, key, data)
	if !bytes.Equal(read(t, b, key), data) {
		t.Errorf("the content of %s differs", key)
	}
}

func wantDeleted(t *testing.T, b providers.Bucket, keys ...string) {
	t.Helper()
	if err := b.Delete(t.Context(), keys...); err != nil {
		t.Fatal(err)
	}
	for _, e := range list(t, b, "", providers.ListOptions{}) {
		for _, key := range keys {
			if e.Key == key {
				t.Errorf("%s is still there", key)
			}
		}
	}
}
