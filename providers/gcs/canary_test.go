package gcs_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/providers"
	"sealdav/sse"
)

// TestCanary searches the log at its most talkative, all errors and the bucket
// itself, printed in every way, for the keys and the token.
func TestCanary(t *testing.T) {
	store := testserver.SharedGCS(t)
	bucket := store.NewBucket(t)
	var log bytes.Buffer
	cfg := config(store, bucket, twoKeys)
	cfg.Anonymous, cfg.CredentialsFile = false, store.Credentials(t)
	cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b := open(t, cfg)
	defer store.SetFault(nil)
	var said strings.Builder
	say := func(err error) { fmt.Fprintf(&said, "%v %+v %#v\n", err, err, err) }
	for _, status := range []int{400, 403, 412, 307} {
		for _, op := range []string{"read", "insert", "rewrite", "describe", "delete"} {
			store.SetFault(nil)
			src := put(t, b, "k", "content")
			store.SetFault(testserver.OnGCSOp(op, 0, testserver.Fault{Status: status, Code: "customerEncryptionKeyIsIncorrect"}))
			_, err := read(t, b, "k", providers.OpenOptions{})
			say(err)
			say(putErr(t, b, "k", "new"))
			_, err = b.Copy(t.Context(), "copy", src, providers.CopyOptions{})
			say(err)
			say(b.Delete(t.Context(), "k"))
		}
	}
	fmt.Fprintf(&said, "%v %+v %v %+v", b, b, cfg, cfg)
	said.WriteString(log.String())
	if !strings.Contains(log.String(), "store request") {
		t.Error("the log is empty")
	}
	for _, k := range append([]sse.Key{twoKeys.WriteKey}, twoKeys.ReadKeys...) {
		raw := k.Bytes()
		for _, form := range []string{string(raw[:]), k.Base64(), k.SHA256(), hex.EncodeToString(raw[:])} {
			if strings.Contains(said.String(), form) {
				t.Errorf("a key was printed, as %q...", form[:4])
			}
		}
	}
	if strings.Contains(said.String(), "Bearer ") {
		t.Error("a token was printed")
	}
}
