package azure_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/providers"
)

// TestClientLeaves: a request that changes the store in one step is not broken
// off when its client leaves.
func TestClientLeaves(t *testing.T) {
	p := testserver.NewAzure(t)
	b := warm(t, p, p.NewContainer(t), customerKey)
	src, large := stat(t, b, "src"), noise(1<<20+1)
	for _, tc := range []struct {
		op string
		do func(context.Context) error
	}{
		{"PutBlobFromURL", func(ctx context.Context) error {
			_, err := b.Copy(ctx, "k", src, providers.CopyOptions{})
			return err
		}},
		{"PutBlockList", func(ctx context.Context) error {
			_, err := b.Put(ctx, "k", bytes.NewReader(large), providers.PutOptions{Size: int64(len(large))})
			return err
		}},
		{"DeleteBlob", func(ctx context.Context) error {
			return b.DeleteIf(ctx, "src", providers.DeleteOptions{IfMatch: src.ETag})
		}},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		seen := false
		is := testserver.OnAzureOp(tc.op, 0, testserver.Fault{})
		p.SetFault(func(r *http.Request) *testserver.Fault {
			if is(r) != nil {
				seen = true
				cancel()
			}
			return nil
		})
		if err := tc.do(ctx); err != nil || !seen {
			t.Errorf("%s broken off: %v", tc.op, err)
		}
		if err := tc.do(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s begun for a client that has left: %v", tc.op, err)
		}
	}
}
