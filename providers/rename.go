package providers

import (
	"context"
	"errors"
	"strings"
)

// Rename moves an object inside a bucket: through the store's own rename
// where the bucket is a Renamer and the object already lies under the write
// settings, otherwise as a copy followed by the deletion of the source. The
// source is deleted only after the copy stands, and only as what was copied: a
// newer version stays, and is ErrPrecondition. An object moved onto itself
// stays, and so does one whose two names differ in case alone if the store
// does not tell them apart.
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
	if strings.EqualFold(dst, src.Key) {
		// Deleting the source would delete the copy in a store that is a
		// directory of a disk that folds case. Such a disk lists one name.
		for _, key := range []string{src.Key, dst} {
			if ok, err := listed(ctx, b, key); err != nil || !ok {
				return obj, err
			}
		}
	}
	return obj, b.DeleteIf(ctx, src.Key, DeleteOptions{IfMatch: src.ETag, Seen: true})
}

// listed reports whether a listing has exactly this key: the first of those
// that begin with it.
func listed(ctx context.Context, b Bucket, key string) (bool, error) {
	for e, err := range b.List(ctx, key, ListOptions{Recursive: true, PageSize: 1}) {
		return err == nil && e.Key == key, err
	}
	return false, nil
}
