package providers

import (
	"context"
	"time"
)

// Patience is how long a request without a body of note, its retries included,
// may take to be answered: the half minute that a WebDAV client waits.
const Patience = 30 * time.Second

// ErrNoAnswer ends a request that was not answered in time.
var ErrNoAnswer error = noAnswer{}

// noAnswer is a deadline to errors.Is, so that it becomes a 504. The SDKs of
// stores, which look for methods, must not repeat the request: whoever waits
// has waited.
type noAnswer struct{}

func (noAnswer) Error() string        { return "no answer in time" }
func (noAnswer) Is(target error) bool { return target == context.DeadlineExceeded }
func (noAnswer) CanceledError() bool  { return true }
func (noAnswer) NonRetriable()        {}

// WithPatience returns a context that ends when patience does, with ErrNoAnswer
// for its cause, unless arrived is called first. cancel releases it.
func WithPatience(ctx context.Context, patience time.Duration) (_ context.Context, arrived func(), cancel func()) {
	ctx, stop := context.WithCancelCause(ctx)
	timer := time.AfterFunc(patience, func() { stop(ErrNoAnswer) })
	return ctx, func() { timer.Stop() }, func() { timer.Stop(); stop(nil) }
}

// Unbroken returns ctx without its end, for a request that changes the store in
// one step: what becomes of one that is broken off nobody knows. Its error is
// that of a ctx that has ended already. The request must end by itself.
func Unbroken(ctx context.Context) (context.Context, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return context.WithoutCancel(ctx), nil
}
