package davfs

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"sealdav/providers"
)

const (
	// deleteBatch is how many keys are handed to the bucket's Delete at once,
	// what S3 takes in one request.
	deleteBatch = 1000
	// maxFailures is how many members of a tree may fail before the rest is
	// left alone: a store that refuses everything need not be asked a million
	// times.
	maxFailures = 1000
)

// remove deletes a file, or a folder with everything in it. A file costs two
// requests, one if its folder's listing is cached, and one more where the
// folder needs a marker to stay. A folder of N members costs a listing and a
// batch for every thousand of them, and one request to find it.
func (t *tree) remove(ctx context.Context, path string, asDir bool) error {
	return t.removeIf(ctx, path, asDir, func(*node) (providers.DeleteOptions, error) { return providers.DeleteOptions{}, nil })
}

// removeIf is remove after a check of what was found, which says which version
// of a file is to be deleted; the zero options are any.
func (t *tree) removeIf(ctx context.Context, path string, asDir bool, check func(*node) (providers.DeleteOptions, error)) error {
	if t.absent(path) && !reserved(path) {
		return fs.ErrNotExist
	}
	if err := t.mayWrite(ctx, path); err != nil {
		return err
	}
	if path == "" {
		return fs.ErrPermission // a remote is taken away in the configuration
	}
	n, err := t.lookup(ctx, path, asDir)
	if err != nil {
		return err
	}
	only, err := check(&n)
	if err != nil {
		return err
	}
	if err := t.keepParent(ctx, n); err != nil {
		return err
	}
	if !n.dir {
		return t.removeFile(ctx, n, only, nil)
	}
	defer t.forgetAside(path)
	return t.removeNode(ctx, n, nil)
}

// removeFile deletes a file, its folder being taken care of: only the version
// that is told, if one is. With a watch it spares what somebody has written since
// that began; what others than this server write, only the version can tell.
func (t *tree) removeFile(ctx context.Context, n node, only providers.DeleteOptions, watch *watch) error {
	w := t.beginWrite(ctx, n.path)
	defer w.fail()
	if watch != nil {
		watch.own(n.path)
	}
	r := t.remover("delete", n.path, watch)
	r.only = only
	if err := r.push(ctx, n.path); err != nil {
		return err
	}
	if err := r.end(ctx); err != nil {
		return onlyFailure(err)
	}
	t.meter.add(-n.obj.Size)
	w.gone(false)
	return nil
}

// removeNode is removeFile for whatever version of a file, and for a folder.
func (t *tree) removeNode(ctx context.Context, n node, watch *watch) error {
	if !n.dir {
		return t.removeFile(ctx, n, providers.DeleteOptions{}, watch)
	}
	w := t.beginWrite(ctx, n.path)
	defer w.fail()
	if watch != nil {
		watch.own(n.path)
	}
	r := t.remover("delete", n.path, watch)
	defer t.forget(ctx, n.path)
	var freed int64
	for e, err := range t.list(ctx, dirKey(n.path), providers.ListOptions{Recursive: true}) {
		if err == nil {
			freed += e.Size
			err = r.add(ctx, e.Key)
		}
		if err != nil {
			return r.stopped(n.path, err)
		}
	}
	if err := r.end(ctx); err != nil {
		return r.stopped(n.path, err)
	}
	t.meter.add(-freed)
	w.gone(true)
	return nil
}

// forget drops what the caches hold of the folder at path and below.
func (t *tree) forget(ctx context.Context, path string) {
	for _, c := range t.cachesOf(ctx) {
		c.forget(t, path)
	}
}

// onlyFailure is the error of the one key that was to be deleted.
func onlyFailure(err error) error {
	if e, ok := errors.AsType[*partialError](err); ok && len(e.failures) == 1 {
		return e.failures[0].err
	}
	return err
}

// remover deletes keys that come in their order, a batch at a time. A folder's
// marker comes before its members but is deleted after them, and stays if one
// of them is known to have failed. It is not waited for: a marker may go in the
// same batch as the members, of which the store refuses one. The folder exists
// all the same then, through that one.
type remover struct {
	t        *tree
	markers  []string // of the folders that contain the last key, outermost first
	batch    []string
	failures []failure
	watch    *watch                  // nil: whatever is there is deleted
	only     providers.DeleteOptions // of a single key; zero: any version
	progress *progress
	began    bool // something was done, here or before
}

// remover begins to delete what lies in the folder at path; op names that in
// the log.
func (t *tree) remover(op, path string, watch *watch) *remover {
	return &remover{t: t, watch: watch, progress: t.progress(op, path)}
}

// add deletes key, now or later.
func (r *remover) add(ctx context.Context, key string) error {
	if err := r.leave(ctx, key); err != nil {
		return err
	}
	if strings.HasSuffix(key, "/") {
		r.markers = append(r.markers, key)
		return nil
	}
	return r.push(ctx, key)
}

// leave deletes the markers of the folders that end before key.
func (r *remover) leave(ctx context.Context, key string) error {
	for len(r.markers) > 0 {
		last := r.markers[len(r.markers)-1]
		if key != "" && strings.HasPrefix(key, last) {
			return nil
		}
		r.markers = r.markers[:len(r.markers)-1]
		if r.remains(last) {
			continue
		}
		if err := r.push(ctx, last); err != nil {
			return err
		}
	}
	return nil
}

// remains reports whether a member of the folder with this marker could not be
// deleted.
func (r *remover) remains(marker string) bool {
	for _, f := range r.failures {
		if strings.HasPrefix(f.path, marker) {
			return true
		}
	}
	return false
}

func (r *remover) push(ctx context.Context, key string) error {
	r.batch = append(r.batch, key)
	if len(r.batch) < deleteBatch {
		return nil
	}
	return r.flush(ctx)
}

// flush deletes the batch. It fails when there is no use in going on.
func (r *remover) flush(ctx context.Context) error {
	if len(r.batch) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	keys, release := r.claim()
	err := r.delete(ctx, keys)
	release()
	r.batch = r.batch[:0]
	r.progress.add(len(keys))
	e, ok := errors.AsType[*providers.DeleteError](err)
	r.began = r.began || ok || err == nil
	if !ok {
		return err
	}
	for _, f := range e.Failed {
		r.failures = append(r.failures, newFailure(f.Key, f))
	}
	if len(r.failures) >= maxFailures {
		return r.partial()
	}
	return nil
}

func (r *remover) delete(ctx context.Context, keys []string) error {
	if r.only.IfMatch != "" && len(keys) == 1 {
		return r.t.remote.Bucket.DeleteIf(ctx, keys[0], r.only)
	}
	return r.t.remote.Bucket.Delete(ctx, keys...)
}

// claim leaves out of the batch what somebody has written meanwhile, and keeps
// the rest from being written until release is called.
func (r *remover) claim() (keys []string, release func()) {
	if r.watch == nil {
		return r.batch, func() {}
	}
	paths := make([]string, len(r.batch))
	for i, key := range r.batch {
		paths[i] = strings.TrimSuffix(key, "/")
	}
	free, release := r.watch.claim(paths)
	for i, key := range r.batch {
		if free[i] {
			keys = append(keys, key)
		} else {
			r.failures = append(r.failures, newFailure(key, errChanged))
		}
	}
	return keys, release
}

// end deletes what is left, and tells what could not be.
func (r *remover) end(ctx context.Context) error {
	if err := r.leave(ctx, ""); err != nil {
		return err
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	return r.partial()
}

func (r *remover) partial() error {
	if len(r.failures) == 0 {
		return nil
	}
	return &partialError{tree: r.t, failures: r.failures}
}

// stopped is the error of a deletion in the folder at path that could not go on
// for err: the client is told of the folder, and of the members that failed
// before. While nothing was done err speaks for itself.
func (r *remover) stopped(path string, err error) error {
	if !r.began {
		return err
	}
	return halfWay(r.t, path, r.failures, err)
}

// halfWay is the error of an operation in the folder at path that has begun, has
// failed for some members, and could not go on for err. If the client has left,
// err remains what it is.
func halfWay(t *tree, path string, failures []failure, err error) error {
	if _, ok := errors.AsType[*partialError](err); ok || errors.Is(err, context.Canceled) {
		return err
	}
	// Its marker may be among them.
	failures = slices.DeleteFunc(failures, func(f failure) bool { return f.dir && f.path == path })
	return &partialError{tree: t, failures: append(failures, failure{path: path, dir: true, err: err})}
}

// newFailure is the failure of a key.
func newFailure(key string, err error) failure {
	path, dir := strings.CutSuffix(key, "/")
	return failure{path: path, dir: dir, err: err}
}
