package providers

import (
	"context"
	"sync/atomic"
	"time"
)

// Attempts follows one write through its retries, for the SDK of a store returns
// only how the last of them ended: an earlier one may have been carried out, and
// its answer lost on the way.
type Attempts struct {
	Start time.Time
	Lost  atomic.Bool // one may have been carried out without a good answer
}

type attemptsKey struct{}

// Following returns a context for the requests of one write.
func Following(ctx context.Context) (context.Context, *Attempts) {
	a := &Attempts{Start: time.Now()}
	return context.WithValue(ctx, attemptsKey{}, a), a
}

// AttemptsOf returns what Following put into ctx; ok is false for the request
// of no write that is followed.
func AttemptsOf(ctx context.Context) (a *Attempts, ok bool) {
	a, ok = ctx.Value(attemptsKey{}).(*Attempts)
	return a, ok
}
