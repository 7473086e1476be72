package providers

import (
	"context"
	"errors"
)

// Rename moves an object inside a bucket: through the store's own rename
// where the bucket is a Renamer and the object already lies under the write
// settings, otherwise as a copy followed by the deletion of the source. The
// source is deleted only after the copy stands. An object moved onto itself
// stays.
func Rename(ctx context.Context, b Bucket, dst string, src Object, opts CopyOptions) (Object, error) {
	if r, ok := b.(Renamer); ok {
		obj, err := r.Rename(ctx, dst, src, opts)
		if !errors.Is(err, errors.ErrUnsupported) {
			return obj, err
		}
	}
	obj, err := b.Copy(ctx, dst, src, opts)
	if err != nil {
		return Object{}, err
	}
	if dst == src.Key {
		return obj, nil
	}
	return obj, b.Delete(ctx, src.Key)
}
