package providers

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// contentPatience is how long a store may at least send nothing of a content
// that somebody waits for, and half of how long it may at most.
const contentPatience = 30 * time.Second

// Content is the body of an answer with an object in it. It tells a content
// that was cut (io.ErrUnexpectedEOF) from one that has ended, and ends one that
// no longer comes: who reads it may hold a buffer that others wait for.
type Content struct {
	rc      io.ReadCloser
	left    int64 // bytes still to come
	done    func()
	fail    func(error) error
	reads   atomic.Uint64 // odd while a read waits
	stalled atomic.Bool

	mu     sync.Mutex
	timer  *time.Timer // since the first read
	seen   uint64      // what reads was when it last fired
	closed bool
}

// NewContent returns a body of length bytes. fail turns its errors into those
// of the provider; done ends the request, and is called when the body is closed
// or comes no longer.
func NewContent(rc io.ReadCloser, length int64, done func(), fail func(error) error) *Content {
	return &Content{rc: rc, left: length, done: done, fail: fail}
}

// Length is how many bytes are still to come; negative where the answer has
// not told.
func (c *Content) Length() int64 { return c.left }

// Limit ends the content after n bytes, where a store answered with more than
// was asked for.
func (c *Content) Limit(n int64) {
	if n >= c.left {
		return
	}
	c.left = n
	c.rc = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(c.rc, n), c.rc}
}

func (c *Content) Read(p []byte) (int, error) {
	n, err := c.wait(p)
	c.left -= int64(n)
	switch {
	case err == nil:
		return n, nil
	case c.stalled.Load():
		return n, c.fail(ErrNoAnswer)
	case err == io.EOF && c.left <= 0:
		return n, io.EOF
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
		return n, io.ErrUnexpectedEOF
	}
	return n, c.fail(err)
}

// wait is a read that ends. A timer that is set for each read was a tenth of
// the processor time of a download.
func (c *Content) wait(p []byte) (int, error) {
	if c.reads.Load() == 0 {
		c.mu.Lock()
		c.timer = time.AfterFunc(contentPatience, c.watch)
		c.mu.Unlock()
	}
	c.reads.Add(1)
	defer c.reads.Add(1)
	return c.rc.Read(p)
}

// watch looks whether a read still waits that waited when it last looked.
func (c *Content) watch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.reads.Load()
	switch {
	case c.closed:
	case now%2 == 1 && now == c.seen:
		c.stalled.Store(true)
		c.done()
	default:
		c.seen = now
		c.timer.Reset(contentPatience)
	}
}

// end stops the watch.
func (c *Content) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.timer != nil {
		c.timer.Stop()
	}
}

// Close closes the body. What is wrong with a rest that nobody read is no
// error.
func (c *Content) Close() error {
	c.end()
	err := c.rc.Close()
	c.done()
	if err != nil && c.left <= 0 {
		return c.fail(err)
	}
	return nil
}
