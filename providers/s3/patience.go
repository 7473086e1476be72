package s3

import (
	"context"
	"errors"
	"net"
	"net/http/httptrace"
	"os"
	"sync"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
)

// A store may take a request and never answer. Reads, listings and deletions
// have patience for the whole of it, retries included (withPatience). What
// sends a body, or has the store work, has it anew for each answer (await): it
// begins once the request is sent, so a slow line is no silence.

// errNoAnswer ends a request that was not answered in time.
var errNoAnswer error = noAnswer{}

// noAnswer is a deadline to errors.Is, so that it becomes a 504. The SDK, which
// looks for methods, must not repeat the request: whoever waits has waited.
type noAnswer struct{}

func (noAnswer) Error() string        { return "no answer in time" }
func (noAnswer) Is(target error) bool { return target == context.DeadlineExceeded }
func (noAnswer) CanceledError() bool  { return true }

// withPatience returns a context that ends when patience does, unless arrived
// is called first.
func (b *Bucket) withPatience(ctx context.Context) (_ context.Context, arrived func(), cancel func()) {
	ctx, stop := context.WithCancelCause(ctx)
	timer := time.AfterFunc(b.limits.patience, func() { stop(errNoAnswer) })
	return ctx, func() { timer.Stop() }, func() { timer.Stop(); stop(nil) }
}

const (
	// sendPatience is how long a connection may take nothing of what is sent.
	sendPatience = time.Minute
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
			d := deadline{over: func() { cancel(errNoAnswer) }}
			defer d.end()
			out, md, err := next.HandleFinalize(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
				WroteRequest:         func(httptrace.WroteRequestInfo) { d.set(wait) },
				GotFirstResponseByte: func() { d.set(keptAlive) },
			}), in)
			if err != nil && (context.Cause(ctx) == errNoAnswer || errors.Is(err, os.ErrDeadlineExceeded)) {
				err = errNoAnswer
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

// sendingConn fails when the other side takes nothing for a while.
type sendingConn struct {
	net.Conn
}

func (c sendingConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(sendPatience)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
