package file_test

import (
	"path/filepath"
	"sync"
	"testing"

	"sealdav/davfs/locks"
	"sealdav/davfs/locks/file"
	"sealdav/davfs/locks/lockstest"
)

func TestFile(t *testing.T) {
	var paths sync.Map // locks.System to the path of its file
	open := func(t testing.TB, path string, clock *lockstest.Clock) locks.System {
		s, err := file.Open(path, locks.WithClock(clock.Now))
		if err != nil {
			t.Fatal(err)
		}
		paths.Store(s, path)
		return s
	}
	lockstest.Run(t, lockstest.Config{
		Open: func(t testing.TB, clock *lockstest.Clock) locks.System {
			return open(t, filepath.Join(t.TempDir(), "locks"), clock)
		},
		Reopen: func(t testing.TB, s locks.System, clock *lockstest.Clock) locks.System {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			path, _ := paths.Load(s)
			return open(t, path.(string), clock)
		},
	})
}
