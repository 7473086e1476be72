package providers_test

import (
	"testing"
	"testing/synctest"
	"time"

	"sealdav/providers"
)

func TestPace(t *testing.T) {
	for _, tc := range []struct {
		name  string
		watch bool
		bytes int // in each of ten reads, a quarter of a minute apart
		ok    bool
	}{
		{"quick", true, 1 << 20, true},
		{"slow", true, 20 << 10, true},
		{"too slow", true, 1 << 10, false},
		{"holds no buffer", false, 1, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var p providers.Pace
				if tc.watch {
					p.Start()
				}
				var err error
				for range 10 {
					time.Sleep(15 * time.Second)
					if err = p.Read(tc.bytes); err != nil {
						break
					}
				}
				if tc.ok != (err == nil) {
					t.Errorf("got %v", err)
				}
				p.Stop()
				time.Sleep(time.Hour)
				if err := p.Read(0); err != nil {
					t.Errorf("without a buffer: %v", err)
				}
			})
		})
	}
}
