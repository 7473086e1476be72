package testserver

import (
	"os"
	"sync"
	"testing"
)

// shared holds the servers that all tests of a binary use.
var shared struct {
	mu                    sync.Mutex
	inMain                bool
	minio, versitygw, rgw *S3
	azurite               *azurite
	gcs                   *GCS
}

// Main runs the tests, ends the shared servers and exits. TestMain calls it.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main for a TestMain that has more to clean up: it returns the exit
// code.
func Run(m *testing.M) int {
	shared.mu.Lock()
	shared.inMain = true
	shared.mu.Unlock()
	defer func() {
		for _, s := range []*S3{shared.minio, shared.versitygw, shared.rgw} {
			if s != nil {
				s.close()
			}
		}
		if shared.azurite != nil {
			shared.azurite.close()
		}
		if shared.gcs != nil {
			shared.gcs.close()
		}
	}()
	return m.Run()
}

// SharedMinIO is MinIO(t), started once for all tests of the binary.
func SharedMinIO(t testing.TB) *S3 {
	t.Helper()
	return share(t, &shared.minio, startMinIO)
}

// SharedVersityGW is VersityGW(t), started once for all tests of the binary.
func SharedVersityGW(t testing.TB) *S3 {
	t.Helper()
	return share(t, &shared.versitygw, startVersityGW)
}

func share(t testing.TB, slot **S3, start func() (*S3, error)) *S3 {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if !shared.inMain {
		t.Fatal(errNoMain)
	}
	if *slot == nil {
		s, err := start()
		if err != nil {
			t.Fatal(err)
		}
		*slot = s
	}
	return *slot
}
