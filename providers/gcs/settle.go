package gcs

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"sealdav/providers"
)

// cleanupTime bounds what is done, on a context of its own, to leave nothing
// behind after a failure.
const cleanupTime = 30 * time.Second

// The advice on writes that the store did not confirm.
const (
	adviceUnverified = "the store accepted the write without confirming the encryption the remote asks for, so it may ignore encryption headers; nothing was kept. Use a store that supports this encryption, or change the remote's sse options"
	adviceSealed     = "the store accepted the write without confirming the encryption the remote asks for; what lies there now is encrypted so all the same. Write it again"
	adviceNotRemoved = "the store did not confirm the encryption the remote asks for, and what it wrote could not be removed again: remove that object by hand, it may lie there unencrypted"
	adviceNotSeen    = "the store did not say what became of the write, nor what lies there now: if that is new, it may be unencrypted; look at it once the store answers again"
	adviceDoubtful   = "the store did not say what became of the write; what lies there now is not encrypted as the remote asks for, and was left, for it may be somebody else's: look at it"
	adviceOnlyCopy   = "the store did not confirm the encryption the remote asks for, and the object may lie there unencrypted. It was not removed, for it is the only copy: copy it onto itself once more through this drive"
)

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

// written is a write that the store has answered, or may have carried out.
type written struct {
	generation int64 // as the answer has it, 0: not told
	size       int64
	start      time.Time
	answered   bool // the store says that the write stands
	onlyCopy   bool // an object copied onto itself
	same       same
}

// same reports whether what lies there has the content of a write. What has
// not may be a good file that somebody else has put there just now, and whoever
// deletes it has lost it.
type same func(ctx context.Context, s standing) (bool, error)

// sameSum is the proof of a write of data with a checksum, which the store
// tells of all that does not lie under a customer key.
func (b *Bucket) sameSum(sum uint32) same {
	return func(_ context.Context, s standing) (bool, error) {
		if s.CRC32C == "" {
			return false, errNoSum
		}
		return s.CRC32C == encodeSum(sum), nil
	}
}

var errNoSum = errors.New("the store tells no checksum")

// sameBytes is the proof of a write of data; it reads what it cannot tell by
// the checksum.
func (b *Bucket) sameBytes(key string, data []byte) same {
	return func(ctx context.Context, s standing) (bool, error) {
		if s.CRC32C != "" {
			return b.sameSum(crc32.Checksum(data, castagnoli))(ctx, s)
		}
		body, _, err := b.open(ctx, "put", key, providers.OpenOptions{IfMatch: entityTag(s.Generation)}, false)
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
		from, _, err := b.open(ctx, "copy", src.Key, providers.OpenOptions{IfMatch: src.ETag}, false)
		if err != nil {
			return false, err
		}
		defer from.Close()
		to, _, err := b.open(ctx, "copy", dst, providers.OpenOptions{IfMatch: entityTag(s.Generation)}, false)
		if err != nil {
			return false, err
		}
		defer to.Close()
		return providers.SameContent(from, to)
	}
}

// standing is what lies at a key.
type standing struct {
	resource
	now time.Time // by the store's clock
}

// inspect looks at what lies at a key.
func (b *Bucket) inspect(ctx context.Context, key string) (s standing, err error) {
	ctx, _, cancel := providers.WithPatience(ctx, providers.Patience)
	defer cancel()
	resp, err := b.send(ctx, b.describeCall(key))
	if err != nil {
		return standing{}, err
	}
	if s.now, err = http.ParseTime(resp.Header.Get("Date")); err != nil {
		s.now = time.Now()
	}
	return s, decode(resp, &s.resource)
}

// mayBe reports whether what lies there can be what was written: it has the
// size, and came into being since the write began, by the store's own clock to
// the second.
func (w written) mayBe(s standing) bool {
	switch {
	case s.Size != w.size:
		return false
	case s.Updated == nil:
		return w.answered
	}
	return s.Updated.After(s.now.Add(-time.Since(w.start) - 2*time.Second))
}

// wroteIt reports whether what lies there is what was written: the generation
// that was told, or what may be it and has the content.
func (w written) wroteIt(ctx context.Context, s standing) (bool, error) {
	switch {
	case w.answered && w.generation == s.Generation:
		return true, nil
	case !w.mayBe(s):
		return false, nil
	}
	return w.same(ctx, s)
}

// settle sees to it that nothing of a write lies there unsealed, neither at
// its key nor below as an older generation. sealed reports whether what lies
// there is under the write settings. An error has the advice for what is left
// behind.
func (b *Bucket) settle(ctx context.Context, key string, w written) (sealed bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	b.keys.forget(key)
	s, err := b.inspect(ctx, key)
	absent := examine(err).kind() == fs.ErrNotExist
	if err != nil && !absent {
		return false, b.left(ctx, key, adviceNotSeen, err)
	}
	sealed = !absent && b.crypt.confirmed(s.resource)
	if w.onlyCopy {
		if !absent && !sealed && w.mayBe(s) {
			return false, b.left(ctx, key, adviceOnlyCopy, nil)
		}
		return sealed, nil
	}
	var remove []int64
	// What lies under another customer key is no secret in the clear.
	if !absent && !sealed && (w.answered || s.CustomerEncryption == nil) {
		ours, err := w.wroteIt(ctx, s)
		if err != nil {
			return false, b.left(ctx, key, adviceDoubtful, err)
		}
		if ours {
			remove = append(remove, s.Generation)
		}
	}
	if w.generation > 0 && w.generation != s.Generation {
		remove = append(remove, w.generation)
	}
	for _, generation := range remove {
		if err := b.remove(ctx, key, generation); err != nil {
			return false, b.left(ctx, key, adviceNotRemoved, err)
		}
	}
	return sealed, nil
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

// verified makes the Object of a finished write, or removes what was written
// if the store did not confirm its encryption.
func (b *Bucket) verified(ctx context.Context, op, key string, r resource, w written) (providers.Object, error) {
	if b.crypt.confirmed(r) && r.Generation > 0 {
		return b.object(key, r), nil
	}
	w.generation, w.answered = r.Generation, true
	e := &providers.Error{Op: op, Key: key, Kind: providers.ErrUnverified, Advice: adviceUnverified}
	sealed, err := b.settle(ctx, key, w)
	switch {
	case err != nil:
		e.Err, e.Advice = err, providers.Advice(err)
	case sealed:
		e.Advice = adviceSealed
	}
	return providers.Object{}, e
}

// uncertain is the error of a failed write. If the store may have carried it
// out all the same, what lies there is looked at, for nobody else will.
func (b *Bucket) uncertain(ctx context.Context, key string, tries *attempts, w written, err error) error {
	if !tries.lost || !b.crypt.settings.Sealed() {
		return err
	}
	w.start = tries.start
	_, left := b.settle(ctx, key, w)
	if left == nil {
		return err
	}
	if e, ok := errors.AsType[*providers.Error](err); ok {
		told := *e
		told.Err, told.Advice = errors.Join(e.Err, left), providers.Advice(left)
		return &told
	}
	return errors.Join(err, left)
}

// ownWrite looks whether what refuses a conditional write is this very write:
// an attempt whose answer was lost has put it there, and stands in the way of
// the next. It is, if it has come into being since, is sealed, and has the
// same content, so that nobody can tell it from another writer's.
func (b *Bucket) ownWrite(ctx context.Context, key string, tries *attempts, data []byte) (standing, bool) {
	s, err := b.inspect(ctx, key)
	if err != nil || !b.crypt.confirmed(s.resource) {
		return standing{}, false
	}
	w := written{size: int64(len(data)), start: tries.start, same: b.sameBytes(key, data)}
	ours, err := w.wroteIt(ctx, s)
	return s, ours && err == nil
}
