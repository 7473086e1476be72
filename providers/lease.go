package providers

import (
	"errors"
	"io"
	"sync"
)

// Lease is a request's body that is taken back once there is an answer: where
// that comes early, or the request is given up, net/http may go on to read the
// body for a while, and the buffer behind it is somebody else's by then.
type Lease struct {
	mu    sync.Mutex
	r     io.Reader
	left  int64 // bytes that were not read yet
	ended bool
}

// NewLease returns the lease of a body of length bytes.
func NewLease(r io.Reader, length int64) *Lease { return &Lease{r: r, left: length} }

// ErrLeaseEnded is what reading a body gives that was taken back.
var ErrLeaseEnded = errors.New("the request has ended")

// Read reads the body. At its end it is io.EOF even if it was taken back.
func (l *Lease) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.left == 0:
		return 0, io.EOF
	case l.ended:
		return 0, ErrLeaseEnded
	}
	n, err := l.r.Read(p)
	l.left -= int64(n)
	return n, err
}

// Close takes the body back; no Read touches it after that.
func (l *Lease) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	return nil
}
