package main

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"sealdav/internal/config"
	"sealdav/providers"
	"sealdav/sse"
)

// TestExplain: the cure is for what is wrong, and names the remote.
func TestExplain(t *testing.T) {
	r := config.Remote{Name: "photos", URL: config.URL{Store: sse.S3, Bucket: "b"}}
	for _, tc := range []struct {
		kind       error
		cure, less string
	}{
		{providers.ErrCredentials, "access_key_id", "s3:PutObject"},
		{fs.ErrPermission, "s3:PutObject", "secret_access_key"},
		{errors.ErrUnsupported, "sse of [remotes.photos]", "endpoint"},
		{providers.ErrUnavailable, "endpoint", "sse"},
	} {
		_, cure := explain(&providers.Error{Op: "put", Kind: tc.kind}, r)
		if !strings.Contains(cure, tc.cure) || strings.Contains(cure, tc.less) {
			t.Errorf("%v: the cure is %q, want %q in it and not %q", tc.kind, cure, tc.cure, tc.less)
		}
	}
}
