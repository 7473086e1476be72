package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"sealdav/providers"
	"sealdav/sse"
)

// Open implements providers.Bucket: one GET where the key is known.
func (b *Bucket) Open(ctx context.Context, key string, opts providers.OpenOptions) (io.ReadCloser, providers.Object, error) {
	if err := b.checkKey("open", key); err != nil {
		return nil, providers.Object{}, err
	}
	r, obj, err := b.open(ctx, "open", key, opts)
	if err != nil {
		return nil, providers.Object{}, err
	}
	if err := b.MayOpen(obj); err != nil {
		r.Close()
		return nil, providers.Object{}, err
	}
	return r, obj, nil
}

// MayOpen implements providers.Strict.
func (b *Bucket) MayOpen(obj providers.Object) error {
	if !b.strict || b.crypt.required(obj.Encryption) {
		return nil
	}
	return plain("open", obj.Key)
}

func (b *Bucket) open(ctx context.Context, op, key string, opts providers.OpenOptions) (*providers.Content, providers.Object, error) {
	wait, arrived, cancel := b.withPatience(ctx)
	var out *awss3.GetObjectOutput
	var obj providers.Object
	err := b.reading(wait, op, key, strings.TrimPrefix(opts.IfMatch, "*"), func(ctx context.Context, c sse.Candidate) (err error) {
		if out, err = b.client.GetObject(ctx, b.getInput(key, opts)); err != nil {
			return err
		}
		d := getDetails(out)
		if err := b.checkEmpty(ctx, key, c, d); err != nil {
			out.Body.Close()
			return err
		}
		obj = b.found(key, c, d)
		return nil
	})
	if err != nil {
		cancel()
		if errors.Is(err, errNoKeyFits) {
			b.keys.refuse(key)
		}
		return nil, providers.Object{}, b.patient(ctx, op, key, err)
	}
	arrived()
	r := providers.NewContent(out.Body, aws.ToInt64(out.ContentLength), cancel, func(err error) error { return b.fail(ctx, "open", key, err) })
	if err := narrow(r, key, opts.Range, obj.Size, aws.ToString(out.ContentRange)); err != nil {
		r.Close()
		return nil, providers.Object{}, err
	}
	return r, obj, nil
}

// checkEmpty asks whether a key really fits an empty object, if nothing is
// known of it: MinIO opens nothing, and so takes any key.
func (b *Bucket) checkEmpty(ctx context.Context, key string, c sse.Candidate, d details) error {
	if d.size > 0 || c.Key.IsZero() || b.keys.known(key, entityTag(d.etag), c) {
		return nil
	}
	_, err := b.client.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: &b.bucket, Key: b.full(key)})
	return err
}

func plain(op, key string) error {
	return &providers.Error{Op: op, Key: key, Kind: providers.ErrPlain,
		Advice: "the object is not encrypted, and the remote is set to require_encrypted; renaming it on this drive seals it"}
}

func (b *Bucket) getInput(key string, opts providers.OpenOptions) *awss3.GetObjectInput {
	in := &awss3.GetObjectInput{Bucket: &b.bucket, Key: b.full(key), Range: rangeHeader(opts.Range)}
	if opts.IfMatch != "" && opts.IfMatch != "*" { // any object: that it is there is shown anyway, and Ceph answers 412
		in.IfMatch = &opts.IfMatch
	}
	if opts.IfNoneMatch != "" {
		in.IfNoneMatch = &opts.IfNoneMatch
	}
	if !opts.IfModifiedSince.IsZero() {
		in.IfModifiedSince = &opts.IfModifiedSince
	}
	if !opts.IfUnmodifiedSince.IsZero() {
		in.IfUnmodifiedSince = &opts.IfUnmodifiedSince
	}
	return in
}

// rangeHeader is RFC 9110's Range, or nil for the whole.
func rangeHeader(r providers.Range) *string {
	switch {
	case r == providers.Range{}:
		return nil
	case r.Offset < 0:
		return new(fmt.Sprintf("bytes=%d", r.Offset))
	case r.Length == 0:
		return new(fmt.Sprintf("bytes=%d-", r.Offset))
	}
	return new(fmt.Sprintf("bytes=%d-%d", r.Offset, r.Offset+r.Length-1))
}

func getDetails(out *awss3.GetObjectOutput) details {
	size := aws.ToInt64(out.ContentLength)
	if _, total, ok := strings.Cut(aws.ToString(out.ContentRange), "/"); ok {
		if n, err := strconv.ParseInt(total, 10, 64); err == nil {
			size = n
		}
	}
	return details{
		size: size, modified: out.LastModified, etag: out.ETag,
		contentType: out.ContentType, metadata: out.Metadata,
		headers: keptHeaders(out.CacheControl, out.ContentDisposition, out.ContentEncoding, out.ContentLanguage),
		answer:  answer{out.ServerSideEncryption, out.SSEKMSKeyId, out.SSECustomerAlgorithm, out.SSECustomerKeyMD5},
	}
}

// narrow checks that the answer is the part that was asked for of an object of
// size bytes.
func narrow(r *providers.Content, key string, asked providers.Range, size int64, contentRange string) error {
	switch {
	case asked == (providers.Range{}):
		return nil
	case size == 0: // MinIO answers the last byte of nothing with nothing
		return &providers.Error{Op: "open", Key: key, Kind: providers.ErrRange}
	case contentRange == "" && (asked.Offset > 0 || -asked.Offset < size && asked.Offset < 0):
		return &providers.Error{Op: "open", Key: key, Kind: providers.ErrUnavailable, Advice: "the store ignored the range that was asked for"}
	}
	// A suffix has no length in HTTP; and where a store answers the whole, the
	// beginning is part of it.
	if asked.Length > 0 {
		r.Limit(asked.Length)
	}
	return nil
}
