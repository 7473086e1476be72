package testserver_test

import (
	"testing"

	"sealdav/internal/testserver"
)

func TestMain(m *testing.M) { testserver.Main(m) }

func TestMinIO(t *testing.T) {
	s := testserver.SharedMinIO(t)
	b := s.NewBucket(t)
	t.Log(s.Keys(t, b), s.Uploads(t, b))
}
func TestVersityGW(t *testing.T) {
	s := testserver.SharedVersityGW(t)
	b := s.NewBucket(t)
	t.Log(s.Keys(t, b), s.Uploads(t, b))
}
