package davfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"sync"

	"sealdav/providers"
)

const (
	// copiesInFlight is how many members are copied at a time inside a store.
	copiesInFlight = 32
	// streamsInFlight is how many are at a time from one store to another.
	streamsInFlight = 4
)

// members is the transfer of what lies in a folder. Keys in it are relative
// to the folder: "" is its marker.
type members struct {
	*mover
	keys  keyList // all of the source's, where they are needed later
	keep  bool    // they are
	found bool

	wg       sync.WaitGroup
	slots    chan struct{}
	progress *progress

	mu       sync.Mutex
	renamed  bitset // indexes in keys of what is no longer at the source
	failures []failure
	bytes    int64 // copied, and still at the source
}

// folder transfers a folder: all members first, then the deletions, and those
// only if nothing has failed.
func (m *mover) folder(ctx context.Context) (node, error) {
	defer m.dst.forget(ctx, m.dstPath)
	op := "copy"
	if m.how.move {
		op = "move"
	}
	x := &members{mover: m, keep: m.how.move || m.at.exists(), slots: make(chan struct{}, streamsInFlight),
		progress: m.src.progress(op, m.from.path)}
	if m.oneBucket {
		x.slots = make(chan struct{}, copiesInFlight)
	}
	var gone writes
	if m.how.move {
		defer m.look(&m.source, m.src, m.from.path)()
		defer func() { m.moved = m.moved.merge(&x.keys) }()
		gone = m.src.beginWrite(ctx, m.from.path)
		defer gone.fail()
		m.source.own(m.from.path)
		defer m.src.forget(ctx, m.from.path)
	}
	err := x.copyAll(ctx)
	if err == nil {
		err = x.makeRoom(ctx)
	}
	if err == nil {
		err = x.partial(m.dst)
	}
	if err != nil {
		return node{}, err
	}
	switch {
	case m.how.merge:
	case m.lost && m.at.dir != nil: // what is there may have come from the source
	case m.at.dir != nil:
		err = m.removeLeftovers(ctx, x.keys.merge(m.moved))
	default:
		err = m.removeOld(ctx)
	}
	if err == nil && m.how.move {
		if err = x.removeSource(ctx); err == nil {
			x.src.meter.add(-x.bytes)
		}
	}
	if err == nil {
		gone.gone(true)
	}
	return node{path: m.dstPath, dir: true}, err
}

// copyAll copies the members while their listing goes on.
func (x *members) copyAll(ctx context.Context) error {
	defer x.wg.Wait()
	prefix := dirKey(x.from.path)
	for e, err := range x.src.list(ctx, prefix, providers.ListOptions{Recursive: true}) {
		if err != nil {
			return x.stopped(err)
		}
		if reserved(e.Key) {
			continue
		}
		rel, i := e.Key[len(prefix):], -1
		if x.keep {
			i = x.keys.add(rel)
		}
		if !x.found && x.changesType() {
			// If a file stands in the way, it does in the way of all.
			x.found = true
			if err := x.first(ctx, i, rel, e.Object); err != nil {
				return err
			}
			continue
		}
		x.found = true
		select {
		case x.slots <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if x.failed() >= maxFailures {
			<-x.slots
			break
		}
		x.wg.Go(func() {
			defer func() { <-x.slots }()
			x.note(rel, x.one(ctx, i, rel, e.Object))
		})
	}
	switch {
	case x.found:
	case x.from.path != "":
		return fs.ErrNotExist
	default: // a remote with nothing in it has no marker either
		return x.dst.putMarker(ctx, x.dstPath)
	}
	x.wg.Wait()
	return ctx.Err()
}

// first transfers the first member of a folder that replaces a file.
func (x *members) first(ctx context.Context, i int, rel string, obj providers.Object) error {
	err := x.one(ctx, i, rel, obj)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := x.displace(ctx, node{path: x.dstPath}); err != nil {
		return err
	}
	return x.one(ctx, i, rel, obj)
}

// one transfers a member. A move renames files where the store can; folders
// stay until they are empty.
func (x *members) one(ctx context.Context, i int, rel string, obj providers.Object) error {
	dst := dirKey(x.dstPath) + rel
	r, ok := x.src.remote.Bucket.(providers.Renamer)
	if ok && x.how.move && x.oneBucket && !strings.HasSuffix(dst, "/") {
		renamed, err := r.Rename(ctx, dst, obj, providers.CopyOptions{})
		if err == nil {
			x.copied(renamed, obj)
			x.src.meter.add(-renamed.Size)
			x.mu.Lock()
			x.renamed.set(i)
			x.mu.Unlock()
			return nil
		}
		if !errors.Is(err, errors.ErrUnsupported) && !mayRetry(err) {
			return err
		}
	}
	copied, _, err := x.copyObject(ctx, dst, obj, providers.Condition{})
	if err == nil {
		x.mu.Lock()
		x.bytes += copied.Size
		x.mu.Unlock()
	}
	return err
}

func (x *members) note(rel string, err error) {
	if err == nil {
		x.progress.add(1)
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.failures = append(x.failures, newFailure(dirKey(x.dstPath)+rel, err))
}

func (x *members) failed() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.failures)
}

// stopped is the error of a transfer whose source could not be listed to its
// end: once it has begun the destination is told, with the members that failed.
func (x *members) stopped(err error) error {
	if !x.found {
		return err
	}
	x.wg.Wait()
	x.sort()
	return halfWay(x.dst, x.dstPath, x.failures, err)
}

func (x *members) sort() {
	slices.SortFunc(x.failures, func(a, b failure) int { return strings.Compare(a.path, b.path) })
}

func (x *members) partial(t *tree) error {
	if len(x.failures) == 0 {
		return nil
	}
	x.sort()
	return &partialError{tree: t, failures: x.failures}
}

var errChanged = fmt.Errorf("it was written while it was moved, and stays: %w", providers.ErrPrecondition)

// removeSource deletes what was copied and is still at the source.
func (x *members) removeSource(ctx context.Context) error {
	r := x.src.remover("delete what was moved", x.from.path, x.source)
	r.began = true // the copies stand
	prefix := dirKey(x.from.path)
	for i, rel := range x.keys.all() {
		if x.renamed.has(i) {
			continue
		}
		if path := strings.TrimSuffix(prefix+rel, "/"); x.source.has(path) {
			r.failures = append(r.failures, newFailure(prefix+rel, errChanged))
			continue
		}
		if err := r.add(ctx, prefix+rel); err != nil {
			return r.stopped(x.from.path, err)
		}
	}
	if err := r.end(ctx); err != nil {
		return r.stopped(x.from.path, err)
	}
	return nil
}

// removeLeftovers deletes the members of the destination that are not among
// keys. Its own marker stays.
func (m *mover) removeLeftovers(ctx context.Context, keys *keyList) error {
	next, stop := iter.Pull2(keys.all())
	defer stop()
	_, have, more := next()
	r := m.dst.remover("delete what was replaced", m.dstPath, m.watch)
	r.began = true // what replaces them stands
	prefix := dirKey(m.dstPath)
	for e, err := range m.dst.list(ctx, prefix, providers.ListOptions{Recursive: true}) {
		if err != nil {
			return r.stopped(m.dstPath, err)
		}
		rel := e.Key[len(prefix):]
		for more && have < rel {
			_, have, more = next()
		}
		if rel == "" {
			continue
		}
		if more && have == rel || m.watch.has(strings.TrimSuffix(e.Key, "/")) {
			err = r.pass(ctx, e.Key)
		} else {
			err = r.add(ctx, e.Key)
		}
		if err != nil {
			return r.stopped(m.dstPath, err)
		}
	}
	if err := r.end(ctx); err != nil {
		return r.stopped(m.dstPath, err)
	}
	return nil
}
