package s3

import (
	"context"
	"errors"
	"net"

	"github.com/aws/smithy-go/middleware"

	"sealdav/providers"
)

// follow adds the middleware that looks at each attempt.
func follow(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("sealdavAttempts",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			out, md, err := next.HandleFinalize(ctx, in)
			if a, ok := providers.AttemptsOf(ctx); ok && answerLost(err) {
				a.Lost.Store(true)
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
