package davfs

import (
	"slices"
	"sync"
	"time"

	"sealdav/providers"
)

const (
	// maxRemembered bounds the memory of attributes, in objects; it holds up
	// to twice as many, of about 300 bytes each.
	maxRemembered = 32 << 10
	// maxFormer is how many former entity tags of an object are known.
	maxFormer = 8
	// writeSkew is by how much the time that a store tells of a write of ours
	// may differ from the one its listing tells afterwards.
	writeSkew = 2 * time.Second
)

// memory knows what stores have told about single objects and their listings
// do not: the attributes and the encryption. It is what shows them in a folder
// without a request for each member. What it knows is of one version of an
// object, told by its ETag and time: another version is not known.
//
// Once it holds maxRemembered objects, those not asked for since are dropped.
// A nil memory remembers nothing.
type memory struct {
	mu         sync.Mutex
	young, old map[objectID]remembered
}

// objectID is an object in one of the trees.
type objectID struct {
	tree *tree
	key  string
}

type remembered struct {
	etag     string
	modified time.Time // the store's
	written  bool      // modified was told by a write, and may be a little off
	attrs    *attributes
	enc      providers.Encryption
	former   []string // entity tags that the same content had before
}

func newMemory() *memory { return &memory{young: make(map[objectID]remembered)} }

// get finds what is remembered. m.mu is held.
func (m *memory) get(id objectID) (remembered, bool) {
	r, ok := m.young[id]
	if ok {
		return r, true
	}
	if r, ok = m.old[id]; ok {
		m.set(id, r)
	}
	return r, ok
}

// set remembers. m.mu is held.
func (m *memory) set(id objectID, r remembered) {
	if _, ok := m.young[id]; !ok && len(m.young) >= maxRemembered {
		m.old, m.young = m.young, make(map[objectID]remembered, maxRemembered/4)
	}
	m.young[id] = r
}

// learn remembers what the store has told of an object of t; written says that
// it was in the answer to a write.
func (t *tree) learn(obj providers.Object, attrs *attributes, written bool) {
	m, id := t.memory, objectID{t, obj.Key}
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := remembered{etag: obj.ETag, modified: obj.ModTime, written: written, attrs: attrs, enc: obj.Encryption}
	if old, ok := m.get(id); ok && old.etag == r.etag {
		r.former = old.former
	}
	m.set(id, r)
}

// learnMarker remembers the marker of a folder, which the folder's own listing
// has shown and that of its parent does not.
func (t *tree) learnMarker(obj providers.Object) {
	if obj.Metadata != nil {
		t.learn(obj, readAttributes(obj.Metadata), false)
		return
	}
	m, id := t.memory, objectID{t, obj.Key}
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, ok := m.get(id); !ok || !r.is(obj) {
		m.set(id, remembered{etag: obj.ETag, modified: obj.ModTime, enc: obj.Encryption})
	}
}

// learnPatched remembers a file whose properties were changed, on a store that
// may take that for another version: the content of obj had the tag former
// before. A client that knows the file by that one, and has not seen the
// change, still means this file.
func (t *tree) learnPatched(obj providers.Object, attrs *attributes, former string) {
	tags, now := t.formerTags(obj.Key)
	t.learn(obj, attrs, true)
	if t.memory == nil || former == obj.ETag {
		return
	}
	if now != former {
		tags = nil
	}
	tags = append(slices.Clone(tags), former)
	m, id := t.memory, objectID{t, obj.Key}
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, ok := m.get(id); ok && r.etag == obj.ETag {
		r.former = tags[max(0, len(tags)-maxFormer):]
		m.set(id, r)
	}
}

// formerTags are the entity tags that the object at key had before its
// properties were changed, and the one it has now.
func (t *tree) formerTags(key string) (former []string, now string) {
	if t.memory == nil {
		return nil, ""
	}
	t.memory.mu.Lock()
	defer t.memory.mu.Unlock()
	r, _ := t.memory.get(objectID{t, key})
	return r.former, r.etag
}

// is reports whether r is about this version of an object.
func (r remembered) is(obj providers.Object) bool {
	if r.etag != obj.ETag {
		return false
	}
	off := r.modified.Sub(obj.ModTime).Abs()
	return off == 0 || r.written && off <= writeSkew
}

// recall fills in what n does not tell and is remembered. A folder's node may
// be without its marker, which no listing but its own shows; then what was
// last known of it holds.
func (t *tree) recall(n *node) {
	if n.attrs != nil || t == nil || t.memory == nil || n.path == "" {
		return
	}
	m, id := t.memory, objectID{t, n.key()}
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.get(id)
	switch {
	case !ok:
		return
	case n.dir && n.obj.Key == "":
		modified := r.modified
		if !n.obj.ModTime.IsZero() { // the listing has told it
			modified = n.obj.ModTime
		}
		n.obj = providers.Object{Key: id.key, ETag: r.etag, ModTime: modified}
	case !r.is(n.obj):
		return
	case r.written && !r.modified.Equal(n.obj.ModTime):
		r.modified, r.written = n.obj.ModTime, false
		m.set(id, r)
	}
	n.attrs = r.attrs
	if n.obj.Encryption.Mode == "" {
		n.obj.Encryption = r.enc
	}
}

// inherit remembers of a copy what was known of its source.
func (t *tree) inherit(copied providers.Object, src *tree, from providers.Object) *attributes {
	n := node{path: from.Key, obj: from}
	if from.Metadata != nil {
		n.attrs = readAttributes(from.Metadata)
	}
	src.recallObject(&n)
	if copied.Metadata != nil {
		n.attrs = readAttributes(copied.Metadata)
	}
	if n.attrs != nil {
		t.learn(copied, n.attrs, true)
	}
	return n.attrs
}

// recallObject is recall for a node whose path is a key.
func (t *tree) recallObject(n *node) {
	if n.attrs != nil || t.memory == nil {
		return
	}
	t.memory.mu.Lock()
	defer t.memory.mu.Unlock()
	if r, ok := t.memory.get(objectID{t, n.path}); ok && r.is(n.obj) {
		n.attrs = r.attrs
	}
}

// key is that of the object that stands for a node: a folder's is its marker.
func (n *node) key() string {
	if n.dir {
		return dirKey(n.path)
	}
	return n.path
}

// modTime is when the content was last changed, as clients are told: the time
// that one of them has set, or when the object was stored. It is zero where
// nothing is known.
func (n *node) modTime() time.Time {
	if n.attrs != nil && !n.attrs.mtime.IsZero() {
		return n.attrs.mtime
	}
	return n.obj.ModTime
}

// birthTime is when the file was made, as clients are told: a bucket does not
// keep when an object of a name first existed, so unless a client has set it
// the oldest time known.
func (n *node) birthTime() time.Time {
	if n.attrs != nil && !n.attrs.btime.IsZero() {
		return n.attrs.btime
	}
	return n.modTime()
}

// told is the node of a file that the store has just described.
func (t *tree) told(path string, obj providers.Object) node {
	n := node{path: path, obj: obj, attrs: readAttributes(obj.Metadata), whole: true}
	t.learn(obj, n.attrs, false)
	return n
}

// unmodified returns the entity tag of the version of a file that is known to
// be no newer than since, to the second, or "".
func (t *tree) unmodified(key string, since time.Time) string {
	if t.memory == nil {
		return ""
	}
	t.memory.mu.Lock()
	defer t.memory.mu.Unlock()
	r, ok := t.memory.get(objectID{t, key})
	n := node{obj: providers.Object{ModTime: r.modified}, attrs: r.attrs}
	if !ok || r.written || n.modTime().IsZero() || n.modTime().Truncate(time.Second).After(since) {
		return ""
	}
	return r.etag
}
