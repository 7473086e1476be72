package providers

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// smallBody is the size up to which a body, and the beginning of each part,
// gets memory of its own: a pooled buffer is 16 MiB, there are few, and a body
// that does not arrive is not to hold one.
const smallBody = 64 << 10

// Parts cuts the body of a Put into parts that fit the buffers, and knows of
// each whether it is the last. Its methods are for one goroutine.
type Parts struct {
	buffers *Buffers
	body    io.Reader
	size    int64 // of the whole, or SizeUnknown
	total   int64 // read so far
	ahead   []byte
	pace    Pace // watches while a buffer is lent
}

// Part is a part of a body in memory, until it is released.
type Part struct {
	Data    []byte
	Release func()
}

// NewParts returns the parts of a body of size bytes, or SizeUnknown.
func NewParts(buffers *Buffers, body io.Reader, size int64) *Parts {
	return &Parts{buffers: buffers, body: body, size: size}
}

// Total is how many bytes were read so far: with the last part, the size of
// the whole.
func (p *Parts) Total() int64 { return p.total }

// Next reads the next part; last says that the body ends with it. Each part
// but the last is as long as a buffer. An error leaves nothing to release.
func (p *Parts) Next(ctx context.Context) (part Part, last bool, err error) {
	own := make([]byte, smallBody)
	if p.size >= 0 && p.size < smallBody {
		own = own[:p.size+1] // and room to see it go on
	}
	n, last, err := p.read(ctx, own)
	if err != nil || last {
		return Part{own[:n], func() {}}, last, err
	}
	lent, err := p.buffers.Get(ctx)
	if err != nil {
		return Part{}, false, err
	}
	p.pace.Start()
	defer p.pace.Stop()
	copy(*lent, own)
	m, last, err := p.read(ctx, (*lent)[n:])
	if err != nil {
		p.buffers.Put(lent)
		return Part{}, false, err
	}
	return Part{(*lent)[:n+m], func() { p.buffers.Put(lent) }}, last, nil
}

var errTooLong = errors.New("the body is longer than its declared length")

// read fills buf as far as the body goes. io.ReadFull is no use here: it says
// io.ErrUnexpectedEOF both of a body that ended and of one that was cut.
func (p *Parts) read(ctx context.Context, buf []byte) (n int, last bool, err error) {
	n = copy(buf, p.ahead)
	p.ahead = nil
	m, eof, err := p.readUntil(ctx, buf[n:])
	if n += m; err != nil {
		return n, false, err
	}
	if !eof && (p.size < 0 || p.total >= p.size) {
		// The part is full: is there more?
		var one [1]byte
		m, eof, err = p.readUntil(ctx, one[:])
		if err != nil {
			return n, false, err
		}
		if m == 1 {
			p.ahead, eof = one[:], false
		}
	}
	switch {
	case p.size >= 0 && p.total > p.size:
		return n, false, errTooLong
	case eof && p.size >= 0 && p.total < p.size:
		return n, false, io.ErrUnexpectedEOF
	}
	return n, eof, nil
}

// readUntil reads until buf is full or the body has ended.
func (p *Parts) readUntil(ctx context.Context, buf []byte) (n int, eof bool, err error) {
	for idle := 0; n < len(buf); {
		if ctx.Err() != nil {
			return n, false, context.Cause(ctx)
		}
		m, err := p.body.Read(buf[n:])
		n += m
		p.total += int64(m)
		slow := p.pace.Read(m)
		switch {
		case err == io.EOF:
			return n, true, nil
		case err != nil:
			return n, false, err
		case slow != nil:
			return n, false, slow
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

// BodyError is the error of a Put whose body could not be read to its end.
// What a body says of itself is the cause, whatever it is: the body of a
// streamed copy fails with an error of a provider.
func BodyError(ctx context.Context, key string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("put %q: %w", key, ctx.Err())
	}
	return &Error{Op: "put", Key: key, Kind: ErrBody, Err: err,
		Advice: "the upload did not arrive whole, so nothing was stored; send it again"}
}
