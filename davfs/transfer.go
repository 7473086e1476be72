package davfs

import (
	"context"
	"errors"
	"io/fs"
	"strings"

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
	if how.move && how.partOf == nil {
		done, err := src.watches.takeAway(ctx, from.path)
		if err != nil {
			return false, err
		}
		defer done()
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
	if err := m.admit(); err != nil {
		return false, err
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
	defer m.look(&m.watch, dst, dstPath)()
	m.watch.own(dstPath)
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

	old       *keyList // members of the folder that a file replaces
	displaced []displaced
	moved     *keyList // of a folder: what may be gone from the source, nil: nothing
	lost      bool     // more may be, and nobody knows what
	watch     *watch   // of the destination
	source    *watch   // if this is a move
}

// admit refuses what the destination has no room for.
func (m *mover) admit() error {
	size, old := int64(-1), int64(0) // of a folder nobody knows
	switch {
	case m.how.move && m.dst == m.src:
		return nil
	case !m.from.dir:
		size = m.from.obj.Size
		if m.at.file != nil {
			old = m.at.file.obj.Size
		}
	}
	return m.dst.admit(size, old)
}

// options are those of a copy to the key dst.
func (m *mover) options(dst string, cond providers.Condition) providers.CopyOptions {
	if m.how.replace != nil && dst == m.dstPath {
		opts := *m.how.replace
		opts.Condition = cond
		return opts
	}
	return providers.CopyOptions{Condition: cond}
}

// copied notes what the copy of an object means for the rest.
func (m *mover) copied(obj, src providers.Object) {
	if m.how.replace != nil && obj.Key == m.dstPath {
		m.dst.learn(obj, readAttributes(m.how.replace.Metadata), true)
	} else {
		m.dst.inherit(obj, m.src, src)
	}
	m.dst.meter.add(obj.Size)
	if m.at.file != nil && obj.Key == m.dstPath {
		m.dst.meter.add(-m.at.file.obj.Size)
	}
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
	from, to, ok := m.places()
	switch {
	case !ok:
		return nil
	case from == to && m.dst != m.src && !m.how.move:
		return nil // a copy onto itself, under the destination's write settings
	case from == to:
		return errSame
	case m.from.dir && inside(to, from) && (m.how.move || !m.how.shallow):
		return errOverlap
	case inside(from, to) && !m.how.overwrite:
		return providers.ErrPrecondition // it exists, or the source could not lie in it
	case inside(from, to):
		return errOverlap
	}
	return nil
}

// places are where the source and the destination lie, comparable with each
// other. Two remotes may show the same bucket, whole or in part: what is moved
// onto itself there would be deleted after it was copied. ok is false if they
// have nothing in common.
func (m *mover) places() (from, to string, ok bool) {
	if m.dst == m.src {
		return m.from.path, m.dstPath, true
	}
	src, dst := providers.Location(m.src.remote.Bucket), providers.Location(m.dst.remote.Bucket)
	return strings.TrimSuffix(src+m.from.path, "/"), strings.TrimSuffix(dst+m.dstPath, "/"), src != "" && dst != ""
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

// look begins to watch path for the transfer. What the transfer that this one
// is a part of writes there is no news.
func (m *mover) look(watch **watch, t *tree, path string) (end func()) {
	*watch, end = t.watches.add(path)
	for part := m.how.partOf; part != nil; part = part.how.partOf {
		(*watch).own(part.dstPath)
		if part.src == t {
			(*watch).own(part.from.path)
		}
	}
	return end
}

// rename moves a file in one step, where the store can. Otherwise, or where the
// file has changed, done is false.
func (m *mover) rename(ctx context.Context) (n node, done bool, err error) {
	r, ok := m.src.remote.Bucket.(providers.Renamer)
	if !ok || !m.how.move || !m.oneBucket || m.changesType() {
		return node{}, false, nil
	}
	w := m.src.beginWrite(ctx, m.from.path)
	defer w.fail()
	obj, err := r.Rename(ctx, m.dstPath, m.from.obj, m.options(m.dstPath, m.condition()))
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		w.undone()
		return node{}, false, nil
	case mayRetry(err):
		return node{}, false, nil
	case err != nil:
		return node{}, true, err
	}
	m.copied(obj, m.from.obj)
	m.src.meter.add(-obj.Size)
	w.gone(false)
	return node{path: m.dstPath, obj: obj}, true, nil
}

// file transfers a file.
func (m *mover) file(ctx context.Context) (node, error) {
	if n, done, err := m.rename(ctx); done {
		return n, err
	}
	if m.how.move {
		defer m.look(&m.source, m.src, m.from.path)()
	}
	if err := m.listOld(ctx); err != nil {
		return node{}, err
	}
	obj, from, err := m.copyObject(ctx, m.dstPath, m.from.obj, m.condition())
	if errors.Is(err, fs.ErrExist) && m.changesType() {
		if err := m.displace(ctx, node{path: m.dstPath, dir: true}); err != nil {
			return node{}, err
		}
		obj, from, err = m.copyObject(ctx, m.dstPath, m.from.obj, m.condition())
	}
	if err != nil {
		return node{}, err
	}
	if err := m.removeOld(ctx); err != nil {
		return node{}, err
	}
	if m.how.move {
		// Only what was copied: a version that others have written since stays.
		err := m.src.removeFile(ctx, m.from, providers.DeleteOptions{IfMatch: from.ETag, Seen: true}, m.source)
		if isPrecondition(err) {
			err = errChanged
		}
		if err != nil {
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
	if m.from.dir {
		return m.dst.removeNode(ctx, node{path: m.dstPath}, m.watch)
	}
	defer m.dst.forget(ctx, m.dstPath)
	r := m.dst.remover("delete what was replaced", m.dstPath, m.watch)
	r.began = true // what replaces it stands
	for _, rel := range m.old.all() {
		if err := r.add(ctx, dirKey(m.dstPath)+rel); err != nil {
			return r.stopped(m.dstPath, err)
		}
	}
	if err := r.end(ctx); err != nil {
		return r.stopped(m.dstPath, err)
	}
	return nil
}

// listOld notes what lies in the folder that a file is to replace, before it
// does: MinIO leaves "a/b" out of its listings once there is an object "a".
func (m *mover) listOld(ctx context.Context) error {
	if !m.changesType() {
		return nil
	}
	m.old = new(keyList)
	prefix := dirKey(m.dstPath)
	for e, err := range m.dst.list(ctx, prefix, providers.ListOptions{Recursive: true}) {
		if err != nil {
			return err
		}
		m.old.add(e.Key[len(prefix):])
	}
	return nil
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
			_, _, err = m.copyObject(ctx, dirKey(m.dstPath), obj, m.condition())
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
// longer what the listing said is looked at once more. from is what was copied.
func (m *mover) copyObject(ctx context.Context, dst string, src providers.Object, cond providers.Condition) (obj, from providers.Object, err error) {
	obj, err = m.copyAsIs(ctx, dst, src, cond)
	if err == nil {
		m.copied(obj, src)
	}
	if m.how.pinned && isPrecondition(err) || !mayRetry(err) {
		return obj, src, err
	}
	fresh, statErr := m.src.remote.Bucket.Stat(ctx, src.Key)
	if statErr != nil {
		return obj, src, statErr
	}
	if fresh.ETag == src.ETag {
		return obj, src, err
	}
	if obj, err = m.copyAsIs(ctx, dst, fresh, cond); err == nil {
		m.copied(obj, fresh)
	}
	return obj, fresh, err
}

func isPrecondition(err error) bool { return errors.Is(err, providers.ErrPrecondition) }

// mayRetry reports errors of a source that has changed since it was listed.
func mayRetry(err error) bool {
	return errors.Is(err, providers.ErrPrecondition) || isNotExist(err)
}

func (m *mover) copyAsIs(ctx context.Context, dst string, src providers.Object, cond providers.Condition) (providers.Object, error) {
	if m.oneBucket {
		return m.dst.remote.Bucket.Copy(ctx, dst, src, m.options(dst, cond))
	}
	body, obj, err := m.src.remote.ReadAhead.Open(ctx, m.src.remote.Bucket, src.Key, providers.OpenOptions{IfMatch: src.ETag})
	if err != nil {
		return providers.Object{}, err
	}
	defer body.Close() //nolint:errcheck // was only read
	b := &bodyReader{r: body, want: obj.Size}
	opts := m.options(dst, cond)
	if !opts.Replace {
		opts.ContentType, opts.Metadata = obj.ContentType, obj.Metadata
	}
	put, err := m.dst.remote.Bucket.Put(ctx, dst, b, providers.PutOptions{
		Condition: cond, Size: obj.Size, ContentType: opts.ContentType, Metadata: opts.Metadata,
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
