package providers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// probeRemovalTime bounds the removal of what a probe has written.
const probeRemovalTime = 30 * time.Second

// Probes removes what the probes of a sealed bucket write. A bucket that does
// not let it go takes no writes: it would gather such objects, and could not be
// cleared of what its store has failed to seal.
type Probes struct {
	remove     func(ctx context.Context, keys ...string) error
	permission string
	log        *slog.Logger

	mu   sync.Mutex
	left []string // of earlier probes
}

// NewProbes returns the Probes of a bucket with its Delete. permission says for
// a person what lets the credentials delete.
func NewProbes(remove func(ctx context.Context, keys ...string) error, permission string, log *slog.Logger) *Probes {
	return &Probes{remove: remove, permission: permission, log: log}
}

// Run runs a probe and removes the objects of the given names, whatever became
// of ctx. It returns the outcome of both. As long as what an earlier probe has
// left cannot be removed there is no other, so that not more is left behind with
// every attempt to write.
func (p *Probes) Run(ctx context.Context, probe func() error, names ...string) error {
	p.mu.Lock()
	left := slices.Clone(p.left)
	p.mu.Unlock()
	if len(left) > 0 {
		if err := p.end(ctx, nil, left...); err != nil {
			return err
		}
	}
	return p.end(ctx, probe(), names...)
}

// end removes the objects of a probe whose outcome is err. If it has failed it
// may have written nothing; that it cannot be removed is then only told to the
// log.
func (p *Probes) end(ctx context.Context, err error, names ...string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeRemovalTime)
	defer cancel()
	failed := p.remove(ctx, names...)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = slices.DeleteFunc(p.left, func(name string) bool { return slices.Contains(names, name) })
	if failed == nil {
		return err
	}
	left := keysLeft(failed, names)
	if err != nil {
		p.log.Warn("what a probe has written may not be removed", "keys", left, "err", failed)
		if errors.Is(err, ErrUnverified) {
			p.left = append(p.left, left...)
		}
		return err
	}
	p.left = append(p.left, left...)
	return p.error(left, failed)
}

// keysLeft are those of names that a failed deletion has left behind.
func keysLeft(failed error, names []string) []string {
	var left []string
	if e, ok := errors.AsType[*DeleteError](failed); ok {
		for _, f := range e.Failed {
			left = append(left, f.Key)
		}
		return left
	}
	return slices.Clone(names)
}

// error is the outcome of a probe that is well but for what it leaves behind.
func (p *Probes) error(left []string, failed error) error {
	e := &Error{Op: "probe", Key: left[0], Kind: ErrUnavailable, Err: &LeftError{Keys: left, err: failed}}
	first, ok := errors.AsType[*Error](failed)
	if ok {
		e.Kind = first.Kind
	}
	why := p.permission
	if ok && !errors.Is(first, fs.ErrPermission) && first.Advice != "" {
		why = first.Advice
	}
	e.Advice = fmt.Sprintf("what sealdav writes before anything else, to see that the store encrypts, could not be deleted again, so the remote takes no writes: %s. Left behind: %s", why, strings.Join(left, ", "))
	return e
}

// LeftError is the cause of a probe that failed because what it has written
// could not be deleted.
type LeftError struct {
	Keys []string // that may be left behind
	err  error
}

func (e *LeftError) Error() string { return e.err.Error() }

// Unwrap is why they could not be deleted.
func (e *LeftError) Unwrap() error { return e.err }
