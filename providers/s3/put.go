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
	w := writing{key: key, opts: opts, metadata: metadata, parts: providers.NewParts(b.buffers, body, opts.Size)}
	first, last, err := w.parts.Next(ctx)
	if err != nil {
		return providers.Object{}, providers.BodyError(ctx, key, err)
	}
	if last {
		defer first.Release()
		return b.putWhole(ctx, w, first.Data)
	}
	return b.putParts(ctx, w, first)
}

// writing is one Put under way.
type writing struct {
	key      string
	opts     providers.PutOptions
	metadata map[string]string // encoded
	parts    *providers.Parts
}

func tooLarge(key string, limit int64) error {
	return &providers.Error{Op: "put", Key: key, Kind: providers.ErrTooLarge,
		Advice: fmt.Sprintf("an upload may have 10,000 parts, here %d GiB together", limit>>30)}
}

// putWhole stores a body of one part.
func (b *Bucket) putWhole(ctx context.Context, w writing, data []byte) (providers.Object, error) {
	var out *awss3.PutObjectOutput
	following, tries := providers.Following(ctx)
	err := b.matching(w.opts.Condition, func(ifMatch *string) (err error) {
		out, err = b.client.PutObject(following, &awss3.PutObjectInput{
			Bucket: &b.bucket, Key: b.full(w.key), Body: bytes.NewReader(data), ContentLength: new(int64(len(data))),
			ContentType: optional(w.opts.ContentType), Metadata: w.metadata,
			IfMatch: ifMatch, IfNoneMatch: absent(w.opts.Condition),
		})
		return err
	})
	size := int64(len(data))
	wrote := written{Written: providers.Written{Size: size, Start: tries.Start, Same: providers.SameBytes(b.reopen, w.key, data)}}
	if tries.Lost.Load() && examine(err).kind() == providers.ErrPrecondition {
		if s, ok := b.ownWrite(ctx, w.key, wrote); ok {
			return b.stored(w.key, size, w.opts, &s.obj.ETag, s.answer, middleware.Metadata{}), nil
		}
	}
	if err != nil {
		return providers.Object{}, b.uncertain(ctx, w.key, tries, wrote, b.writeError(ctx, "put", w.key, w.opts.Condition, err))
	}
	a := answer{out.ServerSideEncryption, out.SSEKMSKeyId, out.SSECustomerAlgorithm, out.SSECustomerKeyMD5}
	if !b.crypt.confirmed(a) {
		wrote.etag, wrote.version, wrote.Answered = out.ETag, out.VersionId, true
		return providers.Object{}, b.unverified(ctx, "put", w.key, wrote)
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
