package providers_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sealdav/providers"
)

// TestGateWaits: a writer that gives up waits no longer, and its leaving does
// not end the probe that others wait for.
func TestGateWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		probes := 0
		g := providers.NewGate(func(ctx context.Context) error {
			probes++
			select {
			case <-answer:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		first, leave := context.WithCancel(t.Context())
		results := make(chan error, 2)
		go func() { results <- g.Admit(first) }()
		synctest.Wait()
		leave()
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("the writer that left: %v", err)
		}
		go func() { results <- g.Admit(t.Context()) }()
		synctest.Wait()
		close(answer)
		if err := <-results; err != nil {
			t.Errorf("the writer that waited: %v", err)
		}
		if err := g.Admit(t.Context()); err != nil || probes != 1 {
			t.Errorf("afterwards: %v, %d probes", err, probes)
		}
	})
}

// TestGateEnds: a probe that is never answered, or panics, is an error.
func TestGateEnds(t *testing.T) {
	for name, probe := range map[string]func(context.Context) error{
		"hangs":  func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"panics": func(context.Context) error { panic("a bug") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := providers.NewGate(probe)
				for range 2 { // the gate is as before
					err := g.Admit(t.Context())
					if _, ok := errors.AsType[*providers.Error](err); !ok || !errors.Is(err, providers.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("got %v, want ErrUnavailable", err)
					}
				}
			})
		})
	}
}

// TestGateRefuses: a verdict holds for a minute, another failure for one write.
func TestGateRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		verdict, probes := error(&providers.Error{Op: "probe", Kind: providers.ErrUnverified}), 0
		g := providers.NewGate(func(context.Context) error { probes++; return verdict })
		for range 3 {
			if err := g.Admit(t.Context()); !errors.Is(err, providers.ErrUnverified) {
				t.Errorf("got %v", err)
			}
		}
		if probes != 1 {
			t.Errorf("%d probes within a minute", probes)
		}
		time.Sleep(time.Minute)
		verdict = &providers.Error{Op: "probe", Kind: providers.ErrUnavailable}
		for range 2 {
			if err := g.Admit(t.Context()); !errors.Is(err, providers.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
		}
		verdict = nil
		if err := g.Admit(t.Context()); err != nil || probes != 4 {
			t.Errorf("%v after %d probes", err, probes)
		}
	})
}
