package providers_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sealdav/providers"
)

// TestBuffers: buffers are lent again, up to the bound, and are dropped once
// none has been lent for a while.
func TestBuffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := providers.NewBuffers(1000, 2500)
		get := func() *[]byte {
			t.Helper()
			p, err := b.Get(t.Context())
			if err != nil || len(*p) != 1000 {
				t.Fatalf("Get: %v", err)
			}
			return p
		}
		first := []*[]byte{get(), get()}
		full, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.Get(full); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a third of two: %v", err)
		}
		b.Put(first[0])
		time.Sleep(time.Minute) // one is still lent
		if again := get(); again != first[0] {
			t.Error("a new buffer while there was one")
		}
		b.Put(first[0])
		b.Put(first[1])
		time.Sleep(5 * time.Second)
		if again := get(); !slices.Contains(first, again) {
			t.Error("dropped too early")
		} else {
			time.Sleep(time.Minute)
			b.Put(again)
		}
		time.Sleep(11 * time.Second)
		for range 2 {
			if slices.Contains(first, get()) {
				t.Error("not dropped")
			}
		}
	})
}
