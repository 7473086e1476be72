package local

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"sealdav/providers"
)

// Delete implements providers.Bucket. A marker's directory goes only when
// nothing is in it: a cloud's marker too can be deleted with children left,
// and the folder then stays through them.
func (b *Bucket) Delete(ctx context.Context, keys ...string) error {
	keys = slices.Clone(keys)
	slices.SortFunc(keys, func(a, b string) int { return strings.Compare(b, a) }) // children before parents
	changed := map[string]bool{}
	failed := &providers.DeleteError{}
	for _, key := range slices.Compact(keys) {
		if err := ctx.Err(); err != nil {
			return fail("delete", key, err)
		}
		dir, err := b.remove(key, "")
		if err != nil {
			e, ok := errors.AsType[*providers.Error](fail("delete", key, err))
			if !ok {
				return fail("delete", key, err)
			}
			failed.Failed = append(failed.Failed, e)
		} else if dir != "" {
			changed[dir] = true
		}
	}
	for dir := range changed {
		if err := syncDir(b.root, dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fail("delete", filepath.ToSlash(dir), err)
		}
	}
	if len(failed.Failed) > 0 {
		return failed
	}
	return nil
}

// DeleteIf implements providers.Bucket. Other programs than sealdav do not know
// its lock: they may come between the look and the deletion.
func (b *Bucket) DeleteIf(ctx context.Context, key string, opts providers.DeleteOptions) error {
	if err := ctx.Err(); err != nil {
		return fail("delete", key, err)
	}
	dir, err := b.remove(key, opts.IfMatch)
	if err == nil && dir != "" {
		err = absent(syncDir(b.root, dir))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fail("delete", key, err)
}

// remove removes the object of a key, with a tag only the one that has it, and
// returns the directory it was in, or "" if it was not there.
func (b *Bucket) remove(key, tag string) (dir string, err error) {
	name, err := path(key)
	if err != nil {
		return "", err
	}
	info, err := b.root.Lstat(name)
	if err = absent(err); errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() != isMarker(key) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	unlock, err := b.lock(key)
	if err != nil {
		return "", err
	}
	defer unlock()
	if tag != "" {
		switch now, err := b.currentTag(key); {
		case err != nil || now == "":
			return "", err
		case now != tag:
			return "", errPrecondition("the object's entity tag is another")
		}
	}
	err = b.root.Remove(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case isMarker(key) && (errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EEXIST)):
		return "", nil
	}
	return filepath.Dir(name), err
}
