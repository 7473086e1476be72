package providers_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sealdav/providers"
)

func TestWithPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait, _, cancel := providers.WithPatience(t.Context(), time.Minute)
		defer cancel()
		begun := time.Now()
		<-wait.Done()
		if got := context.Cause(wait); got != providers.ErrNoAnswer || time.Since(begun) != time.Minute {
			t.Errorf("ended after %v by %v", time.Since(begun), got)
		}
		wait, arrived, cancel := providers.WithPatience(t.Context(), time.Minute)
		arrived()
		time.Sleep(time.Hour)
		if wait.Err() != nil {
			t.Error("ended although the answer had come")
		}
		cancel()
		if got := context.Cause(wait); got != context.Canceled {
			t.Errorf("released with %v", got)
		}
	})
}
