package providers

import (
	"context"
	"time"
)

// Patience is how long a request without a body of note, its retries included,
// may take to be answered: the half minute that a WebDAV client waits.
const Patience = 30 * time.Second

// ErrNoAnswer ends a request that was not answered in time. It is a deadline to
// errors.Is, so that it becomes a 504.
var ErrNoAnswer error = noAnswer{}

type noAnswer struct{}

func (noAnswer) Error() string        { return "no answer in time" }
func (noAnswer) Is(target error) bool { return target == context.DeadlineExceeded }

// CanceledError tells SDKs, which look for methods, not to repeat the request:
// whoever waits has waited.
func (noAnswer) CanceledError() bool { return true }

// WithPatience returns a context that ends when patience does, with ErrNoAnswer
// for its cause, unless arrived is called first. cancel releases it.
func WithPatience(ctx context.Context, patience time.Duration) (_ context.Context, arrived func(), cancel func()) {
	ctx, stop := context.WithCancelCause(ctx)
	timer := time.AfterFunc(patience, func() { stop(ErrNoAnswer) })
	return ctx, func() { timer.Stop() }, func() { timer.Stop(); stop(nil) }
}
