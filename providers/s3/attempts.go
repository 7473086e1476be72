package s3

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/aws/smithy-go/middleware"
)

// attempts follows one write through its retries, for the SDK returns only how
// the last of them ended: an earlier one may have been carried out, and its
// answer lost on the way.
type attempts struct {
	start time.Time
	lost  atomic.Bool // one may have been carried out without a good answer
}

type attemptsKey struct{}

// following returns a context for the requests of one write.
func following(ctx context.Context) (context.Context, *attempts) {
	a := &attempts{start: time.Now()}
	return context.WithValue(ctx, attemptsKey{}, a), a
}

// follow adds the middleware that looks at each attempt.
func follow(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("sealdavAttempts",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			out, md, err := next.HandleFinalize(ctx, in)
			if a, ok := ctx.Value(attemptsKey{}).(*attempts); ok && answerLost(err) {
				a.lost.Store(true)
			}
			return out, md, err
		}), "Retry", middleware.After)
}

// answerLost reports whether the request behind an error may have been carried
// out: it was sent, and no answer says that it was refused.
func answerLost(err error) bool {
	if err == nil {
		return false
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return false
	}
	f := examine(err)
	if f.status == 0 {
		return !f.unsent || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	}
	return f.status < 300 || f.status >= 500
}
