package davfs

import (
	"container/list"
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"
	"unique"

	"sealdav/providers"
)

const (
	// entryBytes is what an ordinary entry takes at most, with its name and ETag.
	// A longer one counts as several: some stores' listings tell the properties,
	// up to 2 KiB for each file.
	entryBytes = 256
	// maxCachedEntries bounds the listings of all folders together (32 MiB), and
	// once more those that are being fetched.
	maxCachedEntries = 128 << 10
	// maxCachedFolder is the size above which a folder is not kept at all.
	maxCachedFolder = 32 << 10
	// cachedBatch is how many entries are read from a listing at a time, so
	// that a slow reader does not hold the lock.
	cachedBatch = 256
)

// cache keeps whole listings of folders for a while. The methods of a nil
// cache do nothing.
//
// A listing in it is as good as a fresh one of the same age: it is kept only
// if no write of ours into its folder ended while it was fetched (see fill),
// and later writes change it in place (see write).
type cache struct {
	ttl time.Duration // 0: for as long as the cache itself lives
	max int           // entries, all folders together
	big int           // entries of a folder that is too large to keep

	mu      sync.Mutex
	folders map[folderID]*listing
	lru     list.List // of *listing, the most recently used first
	entries int
	filling int // entries of all fills together, about
	fills   map[folderID][]*fill
	writes  map[writeID][]*write
	timer   *time.Timer // set while there are folders that can expire
	// large are folders that were seen to be there with more than a page in
	// them, and until when that is taken for granted.
	large map[folderID]time.Time
	// nodes are what single requests to the store have found, in the cache of
	// a request only, until it writes.
	nodes map[nodeID]node
}

// nodeID is a question to tree.stat.
type nodeID struct {
	folderID
	asDir bool
}

// remembered is what the store has answered to the question before.
func (c *cache) remembered(t *tree, path string, asDir bool) (n node, ok bool) {
	if c == nil {
		return node{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok = c.nodes[nodeID{folderID{t, path}, asDir}]
	return n, ok
}

func (c *cache) remember(t *tree, n node, asDir bool) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.nodes == nil {
		c.nodes = make(map[nodeID]node)
	}
	c.nodes[nodeID{folderID{t, n.path}, asDir}] = n
}

// view is what a listing is wanted for.
type view int

const (
	toWrite view = iota // to see what a write would meet
	toRead              // to answer a client that reads
)

// folderID is a folder in one of the trees.
type folderID struct {
	tree *tree
	path string
}

// writeID is one name in a folder.
type writeID struct {
	folderID
	name string
}

// listing is a folder that exists and everything in it.
type listing struct {
	id     folderID
	marker *item
	items  []item // in key order
	weight int    // of the items
	// looked: fetched by a write to look around, not by a client that listed
	// the folder. It answers to writes only: who has not listed a folder does
	// not expect to see it as it was.
	looked  bool
	expires time.Time
	elem    *list.Element
}

// size is what a listing counts for against the bound: an empty one is not
// free either.
func (l *listing) size() int { return l.weight + 1 }

// item is an entry of a listing, smaller than a node.
type item struct {
	name, etag, ctype string
	size              int64
	mod               time.Time
	enc               unique.Handle[providers.Encryption]
	dir               bool
	attrs             *attributes // nil: not told
}

func newItem(name string, n node) item {
	return item{
		name: strings.Clone(name), dir: n.dir,
		etag: strings.Clone(n.obj.ETag), ctype: n.obj.ContentType,
		size: n.obj.Size, mod: n.obj.ModTime, enc: unique.Make(n.obj.Encryption), attrs: n.attrs,
	}
}

// node is the item as the tree shows it, in the folder at parent.
func (it *item) node(parent string) node {
	n := node{path: dirKey(parent) + it.name, dir: it.dir, attrs: it.attrs}
	if it.dir {
		n.obj.ModTime = it.mod
		return n
	}
	n.obj = it.object(n.path)
	return n
}

func (it *item) object(key string) providers.Object {
	return providers.Object{
		Key: key, Size: it.size, ModTime: it.mod, ETag: it.etag,
		ContentType: it.ctype, Encryption: it.enc.Value(),
	}
}

// weight is how many ordinary entries the item counts for.
func (it *item) weight() int {
	const own = 112
	n := own + len(it.name) + len(it.etag) + len(it.ctype) + it.attrs.bytes()
	return (n + entryBytes - 1) / entryBytes
}

// compareItems orders by key: a folder's has a slash at its end.
func compareItems(a, b item) int {
	n := min(len(a.name), len(b.name))
	if c := strings.Compare(a.name[:n], b.name[:n]); c != 0 {
		return c
	}
	at := func(it item) int {
		switch {
		case len(it.name) > n:
			return int(it.name[n])
		case it.dir:
			return '/'
		}
		return -1
	}
	return at(a) - at(b)
}

func newCache(ttl time.Duration, maxEntries int) *cache {
	return &cache{
		ttl: ttl, max: maxEntries, big: min(maxCachedFolder, maxEntries-1),
		folders: make(map[folderID]*listing),
		large:   make(map[folderID]time.Time),
		fills:   make(map[folderID][]*fill),
		writes:  make(map[writeID][]*write),
	}
}

// get finds a fresh listing that may answer in the view. c.mu is held.
func (c *cache) get(id folderID, v view) *listing {
	l := c.folders[id]
	if l == nil || l.looked && v == toRead && c.ttl > 0 {
		return nil
	}
	if c.ttl > 0 && time.Now().After(l.expires) {
		c.drop(l)
		return nil
	}
	c.lru.MoveToFront(l.elem)
	return l
}

// drop forgets a listing. c.mu is held.
func (c *cache) drop(l *listing) {
	if c.folders[l.id] != l {
		return
	}
	delete(c.folders, l.id)
	c.lru.Remove(l.elem)
	c.entries -= l.size()
}

// keep takes a listing in and makes room for it. c.mu is held.
func (c *cache) keep(l *listing) {
	if old := c.folders[l.id]; old != nil {
		c.drop(old)
	}
	c.folders[l.id] = l
	l.elem = c.lru.PushFront(l)
	c.entries += l.size()
	for c.entries > c.max {
		c.drop(c.lru.Back().Value.(*listing))
	}
	if c.ttl > 0 {
		l.expires = time.Now().Add(c.ttl)
		if c.timer == nil {
			c.timer = time.AfterFunc(2*c.ttl, c.sweep)
		}
	}
}

// sweep frees what has expired, so that an idle server is a small one.
func (c *cache) sweep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for _, l := range c.folders {
		if now.After(l.expires) {
			c.drop(l)
		}
	}
	c.timer = nil
	if len(c.folders) > 0 {
		c.timer = time.AfterFunc(2*c.ttl, c.sweep)
	}
}

// maxLarge bounds the folders that are noted as large.
const maxLarge = 1024

// noteLarge notes that a write has found a page of members in the folder at
// path, and there are more: the next one need not look at a page again to know
// that the folder exists.
func (c *cache) noteLarge(t *tree, path string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.large) >= maxLarge {
		clear(c.large)
	}
	c.large[folderID{t, path}] = time.Now().Add(c.ttl)
}

func (c *cache) isLarge(t *tree, path string) bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Before(c.large[folderID{t, path}])
}

// sight tells of path what its parent's listing says; ok is false if none is
// kept.
func (c *cache) sight(t *tree, path string, v view) (s sight, ok bool) {
	if c == nil {
		return sight{}, false
	}
	parent, name := splitPath(path)
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.get(folderID{t, parent}, v)
	if l == nil {
		return sight{}, false
	}
	s = sight{parent: true, kept: parent == "" || l.marker != nil}
	seen := 0
	for _, dir := range []bool{false, true} {
		i, found := slices.BinarySearchFunc(l.items, item{name: name, dir: dir}, compareItems)
		if !found {
			continue
		}
		seen++
		n := l.items[i].node(parent)
		if dir {
			s.dir = &n
		} else {
			s.file = &n
		}
	}
	s.others = len(l.items) > seen
	return s, true
}

// folder tells of the folder at path what its own listing says: that it
// exists, and its marker.
func (c *cache) folder(t *tree, path string) (n node, ok bool) {
	if c == nil {
		return node{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.get(folderID{t, path}, toRead)
	if l == nil {
		return node{}, false
	}
	n = node{path: path, dir: true}
	if l.marker != nil {
		n.obj = l.marker.object(dirKey(path))
	}
	return n, true
}

// children yields a folder from its listing; ok is false if none is kept. A
// listing that is dropped meanwhile is read to its end all the same.
func (c *cache) children(t *tree, path string) (seq iter.Seq[node], ok bool) {
	if c == nil {
		return nil, false
	}
	c.mu.Lock()
	l := c.get(folderID{t, path}, toRead)
	c.mu.Unlock()
	if l == nil {
		return nil, false
	}
	return func(yield func(node) bool) {
		batch := make([]node, 0, cachedBatch)
		var last *item
		for {
			batch, last = c.batch(l, last, batch[:0])
			for _, n := range batch {
				if !yield(n) {
					return
				}
			}
			if len(batch) < cachedBatch {
				return
			}
		}
	}, true
}

// batch reads the items that follow last, by name, because writes may have
// moved them.
func (c *cache) batch(l *listing, last *item, nodes []node) ([]node, *item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := 0
	if last != nil {
		var found bool
		if i, found = slices.BinarySearchFunc(l.items, *last, compareItems); found {
			i++
		}
	}
	for ; i < len(l.items) && len(nodes) < cachedBatch; i++ {
		nodes = append(nodes, l.items[i].node(l.id.path))
	}
	if len(nodes) > 0 {
		last = new(l.items[i-1])
	}
	return nodes, last
}

// forget drops the listings of the folder at path and of all below it, and
// spoils what is under way there.
func (c *cache) forget(t *tree, path string) {
	if c == nil {
		return
	}
	below := func(id folderID) bool {
		return id.tree == t && (id.path == path || inside(id.path, path))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.nodes)
	for id := range c.large {
		if below(id) {
			delete(c.large, id)
		}
	}
	for id, l := range c.folders {
		if below(id) {
			c.drop(l)
		}
	}
	for id, fills := range c.fills {
		if below(id) {
			spoil(fills)
		}
	}
	for id, writes := range c.writes {
		if below(id.folderID) {
			contend(writes)
		}
	}
}

// cachesOf are the caches that may answer in ctx: that of the request and the
// one all share.
func (t *tree) cachesOf(ctx context.Context) [2]*cache {
	return [2]*cache{memoOf(ctx), t.cache}
}

type memoKey struct{}

// withMemo gives a request a cache of its own, for as long as it runs: what it
// has listed once it need not list again.
func withMemo(ctx context.Context, memo *cache) context.Context {
	return context.WithValue(ctx, memoKey{}, memo)
}

func memoOf(ctx context.Context) *cache {
	memo, _ := ctx.Value(memoKey{}).(*cache)
	return memo
}
