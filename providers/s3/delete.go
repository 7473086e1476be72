package s3

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"sealdav/providers"
)

// batchSize is how many keys DeleteObjects takes.
const batchSize = 1000

// Delete implements providers.Bucket: one request per 1,000 keys.
func (b *Bucket) Delete(ctx context.Context, keys ...string) error {
	var failed []*providers.Error
	single, batch := keys, []string(nil)
	if len(keys) > 1 {
		batch = slices.DeleteFunc(slices.Clone(keys), notXML)
		single = slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return !notXML(k) })
	}
	for _, key := range single {
		if err := b.deleteOne(ctx, key); err != nil {
			failed = append(failed, err)
		}
		if ctx.Err() != nil {
			return b.fail(ctx, "delete", key, ctx.Err())
		}
	}
	for chunk := range slices.Chunk(batch, batchSize) {
		failed = append(failed, b.deleteBatch(ctx, chunk)...)
		if ctx.Err() != nil {
			return b.fail(ctx, "delete", chunk[0], ctx.Err())
		}
	}
	if len(failed) > 0 {
		return &providers.DeleteError{Failed: failed}
	}
	return nil
}

// notXML reports whether a key holds a character that XML 1.0 cannot, so that
// a batch cannot name it.
func notXML(key string) bool {
	return strings.ContainsFunc(key, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' || r == '\uFFFE' || r == '\uFFFF'
	}) || strings.Contains(key, "\r")
}

func (b *Bucket) deleteOne(ctx context.Context, key string) *providers.Error {
	if err := b.remove(ctx, key, nil); err != nil {
		return providers.AsDelete(key, err)
	}
	return nil
}

// remove deletes one object, with a tag only the one that has it.
func (b *Bucket) remove(ctx context.Context, key string, ifMatch *string) error {
	if err := b.checkKey("delete", key); err != nil {
		return err
	}
	whole, err := providers.Unbroken(ctx)
	if err != nil {
		return b.fail(ctx, "delete", key, err)
	}
	b.keys.forget(key)
	wait, _, cancel := b.withPatience(whole)
	defer cancel()
	_, err = b.client.DeleteObject(wait, &awss3.DeleteObjectInput{Bucket: &b.bucket, Key: b.full(key), IfMatch: ifMatch})
	if err = b.fail(whole, "delete", key, err); err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// DeleteIf implements providers.Bucket. Amazon decides it, and so do some of its
// kin; MinIO and Ceph ignore If-Match on a DELETE, and nothing in their answer
// tells. So elsewhere than at Amazon the tag is looked at first, unless the
// caller has, and sent all the same.
func (b *Bucket) DeleteIf(ctx context.Context, key string, opts providers.DeleteOptions) error {
	if !b.amazon && !opts.Seen {
		if stands, err := b.stands(ctx, key, opts.IfMatch); err != nil || !stands {
			return err
		}
	}
	err := b.remove(ctx, key, &opts.IfMatch)
	refused, unknown := errors.Is(err, providers.ErrPrecondition), errors.Is(err, errors.ErrUnsupported)
	if b.amazon || !refused && !unknown {
		return err
	}
	if stands, err := b.stands(ctx, key, opts.IfMatch); err != nil || !stands {
		return err
	}
	// It is that very object: Ceph compares the tag with its quotes to its own
	// without (see matching), or the store has no such condition.
	if unknown {
		return b.remove(ctx, key, nil)
	}
	return b.remove(ctx, key, new(strings.Trim(opts.IfMatch, `"`)))
}

// stands looks whether an object still has a tag: false if it is gone, and
// ErrPrecondition if it is another one.
func (b *Bucket) stands(ctx context.Context, key, etag string) (bool, error) {
	obj, err := b.Stat(ctx, key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case obj.ETag != etag:
		return false, &providers.Error{Op: "delete", Key: key, Kind: providers.ErrPrecondition}
	}
	return true, nil
}

func (b *Bucket) deleteBatch(ctx context.Context, keys []string) []*providers.Error {
	ids := make([]types.ObjectIdentifier, len(keys))
	for i, key := range keys {
		b.keys.forget(key)
		ids[i].Key = b.full(key)
	}
	wait, _, cancel := b.withPatience(context.WithoutCancel(ctx)) // all of them, or none
	defer cancel()
	out, err := b.client.DeleteObjects(wait, &awss3.DeleteObjectsInput{
		Bucket: &b.bucket, Delete: &types.Delete{Objects: ids, Quiet: new(true)},
	})
	var failed []*providers.Error
	if err != nil {
		err = b.fail(ctx, "delete", keys[0], err)
		for _, key := range keys {
			failed = append(failed, providers.AsDelete(key, err))
		}
		return failed
	}
	for _, e := range out.Errors {
		f := b.quoted(&failure{status: 200, code: aws.ToString(e.Code), message: aws.ToString(e.Message)})
		if f.kind() == fs.ErrNotExist {
			continue
		}
		key := strings.TrimPrefix(aws.ToString(e.Key), b.base)
		failed = append(failed, &providers.Error{Op: "delete", Key: key, Kind: f.kind(), Err: f, Advice: b.advice(f)})
	}
	return failed
}
