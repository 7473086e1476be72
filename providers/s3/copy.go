package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/sync/errgroup"

	"sealdav/providers"
	"sealdav/sse"
)

// Copy implements providers.Bucket: one CopyObject, or a multipart upload
// whose parts the store copies for what is larger than 5 GiB. Amazon confirms
// the encryption in its answer; MinIO says nothing there, which costs a sealed
// remote one HEAD per copy. A store that the probe has shown not to copy
// sealed objects is given the content instead, read and put again.
//
// Amazon honours conditions on the destination. MinIO and Ceph ignore them, so
// elsewhere than at Amazon a HEAD comes before, which leaves a moment in which
// another writer may come between.
func (b *Bucket) Copy(ctx context.Context, dst string, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	for _, key := range []string{dst, src.Key} {
		if err := b.checkKey("copy", key); err != nil {
			return providers.Object{}, err
		}
	}
	metadata, err := encodeMetadata("copy", dst, opts.Metadata)
	if err != nil {
		return providers.Object{}, err
	}
	if err := b.gate.Admit(ctx); err != nil {
		return providers.Object{}, b.fail(ctx, "copy", dst, err)
	}
	c := copying{dst: dst, src: src, opts: opts, metadata: metadata}
	if b.streamCopies.Load() {
		return b.copyStreamed(ctx, c)
	}
	// Onto itself the condition on the source is the same.
	if onItself := dst == src.Key && opts.Condition == (providers.Condition{IfMatch: src.ETag}); !b.amazon && !onItself {
		if err := b.holds(ctx, "copy", dst, opts.Condition); err != nil {
			return providers.Object{}, err
		}
	}
	var obj providers.Object
	if src.Size > b.limits.copyObject {
		if err := b.gatePartCopies.Admit(ctx); err != nil {
			return providers.Object{}, b.fail(ctx, "copy", dst, err)
		}
		if b.streamLarge.Load() {
			return b.copyStreamed(ctx, c)
		}
		obj, err = b.copyParts(ctx, c)
	} else {
		obj, err = b.copyWhole(ctx, c)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		// Ceph copies no object that lies under a customer key.
		return b.copyStreamed(ctx, c)
	}
	return obj, err
}

// copying is one Copy under way.
type copying struct {
	dst      string
	src      providers.Object
	opts     providers.CopyOptions
	metadata map[string]string // encoded; of opts, if they replace
}

// tag is the ETag that the source must have. A folder's marker need not have
// any: it holds nothing, and MinIO tells its ETag in one form in a listing and
// in another to a HEAD if it is sealed.
func (c copying) tag() string {
	if c.src.Size == 0 && strings.HasSuffix(c.src.Key, "/") {
		return ""
	}
	return c.src.ETag
}

// source is the value of x-amz-copy-source.
func (b *Bucket) source(key string) *string {
	return aws.String(b.bucket + "/" + escapePath(b.base+key))
}

// escapePath encodes all that RFC 3986 does not leave alone, "/" excepted:
// some stores take "+" in x-amz-copy-source for a space.
func escapePath(s string) string {
	var e strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~/", c) >= 0 {
			e.WriteByte(c)
		} else {
			fmt.Fprintf(&e, "%%%02X", c)
		}
	}
	return e.String()
}

// sourceCondition repeats x-amz-copy-source-if-match under the name by which
// Ceph knows it. The SDK signs it with the rest.
func (b *Bucket) sourceCondition(etag string) func(*awss3.Options) {
	if b.amazon || etag == "" {
		return func(*awss3.Options) {}
	}
	return awss3.WithAPIOptions(smithyhttp.SetHeaderValue("X-Amz-Copy-If-Match", etag))
}

func (b *Bucket) copyWhole(ctx context.Context, c copying) (providers.Object, error) {
	in := &awss3.CopyObjectInput{
		Bucket: &b.bucket, Key: b.full(c.dst), CopySource: b.source(c.src.Key),
		CopySourceIfMatch: optional(c.tag()),
		IfMatch:           optional(c.opts.IfMatch), IfNoneMatch: absent(c.opts.Condition),
	}
	switch {
	case c.opts.Replace:
		in.MetadataDirective = types.MetadataDirectiveReplace
		in.ContentType, in.Metadata = optional(c.opts.ContentType), c.metadata
		h := c.src.Headers
		in.CacheControl, in.ContentDisposition = optional(h["cache-control"]), optional(h["content-disposition"])
		in.ContentEncoding, in.ContentLanguage = optional(h["content-encoding"]), optional(h["content-language"])
	case c.dst == c.src.Key:
		// S3 refuses to copy an object onto itself with nothing changed, and
		// takes a replacement for a change whatever it says.
		h, err := b.headers(ctx, c.src)
		if err != nil {
			return providers.Object{}, err
		}
		in.MetadataDirective = types.MetadataDirectiveReplace
		in.ContentType, in.Metadata, in.CacheControl = h.ContentType, reencode(h.Metadata), h.CacheControl
		in.ContentDisposition, in.ContentEncoding, in.ContentLanguage = h.ContentDisposition, h.ContentEncoding, h.ContentLanguage
	}
	var out *awss3.CopyObjectOutput
	following, tries := providers.Following(allowCopy(ctx, c.src.Size))
	err := b.reading(following, "copy", c.src.Key, c.tag(), func(ctx context.Context, _ sse.Candidate) (err error) {
		if ctx, err = providers.Unbroken(ctx); err != nil {
			return err
		}
		out, err = b.client.CopyObject(ctx, in, b.sourceCondition(c.tag()))
		return err
	})
	if err != nil {
		w := written{Written: providers.Written{Size: c.src.Size, Start: tries.Start, OnlyCopy: c.dst == c.src.Key, Same: providers.SameAs(b.reopen, c.dst, c.src)}}
		return providers.Object{}, b.uncertain(ctx, c.dst, tries, w, b.copyError(ctx, c, err))
	}
	if out.CopyObjectResult == nil {
		out.CopyObjectResult = &types.CopyObjectResult{}
	}
	a := answer{out.ServerSideEncryption, out.SSEKMSKeyId, out.SSECustomerAlgorithm, out.SSECustomerKeyMD5}
	w := written{providers.Written{Start: tries.Start, Same: providers.SameAs(b.reopen, c.dst, c.src)}, out.CopyObjectResult.ETag, out.VersionId}
	return b.copied(ctx, c, a, w, aws.ToTime(out.CopyObjectResult.LastModified))
}

// copyError is the error of a copy that the store refused. A store that holds
// the source under another key refuses it in the same words as one that does
// not permit the copy, so the source is looked at.
func (b *Bucket) copyError(ctx context.Context, c copying, err error) error {
	f := examine(err)
	noKey := errors.Is(err, errNoKeyFits)
	if !noKey && !(f.status == 403 && errors.Is(err, fs.ErrPermission)) {
		if e, ok := errors.AsType[*providers.Error](err); ok && e.Advice == "" {
			e.Advice = b.writeAdvice(f)
		}
		return err
	}
	switch _, looked := b.Stat(ctx, c.src.Key); {
	case errors.Is(looked, providers.ErrKey):
		b.keys.refuse(c.src.Key)
		return noKeyFits("copy", c.src.Key)
	case looked != nil:
		return err // its permissions are in doubt, not those of writing
	case noKey:
		f = &failure{status: http.StatusForbidden}
	}
	if e, ok := errors.AsType[*providers.Error](err); ok && (noKey || e.Advice == "") {
		return &providers.Error{Op: "copy", Key: c.dst, Kind: fs.ErrPermission, Err: f, Advice: b.writeAdvice(f)}
	}
	return err
}

// copied verifies a copy and describes it: from the answer where that says
// anything, else with a HEAD under the write settings. The copy stands, so its
// client's leaving is no reason not to look.
func (b *Bucket) copied(ctx context.Context, c copying, a answer, w written, modified time.Time) (providers.Object, error) {
	obj := providers.Object{
		Key: c.dst, Size: c.src.Size, ModTime: modified.Truncate(time.Second), ETag: entityTag(w.etag),
		ContentType: c.src.ContentType, Metadata: c.src.Metadata, Encryption: a.describe("write key"),
	}
	if c.opts.Replace {
		obj.ContentType, obj.Metadata = c.opts.ContentType, c.opts.Metadata
	}
	w.Size, w.Answered = c.src.Size, true
	if b.crypt.settings.Sealed() && (a.silent() || obj.ETag == "") {
		look, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
		defer cancel()
		seen, err := b.inspect(look, c.dst, nil)
		switch f := examine(err); {
		case err == nil && b.crypt.confirmed(seen.answer) && obj.ETag != "" && seen.obj.ETag != obj.ETag:
			// Replaced by another writer, and sealed.
			obj.Encryption = seen.obj.Encryption
			return obj, nil
		case err == nil:
			a, obj = seen.answer, seen.obj
		case f.status != 404 && !errors.Is(err, errOtherKey):
			return providers.Object{}, &providers.Error{Op: "copy", Key: c.dst, Kind: providers.ErrUnavailable, Err: b.left(look, c.dst, providers.AdviceNotSeen, err), Advice: providers.AdviceNotSeen}
		}
	}
	switch {
	case b.crypt.confirmed(a):
		b.wrote(c.dst, obj.ETag)
		return obj, nil
	case c.dst == c.src.Key:
		return b.resealed(ctx, c)
	}
	return providers.Object{}, b.unverified(ctx, "copy", c.dst, w)
}

// resealed puts an object once more that was copied onto itself and did not
// come out sealed: it is the only copy, and must neither go nor stay so.
func (b *Bucket) resealed(ctx context.Context, c copying) (providers.Object, error) {
	c.src.ETag, c.opts.Condition = "", providers.Condition{}
	obj, err := b.copyStreamed(ctx, c)
	if err != nil {
		return providers.Object{}, &providers.Error{Op: "copy", Key: c.dst, Kind: providers.ErrUnverified,
			Err: errors.Join(b.left(ctx, c.dst, providers.AdviceOnlyCopy, nil), err), Advice: providers.AdviceOnlyCopy}
	}
	return obj, nil
}

// headers is a HEAD of a copy's source, which must be the one that is meant.
func (b *Bucket) headers(ctx context.Context, src providers.Object) (out *awss3.HeadObjectOutput, err error) {
	err = b.reading(ctx, "copy", src.Key, src.ETag, func(ctx context.Context, c sse.Candidate) (err error) {
		out, err = b.client.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: &b.bucket, Key: b.full(src.Key)})
		if err == nil {
			b.found(src.Key, c, headDetails(out))
		}
		return err
	})
	if err == nil && src.ETag != "" && entityTag(out.ETag) != src.ETag {
		return nil, &providers.Error{Op: "copy", Key: src.Key, Kind: providers.ErrPrecondition}
	}
	return out, err
}

// copyParts copies an object that is too large for one request.
func (b *Bucket) copyParts(ctx context.Context, c copying) (providers.Object, error) {
	h, err := b.headers(ctx, c.src)
	if err != nil {
		return providers.Object{}, err
	}
	in := &awss3.CreateMultipartUploadInput{
		ContentType: h.ContentType, Metadata: reencode(h.Metadata), CacheControl: h.CacheControl,
		ContentDisposition: h.ContentDisposition, ContentEncoding: h.ContentEncoding, ContentLanguage: h.ContentLanguage,
	}
	if c.opts.Replace {
		in.ContentType, in.Metadata = optional(c.opts.ContentType), c.metadata
	}
	u, err := b.createUploadFrom(ctx, "copy", c.dst, in)
	if err != nil {
		return providers.Object{}, err
	}
	if err := u.copyAll(ctx, c.src); err != nil {
		u.abort(ctx)
		return providers.Object{}, b.copyError(ctx, c, err)
	}
	// A store that says nothing about parts it copied is asked afterwards.
	if u.contradicted > 0 {
		u.abort(ctx)
		return providers.Object{}, &providers.Error{Op: "copy", Key: c.dst, Kind: providers.ErrUnverified, Advice: providers.AdviceUnverified}
	}
	verified := u.verified()
	out, err := u.finish(ctx, c.opts.Condition, written{Written: providers.Written{Size: c.src.Size, Start: u.start, OnlyCopy: c.dst == c.src.Key, Same: u.same}})
	if err != nil {
		return providers.Object{}, err
	}
	a := answer{}
	if verified {
		a = u.said()
	}
	w := written{providers.Written{Start: u.start, Same: u.same}, out.ETag, out.VersionId}
	return b.copied(ctx, c, a, w, time.Now())
}

// copyAll has the store copy every part.
func (u *upload) copyAll(ctx context.Context, src providers.Object) error {
	size := max(u.b.limits.copyPart, (src.Size+int64(u.b.limits.parts)-1)/int64(u.b.limits.parts))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(copiesAtOnce)
	for from, number := int64(0), int32(1); from < src.Size && ctx.Err() == nil; from, number = from+size, number+1 {
		to := min(from+size, src.Size) - 1
		group.Go(func() error {
			return providers.Guarded(u.b.log, u.op, u.key, func() error {
				return u.copyPart(allowCopy(ctx, size), src, number, fmt.Sprintf("bytes=%d-%d", from, to))
			})
		})
	}
	return group.Wait()
}

// copyPart has the store copy one part: bytes of the source, or with "" all.
func (u *upload) copyPart(ctx context.Context, src providers.Object, number int32, bytes string) error {
	var out *awss3.UploadPartCopyOutput
	err := u.b.reading(ctx, "copy", src.Key, src.ETag, func(ctx context.Context, _ sse.Candidate) (err error) {
		out, err = u.b.client.UploadPartCopy(ctx, &awss3.UploadPartCopyInput{
			Bucket: &u.b.bucket, Key: u.b.full(u.key), UploadId: u.id, PartNumber: &number,
			CopySource: u.b.source(src.Key), CopySourceRange: optional(bytes),
			CopySourceIfMatch: optional(src.ETag),
		}, u.b.sourceCondition(src.ETag))
		return err
	})
	if err != nil {
		return err
	}
	p := types.CompletedPart{PartNumber: &number}
	if r := out.CopyPartResult; r != nil {
		p.ETag = r.ETag
		p.ChecksumCRC32, p.ChecksumCRC32C, p.ChecksumCRC64NVME = r.ChecksumCRC32, r.ChecksumCRC32C, r.ChecksumCRC64NVME
		p.ChecksumSHA1, p.ChecksumSHA256 = r.ChecksumSHA1, r.ChecksumSHA256
	}
	u.took(answer{out.ServerSideEncryption, out.SSEKMSKeyId, out.SSECustomerAlgorithm, out.SSECustomerKeyMD5}, p)
	return nil
}

// copyStreamed copies through this process: what was read under one key is put
// under the write settings. It reads and writes every byte, but never stores
// one that is not sealed.
func (b *Bucket) copyStreamed(ctx context.Context, c copying) (providers.Object, error) {
	// A plain source is to be sealed, so RequireEncrypted has no say here.
	body, src, err := b.open(ctx, "copy", c.src.Key, providers.OpenOptions{IfMatch: c.src.ETag})
	if err != nil {
		return providers.Object{}, err
	}
	defer body.Close()
	put := providers.PutOptions{Condition: c.opts.Condition, Size: src.Size, ContentType: src.ContentType, Metadata: src.Metadata}
	if c.opts.Replace {
		put.ContentType, put.Metadata = c.opts.ContentType, c.opts.Metadata
	}
	obj, err := b.Put(ctx, c.dst, body, put)
	if e, ok := errors.AsType[*providers.Error](err); ok {
		told := *e // the gate's is shared
		told.Op = "copy"
		return obj, &told
	}
	return obj, err
}

// reencode brings metadata as a store returned it into the form it is sent in.
func reencode(stored map[string]string) map[string]string {
	metadata, err := encodeMetadata("copy", "", decodeMetadata(stored))
	if err != nil {
		return nil // a name no header can have cannot have come in one
	}
	return metadata
}
