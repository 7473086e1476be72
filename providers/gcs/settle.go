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

// cleanupTime bounds what is done, on a context of its own, to leave nothing
// behind after a failure.
const cleanupTime = 30 * time.Second

// The advice on writes that the store did not confirm.
const (
	adviceUnverified = "the store accepted the write without confirming the encryption the remote asks for, so it may ignore encryption headers; nothing was kept. Use a store that supports this encryption, or change the remote's sse options"
	adviceSealed     = "the store accepted the write without confirming the encryption the remote asks for; what lies there now is encrypted so all the same. Write it again"
	adviceNotRemoved = "the store did not confirm the encryption the remote asks for, and what it wrote could not be removed again: remove that object by hand, it may lie there unencrypted"
	adviceNotSeen    = "the store did not say what became of the write, nor what lies there now: if that is new, it may be unencrypted; look at it once the store answers again"
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
}

// standing is what lies at a key.
type standing struct {
	resource
	now time.Time // by the store's clock
}

// inspect looks at what lies at a key.
func (b *Bucket) inspect(ctx context.Context, key string) (s standing, err error) {
	ctx, _, cancel := withPatience(ctx)
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

// wroteIt reports whether what lies there is what was written: the generation
// that was told, or of the same size and come into being since the write
// began, by the store's own clock to the second.
func (w written) wroteIt(s standing) bool {
	switch {
	case w.answered && w.generation == s.Generation:
		return true
	case s.Size != w.size:
		return false
	case w.answered:
		return true
	case s.Updated == nil:
		return false
	}
	return s.Updated.After(s.now.Add(-time.Since(w.start) - 2*time.Second))
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
	ours := !absent && w.wroteIt(s)
	if w.onlyCopy {
		if ours && !sealed {
			return false, b.left(ctx, key, adviceOnlyCopy, nil)
		}
		return sealed, nil
	}
	var remove []int64
	if ours && !sealed {
		remove = append(remove, s.Generation)
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
	w := written{size: int64(len(data)), start: tries.start}
	if err != nil || !w.wroteIt(s) || !b.crypt.confirmed(s.resource) {
		return standing{}, false
	}
	if s.CRC32C != "" { // told to all but of what lies under a customer key
		return s, s.CRC32C == encodeSum(crc32.Checksum(data, castagnoli))
	}
	body, _, err := b.open(ctx, "put", key, providers.OpenOptions{IfMatch: entityTag(s.Generation)}, false)
	if err != nil {
		return standing{}, false
	}
	defer body.Close()
	sum := crc32.New(castagnoli)
	if _, err := io.Copy(sum, body); err != nil {
		return standing{}, false
	}
	return s, sum.Sum32() == crc32.Checksum(data, castagnoli)
}
