package gcs

import (
	"context"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"sealdav/providers"
)

const cleanupTime = providers.CleanupTime

// attempts follows one write through its requests: one of them may have been
// carried out, and its answer lost on the way.
type attempts struct {
	start time.Time
	lost  bool // one may have been carried out without a good answer
}

func following() *attempts { return &attempts{start: time.Now()} }

// note looks at the error of a request.
func (a *attempts) note(err error) {
	if a != nil && err != nil && examine(err).answerLost() {
		a.lost = true
	}
}

// sameSum is the proof of a write of data with a checksum, which the store
// tells of all that does not lie under a customer key.
func sameSum(sum uint32) providers.Same {
	return func(_ context.Context, s providers.Standing) (bool, error) {
		if s.Sum == "" {
			return false, errNoSum
		}
		return s.Sum == encodeSum(sum), nil
	}
}

var errNoSum = errors.New("the store tells no checksum")

// sameBytes is the proof of a write of data; it reads what it cannot tell by
// the checksum.
func (b *Bucket) sameBytes(key string, data []byte) providers.Same {
	return func(ctx context.Context, s providers.Standing) (bool, error) {
		if s.Sum != "" {
			return sameSum(crc32.Checksum(data, castagnoli))(ctx, s)
		}
		return providers.SameBytes(b.reopen, key, data)(ctx, s)
	}
}

// reopen is the providers.Reopen of a proof.
func (b *Bucket) reopen(ctx context.Context, op, key, etag string) (io.ReadCloser, error) {
	body, _, err := b.open(ctx, op, key, providers.OpenOptions{IfMatch: etag}, false)
	return body, err
}

// standing is what lies at a key.
type standing struct {
	providers.Standing
	resource resource
}

// inspect looks at what lies at a key.
func (b *Bucket) inspect(ctx context.Context, key string) (s standing, err error) {
	ctx, _, cancel := providers.WithPatience(ctx, providers.Patience)
	defer cancel()
	resp, err := b.send(ctx, b.describeCall(key))
	if err != nil {
		return standing{}, err
	}
	now, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	if err := decode(resp, &s.resource); err != nil {
		return standing{}, err
	}
	r := s.resource
	s.Standing = providers.Standing{Sealed: b.crypt.confirmed(r), ETag: entityTag(r.Generation), Sum: r.CRC32C, Size: r.Size, Now: now}
	if s.OtherKey = !s.Sealed && r.CustomerEncryption != nil; r.Updated != nil {
		s.ModTime = *r.Updated
	}
	return s, nil
}

// settle sees to it that nothing of a write lies there unsealed, neither at its
// key nor below as the older generation that the answer told, if it did. See
// providers.Written.Settle.
func (b *Bucket) settle(ctx context.Context, key string, w providers.Written, told int64) (sealed bool, err error) {
	b.keys.forget(key)
	var stands int64
	return w.Settle(ctx, providers.Place{
		Key: key, Log: b.log,
		Left: func(advice string, err error) error { return b.left(ctx, key, advice, err) },
		Look: func(ctx context.Context) (providers.Standing, error) {
			s, err := b.inspect(ctx, key)
			if examine(err).kind() == fs.ErrNotExist {
				return providers.Standing{Absent: true}, nil
			}
			stands = s.resource.Generation
			s.Told = w.Answered && err == nil && stands == told
			return s.Standing, err
		},
		Remove: func(ctx context.Context, ours bool) (err error) {
			if ours {
				err = b.remove(ctx, key, stands)
			}
			if told > 0 && told != stands {
				err = errors.Join(err, b.remove(ctx, key, told))
			}
			return err
		},
	})
}

// remove removes one generation of an object, and no other that replaced it
// meanwhile; of a bucket that keeps old versions it keeps none of this one.
func (b *Bucket) remove(ctx context.Context, key string, generation int64) error {
	text := strconv.FormatInt(generation, 10)
	err := b.ask(ctx, &call{
		op: opDelete, method: http.MethodDelete, path: b.objectPath(key),
		query: url.Values{"generation": {text}, "ifGenerationMatch": {text}},
	}, nil)
	if f := examine(err); err == nil || f.kind() == fs.ErrNotExist || f.status == http.StatusPreconditionFailed {
		return nil
	}
	return b.fail(ctx, "delete", key, err)
}

// left is the error of an object that may lie unsealed.
func (b *Bucket) left(ctx context.Context, key, advice string, err error) error {
	return providers.Left(b.log, key, advice, b.fail(context.WithoutCancel(ctx), "stat", key, err))
}

// verified makes the Object of a finished write, or removes what was written
// if the store did not confirm its encryption.
func (b *Bucket) verified(ctx context.Context, op, key string, r resource, w providers.Written) (providers.Object, error) {
	if b.crypt.confirmed(r) && r.Generation > 0 {
		return b.object(key, r), nil
	}
	w.Answered = true
	sealed, err := b.settle(ctx, key, w, r.Generation)
	return providers.Object{}, providers.Unverified(op, key, providers.AdviceUnverified, sealed, err)
}

// uncertain is the error of a failed write. If the store may have carried it
// out all the same, what lies there is looked at, for nobody else will.
func (b *Bucket) uncertain(ctx context.Context, key string, tries *attempts, w providers.Written, err error) error {
	if !tries.lost || !b.crypt.settings.Sealed() {
		return err
	}
	_, left := b.settle(ctx, key, w, 0)
	return providers.Uncertain(err, left)
}

// ownWrite looks whether what refuses a conditional write is this very write:
// an attempt whose answer was lost has put it there, and stands in the way of
// the next.
func (b *Bucket) ownWrite(ctx context.Context, key string, w providers.Written) (standing, bool) {
	s, err := b.inspect(ctx, key)
	return s, err == nil && w.Own(ctx, s.Standing)
}
