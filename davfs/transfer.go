package davfs

import (
	"context"
	"errors"
	"io/fs"

	"sealdav/providers"
)

// transferTree copies or moves a file or a folder, within a remote or across
// two. Nothing at the destination is deleted before its replacement stands,
// nothing at the source before its copy does.
//
// Like replaces like: a file is overwritten, of a folder that is overwritten
// the members that the source does not have are deleted once all the others
// stand. A file that replaces a folder, or a folder a file, is put first and
// the old one deleted then; see displace for stores that cannot hold both.
//
// A file costs a look at the destination's folder and the copy; a folder the
// look, a listing for each thousand members and a copy for each member. A move
// adds the deletions, in batches. from is as stat or lookup gave it; a move of
// what lookup found saves a look at the source's folder.
func transferTree(ctx context.Context, dst *tree, dstPath string, src *tree, from node, how transfer) (created bool, err error) {
	m := &mover{
		dst: dst, dstPath: dstPath, src: src, from: from, how: how,
		oneBucket: dst.remote.Bucket == src.remote.Bucket,
	}
	if err := m.check(ctx); err != nil {
		return false, err
	}
	if m.at, err = m.lookAtDestination(ctx); err != nil {
		return false, err
	}
	switch {
	case !m.at.parent:
		return false, errNoParent
	case how.merge && m.at.file == nil:
	case m.at.exists() && !how.overwrite:
		return false, providers.ErrPrecondition
	}
	if how.move && !m.landsBeside() {
		if err := src.keepParent(ctx, from); err != nil {
			return false, err
		}
	}
	id := transferID{src: src, from: from.path, to: dstPath}
	existed := m.at.exists()
	m.resume(dst.unfinished.take(id))
	w := dst.beginWrite(ctx, dstPath)
	defer w.fail()
	watch, end := dst.watches.add(dstPath)
	defer end()
	m.watch = watch
	arrived, err := m.run(ctx)
	if err = m.settle(ctx, err); err != nil {
		dst.unfinished.add(id, m.rest())
		return false, err
	}
	if !m.changesType() {
		w.put(arrived)
	}
	return !existed, nil
}

// mover is one transfer.
type mover struct {
	dst, src  *tree
	dstPath   string
	from      node
	how       transfer
	oneBucket bool
	at        sight // what was at the destination

	displaced []displaced
	moved     *keyList // of a folder: what may be gone from the source, nil: nothing
	watch     *watch   // of the destination, if it is a folder
}

// check refuses what cannot be, without asking the store.
func (m *mover) check(ctx context.Context) error {
	if err := m.dst.mayWrite(ctx, m.dstPath); err != nil {
		return err
	}
	if m.how.move {
		if err := m.src.mayWrite(ctx, m.from.path); err != nil {
			return err
		}
	}
	// A remote as a whole is neither replaced nor taken away.
	if m.dstPath == "" || m.how.move && m.from.path == "" {
		return fs.ErrPermission
	}
	if m.dst != m.src {
		return nil
	}
	switch {
	case m.dstPath == m.from.path:
		return errSame
	case m.from.dir && inside(m.dstPath, m.from.path) && (m.how.move || !m.how.shallow):
		return errOverlap
	case inside(m.from.path, m.dstPath) && !m.how.overwrite:
		return providers.ErrPrecondition // it exists, or the source could not lie in it
	case inside(m.from.path, m.dstPath):
		return errOverlap
	}
	return nil
}

// lookAtDestination is look, cheaper where the source lies below the
// destination's folder, which then exists: a rename in a large folder.
func (m *mover) lookAtDestination(ctx context.Context) (sight, error) {
	parent, _ := splitPath(m.dstPath)
	if s, ok := m.dst.known(ctx, m.dstPath, toWrite); ok {
		return s, nil
	}
	if m.dst != m.src || !inside(m.from.path, parent) {
		return m.dst.look(ctx, m.dstPath)
	}
	s := sight{parent: true}
	err := m.dst.lookFurther(ctx, m.dstPath, "", &s)
	return s, err
}

// landsBeside reports whether the destination keeps the source's folder alive.
func (m *mover) landsBeside() bool {
	parent, _ := splitPath(m.from.path)
	return m.dst == m.src && inside(m.dstPath, parent)
}

// changesType reports whether a file replaces a folder or a folder a file.
func (m *mover) changesType() bool {
	if m.from.dir {
		return m.at.file != nil && m.at.dir == nil
	}
	return m.at.dir != nil && m.at.file == nil
}

func (m *mover) run(ctx context.Context) (node, error) {
	switch {
	case !m.from.dir:
		return m.file(ctx)
	case m.how.shallow && !m.how.move:
		return m.marker(ctx)
	}
	return m.folder(ctx)
}

// condition is that of a write to the destination itself.
func (m *mover) condition() providers.Condition {
	return providers.Condition{IfAbsent: !m.how.overwrite}
}

// file transfers a file.
func (m *mover) file(ctx context.Context) (node, error) {
	if m.how.move && m.oneBucket && !m.changesType() {
		w := m.src.beginWrite(ctx, m.from.path)
		defer w.fail()
		obj, err := providers.Rename(ctx, m.src.remote.Bucket, m.dstPath, m.from.obj, providers.CopyOptions{Condition: m.condition()})
		if err == nil {
			w.gone(false)
			return node{path: m.dstPath, obj: obj}, nil
		}
		if obj.Key != "" { // the copy stands
			return node{}, &partialError{tree: m.src, failures: []failure{newFailure(m.from.path, oneFailure(err))}}
		}
		if !mayRetry(err) {
			return node{}, err
		}
	}
	obj, err := m.copyObject(ctx, m.dstPath, m.from.obj, m.condition())
	if errors.Is(err, fs.ErrExist) && m.changesType() {
		if err := m.displace(ctx, node{path: m.dstPath, dir: true}); err != nil {
			return node{}, err
		}
		obj, err = m.copyObject(ctx, m.dstPath, m.from.obj, m.condition())
	}
	if err != nil {
		return node{}, err
	}
	if err := m.removeOld(ctx); err != nil {
		return node{}, err
	}
	if m.how.move {
		if err := m.src.removeNode(ctx, m.from); err != nil {
			return node{}, &partialError{tree: m.src, failures: []failure{newFailure(m.from.path, err)}}
		}
	}
	return node{path: m.dstPath, obj: obj}, nil
}

// removeOld deletes what the source has replaced by something of another type.
func (m *mover) removeOld(ctx context.Context) error {
	if !m.changesType() || len(m.displaced) > 0 {
		return nil
	}
	return m.dst.removeNode(ctx, node{path: m.dstPath, dir: !m.from.dir})
}

// marker copies a folder without its members. The members of a folder that is
// overwritten are deleted: the copy has none (RFC 4918 section 9.8.4).
func (m *mover) marker(ctx context.Context) (node, error) {
	arrived := node{path: m.dstPath, dir: true}
	err := m.copyMarker(ctx)
	if errors.Is(err, fs.ErrExist) && m.changesType() {
		if err := m.displace(ctx, node{path: m.dstPath}); err != nil {
			return node{}, err
		}
		err = m.copyMarker(ctx)
	}
	if err != nil {
		return node{}, err
	}
	if m.at.dir != nil {
		defer m.dst.forget(ctx, m.dstPath)
		err = m.removeLeftovers(ctx, new(keyList))
	} else {
		err = m.removeOld(ctx)
	}
	return arrived, err
}

// copyMarker gives the destination the source's marker, or a new one.
func (m *mover) copyMarker(ctx context.Context) error {
	if m.from.path != "" {
		obj, err := m.src.remote.Bucket.Stat(ctx, dirKey(m.from.path))
		if err == nil {
			_, err = m.copyObject(ctx, dirKey(m.dstPath), obj, m.condition())
			return err
		}
		if !isNotExist(err) {
			return err
		}
	}
	return m.dst.putMarker(ctx, m.dstPath)
}

// copyObject copies one object to the key dst: inside the store if there is
// only one, otherwise through the server, as a stream. An object that is no
// longer what the listing said is looked at once more.
func (m *mover) copyObject(ctx context.Context, dst string, src providers.Object, cond providers.Condition) (providers.Object, error) {
	obj, err := m.copyAsIs(ctx, dst, src, cond)
	if !mayRetry(err) {
		return obj, err
	}
	fresh, statErr := m.src.remote.Bucket.Stat(ctx, src.Key)
	if statErr != nil {
		return obj, statErr
	}
	if fresh.ETag == src.ETag {
		return obj, err
	}
	return m.copyAsIs(ctx, dst, fresh, cond)
}

// mayRetry reports errors of a source that has changed since it was listed.
func mayRetry(err error) bool {
	return errors.Is(err, providers.ErrPrecondition) || isNotExist(err)
}

func (m *mover) copyAsIs(ctx context.Context, dst string, src providers.Object, cond providers.Condition) (providers.Object, error) {
	if m.oneBucket {
		return m.dst.remote.Bucket.Copy(ctx, dst, src, providers.CopyOptions{Condition: cond})
	}
	body, obj, err := m.src.remote.Bucket.Open(ctx, src.Key, providers.OpenOptions{IfMatch: src.ETag})
	if err != nil {
		return providers.Object{}, err
	}
	defer body.Close() //nolint:errcheck // was only read
	b := &bodyReader{r: body, want: obj.Size}
	put, err := m.dst.remote.Bucket.Put(ctx, dst, b, providers.PutOptions{
		Condition: cond, Size: obj.Size, ContentType: obj.ContentType, Metadata: obj.Metadata,
	})
	if err != nil && b.err != nil { // the source's failure, and no client's
		err = sourceError(src.Key, b.err)
	}
	return put, err
}

// sourceError is an error of a body that came from a store.
func sourceError(key string, err error) error {
	if _, ok := errors.AsType[*providers.Error](err); ok || errors.Is(err, context.Canceled) {
		return err
	}
	return &providers.Error{Op: "open", Key: key, Kind: providers.ErrUnavailable, Err: err}
}
