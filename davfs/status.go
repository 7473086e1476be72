package davfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"sealdav/providers"
)

// The errors of a tree, beside fs.ErrNotExist and the kinds of package
// providers.
var (
	errNoParent = errors.New("the folder it should lie in does not exist")
	errIsDir    = errors.New("is a folder")
	errNotDir   = errors.New("is not a folder")
	errSame     = errors.New("source and destination are the same")
	errOverlap  = errors.New("source and destination contain each other")
)

// bodyError is a request body that could not be read to its end: the client's
// doing, not the store's.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return fmt.Sprintf("reading the request body: %v", e.err) }
func (e *bodyError) Unwrap() error { return e.err }

// statusClientClosed is what the access log shows for a request whose client
// has left; nobody reads it.
const statusClientClosed = 499

// kindStatus is the one table of what an error means in HTTP. Where several
// kinds are found in one error (a batch that failed in different ways) the
// first line wins: what the store did wrong stands above what the client did,
// and "not found" last of all, because a client that reads it forgets the file.
var kindStatus = []struct {
	kind   error
	status int
}{
	{context.DeadlineExceeded, http.StatusGatewayTimeout},
	{context.Canceled, statusClientClosed},
	{providers.ErrBody, http.StatusBadRequest},
	{providers.ErrUnverified, http.StatusBadGateway},
	{providers.ErrQuota, http.StatusInsufficientStorage},
	{providers.ErrThrottled, http.StatusServiceUnavailable},
	{providers.ErrUnavailable, http.StatusBadGateway},
	{providers.ErrKey, http.StatusForbidden},
	{providers.ErrPlain, http.StatusForbidden},
	{fs.ErrPermission, http.StatusForbidden},
	{errLitter, http.StatusForbidden},
	{errSame, http.StatusForbidden},
	{errOverlap, http.StatusForbidden}, // as for the same; 409 is kept for a missing parent, RFC 4918 section 9.8.5
	{errNoParent, http.StatusConflict},
	{providers.ErrPrecondition, http.StatusPreconditionFailed},
	{providers.ErrNotModified, http.StatusNotModified},
	{providers.ErrRange, http.StatusRequestedRangeNotSatisfiable},
	{providers.ErrTooLarge, http.StatusRequestEntityTooLarge},
	{errors.ErrUnsupported, http.StatusNotImplemented},
	{errIsDir, http.StatusMethodNotAllowed},
	{errNotDir, http.StatusMethodNotAllowed},
	{fs.ErrExist, http.StatusMethodNotAllowed},
	{fs.ErrInvalid, http.StatusBadRequest}, // a name that the store cannot hold
	{fs.ErrNotExist, http.StatusNotFound},
}

// Status is the HTTP status that says what err means; 200 for nil, 207 for an
// operation on a folder that failed in part, 500 for what is not known.
func Status(err error) int {
	if err == nil {
		return http.StatusOK
	}
	if _, ok := errors.AsType[*partialError](err); ok {
		return http.StatusMultiStatus
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge
	}
	if _, ok := errors.AsType[*bodyError](err); ok {
		return http.StatusBadRequest
	}
	// A provider has judged its cause when it chose the kind: the cause does
	// not speak again, except for a context's end.
	if e, ok := errors.AsType[*providers.Error](err); ok && !isBatch(err) {
		if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			return lookUp(e.Kind)
		}
	}
	return lookUp(err)
}

func isBatch(err error) bool {
	_, ok := errors.AsType[*providers.DeleteError](err)
	return ok
}

func lookUp(err error) int {
	for _, row := range kindStatus {
		if errors.Is(err, row.kind) {
			return row.status
		}
	}
	return http.StatusInternalServerError
}
