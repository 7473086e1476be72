package providers

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
)

// ReadAhead reads large objects in ranges of a buffer's size, several at a
// time. It is for stores that bound the rate of a connection, as Amazon S3 does
// at about 90 MB/s; one stream costs one request, and this one for each buffer.
// A nil *ReadAhead reads in one stream.
type ReadAhead struct {
	buffers *Buffers
	streams int
	log     *slog.Logger
}

// NewReadAhead returns a ReadAhead of at most so many streams for an object,
// nil for one. It takes only buffers that nobody else is likely to want (see
// Buffers.Spare), and reads in fewer streams without them.
func NewReadAhead(buffers *Buffers, streams int, log *slog.Logger) *ReadAhead {
	if streams < 2 {
		return nil
	}
	return &ReadAhead{buffers: buffers, streams: streams, log: log}
}

// Open is bucket.Open. The body of a large object is that of one version: it
// fails with ErrPrecondition if the object is replaced before it was read.
func (a *ReadAhead) Open(ctx context.Context, bucket Bucket, key string, opts OpenOptions) (io.ReadCloser, Object, error) {
	whole := opts.Range
	if a == nil || whole.Offset < 0 || whole.Length > 0 && whole.Length <= int64(a.buffers.Size()) {
		return bucket.Open(ctx, key, opts)
	}
	opts.Range.Length = int64(a.buffers.Size())
	body, obj, err := bucket.Open(ctx, key, opts)
	if err == nil && obj.ETag == "" {
		body.Close() // nothing would tell one version from the next
	}
	if err == nil && obj.ETag == "" || errors.Is(err, ErrRange) && whole == (Range{}) {
		opts.Range = whole // an empty object has no first range
		return bucket.Open(ctx, key, opts)
	}
	if err != nil {
		return nil, obj, err
	}
	end := obj.Size
	if whole.Length > 0 {
		end = min(end, whole.Offset+whole.Length)
	}
	next := whole.Offset + opts.Range.Length
	if next >= end {
		return body, obj, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	return &aheadBody{
		ReadAhead: a, ctx: ctx, cancel: cancel, bucket: bucket, key: key, etag: obj.ETag,
		body: body, until: next, next: next, pos: whole.Offset, start: whole.Offset, end: end,
	}, obj, nil
}

// aheadBody is a body whose beginning comes as a stream, while what follows is
// read into buffers.
type aheadBody struct {
	*ReadAhead
	ctx    context.Context // of the ranges that are read ahead
	cancel context.CancelFunc
	bucket Bucket
	key    string
	etag   string

	err   error         // of every Read from now on
	body  io.ReadCloser // the current stream; nil: none
	part  *aheadPart    // or the current part
	until int64         // where that ends
	ahead []*aheadPart  // those that follow

	start, pos, next, end int64 // of the body; pos is read, next not yet asked for
}

// aheadPart is a range that is being read into a buffer, or was.
type aheadPart struct {
	buf  *[]byte
	rest []byte        // of what was read
	err  error         // why there is no more
	done chan struct{} // closed once rest and err are set
}

// Read implements io.Reader. After a failure it fails for good: what follows in
// the ranges is not what follows in the object then.
func (r *aheadBody) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.read(p)
	if err != nil && err != io.EOF {
		err = r.changed(err)
	}
	r.err = err
	return n, err
}

func (r *aheadBody) read(p []byte) (int, error) {
	for {
		// Who looks at the beginning only, as players do, is not to cost more
		// than that.
		if r.pos-r.start >= int64(r.buffers.Size()/4) {
			r.fill()
		}
		n, err := r.current(p)
		r.pos += int64(n)
		switch {
		case err != nil && err != io.EOF:
			return n, err
		case r.pos == r.end:
			return n, io.EOF
		case n > 0 || len(p) == 0:
			return n, nil
		case r.pos < r.until:
			if err == io.EOF {
				return 0, io.ErrUnexpectedEOF
			}
			return 0, nil
		}
		if err := r.advance(); err != nil {
			return 0, err
		}
	}
}

// current reads from the stream or the part that is at pos.
func (r *aheadBody) current(p []byte) (n int, err error) {
	switch {
	case r.pos == r.until:
		return 0, io.EOF
	case r.body != nil:
		return r.body.Read(p[:min(int64(len(p)), r.until-r.pos)])
	}
	<-r.part.done
	n = copy(p, r.part.rest)
	if r.part.rest = r.part.rest[n:]; len(r.part.rest) == 0 {
		err = r.part.err
	}
	return n, err
}

// advance goes on to the next part, or to a stream of that size if there was no
// buffer for one.
func (r *aheadBody) advance() error {
	if err := r.leave(); err != nil {
		return err
	}
	if len(r.ahead) > 0 {
		r.part, r.ahead = r.ahead[0], r.ahead[1:]
		r.until = min(r.until+int64(r.buffers.Size()), r.end)
		return nil
	}
	rng := r.take()
	body, _, err := r.bucket.Open(r.ctx, r.key, OpenOptions{Range: rng, IfMatch: r.etag})
	if err == nil {
		r.body, r.until = body, r.next
	}
	return err
}

// leave gives back what was read to its end.
func (r *aheadBody) leave() (err error) {
	if r.body != nil {
		err = r.body.Close()
	}
	if r.part != nil {
		r.buffers.Put(r.part.buf)
	}
	r.body, r.part = nil, nil
	return err
}

// take is the next range that nobody has asked for.
func (r *aheadBody) take() Range {
	rng := Range{Offset: r.next, Length: min(int64(r.buffers.Size()), r.end-r.next)}
	r.next += rng.Length
	return rng
}

// fill has as many ranges on their way as may be.
func (r *aheadBody) fill() {
	for r.next < r.end {
		busy := len(r.ahead)
		if r.loading() {
			busy++
		}
		if busy >= r.streams {
			return
		}
		buf, ok := r.buffers.Spare()
		if !ok {
			return
		}
		part := &aheadPart{buf: buf, done: make(chan struct{})}
		r.ahead = append(r.ahead, part)
		go r.load(part, r.take())
	}
}

// loading reports whether what is read now still comes from the store.
func (r *aheadBody) loading() bool {
	if r.part == nil {
		return r.body != nil
	}
	select {
	case <-r.part.done:
		return false
	default:
		return true
	}
}

func (r *aheadBody) load(part *aheadPart, rng Range) {
	defer close(part.done)
	n := 0
	part.err = Guarded(r.log, "open", r.key, func() error {
		body, _, err := r.bucket.Open(r.ctx, r.key, OpenOptions{Range: rng, IfMatch: r.etag})
		if err != nil {
			return err
		}
		n, err = io.ReadFull(body, (*part.buf)[:rng.Length])
		return errors.Join(err, body.Close())
	})
	part.rest = (*part.buf)[:n]
}

// changed says of a range that was refused what has become of the object.
func (r *aheadBody) changed(err error) error {
	if !errors.Is(err, ErrPrecondition) {
		return err
	}
	return &Error{Op: "open", Key: r.key, Kind: ErrPrecondition, Err: err,
		Advice: "the object was replaced while it was read in several ranges; read it again, or set read_concurrency = 1"}
}

// Close ends all requests, and gives all buffers back. A Read after it is
// fs.ErrClosed.
func (r *aheadBody) Close() error {
	r.err = fs.ErrClosed
	r.cancel()
	if r.part != nil {
		<-r.part.done
	}
	err := r.leave()
	for _, part := range r.ahead {
		<-part.done
		r.buffers.Put(part.buf)
	}
	r.ahead = nil
	return err
}
