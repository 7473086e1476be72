package testserver

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// VersityGW starts a versitygw of the test's own. It takes every encryption
// header and stores plain text all the same.
func VersityGW(t testing.TB) *S3 {
	t.Helper()
	return begin(t, startVersityGW)
}

func startVersityGW() (*S3, error) {
	bin, err := tool("bin", "versitygw")
	if err != nil {
		return nil, err
	}
	s, dir, port, err := newServer()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		s.close()
		return nil, err
	}
	return s.launch(bin,
		[]string{
			"--port", fmt.Sprintf("127.0.0.1:%d", port), "--cert", s.cert.certFile, "--key", s.cert.keyFile,
			"--region", s.Region, "--keep-alive", "--quiet", "posix", data,
		},
		[]string{"ROOT_ACCESS_KEY=" + s.AccessKey, "ROOT_SECRET_KEY=" + s.SecretKey})
}
