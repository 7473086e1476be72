package gcs_test

import (
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
	store := testserver.SharedGCS(t)
	defer store.SetFault(nil)
	b := warm(t, store, store.NewBucket(t), customerKey)
	src, err := b.Stat(t.Context(), "src")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		op string
		do func(context.Context) error
	}{
		{"rewrite", func(ctx context.Context) error {
			_, err := b.Copy(ctx, "k", src, providers.CopyOptions{})
			return err
		}},
		{"delete", func(ctx context.Context) error {
			return b.DeleteIf(ctx, "src", providers.DeleteOptions{IfMatch: src.ETag})
		}},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		seen := false
		is := testserver.OnGCSOp(tc.op, 0, testserver.Fault{})
		store.SetFault(func(r *http.Request) *testserver.Fault {
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
