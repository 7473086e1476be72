package s3_test

import (
	"bytes"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"sealdav/internal/testserver"
	"sealdav/providers"
)

// TestAbortOwed: an upload that could not be aborted is, as soon as the store
// lets it, or is left to the journal by a bucket that is closed before.
func TestAbortOwed(t *testing.T) {
	store := testserver.SharedMinIO(t)
	for _, tc := range []struct {
		name   string
		closed bool
	}{{"the store comes back", false}, {"closed before", true}} {
		t.Run(tc.name, func(t *testing.T) {
			var broken atomic.Bool
			var aborts atomic.Int32
			again := make(chan struct{})
			p := newProxy(t, store, func(w http.ResponseWriter, r *http.Request, op string) bool {
				if !broken.Load() || op != "Abort" && op != "Part" {
					return false
				}
				if op == "Abort" && aborts.Add(1) == 3 {
					close(again)
				}
				refuse(w, 403, "AccessDenied", "")
				return true
			})
			bucket := store.NewBucket(t)
			cfg := config(&p.S3, bucket, customerKey)
			cfg.Buffers, cfg.StateDir = smallParts(), t.TempDir()
			b := open(t, cfg)
			b.SetAbortPause(time.Millisecond)
			put(t, b, "k", noise(6<<20)) // and the probes
			broken.Store(true)
			if _, err := b.Put(t.Context(), "k", bytes.NewReader(noise(6<<20)), providers.PutOptions{Size: 6 << 20}); err == nil {
				t.Fatal("Put succeeded")
			}
			<-again
			if left := store.Uploads(t, bucket, "k"); len(left) != 1 {
				t.Fatalf("%d uploads while aborts fail, want 1", len(left))
			}
			if tc.closed {
				b.Close()
				if notes := journalNotes(t, cfg.StateDir); len(notes) != 1 {
					t.Errorf("the journal has %q, want the upload", notes)
				}
				broken.Store(false)
				open(t, cfg).WaitBackground()
			} else {
				broken.Store(false)
				b.WaitBackground()
			}
			if left := store.Uploads(t, bucket, "k"); len(left) > 0 {
				t.Errorf("%d uploads left", len(left))
			}
			if notes := journalNotes(t, cfg.StateDir); len(notes) > 0 {
				t.Errorf("left in the journal: %q", notes)
			}
		})
	}
}
