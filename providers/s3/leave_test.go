package s3_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"testing"

	"sealdav/providers"
)

// TestClientLeaves: a request that changes the store in one step is not broken
// off when its client leaves.
func TestClientLeaves(t *testing.T) {
	large := noise(6 << 20)
	for _, tc := range []struct {
		op string
		do func(context.Context, providers.Bucket, providers.Object) error
	}{
		{"Copy", func(ctx context.Context, b providers.Bucket, src providers.Object) error {
			_, err := b.Copy(ctx, "k", src, providers.CopyOptions{})
			return err
		}},
		{"Complete", func(ctx context.Context, b providers.Bucket, _ providers.Object) error {
			_, err := b.Put(ctx, "k", bytes.NewReader(large), providers.PutOptions{Size: int64(len(large))})
			return err
		}},
		{"Delete", func(ctx context.Context, b providers.Bucket, src providers.Object) error {
			return b.DeleteIf(ctx, "src", providers.DeleteOptions{IfMatch: src.ETag, Seen: true})
		}},
	} {
		t.Run(tc.op, func(t *testing.T) {
			f, b := newFakeStore(t)
			put(t, b, "large", large) // pays for the probe of parts
			src := stat(t, b, "src")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			f.tell(func() {
				f.before = func(_ http.ResponseWriter, op, _ string) bool {
					if op == tc.op {
						cancel()
					}
					return false
				}
			})
			if err := tc.do(ctx, b, src); err != nil {
				t.Errorf("broken off: %v", err)
			}
			if err := tc.do(ctx, b, src); !errors.Is(err, context.Canceled) {
				t.Errorf("begun for a client that has left: %v", err)
			}
		})
	}
}

// TestStreamedCopyLeft: a copy that goes through this process ends with its
// client, whatever the store does.
func TestStreamedCopyLeft(t *testing.T) {
	f, b := newFakeStore(t)
	src := stat(t, b, "src")
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	f.tell(func() {
		f.before = func(w http.ResponseWriter, op, key string) bool {
			switch {
			case op == "Copy":
				w.WriteHeader(http.StatusNotImplemented)
				return true
			case op == "Get" && key == "src":
				cancel()
				<-release
			}
			return false
		}
	})
	if _, err := b.Copy(ctx, "k", src, providers.CopyOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Copy: %v", err)
	}
	if got := f.state("k"); got != "nothing" {
		t.Errorf("the destination is %s", got)
	}
}
