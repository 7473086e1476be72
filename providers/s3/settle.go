package s3

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"sealdav/providers"
	"sealdav/sse"
)

// cleanupTime bounds what is done, on a context of its own, to leave nothing
// behind after a failure.
const cleanupTime = 30 * time.Second

// The advice on writes that the store did not confirm.
const (
	adviceUnverified = "the store accepted the write without confirming the encryption the remote asks for, so it may ignore encryption headers; nothing was kept. Use a store that supports this encryption, or change the remote's sse options"
	adviceRemoved    = "the store accepted the write without confirming the encryption the remote asks for, so it may ignore encryption headers; what it wrote was removed again, and an object that it replaced is gone with it unless the bucket keeps versions. Use a store that supports this encryption, or change the remote's sse options"
	adviceSealed     = "the store accepted the write without confirming the encryption the remote asks for; what lies there now is encrypted so all the same. Write it again"
	adviceNotRemoved = "the store did not confirm the encryption the remote asks for, and what it wrote could not be removed again: remove that object by hand, it may lie there unencrypted"
	adviceAnother    = "the store did not confirm the encryption the remote asks for; what lies there now is not encrypted so, and was left, for it is not what was written: look at it"
	adviceDoubtful   = "the store did not say what became of the write; what lies there now is not encrypted as the remote asks for, and was left, for it may be somebody else's: look at it"
	adviceNotSeen    = "the store did not say what became of the write, nor what lies there now: if that is new, it may be unencrypted; look at it once the store answers again"
	adviceOnlyCopy   = "the store did not confirm the encryption the remote asks for, and the object may lie there unencrypted. It was not removed, for it is the only copy: renaming it on this drive seals it, if the store does again"
)

// written is a write that the store has answered, or may have carried out.
type written struct {
	etag, version *string
	size          int64
	start         time.Time
	answered      bool // the store says that the write stands
	onlyCopy      bool // an object copied onto itself
	same          same
}

// same reports whether what lies there has the content of a write. What has
// not may be a good file that somebody else has put there just now, and whoever
// deletes it has lost it.
type same func(ctx context.Context, s standing) (bool, error)

// sameBytes is the proof of a write of data.
func (b *Bucket) sameBytes(key string, data []byte) same {
	return func(ctx context.Context, s standing) (bool, error) {
		body, _, err := b.open(ctx, "put", key, providers.OpenOptions{IfMatch: s.obj.ETag})
		if err != nil {
			return false, err
		}
		defer body.Close()
		return providers.SameContent(body, bytes.NewReader(data))
	}
}

// sameAs is the proof of a copy: it reads both.
func (b *Bucket) sameAs(dst string, src providers.Object) same {
	return func(ctx context.Context, s standing) (bool, error) {
		from, _, err := b.open(ctx, "copy", src.Key, providers.OpenOptions{IfMatch: src.ETag})
		if err != nil {
			return false, err
		}
		defer from.Close()
		to, _, err := b.open(ctx, "copy", dst, providers.OpenOptions{IfMatch: s.obj.ETag})
		if err != nil {
			return false, err
		}
		defer to.Close()
		return providers.SameContent(from, to)
	}
}

// same is the proof of an upload in parts: the tag that they make.
func (u *upload) same(_ context.Context, s standing) (bool, error) {
	etag := u.etag()
	return etag != nil && *etag == s.obj.ETag, nil
}

// standing is what lies at a key.
type standing struct {
	obj     providers.Object
	answer  answer
	version *string
	now     time.Time // by the store's clock
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
	return standing{b.found(key, c, d), d.answer, out.VersionId, now}, nil
}

// mayBe reports whether what lies there can be what was written: it has the
// size, and came into being since the write began, by the store's own clock to
// the second. A store that tells no time is believed that its answer was true.
func (w written) mayBe(s standing) bool {
	switch {
	case s.obj.Size != w.size:
		return false
	case s.obj.ModTime.IsZero():
		return w.answered
	}
	return s.obj.ModTime.After(s.now.Add(-time.Since(w.start) - 2*time.Second))
}

// wroteIt reports whether what lies there is what was written: the tag that was
// told, or what may be it and has the content.
func (w written) wroteIt(ctx context.Context, s standing) (bool, error) {
	switch told := aws.ToString(w.etag); {
	case w.answered && told != "" && entityTag(w.etag) == s.obj.ETag && s.obj.Size == w.size:
		return true, nil
	case !w.mayBe(s):
		return false, nil
	}
	return w.same(ctx, s)
}

// settle sees to it that nothing of a write lies there unsealed. sealed
// reports whether what lies there is under the write settings. An error has
// the advice for what is left behind.
func (b *Bucket) settle(ctx context.Context, key string, w written) (sealed bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	b.keys.forget(key)
	s, err := b.inspect(ctx, key, w.version)
	switch {
	case examine(err).status == 404, errors.Is(err, errOtherKey):
		return false, nil
	case err != nil:
		return false, b.left(ctx, key, adviceNotSeen, err)
	case b.crypt.confirmed(s.answer):
		return true, nil
	case w.onlyCopy && w.mayBe(s):
		return false, b.left(ctx, key, adviceOnlyCopy, nil)
	case w.onlyCopy:
		return false, nil
	}
	switch ours, err := w.wroteIt(ctx, s); {
	case err != nil:
		return false, b.left(ctx, key, adviceDoubtful, err)
	case !ours && w.answered:
		return false, b.left(ctx, key, adviceAnother, nil)
	case !ours:
		return false, nil
	}
	b.keys.forget(key)
	// The answer to If-Match is asked for but not relied on: MinIO and Ceph
	// ignore it on DELETE. A version is deleted as one, or it would stay below.
	in := &awss3.DeleteObjectInput{Bucket: &b.bucket, Key: b.full(key), IfMatch: optional(s.obj.ETag)}
	if aws.ToString(s.version) != "" {
		in.IfMatch, in.VersionId = nil, s.version
	}
	_, err = b.client.DeleteObject(ctx, in)
	if f := examine(err); err != nil && f.status != 404 && f.status != 412 {
		return false, b.left(ctx, key, adviceNotRemoved, err)
	}
	return false, nil
}

// left is the error of an object that may lie unsealed. Its client may have
// gone, so it is logged as well.
func (b *Bucket) left(ctx context.Context, key, advice string, err error) error {
	e := &providers.Error{Op: "delete", Key: key, Kind: providers.ErrUnverified, Advice: advice}
	if err != nil {
		e.Err = b.fail(context.WithoutCancel(ctx), "stat", key, err)
	}
	b.log.Error("an object may lie unencrypted in a sealed remote", "err", e)
	return e
}

// unverified removes what was written and returns the error that says so.
func (b *Bucket) unverified(ctx context.Context, op, key string, w written) error {
	e := &providers.Error{Op: op, Key: key, Kind: providers.ErrUnverified, Advice: adviceRemoved}
	sealed, err := b.settle(ctx, key, w)
	switch {
	case err != nil:
		e.Err, e.Advice = err, providers.Advice(err)
	case sealed:
		e.Advice = adviceSealed
	}
	return e
}

// uncertain is the error of a failed write. If the store may have carried it
// out all the same, what lies there is looked at, for nobody else will.
func (b *Bucket) uncertain(ctx context.Context, key string, tries *attempts, w written, err error) error {
	if !tries.lost.Load() || !b.crypt.settings.Sealed() {
		return err
	}
	w.start = tries.start
	_, left := b.settle(ctx, key, w)
	if e, ok := errors.AsType[*providers.Error](err); ok && left != nil {
		told := *e
		told.Err, told.Advice = errors.Join(e.Err, left), providers.Advice(left)
		return &told
	}
	return err
}

// ownWrite looks whether what refuses a conditional write is this very write:
// an attempt whose answer was lost has put it there, and stands in the way of
// the next. It is, if it has come into being since, is sealed, and has the
// same content, so that nobody can tell it from another writer's.
func (b *Bucket) ownWrite(ctx context.Context, key string, tries *attempts, data []byte) (standing, bool) {
	s, err := b.inspect(ctx, key, nil)
	w := written{size: int64(len(data)), start: tries.start, same: b.sameBytes(key, data)}
	if err != nil || !b.crypt.confirmed(s.answer) {
		return standing{}, false
	}
	ours, err := w.wroteIt(ctx, s)
	return s, ours && err == nil
}
