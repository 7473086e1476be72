package davfs

import (
	"context"
	"slices"
	"sync"

	"sealdav/providers"
)

// fill is a listing that is being fetched, to be kept if it comes to its end.
// A write of ours that ends meanwhile may or may not be in it, so its outcome
// is repeated on the listing in the end: that must not bring back what was
// there before. What is not known to the last detail spoils it.
type fill struct {
	c       *cache
	l       *listing
	missed  []missed // c.mu
	spoiled bool     // c.mu
	held    int      // of c.filling; c.mu
	tooBig  bool
	done    bool
}

// missed is what a write did to the listing of its folder.
type missed struct {
	name string
	do   func(l *listing, name string)
}

// maxMissed bounds the changes that a fill remembers.
const maxMissed = 4096

// miss has the fills repeat a change. c.mu is held.
func miss(fills []*fill, ch missed) {
	for _, f := range fills {
		if f.missed = append(f.missed, ch); len(f.missed) > maxMissed {
			f.missed, f.spoiled = nil, true
		}
	}
}

// fills are the fills of all caches that may keep one listing.
type fills [2]*fill

// beginFill starts to fetch the folder at path. end or commit must follow.
func (t *tree) beginFill(ctx context.Context, path string) fills {
	var fs fills
	for i, c := range t.cachesOf(ctx) {
		if c == nil {
			continue
		}
		id := folderID{t, path}
		f := &fill{c: c, l: &listing{id: id}}
		c.mu.Lock()
		c.fills[id] = append(c.fills[id], f)
		c.mu.Unlock()
		fs[i] = f
	}
	return fs
}

func (fs fills) add(name string, n node) {
	for _, f := range fs {
		if f == nil || f.tooBig {
			continue
		}
		it := newItem(name, n)
		if f.l.weight += it.weight(); !f.fits() {
			f.tooBig, f.l.items = true, nil
			continue
		}
		f.l.items = append(f.l.items, it)
	}
}

// fits reports whether there is room for the listing as it is now, among those
// that are being fetched. It takes that in steps, as it needs the lock.
func (f *fill) fits() bool {
	if f.l.weight <= f.held {
		return true
	}
	c := f.c
	c.mu.Lock()
	defer c.mu.Unlock()
	step := max(f.l.weight-f.held, c.max/256)
	if f.l.weight > c.big || c.filling+step > c.max {
		c.filling -= f.held
		f.held = 0
		return false
	}
	f.held += step
	c.filling += step
	return true
}

func (fs fills) marker(obj providers.Object) {
	for _, f := range fs {
		if f != nil {
			f.l.marker = new(newItem("", node{dir: true, obj: obj}))
		}
	}
}

// commit keeps the listing, which is whole now, for readers and writers.
func (fs fills) commit() { fs.finish(true) }

// commitLooked keeps the listing for writers.
func (fs fills) commitLooked() {
	for _, f := range fs {
		if f != nil {
			f.l.looked = true
		}
	}
	fs.finish(true)
}

// end gives up what was not committed.
func (fs fills) end() { fs.finish(false) }

func (fs fills) finish(whole bool) {
	for _, f := range fs {
		if f == nil || f.done {
			continue
		}
		f.done = true
		c, id := f.c, f.l.id
		c.mu.Lock()
		c.filling -= f.held
		if rest := slices.DeleteFunc(c.fills[id], func(g *fill) bool { return g == f }); len(rest) > 0 {
			c.fills[id] = rest
		} else {
			delete(c.fills, id)
		}
		if whole && !f.spoiled && !f.tooBig {
			for _, ch := range f.missed {
				ch.do(f.l, ch.name)
			}
			c.keep(f.l)
		}
		c.mu.Unlock()
	}
}

// spoil makes sure that none of the fills is kept. c.mu is held.
func spoil(fills []*fill) {
	for _, f := range fills {
		f.spoiled = true
	}
}

// write is a change of one name in a folder, under way at the store. When it
// ends, the folder's listing is changed too; if two writes of one name
// overlapped, nobody knows which came last, and the listing is dropped.
type write struct {
	c         *cache
	id        writeID
	contended bool // c.mu
	done      bool
}

// writes are the writes in all caches that may know a folder.
type writes struct {
	in   [2]*write
	over func() // tells the watches
}

// beginWrite announces a change at path. put, gone or fail must follow.
func (t *tree) beginWrite(ctx context.Context, path string) writes {
	t.watches.begin(ctx, path)
	parent, name := splitPath(path)
	ws := writes{over: sync.OnceFunc(func() { t.watches.end(path) })}
	for i, c := range t.cachesOf(ctx) {
		if c == nil {
			continue
		}
		w := &write{c: c, id: writeID{folderID{t, parent}, name}}
		c.mu.Lock()
		c.writes[w.id] = append(c.writes[w.id], w)
		if len(c.writes[w.id]) > 1 {
			contend(c.writes[w.id])
		}
		c.mu.Unlock()
		ws.in[i] = w
	}
	return ws
}

// contend marks overlapping writes. c.mu is held.
func contend(writes []*write) {
	for _, w := range writes {
		w.contended = true
	}
}

// put ends the write: n stands at its path.
func (ws writes) put(n node) {
	ws.finish(func(l *listing, name string) {
		it := newItem(name, n)
		i, found := slices.BinarySearchFunc(l.items, it, compareItems)
		l.weight += it.weight()
		if found {
			l.weight -= l.items[i].weight()
			l.items[i] = it
		} else {
			l.items = slices.Insert(l.items, i, it)
		}
	})
}

// gone ends the write: the file, or the folder, is no longer there.
func (ws writes) gone(dir bool) {
	ws.notLarge()
	ws.finish(func(l *listing, name string) {
		i, found := slices.BinarySearchFunc(l.items, item{name: name, dir: dir}, compareItems)
		if found {
			l.weight -= l.items[i].weight()
			l.items = slices.Delete(l.items, i, i+1)
		}
	})
}

// undone ends a write that has changed nothing.
func (ws writes) undone() { ws.finish(func(*listing, string) {}) }

// fail ends a write of which nobody knows what it did. After put or gone it
// does nothing.
func (ws writes) fail() {
	ws.notLarge()
	ws.finish(nil)
}

// notLarge forgets that the folder is large, as what went was perhaps the last
// in it.
func (ws writes) notLarge() {
	for _, w := range ws.in {
		if w != nil && !w.done {
			w.c.mu.Lock()
			delete(w.c.large, w.id.folderID)
			w.c.mu.Unlock()
		}
	}
}

func (ws writes) finish(do func(l *listing, name string)) {
	if ws.over == nil {
		return // nothing was begun
	}
	defer ws.over()
	for _, w := range ws.in {
		if w == nil || w.done {
			continue
		}
		w.done = true
		w.c.end(w, do)
	}
}

func (c *cache) end(w *write, do func(l *listing, name string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if rest := slices.DeleteFunc(c.writes[w.id], func(v *write) bool { return v == w }); len(rest) > 0 {
		c.writes[w.id] = rest
	} else {
		delete(c.writes, w.id)
	}
	clear(c.nodes)
	l := c.folders[w.id.folderID]
	if do == nil || w.contended {
		spoil(c.fills[w.id.folderID])
		if l != nil {
			c.drop(l)
		}
		return
	}
	miss(c.fills[w.id.folderID], missed{w.id.name, do})
	if l == nil {
		return
	}
	c.entries -= l.size()
	do(l, w.id.name)
	c.entries += l.size()
	for c.entries > c.max {
		c.drop(c.lru.Back().Value.(*listing))
	}
}

// markFolder records that a folder got a marker.
func (t *tree) markFolder(ctx context.Context, path string, marker providers.Object) {
	for _, c := range t.cachesOf(ctx) {
		if c == nil {
			continue
		}
		c.mu.Lock()
		spoil(c.fills[folderID{t, path}])
		clear(c.nodes)
		if l := c.folders[folderID{t, path}]; l != nil {
			l.marker = new(newItem("", node{dir: true, obj: marker}))
		}
		c.mu.Unlock()
	}
}
