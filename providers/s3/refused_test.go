package s3_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/providers"
	"sealdav/sse"
)

// TestRefusals: what a store has against a write is said in words that lead to
// the cure.
func TestRefusals(t *testing.T) {
	store := testserver.SharedMinIO(t)
	bucket := store.NewBucket(t)
	wrongSecret, wrongID := *store, *store
	wrongSecret.SecretKey, wrongID.AccessKey = "wrong-secret", "nobody"
	for _, tc := range []struct {
		name     string
		store    *testserver.S3
		settings sse.Settings
		key      string
		kind     error
		advice   string
	}{
		{"wrong secret", &wrongSecret, sse.Settings{}, "k", providers.ErrCredentials, "secret_access_key"},
		{"wrong access key", &wrongID, sse.Settings{}, "k", providers.ErrCredentials, "access_key_id"},
		{"an encryption that it has not", store, sse.Settings{Algorithm: sse.KMSDSSE}, "k", errors.ErrUnsupported, "sse options"},
		{"a name that is too long for it", store, sse.Settings{}, "a/" + strings.Repeat("x", 300), fs.ErrInvalid, "255 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := open(t, config(tc.store, bucket, tc.settings)).Put(t.Context(), tc.key, strings.NewReader("x"), providers.PutOptions{Size: 1})
			if !errors.Is(err, tc.kind) || !strings.Contains(providers.Advice(err), tc.advice) {
				t.Errorf("got %v, want %v and advice with %q", err, tc.kind, tc.advice)
			}
		})
	}
}
