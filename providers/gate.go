package providers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// refusalTTL is how long a failed probe answers for the next writes, so
	// that a remote whose bucket is put right needs no restart, and a remote
	// that is not does not write a probe for each attempt.
	refusalTTL = time.Minute
	// probeTime bounds a probe, all its requests together.
	probeTime = 2 * time.Minute
)

// Gate admits writes to a sealed bucket only after a probe has shown that the
// store really seals what it is told to seal. The probe runs once, before the
// first write; writers that come meanwhile wait for it, each as long as its
// own context lets it. The probe has a context of its own, with the values of
// the first writer's.
//
// A probe's ErrUnverified is a verdict on the store and refuses writes for a
// minute before the next probe; any other error (the store is away, access
// denied) is only the answer to the writers that waited.
type Gate struct {
	probe func(context.Context) error

	mu      sync.Mutex
	open    bool
	refused error
	until   time.Time
	running *probing // nil: none
}

// probing is a probe under way. err is set before done is closed.
type probing struct {
	done chan struct{}
	err  error
}

// NewGate returns a Gate around probe; a nil probe admits everything.
func NewGate(probe func(context.Context) error) *Gate {
	return &Gate{probe: probe, open: probe == nil}
}

// Admit returns nil once the probe has passed.
func (g *Gate) Admit(ctx context.Context) error {
	p, err := g.join(ctx)
	if p == nil {
		return err
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// join returns the probe to wait for, or nil and what is known already.
func (g *Gate) join(ctx context.Context) (*probing, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.open:
		return nil, nil
	case g.refused != nil && time.Now().Before(g.until):
		return nil, g.refused
	case g.running == nil:
		g.running = &probing{done: make(chan struct{})}
		go g.run(context.WithoutCancel(ctx), g.running)
	}
	return g.running, nil
}

func (g *Gate) run(ctx context.Context, p *probing) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	p.err = g.guarded(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open, g.refused, g.running = p.err == nil, nil, nil
	if errors.Is(p.err, ErrUnverified) {
		g.refused, g.until = p.err, time.Now().Add(refusalTTL)
	}
	close(p.done)
}

// guarded runs the probe. Its panic is not to end the process, nor the end of
// its own context to pass for that of a writer's.
func (g *Gate) guarded(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &Error{Op: "probe", Kind: ErrUnavailable, Err: fmt.Errorf("panic: %v", r)}
		}
	}()
	if err = g.probe(ctx); err != nil && ctx.Err() != nil && !errors.Is(err, ErrUnverified) {
		return &Error{Op: "probe", Kind: ErrUnavailable,
			Advice: "the store did not answer in time what a sealed remote asks of it before its first write"}
	}
	return err
}
