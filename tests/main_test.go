package tests

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sealdav/tests/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// both are the ways to say what one S3 bucket is encrypted with; each serves
// the bucket and returns the path it is served at.
var both = []struct {
	name  string
	serve func(t *testing.T, b bucket, sse string) (s *harness.Server, base string)
}{
	{"config", func(t *testing.T, b bucket, sse string) (*harness.Server, string) {
		return harness.ServeConfig(t, "", b.remote("drive", sse)), "/drive"
	}},
	{"environment", func(t *testing.T, b bucket, sse string) (*harness.Server, string) {
		harness.StoreSecret(b.S3)
		return harness.Serve(t, append(b.Env(), "AWS_S3OPTIONS="+sse), "s3://"+b.name), "/" + b.name
	}},
}

// randomBytes are n bytes that no compression or repetition can hide.
func randomBytes(n int) []byte {
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(rand.Uint32())
	}
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(seed).Read(b) // never fails
	return b
}

// same fails the test if two contents differ, without printing megabytes.
func same(t testing.TB, what string, got, want []byte) {
	t.Helper()
	switch {
	case bytes.Equal(got, want):
	case len(got) < 200 && len(want) < 200:
		t.Errorf("%s: %s", what, cmp.Diff(string(want), string(got)))
	default:
		t.Errorf("%s: %d bytes that differ from the %d wanted", what, len(got), len(want))
	}
}

// zeros is a body without a known length.
type zeros struct{ left int }

func (z *zeros) Read(b []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(len(b), z.left)
	clear(b[:n])
	z.left -= n
	return n, nil
}
