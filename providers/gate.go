package providers

import (
	"context"
	"errors"
	"sync"
	"time"
)

// refusalTTL is how long a failed probe answers for the next writes, so that
// a remote whose bucket is put right needs no restart, and a remote that is
// not does not write a probe for each attempt.
const refusalTTL = time.Minute

// Gate admits writes to a sealed bucket only after a probe has shown that the
// store really seals what it is told to seal. The probe runs once, before the
// first write; writers that come meanwhile wait for it.
//
// A probe's ErrUnverified is a verdict on the store and refuses writes for a
// minute before the next probe; any other error (the store is away, access
// denied) is only the answer to this write.
type Gate struct {
	probe func(context.Context) error

	mu      sync.Mutex // held while probing
	open    bool
	refused error
	until   time.Time
}

// NewGate returns a Gate around probe; a nil probe admits everything.
func NewGate(probe func(context.Context) error) *Gate {
	return &Gate{probe: probe, open: probe == nil}
}

// Admit returns nil once the probe has passed.
func (g *Gate) Admit(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open {
		return nil
	}
	if g.refused != nil && time.Now().Before(g.until) {
		return g.refused
	}
	err := g.probe(ctx)
	g.open, g.refused = err == nil, nil
	if errors.Is(err, ErrUnverified) {
		g.refused, g.until = err, time.Now().Add(refusalTTL)
	}
	return err
}
