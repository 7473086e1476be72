package providertest

import (
	"context"
	"errors"

	"sealdav/providers"
)

// Rename moves an object as package davfs does: by the store's own rename where
// the bucket is a Renamer and the object already lies under the write settings,
// otherwise as a copy, followed by the deletion of what was copied.
func Rename(ctx context.Context, b providers.Bucket, dst string, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	if r, ok := b.(providers.Renamer); ok {
		obj, err := r.Rename(ctx, dst, src, opts)
		if !errors.Is(err, errors.ErrUnsupported) {
			return obj, err
		}
	}
	obj, err := b.Copy(ctx, dst, src, opts)
	if err != nil || dst == src.Key {
		return obj, err
	}
	return obj, b.DeleteIf(ctx, src.Key, providers.DeleteOptions{IfMatch: src.ETag, Seen: true})
}
