package s3

import (
	"context"
	"errors"
	"net/http/httptrace"
	"os"
	"sync"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"

	"sealdav/providers"
)

// A store may take a request and never answer. Reads, listings and deletions
// have patience for the whole of it, retries included (withPatience). What
// sends a body, or has the store work, has it anew for each answer (await): it
// begins once the request is sent, so a slow line is no silence.

// withPatience is providers.WithPatience for as long as this bucket has it.
func (b *Bucket) withPatience(ctx context.Context) (_ context.Context, arrived func(), cancel func()) {
	return providers.WithPatience(ctx, b.limits.patience)
}

const (
	// copyRate is what a store copies at the least, in bytes a second.
	copyRate = 20 << 20
	// keptAlive is how long an answer may take that has begun: S3 sends blanks
	// while it copies, or puts parts together.
	keptAlive = 5 * time.Minute
)

type copyTimeKey struct{}

// allowCopy returns a context for requests that have the store copy n bytes.
// Amazon begins its answer at once, other stores when they are done.
func allowCopy(ctx context.Context, n int64) context.Context {
	return context.WithValue(ctx, copyTimeKey{}, time.Duration(n/copyRate)*time.Second)
}

// await adds the middleware that ends an attempt which is not answered.
func (b *Bucket) await(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("sealdavAwait",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			if awsmiddleware.GetOperationName(ctx) == "GetObject" {
				return next.HandleFinalize(ctx, in) // its body is read on this context
			}
			ctx, cancel := context.WithCancelCause(ctx)
			defer cancel(nil)
			wait := b.limits.answer
			if more, ok := ctx.Value(copyTimeKey{}).(time.Duration); ok {
				wait += more
			}
			d := deadline{over: func() { cancel(providers.ErrNoAnswer) }}
			defer d.end()
			out, md, err := next.HandleFinalize(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
				WroteRequest:         func(httptrace.WroteRequestInfo) { d.set(wait) },
				GotFirstResponseByte: func() { d.set(keptAlive) },
			}), in)
			if err != nil && (context.Cause(ctx) == providers.ErrNoAnswer || errors.Is(err, os.ErrDeadlineExceeded)) {
				err = providers.ErrNoAnswer
			}
			return out, md, err
		}), "Retry", middleware.After)
}

// deadline calls over when the time last set has passed, unless it has ended.
type deadline struct {
	over  func()
	mu    sync.Mutex
	timer *time.Timer
	ended bool
}

func (d *deadline) set(after time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.ended:
	case d.timer == nil:
		d.timer = time.AfterFunc(after, d.over)
	default:
		d.timer.Reset(after)
	}
}

func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	if d.timer != nil {
		d.timer.Stop()
	}
}
