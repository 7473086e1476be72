package testserver

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"testing"
)

// MinIO starts a MinIO of the test's own: SSE-C, SSE-S3 and SSE-KMS (with the
// key KMSKey) are enforced.
func MinIO(t testing.TB) *S3 {
	t.Helper()
	return begin(t, startMinIO)
}

func startMinIO() (*S3, error) {
	bin, err := tool("bin", "minio")
	if err != nil {
		return nil, err
	}
	s, dir, port, err := newServer()
	if err != nil {
		return nil, err
	}
	s.KMSKey = "sealdav-test-key"
	kms := make([]byte, 32)
	_, _ = rand.Read(kms) // never fails
	return s.launch(bin,
		[]string{"server", "--quiet", "--certs-dir", dir, "--address", fmt.Sprintf("127.0.0.1:%d", port), filepath.Join(dir, "data")},
		[]string{
			"MINIO_ROOT_USER=" + s.AccessKey,
			"MINIO_ROOT_PASSWORD=" + s.SecretKey,
			"MINIO_KMS_SECRET_KEY=" + s.KMSKey + ":" + base64.StdEncoding.EncodeToString(kms),
			"MINIO_BROWSER=off",
			"MINIO_UPDATE=off",
		})
}
