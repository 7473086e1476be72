package tests

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealdav/tests/harness"
)

const lockInfo = `<?xml version="1.0" encoding="utf-8"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>`

// TestLocksSurvive: with state set, a lock outlives the server, however that
// ends, and its token goes on being good for it.
func TestLocksSurvive(t *testing.T) {
	remote, dir := harness.LocalRemote(t, "files", "")
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(t.TempDir(), "made", "state")
	s := harness.ServeConfig(t, state, remote)
	lock := func(path string) (token string) {
		t.Helper()
		r := s.Want(t, []int{http.StatusOK, http.StatusCreated}, "LOCK", path, []byte(lockInfo), "Timeout", "Second-600")
		return strings.Trim(r.Header.Get("Lock-Token"), "<>")
	}
	f, ended := lock("/files/f"), lock("/files/new")
	s.Want(t, []int{http.StatusNoContent}, "UNLOCK", "/files/new", nil, "Lock-Token", "<"+ended+">")
	for _, path := range []string{filepath.Dir(state), state} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	for _, end := range []func(testing.TB){s.Kill, nil} {
		if end == nil {
			s.Stop(t)
		} else {
			end(t)
		}
		s = harness.ServeConfig(t, state, remote)
		s.Want(t, []int{http.StatusLocked}, "PUT", "/files/f", []byte("theirs"))
		s.Want(t, []int{http.StatusLocked}, "LOCK", "/files/f", []byte(lockInfo))
		s.Want(t, []int{http.StatusOK}, "LOCK", "/files/f", nil, "If", "(<"+f+">)", "Timeout", "Second-600")
		s.Want(t, []int{http.StatusNoContent}, "PUT", "/files/f", []byte("mine"), "If", "(<"+f+">)")
		s.Want(t, []int{http.StatusNoContent}, "PUT", "/files/new", []byte("free"))
	}
	s.Want(t, []int{http.StatusNoContent}, "UNLOCK", "/files/f", nil, "Lock-Token", "<"+f+">")
	s.Kill(t)
	s = harness.ServeConfig(t, state, remote)
	s.Want(t, []int{http.StatusNoContent}, "PUT", "/files/f", []byte("free"))
}
