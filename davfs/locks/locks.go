// Package locks keeps WebDAV locks (RFC 4918 sections 6, 7 and 9.10) and
// evaluates If headers (section 10.4).
package locks

import (
	"context"
	"errors"
	"time"
)

// Errors of a System.
var (
	// ErrLocked: another lock stands in the way; errors.As finds *ConflictError.
	ErrLocked = errors.New("locked")
	// ErrNoSuchLock: no lock with this token covers the resource.
	ErrNoSuchLock = errors.New("no such lock")
	// ErrTooMany: the system holds as many locks as it may. Those that expire
	// make room.
	ErrTooMany = errors.New("too many locks")
)

// ConflictError names the root of a lock that stands in the way.
type ConflictError struct{ Root string }

func (e *ConflictError) Error() string { return "locked by a lock on " + e.Root }

// Is makes a ConflictError an ErrLocked.
func (e *ConflictError) Is(target error) bool { return target == ErrLocked }

// Lock is a write lock. Paths are absolute, percent-decoded and clean: "/" or
// "/remote/a/b" without a slash at the end.
type Lock struct {
	Token    string // urn:uuid:..., made by Create
	Root     string
	Infinite bool // depth infinity; otherwise 0
	Shared   bool
	OwnerXML string        // the owner element's inner XML as the client sent it, "" for none
	User     string        // the authenticated user who took it, "" for none
	Timeout  time.Duration // as granted
	Expires  time.Time
}

// System keeps locks. Its methods may be called concurrently; those of a
// System shared by several servers are atomic across them. A path that is not
// as Lock has it, a timeout that is not positive and a context that is done are
// errors, and so is every call but Close after Close: fs.ErrClosed.
//
// Package lockstest holds an implementation to all of this.
type System interface {
	// Create grants the lock l describes, with a fresh token and at most the
	// timeout asked for, or returns a *ConflictError. Exclusive locks exclude
	// all others on a common resource, shared ones only exclusive ones; a lock
	// of depth infinity conflicts with locks inside its root too. A System may
	// have a bound, and then return ErrTooMany.
	Create(ctx context.Context, l Lock) (Lock, error)
	// Refresh restarts the timeout of the lock token, which must cover path.
	Refresh(ctx context.Context, path, token string, timeout time.Duration) (Lock, error)
	// Remove ends the lock token, which must cover path, held or not.
	Remove(ctx context.Context, path, token string) error
	// Covering returns the locks whose scope includes path: those rooted at it
	// and those of depth infinity rooted above it.
	Covering(ctx context.Context, path string) ([]Lock, error)
	// Inside returns the locks rooted below path, path itself left out.
	Inside(ctx context.Context, path string) ([]Lock, error)
	// RemoveTree ends the locks rooted at path or below it, once the resource
	// is gone.
	RemoveTree(ctx context.Context, path string) error
	// Hold keeps a lock from expiring until release is called, for as long as
	// a request that was made under it runs. A lock whose time ran out
	// meanwhile starts over on release, and says so in Expires before.
	// Releasing twice, or after Close, is harmless.
	Hold(ctx context.Context, token string) (release func(), err error)
	// Close releases what the system holds. Closing twice is harmless.
	Close() error
}
