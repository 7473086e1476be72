package azure

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"sealdav/providers"
	"sealdav/sse"
)

const cleanupTime = providers.CleanupTime

// written is a write, and the tag and version that the store's answer named.
type written struct {
	providers.Written
	etag    *azcore.ETag
	version *string
}

// reopen is the providers.Reopen of a proof.
func (b *Bucket) reopen(ctx context.Context, op, key, etag string) (io.ReadCloser, error) {
	body, _, err := b.open(ctx, op, key, providers.OpenOptions{IfMatch: etag})
	return body, err
}

// same is the proof of an upload in blocks: their ids, which nobody else's have.
func (u *upload) same(ctx context.Context, s providers.Standing) (bool, error) {
	wait, _, cancel := providers.WithPatience(ctx, providers.Patience)
	defer cancel()
	list, err := u.client.GetBlockList(wait, blockblob.BlockListTypeCommitted, nil)
	if err != nil {
		return false, err
	}
	return len(list.CommittedBlocks) > 0 && value(list.CommittedBlocks[0].Name) == u.block(1) && entityTag(list.ETag) == s.ETag, nil
}

// standing is what lies at a key.
type standing struct {
	providers.Standing
	obj     providers.Object
	answer  answer
	etag    *azcore.ETag
	version *string
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
	s := standing{obj: b.found(key, d).Object, answer: d.answer, etag: out.ETag, version: out.VersionID}
	s.Standing = providers.Standing{Sealed: b.crypt.confirmed(s.answer), ETag: s.obj.ETag, Size: s.obj.Size, ModTime: s.obj.ModTime, Now: value(out.Date)}
	if s.Now.IsZero() {
		s.Now = time.Now()
	}
	return s, nil
}

// settle sees to it that nothing of a write lies there unsealed, neither at its
// key nor below as the older version that the answer told, if it did. See
// providers.Written.Settle. Soft-deleted it stays for as long as the account
// keeps such blobs.
func (b *Bucket) settle(ctx context.Context, key string, w written) (sealed bool, err error) {
	b.keys.forget(key)
	var s standing
	return w.Settle(ctx, providers.Place{
		Key: key, Log: b.log,
		Left: func(advice string, err error) error { return b.left(ctx, key, advice, err) },
		Look: func(ctx context.Context) (_ providers.Standing, err error) {
			s, err = b.inspect(ctx, key)
			if absent, otherKey := examine(err).kind() == fs.ErrNotExist, errors.Is(err, errOtherKey); absent || otherKey {
				return providers.Standing{Absent: absent, OtherKey: otherKey}, nil
			}
			s.Told = w.Answered && value(w.etag) != "" && entityTag(w.etag) == s.ETag
			return s.Standing, err
		},
		Remove: func(ctx context.Context, ours bool) (err error) {
			if ours {
				b.keys.forget(key)
				err = b.remove(ctx, key, s.etag, s.version)
			}
			if v := value(w.version); v != "" && v != value(s.version) {
				err = errors.Join(err, b.removeVersion(ctx, key, v))
			}
			return err
		},
	})
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

// left is the error of a blob that may lie unsealed.
func (b *Bucket) left(ctx context.Context, key, advice string, err error) error {
	return providers.Left(b.log, key, advice, b.fail(context.WithoutCancel(ctx), "stat", key, err))
}

// unverified removes what was written and returns the error that says so. Of
// an only copy the caller has to take care.
func (b *Bucket) unverified(ctx context.Context, op, key string, w written) error {
	var sealed bool
	var err error
	if w.Answered = true; !w.OnlyCopy {
		sealed, err = b.settle(ctx, key, w)
	}
	return providers.Unverified(op, key, providers.AdviceUnverified, sealed, err)
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
	s, err := b.inspect(ctx, key)
	return s, err == nil && w.Own(ctx, s.Standing)
}
