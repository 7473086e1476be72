package gcs

import (
	"context"
	"errors"
	"io"
)

// smallBody is the size up to which a body gets memory of its own: a pooled
// buffer is 16 MiB, and there are few.
const smallBody = 64 << 10

// chunk is a part of a body in memory.
type chunk struct {
	data    []byte
	release func()
}

// fill reads the next part; last says that the body ends with it.
func (b *Bucket) fill(ctx context.Context, parts *partReader) (c chunk, last bool, err error) {
	c.release = func() {}
	var buf []byte
	if parts.size >= 0 && parts.size <= smallBody {
		buf = make([]byte, parts.size+1) // and room to see it go on
	} else {
		lent, err := b.buffers.Get(ctx)
		if err != nil {
			return chunk{}, false, err
		}
		buf, c.release = *lent, func() { b.buffers.Put(lent) }
	}
	n, last, err := parts.read(ctx, buf)
	if err != nil {
		c.release()
		return chunk{}, false, err
	}
	c.data = buf[:n]
	return c, last, nil
}

// partReader cuts a body into parts, and knows of each whether it is the last.
type partReader struct {
	body  io.Reader
	size  int64 // of the whole, or providers.SizeUnknown
	total int64 // read so far
	ahead []byte
}

var errTooLong = errors.New("the body is longer than its declared length")

// read fills buf as far as the body goes. io.ReadFull is no use here: it says
// io.ErrUnexpectedEOF both of a body that ended and of one that was cut.
func (r *partReader) read(ctx context.Context, buf []byte) (n int, last bool, err error) {
	n = copy(buf, r.ahead)
	r.ahead = nil
	m, eof, err := r.readUntil(ctx, buf[n:])
	if n += m; err != nil {
		return n, false, err
	}
	if !eof && (r.size < 0 || r.total >= r.size) {
		// The part is full: is there more?
		var one [1]byte
		m, eof, err = r.readUntil(ctx, one[:])
		if err != nil {
			return n, false, err
		}
		if m == 1 {
			r.ahead, eof = one[:], false
		}
	}
	switch {
	case r.size >= 0 && r.total > r.size:
		return n, false, errTooLong
	case eof && r.size >= 0 && r.total < r.size:
		return n, false, io.ErrUnexpectedEOF
	}
	return n, eof, nil
}

// readUntil reads until p is full or the body has ended.
func (r *partReader) readUntil(ctx context.Context, p []byte) (n int, eof bool, err error) {
	for idle := 0; n < len(p); {
		if ctx.Err() != nil {
			return n, false, context.Cause(ctx)
		}
		m, err := r.body.Read(p[n:])
		n += m
		r.total += int64(m)
		switch {
		case err == io.EOF:
			return n, true, nil
		case err != nil:
			return n, false, err
		case m > 0:
			idle = 0
		default:
			if idle++; idle == 100 {
				return n, false, io.ErrNoProgress
			}
		}
	}
	return n, false, nil
}
