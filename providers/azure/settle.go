package azure

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"sealdav/providers"
	"sealdav/sse"
)

// cleanupTime bounds what is done, on a context of its own, to leave nothing
// behind after a failure.
const cleanupTime = 30 * time.Second

// The advice on writes that the store did not confirm.
const (
	adviceUnverified = "the store accepted the write without confirming the encryption the remote asks for, so it may ignore encryption headers; nothing was kept. Use an account that supports this encryption, or change the remote's sse options"
	adviceSealed     = "the store accepted the write without confirming the encryption the remote asks for; what lies there now is encrypted so all the same. Write it again"
	adviceNotRemoved = "the store did not confirm the encryption the remote asks for, and what it wrote could not be removed again: remove that blob by hand, it may lie there unencrypted"
	adviceNotSeen    = "the store did not say what became of the write, nor what lies there now: if that is new, it may be unencrypted; look at it once the store answers again"
	adviceDoubtful   = "the store did not say what became of the write; what lies there now is not encrypted as the remote asks for, and was left, for it may be somebody else's: look at it"
	adviceOnlyCopy   = "the store did not confirm the encryption the remote asks for, and the blob may lie there unencrypted. It was not removed, for it is the only copy: copy it onto itself once more through this drive"
)

// written is a write that the store has answered, or may have carried out.
type written struct {
	etag     *azcore.ETag
	version  *string
	size     int64
	start    time.Time
	answered bool // the store says that the write stands
	onlyCopy bool // a blob copied onto itself
	same     same
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

// same is the proof of an upload in blocks: their ids, which nobody else's have.
func (u *upload) same(ctx context.Context, s standing) (bool, error) {
	list, err := u.client.GetBlockList(ctx, blockblob.BlockListTypeCommitted, nil)
	if err != nil {
		return false, err
	}
	return len(list.CommittedBlocks) > 0 && value(list.CommittedBlocks[0].Name) == u.block(1) && entityTag(list.ETag) == s.obj.ETag, nil
}

// standing is what lies at a key.
type standing struct {
	obj     providers.Object
	answer  answer
	etag    *azcore.ETag
	version *string
	now     time.Time // by the store's clock
}

// errOtherKey is the error of inspecting what lies under a customer key that
// is not the write key.
var errOtherKey = errors.New("sealed with another key")

// inspect looks at what lies at a key, under the write settings or without a
// customer key.
func (b *Bucket) inspect(ctx context.Context, key string) (standing, error) {
	s, err := b.lookBack(ctx, key, b.crypt.settings.WriteKey)
	if examine(err).aboutKey() && !b.crypt.settings.WriteKey.IsZero() {
		s, err = b.lookBack(ctx, key, sse.Key{})
	}
	if examine(err).aboutKey() {
		return standing{}, errOtherKey
	}
	return s, err
}

// lookBack is a HEAD with one key.
func (b *Bucket) lookBack(ctx context.Context, key string, k sse.Key) (standing, error) {
	wait, _, cancel := providers.WithPatience(ctx, providers.Patience)
	defer cancel()
	out, err := b.client.NewBlobClient(b.full(key)).GetProperties(wait, &blob.GetPropertiesOptions{CPKInfo: b.crypt.read(k)})
	if err != nil {
		return standing{}, err
	}
	d := headDetails(out)
	s := standing{b.found(key, d).Object, d.answer, out.ETag, out.VersionID, value(out.Date)}
	if s.now.IsZero() {
		s.now = time.Now()
	}
	return s, nil
}

// mayBe reports whether what lies there can be what was written: it has the
// size, and came into being since the write began, by the store's own clock to
// the second.
func (w written) mayBe(s standing) bool {
	return s.obj.Size == w.size && s.obj.ModTime.After(s.now.Add(-time.Since(w.start)-2*time.Second))
}

// wroteIt reports whether what lies there is what was written: the version
// that was told, or what may be it and has the content.
func (w written) wroteIt(ctx context.Context, s standing) (bool, error) {
	switch {
	case w.answered && value(w.etag) != "" && entityTag(w.etag) == s.obj.ETag:
		return true, nil
	case !w.mayBe(s):
		return false, nil
	}
	return w.same(ctx, s)
}

// settle sees to it that nothing of a write lies there unsealed, neither at
// its key nor below as an older version. sealed reports whether what lies
// there is under the write settings. An error has the advice for what is left
// behind. Soft-deleted it stays for as long as the account keeps such blobs.
func (b *Bucket) settle(ctx context.Context, key string, w written) (sealed bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	b.keys.forget(key)
	s, err := b.inspect(ctx, key)
	seen := err == nil
	if !seen && examine(err).kind() != fs.ErrNotExist && !errors.Is(err, errOtherKey) {
		return false, b.left(ctx, key, adviceNotSeen, err)
	}
	sealed = seen && b.crypt.confirmed(s.answer)
	if w.onlyCopy {
		if seen && !sealed && w.mayBe(s) {
			return false, b.left(ctx, key, adviceOnlyCopy, nil)
		}
		return sealed, nil
	}
	err = nil
	if seen && !sealed {
		ours, unclear := w.wroteIt(ctx, s)
		if unclear != nil {
			return false, b.left(ctx, key, adviceDoubtful, unclear)
		}
		b.keys.forget(key)
		if ours {
			err = b.remove(ctx, key, s.etag, s.version)
		}
	}
	if v := value(w.version); v != "" && v != value(s.version) {
		err = errors.Join(err, b.removeVersion(ctx, key, v))
	}
	if err != nil {
		return false, b.left(ctx, key, adviceNotRemoved, err)
	}
	return sealed, nil
}

// remove removes a blob, unless somebody has replaced it meanwhile, and the
// version that versioning keeps of it.
func (b *Bucket) remove(ctx context.Context, key string, etag *azcore.ETag, version *string) error {
	_, err := b.client.NewBlobClient(b.full(key)).Delete(ctx, &blob.DeleteOptions{AccessConditions: conditions(etag, nil)})
	if f := examine(err); err != nil && f.status != 404 && f.status != 412 {
		return b.fail(ctx, "delete", key, err)
	}
	return b.removeVersion(ctx, key, value(version))
}

func (b *Bucket) removeVersion(ctx context.Context, key, version string) error {
	if version == "" {
		return nil
	}
	old, err := b.client.NewBlobClient(b.full(key)).WithVersionID(version)
	if err != nil {
		return err
	}
	if _, err = old.Delete(ctx, nil); err != nil && examine(err).status != 404 {
		return b.fail(ctx, "delete", key, err)
	}
	return nil
}

// left is the error of a blob that may lie unsealed. Its client may have gone,
// so it is logged as well.
func (b *Bucket) left(ctx context.Context, key, advice string, err error) error {
	e := &providers.Error{Op: "delete", Key: key, Kind: providers.ErrUnverified, Advice: advice}
	if err != nil {
		e.Err = b.fail(context.WithoutCancel(ctx), "stat", key, err)
	}
	b.log.Error("a blob may lie unencrypted in a sealed remote", "err", e)
	return e
}

// unverified removes what was written and returns the error that says so. Of
// an only copy the caller has to take care.
func (b *Bucket) unverified(ctx context.Context, op, key string, w written) error {
	e := &providers.Error{Op: op, Key: key, Kind: providers.ErrUnverified, Advice: adviceUnverified}
	if w.onlyCopy {
		return e
	}
	w.answered = true
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
	if err != nil || !b.crypt.confirmed(s.answer) {
		return standing{}, false
	}
	w := written{size: int64(len(data)), start: tries.start, same: b.sameBytes(key, data)}
	ours, err := w.wroteIt(ctx, s)
	return s, ours && err == nil
}
