package s3_test

import (
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/providers"
	"sealdav/providers/providertest"
	"sealdav/sse"
)

// TestCopyDenied: a copy whose source lies under an unknown key is told from
// one that the store does not permit, which MinIO answers alike.
func TestCopyDenied(t *testing.T) {
	store := testserver.SharedMinIO(t)
	bucket := store.NewBucket(t)
	denied := false
	p := newProxy(t, store, func(w http.ResponseWriter, _ *http.Request, op string) bool {
		if denied && op == "Copy" {
			refuse(w, 403, "AccessDenied", "Access Denied.")
			return true
		}
		return false
	})
	other := put(t, open(t, config(store, bucket, sse.Settings{WriteKey: providertest.NewKey('o')})), "other", []byte("x"))
	settings := sse.Settings{WriteKey: providertest.NewKey('w'), ReadKeys: []sse.Key{providertest.NewKey('r')}}
	ours := put(t, open(t, config(store, bucket, settings)), "ours", []byte("x"))
	plain := put(t, open(t, config(store, bucket, sse.Settings{})), "plain", []byte("x"))
	for _, tc := range []struct {
		name   string
		src    providers.Object
		denied bool
		parts  bool
		kind   error
		advice string
	}{
		{"under an unknown key", other, false, false, providers.ErrKey, "customer key that this remote does not have"},
		{"in parts, under an unknown key", other, false, true, providers.ErrKey, "customer key that this remote does not have"},
		{"denied, under a key of ours", ours, true, false, fs.ErrPermission, "s3:PutObject"},
		{"denied, plain", plain, true, false, fs.ErrPermission, "s3:PutObject"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := open(t, config(&p.S3, bucket, settings))
			put(t, b, "probed", nil)
			if tc.parts {
				b.SetCopyLimits(0, 5<<20)
			}
			denied = tc.denied
			defer func() { denied = false }()
			_, err := b.Copy(t.Context(), "dst", tc.src, providers.CopyOptions{})
			if !errors.Is(err, tc.kind) || !strings.Contains(providers.Advice(err), tc.advice) {
				t.Errorf("got %v, want %v and advice with %q", err, tc.kind, tc.advice)
			}
		})
	}
}
