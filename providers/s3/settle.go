package s3

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"sealdav/providers"
	"sealdav/sse"
)

const cleanupTime = providers.CleanupTime

// adviceRemoved owns up to what a bucket without versions has lost.
const adviceRemoved = "the store accepted the write without confirming the encryption the remote asks for, so it may ignore encryption headers; what it wrote was removed again, and an object that it replaced is gone with it unless the bucket keeps versions. Use a store that supports this encryption, or change the remote's sse options"

// written is a write, and the tag and version that the store's answer named.
type written struct {
	providers.Written
	etag, version *string
}

// reopen is the providers.Reopen of a proof.
func (b *Bucket) reopen(ctx context.Context, op, key, etag string) (io.ReadCloser, error) {
	body, _, err := b.open(ctx, op, key, providers.OpenOptions{IfMatch: etag})
	return body, err
}

// same is the proof of an upload in parts: the tag that they make.
func (u *upload) same(_ context.Context, s providers.Standing) (bool, error) {
	etag := u.etag()
	return etag != nil && *etag == s.ETag, nil
}

// standing is what lies at a key.
type standing struct {
	providers.Standing
	obj     providers.Object
	answer  answer
	version *string
}

// errOtherKey is the error of inspecting what lies under a customer key that
// is not the write key.
var errOtherKey = errors.New("sealed with another key")

// inspections is how often a store that fails is asked what lies there, each
// time with the SDK's own retries.
const inspections = 3

// inspect looks at what lies at a key, or at one version of it, under the
// write settings or without a customer key.
func (b *Bucket) inspect(ctx context.Context, key string, version *string) (s standing, err error) {
	for range inspections {
		s, err = b.lookBack(ctx, key, version, b.writeCandidate())
		if examine(err).mayBeKey() && !b.crypt.settings.WriteKey.IsZero() {
			s, err = b.lookBack(ctx, key, version, sse.Candidate{})
		}
		if f := examine(err); f.status == 400 && f.mayBeKey() {
			return standing{}, errOtherKey
		}
		if err == nil || !answerLost(err) || ctx.Err() != nil {
			break
		}
	}
	return s, err
}

// writeCandidate is what opens what was written under the write settings.
func (b *Bucket) writeCandidate() sse.Candidate {
	return sse.Candidate{Key: b.crypt.settings.WriteKey, Place: "write key"}
}

// lookBack is a HEAD with one key.
func (b *Bucket) lookBack(ctx context.Context, key string, version *string, c sse.Candidate) (standing, error) {
	wait, _, cancel := b.withPatience(ctx)
	defer cancel()
	out, err := b.client.HeadObject(withReadKey(wait, c), &awss3.HeadObjectInput{Bucket: &b.bucket, Key: b.full(key), VersionId: version})
	if err != nil {
		return standing{}, err
	}
	now, ok := awsmiddleware.GetServerTime(out.ResultMetadata)
	if !ok {
		now = time.Now()
	}
	d := headDetails(out)
	s := standing{obj: b.found(key, c, d), answer: d.answer, version: out.VersionId}
	s.Standing = providers.Standing{Sealed: b.crypt.confirmed(s.answer), ETag: s.obj.ETag, Size: s.obj.Size, ModTime: s.obj.ModTime, Now: now}
	return s, nil
}

// settle sees to it that nothing of a write lies there unsealed. See
// providers.Written.Settle.
func (b *Bucket) settle(ctx context.Context, key string, w written) (sealed bool, err error) {
	b.keys.forget(key)
	var s standing
	return w.Settle(ctx, providers.Place{
		Key: key, Log: b.log,
		Left: func(advice string, err error) error { return b.left(ctx, key, advice, err) },
		Look: func(ctx context.Context) (_ providers.Standing, err error) {
			s, err = b.inspect(ctx, key, w.version)
			if absent, otherKey := examine(err).status == 404, errors.Is(err, errOtherKey); absent || otherKey {
				return providers.Standing{Absent: absent, OtherKey: otherKey}, nil
			}
			// Tags are made of the content, so the size has to be the same too.
			s.Told = w.Answered && aws.ToString(w.etag) != "" && entityTag(w.etag) == s.ETag && s.Size == w.Size
			return s.Standing, err
		},
		Remove: func(ctx context.Context, ours bool) error {
			if !ours {
				return nil
			}
			return b.takeBack(ctx, key, s)
		},
	})
}

// takeBack removes what lies there. The answer to If-Match is asked for but not
// relied on: MinIO and Ceph ignore it on DELETE. A version is deleted as one,
// or it would stay below.
func (b *Bucket) takeBack(ctx context.Context, key string, s standing) error {
	b.keys.forget(key)
	in := &awss3.DeleteObjectInput{Bucket: &b.bucket, Key: b.full(key), IfMatch: optional(s.ETag)}
	if aws.ToString(s.version) != "" {
		in.IfMatch, in.VersionId = nil, s.version
	}
	_, err := b.client.DeleteObject(ctx, in)
	if f := examine(err); err != nil && f.status != 404 && f.status != 412 {
		return err
	}
	return nil
}

// left is the error of an object that may lie unsealed.
func (b *Bucket) left(ctx context.Context, key, advice string, err error) error {
	return providers.Left(b.log, key, advice, b.fail(context.WithoutCancel(ctx), "stat", key, err))
}

// unverified removes what was written and returns the error that says so.
func (b *Bucket) unverified(ctx context.Context, op, key string, w written) error {
	sealed, err := b.settle(ctx, key, w)
	return providers.Unverified(op, key, adviceRemoved, sealed, err)
}

// uncertain is the error of a failed write. If the store may have carried it
// out all the same, what lies there is looked at, for nobody else will.
func (b *Bucket) uncertain(ctx context.Context, key string, tries *providers.Attempts, w written, err error) error {
	if !tries.Lost.Load() || !b.crypt.settings.Sealed() {
		return err
	}
	_, left := b.settle(ctx, key, w)
	return providers.Uncertain(err, left)
}

// ownWrite looks whether what refuses a conditional write is this very write:
// an attempt whose answer was lost has put it there, and stands in the way of
// the next.
func (b *Bucket) ownWrite(ctx context.Context, key string, w written) (standing, bool) {
	s, err := b.inspect(ctx, key, nil)
	return s, err == nil && w.Own(ctx, s.Standing)
}
