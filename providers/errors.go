package providers

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// The kinds of failure, beside fs.ErrNotExist, fs.ErrExist, fs.ErrPermission,
// fs.ErrInvalid (a key the store cannot hold) and errors.ErrUnsupported.
// Match them with errors.Is.
var (
	// ErrCredentials: the store does not know who asks, or does not believe it.
	// It is an fs.ErrPermission.
	ErrCredentials = fmt.Errorf("credentials not accepted: %w", fs.ErrPermission)
	// ErrKey: the object needs a customer key that is not configured, or the
	// store refused a key.
	ErrKey = errors.New("wrong or missing encryption key")
	// ErrUnverified: the store did not confirm the encryption asked for.
	ErrUnverified = errors.New("encryption not confirmed by the store")
	// ErrPlain: the object is not encrypted with a customer key, and the
	// remote demands it (require_encrypted).
	ErrPlain = errors.New("object is not encrypted as the remote requires")
	// ErrPrecondition: a condition of the request does not hold (412).
	ErrPrecondition = errors.New("precondition failed")
	// ErrNotModified: a conditional read found nothing newer (304).
	ErrNotModified = errors.New("not modified")
	// ErrRange: no byte of the object is in the range (416).
	ErrRange = errors.New("range not satisfiable")
	// ErrBody: the body of a Put failed, or ended before or went on after its
	// Size (400). The body's own error is the cause.
	ErrBody = errors.New("upload incomplete")
	// ErrQuota: no space is left (507).
	ErrQuota = errors.New("no space left")
	// ErrTooLarge: the object, or its metadata, is more than the store takes.
	ErrTooLarge = errors.New("too large for the store")
	// ErrThrottled: the store asks for a slower pace (503).
	ErrThrottled = errors.New("store asks to slow down")
	// ErrUnavailable: the store cannot be reached or failed (502).
	ErrUnavailable = errors.New("store unavailable")
)

// Error is what every method of a Bucket returns. Its text never holds a key,
// a credential or a signed URL.
type Error struct {
	Op   string // stat, list, open, put, copy, delete, rename, probe
	Key  string // the key the operation was about, or its prefix
	Kind error  // what errors.Is matches; never nil
	Err  error  // the cause, for the log; may be nil
	// Advice says, for the person at the client, why it happened and what to
	// do; one or two sentences without keys or credentials. "" where the kind
	// says it all.
	Advice string
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %q: %v", e.Op, e.Key, e.Kind)
	if e.Advice != "" {
		b.WriteString(": " + e.Advice)
	}
	if e.Err != nil && e.Err != e.Kind {
		fmt.Fprintf(&b, " (%v)", e.Err)
	}
	return b.String()
}

// Unwrap lets errors.Is and errors.As see both the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// Advice returns what an error has to say to the person at the client, or "".
func Advice(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Advice
	}
	return ""
}

// DeleteError names the keys that a Delete left behind.
type DeleteError struct {
	Failed []*Error // one for each key, Op "delete"
}

func (e *DeleteError) Error() string {
	if len(e.Failed) == 1 {
		return e.Failed[0].Error()
	}
	return fmt.Sprintf("%d objects not deleted, the first: %v", len(e.Failed), e.Failed[0])
}

// Unwrap gives the failures, so that errors.Is finds their kinds.
func (e *DeleteError) Unwrap() []error {
	errs := make([]error, len(e.Failed))
	for i, f := range e.Failed {
		errs[i] = f
	}
	return errs
}

// AsDelete is err as the failure to delete key.
func AsDelete(key string, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		copied := *e
		copied.Key = key
		return &copied
	}
	return &Error{Op: "delete", Key: key, Kind: ErrUnavailable, Err: err}
}

// NotExist is the error of a key that is not there.
func NotExist(op, key string) error {
	return &Error{Op: op, Key: key, Kind: fs.ErrNotExist}
}
