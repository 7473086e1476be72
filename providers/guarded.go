package providers

import (
	"fmt"
	"log/slog"
	"runtime/debug"
)

// Guarded runs a part of an operation in its own goroutine's place, where a
// panic would end the process and every other transfer with it. A panic is
// logged, and is an error of kind ErrUnavailable.
func Guarded(log *slog.Logger, op, key string, do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			log.Error("panic", "op", op, "panic", r, "stack", string(debug.Stack()))
			err = &Error{Op: op, Key: key, Kind: ErrUnavailable, Err: fmt.Errorf("panic: %v", r),
				Advice: "sealdav has a bug here; its log says more"}
		}
	}()
	return do()
}
