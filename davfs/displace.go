package davfs

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"strings"
)

// displaced is something that stood in the way at the destination.
type displaced struct {
	from  string
	aside node
	whole bool // nothing of it stayed
}

// displace moves n out of the way, to a name beside it that says what it is.
//
// A bucket holds the file "a" beside the folder "a/", a directory does not: it
// answers fs.ErrExist. There what is replaced is not deleted first, either: it
// is renamed, and deleted when its replacement stands (settle). If the server
// is killed in between, both are still there for everyone to see.
func (m *mover) displace(ctx context.Context, n node) error {
	if !n.dir {
		found, err := m.dst.statFile(ctx, n.path)
		if err != nil {
			return err
		}
		n = found
	}
	d := displaced{from: n.path, aside: node{path: n.path + ".replaced-" + rand.Text()[:8], dir: n.dir}}
	_, err := transferTree(ctx, m.dst, d.aside.path, m.dst, n, transfer{move: true, partOf: m})
	d.whole = err == nil
	m.displaced = append(m.displaced, d)
	return err
}

// settle ends a transfer that displaced something: what was replaced is
// deleted, or put back where the replacement did not come to stand. What
// cannot be put back stays under its other name.
func (m *mover) settle(ctx context.Context, err error) error {
	ctx = context.WithoutCancel(ctx)
	failed := err != nil
	for _, d := range m.displaced {
		if !failed {
			err = errors.Join(err, m.dst.removeNode(ctx, d.aside, nil))
			continue
		}
		if back := m.putBack(ctx, d); back != nil {
			m.dst.log.Error("what was to be replaced lies under another name now", "path", d.from, "now", d.aside.path, "err", back)
		}
	}
	return err
}

func (m *mover) putBack(ctx context.Context, d displaced) error {
	n, err := m.dst.stat(ctx, d.aside.path, d.aside.dir)
	if isNotExist(err) {
		return nil // it never left
	}
	if err != nil {
		return err
	}
	// If a part of a folder stayed, the parts go together again.
	back := transfer{move: true, partOf: m, merge: d.aside.dir && !d.whole}
	_, err = transferTree(ctx, m.dst, d.from, m.dst, n, back)
	return err
}

// makeRoom tries those members again that something of another type stands in
// the way of, if it is to be replaced: if the source does not have it.
func (x *members) makeRoom(ctx context.Context) error {
	if !x.at.exists() {
		return nil
	}
	failures := x.failures
	x.failures = nil
	for _, f := range failures {
		if !errors.Is(f.err, fs.ErrExist) {
			x.failures = append(x.failures, f)
			continue
		}
		key := f.path
		if f.dir {
			key += "/"
		}
		rel := strings.TrimPrefix(key, dirKey(x.dstPath))
		if err := x.again(ctx, rel); err != nil {
			x.failures = append(x.failures, newFailure(key, err))
		}
	}
	return ctx.Err()
}

// again transfers a member after what stands in its way was moved aside.
func (x *members) again(ctx context.Context, rel string) error {
	index := -1
	for i, k := range x.keys.all() {
		if k == rel {
			index = i
		}
	}
	if err := x.clearWay(ctx, rel); err != nil {
		return err
	}
	obj, err := x.src.remote.Bucket.Stat(ctx, dirKey(x.from.path)+rel)
	if err != nil {
		return err
	}
	return x.one(ctx, index, rel, obj)
}

// clearWay moves aside the files that stand where rel needs folders, and the
// folder that stands where it is a file.
func (x *members) clearWay(ctx context.Context, rel string) error {
	for i := range len(rel) {
		if rel[i] != '/' {
			continue
		}
		if err := x.clearFile(ctx, rel[:i]); err != nil {
			return err
		}
	}
	if strings.HasSuffix(rel, "/") || x.sourceHas(rel+"/") {
		return nil
	}
	path := dirKey(x.dstPath) + rel
	switch _, err := x.dst.statFolder(ctx, path); {
	case err == nil:
		return x.displace(ctx, node{path: path, dir: true})
	case !isNotExist(err):
		return err
	}
	return nil
}

// clearFile moves the file rel aside, unless it came from the source.
func (x *members) clearFile(ctx context.Context, rel string) error {
	for _, k := range x.keys.all() {
		if k == rel {
			return nil
		}
	}
	err := x.displace(ctx, node{path: dirKey(x.dstPath) + rel})
	if isNotExist(err) {
		return nil
	}
	return err
}

// sourceHas reports whether a key of the source begins with prefix.
func (x *members) sourceHas(prefix string) bool {
	for _, k := range x.keys.all() {
		if strings.HasPrefix(k, prefix) {
			return true
		}
	}
	return false
}

// pass tells the remover of a key that stays: the folders around it stay too.
func (r *remover) pass(ctx context.Context, key string) error {
	if err := r.leave(ctx, key); err != nil {
		return err
	}
	r.markers = r.markers[:0]
	return nil
}
