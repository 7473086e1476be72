package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"

	"sealdav/providers"
	"sealdav/sse"
)

// smallBody is the size up to which a body, and the beginning of each part,
// gets memory of its own: a pooled buffer is 16 MiB, there are few, and a body
// that does not arrive is not to hold one.
const smallBody = 64 << 10

// Put implements providers.Bucket: one PUT for what fits into a part, else a
// multipart upload. What was read can be sent again, so the SDK's retries
// cover a PUT and each part.
func (b *Bucket) Put(ctx context.Context, key string, body io.Reader, opts providers.PutOptions) (providers.Object, error) {
	if err := b.checkKey("put", key); err != nil {
		return providers.Object{}, err
	}
	metadata, err := encodeMetadata("put", key, opts.Metadata)
	if err != nil {
		return providers.Object{}, err
	}
	if limit := int64(b.buffers.Size()) * int64(b.limits.parts); opts.Size > limit {
		return providers.Object{}, tooLarge(key, limit)
	}
	if err := b.gate.Admit(ctx); err != nil {
		return providers.Object{}, b.fail(ctx, "put", key, err)
	}
	w := writing{key: key, opts: opts, metadata: metadata, parts: &partReader{body: body, size: opts.Size}}
	first, last, err := b.fill(ctx, w.parts)
	if err != nil {
		return providers.Object{}, b.bodyError(ctx, key, err)
	}
	if last {
		defer first.release()
		return b.putWhole(ctx, w, first.data)
	}
	return b.putParts(ctx, w, first)
}

// writing is one Put under way.
type writing struct {
	key      string
	opts     providers.PutOptions
	metadata map[string]string // encoded
	parts    *partReader
}

func tooLarge(key string, limit int64) error {
	return &providers.Error{Op: "put", Key: key, Kind: providers.ErrTooLarge,
		Advice: fmt.Sprintf("an upload may have 10,000 parts, here %d GiB together", limit>>30)}
}

// bodyError is the error of a body that could not be read to its end. What a
// body says of itself is the cause, whatever it is: the body of a streamed
// copy fails with an error of this package.
func (b *Bucket) bodyError(ctx context.Context, key string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("put %q: %w", key, ctx.Err())
	}
	return &providers.Error{Op: "put", Key: key, Kind: providers.ErrBody, Err: err,
		Advice: "the upload did not arrive whole, so nothing was stored; send it again"}
}

// chunk is a part of a body in memory.
type chunk struct {
	data    []byte
	release func()
}

// fill reads the next part; last says that the body ends with it.
func (b *Bucket) fill(ctx context.Context, parts *partReader) (c chunk, last bool, err error) {
	own := make([]byte, smallBody)
	if parts.size >= 0 && parts.size < smallBody {
		own = own[:parts.size+1] // and room to see it go on
	}
	n, last, err := parts.read(ctx, own)
	if err != nil || last {
		return chunk{own[:n], func() {}}, last, err
	}
	lent, err := b.buffers.Get(ctx)
	if err != nil {
		return chunk{}, false, err
	}
	parts.pace.Start()
	defer parts.pace.Stop()
	copy(*lent, own)
	m, last, err := parts.read(ctx, (*lent)[n:])
	if err != nil {
		b.buffers.Put(lent)
		return chunk{}, false, err
	}
	return chunk{(*lent)[:n+m], func() { b.buffers.Put(lent) }}, last, nil
}

// partReader cuts a body into parts, and knows of each whether it is the last.
type partReader struct {
	body  io.Reader
	size  int64 // of the whole, or providers.SizeUnknown
	total int64 // read so far
	ahead []byte
	pace  providers.Pace // watches while a buffer is lent
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
		slow := r.pace.Read(m)
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

// putWhole stores a body of one part.
func (b *Bucket) putWhole(ctx context.Context, w writing, data []byte) (providers.Object, error) {
	var out *awss3.PutObjectOutput
	following, tries := following(ctx)
	err := b.matching(w.opts.Condition, func(ifMatch *string) (err error) {
		out, err = b.client.PutObject(following, &awss3.PutObjectInput{
			Bucket: &b.bucket, Key: b.full(w.key), Body: bytes.NewReader(data), ContentLength: new(int64(len(data))),
			ContentType: optional(w.opts.ContentType), Metadata: w.metadata,
			IfMatch: ifMatch, IfNoneMatch: absent(w.opts.Condition),
		})
		return err
	})
	size := int64(len(data))
	if tries.lost.Load() && examine(err).kind() == providers.ErrPrecondition {
		if s, ok := b.ownWrite(ctx, w.key, tries, data); ok {
			return b.stored(w.key, size, w.opts, &s.obj.ETag, s.answer, middleware.Metadata{}), nil
		}
	}
	if err != nil {
		return providers.Object{}, b.uncertain(ctx, w.key, tries, written{size: size}, b.writeError(ctx, "put", w.key, w.opts.Condition, err))
	}
	a := answer{out.ServerSideEncryption, out.SSEKMSKeyId, out.SSECustomerAlgorithm, out.SSECustomerKeyMD5}
	if !b.crypt.confirmed(a) {
		return providers.Object{}, b.unverified(ctx, "put", w.key, written{etag: out.ETag, version: out.VersionId, size: size, answered: true})
	}
	return b.stored(w.key, size, w.opts, out.ETag, a, out.ResultMetadata), nil
}

// stored is the Object of a finished write. Its time is that of the store's
// answer: S3 does not tell it, and asking would be a second request.
func (b *Bucket) stored(key string, size int64, opts providers.PutOptions, etag *string, a answer, md middleware.Metadata) providers.Object {
	at, ok := awsmiddleware.GetServerTime(md)
	if !ok {
		at = time.Now()
	}
	obj := providers.Object{
		Key: key, Size: size, ModTime: at.UTC().Truncate(time.Second), ETag: entityTag(etag),
		ContentType: opts.ContentType, Metadata: opts.Metadata, Encryption: a.describe("write key"),
	}
	b.wrote(key, obj.ETag)
	return obj
}

// wrote remembers that an object lies under the write settings now.
func (b *Bucket) wrote(key, etag string) {
	b.exists.Store(true)
	b.keys.fitted(key, etag, sse.Candidate{Key: b.crypt.settings.WriteKey})
}

// matching runs a write under its If-Match. Ceph compares the tag with its
// quotes to its own without, and so answers 412 to the right one; elsewhere
// than at Amazon the write is repeated with the bare tag.
func (b *Bucket) matching(cond providers.Condition, write func(ifMatch *string) error) error {
	err := write(optional(cond.IfMatch))
	if cond.IfMatch == "" || b.amazon || examine(err).status != 412 {
		return err
	}
	return write(new(strings.Trim(cond.IfMatch, `"`)))
}

// holds looks whether a condition holds, for a store that will not; it leaves
// a moment in which another writer may come between.
func (b *Bucket) holds(ctx context.Context, op, key string, cond providers.Condition) error {
	if cond == (providers.Condition{}) {
		return nil
	}
	obj, err := b.Stat(ctx, key)
	absent := errors.Is(err, fs.ErrNotExist)
	if err != nil && !absent && !errors.Is(err, providers.ErrKey) {
		return err
	}
	if cond.IfAbsent && !absent || cond.IfMatch != "" && obj.ETag != cond.IfMatch {
		return &providers.Error{Op: op, Key: key, Kind: providers.ErrPrecondition}
	}
	return nil
}

// writeError is the error of a refused write.
func (b *Bucket) writeError(ctx context.Context, op, key string, cond providers.Condition, err error) error {
	f := examine(err)
	if cond.IfMatch != "" && f.code == "NoSuchKey" {
		return &providers.Error{Op: op, Key: key, Kind: providers.ErrPrecondition}
	}
	err = b.fail(ctx, op, key, err)
	if e, ok := errors.AsType[*providers.Error](err); ok && e.Advice == "" {
		e.Advice = b.writeAdvice(f)
	}
	return err
}

// writeAdvice explains a denied write.
func (b *Bucket) writeAdvice(f *failure) string {
	switch {
	case f.status == 403 && !b.crypt.settings.WriteKey.IsZero():
		return "either the credentials lack s3:PutObject (or a bucket policy denies it), or the bucket blocks customer keys, as Amazon S3 does by default since April 2026; to allow them: " + UnblockCommand(b.bucket)
	case f.status == 403:
		return "the credentials lack s3:PutObject, or a bucket policy denies it"
	case f.kind() == errors.ErrUnsupported && b.crypt.settings.Sealed():
		return "the store has no encryption of the kind the remote's sse options ask for, or it is not set up there"
	}
	return ""
}

// UnblockCommand is the command that allows customer keys in a bucket of
// Amazon S3 again. It keeps SSE-S3 as the default of writes that name none.
func UnblockCommand(bucket string) string {
	return `aws s3api put-bucket-encryption --bucket ` + bucket + ` --server-side-encryption-configuration '{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"},"BlockedEncryptionTypes":{"EncryptionType":["NONE"]}}]}'`
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func absent(cond providers.Condition) *string {
	if cond.IfAbsent {
		return aws.String("*")
	}
	return nil
}
