package locks_test

import (
	"testing"

	"sealdav/davfs/locks"
	"sealdav/davfs/locks/lockstest"
)

func TestMemory(t *testing.T) {
	lockstest.Run(t, lockstest.Config{
		Open: func(t testing.TB, clock *lockstest.Clock) locks.System {
			return locks.NewMemory(locks.WithClock(clock.Now))
		},
	})
}
