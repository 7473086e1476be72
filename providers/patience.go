package providers

import (
	"context"
	"errors"
	"time"
)

// Patience is how long a request without a body of note, its retries included,
// may take to be answered: the half minute that a WebDAV client waits.
const Patience = 30 * time.Second

// ErrNoAnswer ends a request that was not answered in time.
var ErrNoAnswer = errors.New("no answer in time")

// WithPatience returns a context that ends when patience does, with ErrNoAnswer
// for its cause, unless arrived is called first. cancel releases it.
func WithPatience(ctx context.Context, patience time.Duration) (_ context.Context, arrived func(), cancel func()) {
	ctx, stop := context.WithCancelCause(ctx)
	timer := time.AfterFunc(patience, func() { stop(ErrNoAnswer) })
	return ctx, func() { timer.Stop() }, func() { timer.Stop(); stop(nil) }
}
