package s3

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // S3's entity tags
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"sealdav/providers"
)

const (
	minPartSize  = 5 << 20 // S3's, for all parts but the last
	partsAtOnce  = 4       // of one upload; Buffers bounds all uploads together
	copiesAtOnce = 8       // parts of one large copy; they cost no memory here
)

// upload is a multipart upload under way. It ends in complete or abort.
type upload struct {
	b      *Bucket
	op     string
	key    string
	id     *string
	start  time.Time
	entry  *journalEntry
	create answer
	// ceph: the store is Ceph, which ignores the conditions of complete.
	ceph bool

	mu    sync.Mutex
	parts []types.CompletedPart
	// confirmed and contradicted count what the answers to the parts said
	// about the encryption.
	confirmed, contradicted int
}

// createUpload begins an upload under the write settings, and notes it.
func (b *Bucket) createUpload(ctx context.Context, op, key, contentType string, metadata map[string]string) (*upload, error) {
	return b.createUploadFrom(ctx, op, key, &awss3.CreateMultipartUploadInput{
		ContentType: optional(contentType), Metadata: metadata, ChecksumAlgorithm: b.partSums(),
	})
}

// partSums is the checksum that the SDK gives the parts it sends, or "".
func (b *Bucket) partSums() types.ChecksumAlgorithm {
	if b.sums {
		return types.ChecksumAlgorithmCrc32
	}
	return ""
}

func (b *Bucket) createUploadFrom(ctx context.Context, op, key string, in *awss3.CreateMultipartUploadInput) (*upload, error) {
	in.Bucket, in.Key = &b.bucket, b.full(key)
	start := time.Now() // Amazon dates the object back to when the upload was created
	out, err := b.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return nil, b.writeError(ctx, op, key, providers.Condition{}, err)
	}
	u := &upload{b: b, op: op, key: key, id: out.UploadId, start: start,
		create: answer{out.ServerSideEncryption, out.SSEKMSKeyId, out.SSECustomerAlgorithm, out.SSECustomerKeyMD5}}
	requestID, _ := awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
	u.ceph = strings.HasPrefix(requestID, "tx0000") // nobody else's begin so
	if u.entry, err = b.journal.add(*in.Key, aws.ToString(u.id)); err != nil {
		u.abort(ctx)
		return nil, &providers.Error{Op: op, Key: key, Kind: providers.ErrUnavailable, Err: err,
			Advice: "the upload could not be noted in the server's state directory"}
	}
	return u, nil
}

// putParts stores a body as a multipart upload. A place among the parts in
// flight comes first, then a buffer, then the content: a full buffer never
// waits for anything but its own request.
func (b *Bucket) putParts(ctx context.Context, w writing, c providers.Part) (providers.Object, error) {
	err := b.gateParts.Admit(ctx)
	var u *upload
	if err == nil {
		u, err = b.createUpload(ctx, "put", w.key, w.opts.ContentType, w.metadata)
	}
	if err != nil {
		c.Release()
		return providers.Object{}, b.fail(ctx, "put", w.key, err)
	}
	if err := u.sendAll(ctx, w, c); err != nil {
		u.abort(ctx)
		return providers.Object{}, err
	}
	out, err := u.complete(ctx, w.opts.Condition, written{Written: providers.Written{Size: w.parts.Total(), Start: u.start, Same: u.same}})
	if err != nil {
		return providers.Object{}, err
	}
	return b.stored(w.key, w.parts.Total(), w.opts, out.ETag, u.said(), out.ResultMetadata), nil
}

// sendAll uploads the parts, the first of which is read already.
func (u *upload) sendAll(ctx context.Context, w writing, c providers.Part) error {
	group, running := errgroup.WithContext(ctx)
	places := make(chan struct{}, partsAtOnce)
	places <- struct{}{}
	var bodyErr error
	for number, last := 1, false; ; number++ {
		if number > u.b.limits.parts {
			c.Release()
			bodyErr = tooLarge(w.key, int64(u.b.buffers.Size())*int64(u.b.limits.parts))
			break
		}
		sent := c
		group.Go(func() error {
			defer func() { sent.Release(); <-places }()
			return providers.Guarded(u.b.log, u.op, u.key, func() error { return u.send(running, int32(number), sent.Data) })
		})
		if last {
			break
		}
		select {
		case places <- struct{}{}:
		case <-running.Done():
		}
		if c, last, bodyErr = w.parts.Next(running); bodyErr != nil {
			break
		}
	}
	if bodyErr == nil {
		return group.Wait()
	}
	stopped := running.Err() != nil // then the part that failed is the reason
	err := group.Wait()
	if stopped && err != nil {
		return err
	}
	return providers.BodyError(ctx, w.key, bodyErr)
}

// send uploads one part.
func (u *upload) send(ctx context.Context, number int32, data []byte) error {
	in := &awss3.UploadPartInput{
		Bucket: &u.b.bucket, Key: u.b.full(u.key), UploadId: u.id, PartNumber: &number,
		Body: bytes.NewReader(data), ContentLength: new(int64(len(data))),
	}
	out, err := u.b.client.UploadPart(ctx, in)
	if err != nil {
		return u.b.writeError(ctx, u.op, u.key, providers.Condition{}, err)
	}
	u.took(answer{out.ServerSideEncryption, out.SSEKMSKeyId, out.SSECustomerAlgorithm, out.SSECustomerKeyMD5}, types.CompletedPart{
		PartNumber: &number, ETag: out.ETag,
		ChecksumCRC32: out.ChecksumCRC32, ChecksumCRC32C: out.ChecksumCRC32C, ChecksumCRC64NVME: out.ChecksumCRC64NVME,
		ChecksumSHA1: out.ChecksumSHA1, ChecksumSHA256: out.ChecksumSHA256,
	})
	return nil
}

// took notes the answer to a part.
func (u *upload) took(a answer, p types.CompletedPart) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.parts = append(u.parts, p)
	switch {
	case u.b.crypt.confirmed(a):
		u.confirmed++
	case !a.silent():
		u.contradicted++
	}
}

// verified reports whether the store has confirmed the write settings. With a
// customer key each part must say so: a store may take a key at the start and
// store parts in the clear. A mode the store holds the key of is settled at
// the start, which some stores answer and some leave to the parts.
func (u *upload) verified() bool {
	if u.contradicted > 0 {
		return false
	}
	all := u.confirmed == len(u.parts)
	if u.b.crypt.settings.WriteKey.IsZero() {
		return all || u.b.crypt.confirmed(u.create)
	}
	return all && (u.create.silent() || u.b.crypt.confirmed(u.create))
}

// said is the encryption of the finished object.
func (u *upload) said() answer {
	if u.create.silent() && !u.b.crypt.settings.WriteKey.IsZero() {
		return answer{algorithm: aws.String("AES256")}
	}
	if u.create.silent() {
		mode, id := u.b.crypt.storeHeld()
		return answer{mode: mode, kmsKey: id}
	}
	return u.create
}

// complete puts the object in its place, if its encryption is confirmed.
func (u *upload) complete(ctx context.Context, cond providers.Condition, w written) (*awss3.CompleteMultipartUploadOutput, error) {
	if !u.verified() {
		u.abort(ctx)
		return nil, &providers.Error{Op: u.op, Key: u.key, Kind: providers.ErrUnverified, Advice: providers.AdviceUnverified}
	}
	return u.finish(ctx, cond, w)
}

// finish completes an upload whose encryption somebody has looked at, or will.
func (u *upload) finish(ctx context.Context, cond providers.Condition, w written) (*awss3.CompleteMultipartUploadOutput, error) {
	slices.SortFunc(u.parts, func(x, y types.CompletedPart) int { return int(*x.PartNumber - *y.PartNumber) })
	if u.ceph {
		if err := u.b.holds(ctx, u.op, u.key, cond); err != nil {
			u.abort(ctx)
			return nil, err
		}
	}
	var out *awss3.CompleteMultipartUploadOutput
	whole, err := providers.Unbroken(ctx)
	if err != nil {
		u.abort(ctx)
		return nil, u.b.fail(ctx, u.op, u.key, err)
	}
	following, tries := providers.Following(whole)
	err = u.b.matching(cond, func(ifMatch *string) (err error) {
		out, err = u.b.client.CompleteMultipartUpload(following, &awss3.CompleteMultipartUploadInput{
			Bucket: &u.b.bucket, Key: u.b.full(u.key), UploadId: u.id,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts},
			IfMatch:         ifMatch, IfNoneMatch: absent(cond),
		})
		return err
	})
	if err != nil && (tries.Lost.Load() || examine(err).code == "NoSuchUpload") && u.stands(ctx) {
		out, err = &awss3.CompleteMultipartUploadOutput{}, nil
	}
	if err != nil {
		u.abort(ctx)
		return nil, u.b.uncertain(ctx, u.key, tries, w, u.b.writeError(ctx, u.op, u.key, cond, err))
	}
	u.entry.done()
	if aws.ToString(out.ETag) == "" {
		out.ETag = u.etag()
	}
	return out, nil
}

// stands reports whether the object of this upload is in its place. It is
// asked when an answer was lost, or the store says that there is no such
// upload or that a condition does not hold: it may have completed it already.
func (u *upload) stands(ctx context.Context) bool {
	obj, err := u.b.Stat(ctx, u.key)
	return err == nil && u.etag() != nil && obj.ETag == *u.etag()
}

// etag is the tag of the finished object as S3 makes it from those of the
// parts: Ceph leaves it out of its answer.
func (u *upload) etag() *string {
	h := md5.New() //nolint:gosec // S3's protocol
	for _, p := range u.parts {
		sum, err := hex.DecodeString(strings.Trim(aws.ToString(p.ETag), `"`))
		if err != nil {
			return nil
		}
		h.Write(sum)
	}
	return new(fmt.Sprintf(`"%x-%d"`, h.Sum(nil), len(u.parts)))
}

// abort removes the upload and its parts, whatever became of ctx.
func (u *upload) abort(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	if err := u.b.abortUpload(ctx, *u.b.full(u.key), u.id); err != nil {
		u.b.log.Warn("multipart upload not aborted; will be tried again", "op", u.op, "err", err)
		u.b.oweAbort(owedAbort{entry: u.entry, key: *u.b.full(u.key), id: aws.ToString(u.id)})
		return
	}
	u.entry.done()
}

// abortUpload aborts an upload by its key in the bucket; one that is gone
// already is fine. A part that was in flight may arrive after the abort and
// stay; the callers wait for their parts first.
func (b *Bucket) abortUpload(ctx context.Context, full string, id *string) error {
	_, err := b.client.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{Bucket: &b.bucket, Key: &full, UploadId: id})
	err = b.fail(ctx, "put", strings.TrimPrefix(full, b.base), err)
	if examine(err).code == "NoSuchUpload" || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// LifecycleCommand is the command that makes Amazon S3, or a store like it,
// remove multipart uploads that nobody finished within a day: those of a
// server that was killed and has no state directory. It replaces the bucket's
// other lifecycle rules.
func LifecycleCommand(bucket string) string {
	return `aws s3api put-bucket-lifecycle-configuration --bucket ` + bucket + ` --lifecycle-configuration '{"Rules":[{"ID":"abort-incomplete-uploads","Status":"Enabled","Filter":{"Prefix":""},"AbortIncompleteMultipartUpload":{"DaysAfterInitiation":1}}]}'`
}
