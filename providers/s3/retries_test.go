package s3_test

import (
	"bytes"
	"net/http"
	"sync/atomic"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/providers"
)

// TestRetriesEveryCall: a call that the store fails once or twice succeeds,
// before anyone hears of it.
func TestRetriesEveryCall(t *testing.T) {
	store := testserver.SharedMinIO(t)
	for name, fault := range map[string]func(http.ResponseWriter){
		"reset":       cut,
		"500":         func(w http.ResponseWriter) { refuse(w, 500, "InternalError", "") },
		"503":         func(w http.ResponseWriter) { refuse(w, 503, "ServiceUnavailable", "") },
		"SlowDown":    func(w http.ResponseWriter) { refuse(w, 503, "SlowDown", "") },
		"bad gateway": func(w http.ResponseWriter) { w.WriteHeader(502) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var failing atomic.Int32 // so many requests to come
			p := newProxy(t, store, func(w http.ResponseWriter, _ *http.Request, _ string) bool {
				if failing.Add(-1) < 0 {
					return false
				}
				fault(w)
				return true
			})
			b := open(t, config(&p.S3, store.NewBucket(t), customerKey))
			data := noise(100_000)
			src := put(t, b, "k", data) // and the probe
			ctx := t.Context()
			for _, call := range []struct {
				name string
				do   func() error
			}{
				{"put", func() error {
					_, err := b.Put(ctx, "new", bytes.NewReader(data), providers.PutOptions{Size: int64(len(data))})
					return err
				}},
				{"stat", func() error { _, err := b.Stat(ctx, "k"); return err }},
				{"list", func() error {
					for _, err := range b.List(ctx, "", providers.ListOptions{}) {
						if err != nil {
							return err
						}
					}
					return nil
				}},
				{"open", func() error {
					body, _, err := b.Open(ctx, "k", providers.OpenOptions{})
					if err == nil {
						err = body.Close()
					}
					return err
				}},
				{"copy", func() error { _, err := b.Copy(ctx, "copy", src, providers.CopyOptions{}); return err }},
				{"delete", func() error { return b.Delete(ctx, "copy", "new") }},
			} {
				failing.Store(2)
				if err := call.do(); err != nil {
					t.Errorf("%s: %v", call.name, err)
				}
				if failing.Load() >= 0 {
					t.Errorf("%s: the faults were not met", call.name)
				}
			}
			if !bytes.Equal(read(t, b, "k"), data) {
				t.Error("content differs")
			}
		})
	}
}
