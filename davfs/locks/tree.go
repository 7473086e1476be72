package locks

import (
	"path"
	"slices"
	"strings"
	"time"
)

// A node stands for one path that is a lock's root or lies above one. The tree
// of them answers what lies above a path and what lies below it in the time of
// a walk down the path, however many locks there are elsewhere.
type node struct {
	name     string
	parent   *node // nil: the root
	children map[string]*node
	entries  []*entry // the locks rooted here, oldest first
	below    int      // locks rooted further down
	// exclusive counts those of below that are not shared, so that a shared
	// lock of depth infinity is refused or granted without visiting them.
	exclusive int
}

// entry is a lock with what Memory knows about it.
type entry struct {
	lock  Lock
	node  *node
	holds int
	index int // in the queue of expiries, -1 while held
}

// alive reports whether e still stands at now.
func (e *entry) alive(now time.Time) bool {
	return e.holds > 0 || e.lock.Expires.After(now)
}

// view is the lock as callers see it. One that is held beyond its time will
// start over when released, and says so.
func (e *entry) view(now time.Time) Lock {
	l := e.lock
	if !l.Expires.After(now) {
		l.Expires = now.Add(l.Timeout)
	}
	return l
}

// clean reports whether p is a path as Lock describes it.
func clean(p string) bool {
	return strings.HasPrefix(p, "/") && path.Clean(p) == p
}

// names yields the segments of a clean path; "/" has none.
func names(p string) func(yield func(string) bool) {
	if p == "/" {
		return func(func(string) bool) {}
	}
	return strings.SplitSeq(p[1:], "/")
}

// covers reports whether p is in the scope of l. "/a" is above "/a/b", and has
// nothing to do with "/ab".
func (l *Lock) covers(p string) bool {
	if l.Root == p {
		return true
	}
	return l.Infinite && (l.Root == "/" || strings.HasPrefix(p, l.Root) && p[len(l.Root)] == '/')
}

// attach puts e at its root.
func (n *node) attach(e *entry) {
	for name := range names(e.lock.Root) {
		n.count(e, 1)
		child := n.children[name]
		if child == nil {
			child = &node{name: name, parent: n}
			if n.children == nil {
				n.children = make(map[string]*node)
			}
			n.children[name] = child
		}
		n = child
	}
	n.entries = append(n.entries, e)
	e.node = n
}

// detach takes e out, and with it the nodes that only it needed.
func (e *entry) detach() {
	n := e.node
	n.entries = slices.DeleteFunc(n.entries, func(o *entry) bool { return o == e })
	for p := n.parent; p != nil; p = p.parent {
		p.count(e, -1)
	}
	for n.parent != nil && len(n.entries) == 0 && len(n.children) == 0 {
		delete(n.parent.children, n.name)
		n = n.parent
	}
	e.node = nil
}

func (n *node) count(e *entry, by int) {
	n.below += by
	if !e.lock.Shared {
		n.exclusive += by
	}
}

// find returns the node of p, nil if no lock is rooted there or below.
func (n *node) find(p string) *node {
	for name := range names(p) {
		if n = n.children[name]; n == nil {
			return nil
		}
	}
	return n
}

// countCovering counts the entries whose scope includes p.
func (n *node) countCovering(p string) (count int) {
	for range n.covering(p) {
		count++
	}
	return count
}

// covering yields the entries whose scope includes p, from the top down.
func (n *node) covering(p string) func(yield func(*entry) bool) {
	return func(yield func(*entry) bool) {
		n := n
		for name := range names(p) {
			for _, e := range n.entries {
				if e.lock.Infinite && !yield(e) {
					return
				}
			}
			if n = n.children[name]; n == nil {
				return
			}
		}
		for _, e := range n.entries {
			if !yield(e) {
				return
			}
		}
	}
}

// inside appends the entries below n, in no particular order.
func (n *node) inside(to []*entry) []*entry {
	for _, child := range n.children {
		to = append(to, child.entries...)
		to = child.inside(to)
	}
	return to
}

// conflict returns an entry that excludes l, nil if there is none. All entries
// must be alive.
func (n *node) conflict(l Lock) *entry {
	for e := range n.covering(l.Root) {
		if e.excludes(l.Shared) {
			return e
		}
	}
	if n = n.find(l.Root); n == nil || !l.Infinite {
		return nil
	}
	return n.conflictBelow(l.Shared)
}

// excludes reports whether e and a lock on the same resource cannot both be.
func (e *entry) excludes(shared bool) bool {
	return !e.lock.Shared || !shared
}

// conflictBelow returns the entry below n, first by path, that excludes a
// shared or exclusive lock on all of n. It looks at the children of the nodes
// on the way down to that entry, and at no others.
func (n *node) conflictBelow(shared bool) *entry {
	var first *node
	for _, child := range n.children {
		if (first == nil || child.name < first.name) && child.anyExcludes(shared) {
			first = child
		}
	}
	if first == nil {
		return nil
	}
	for _, e := range first.entries {
		if e.excludes(shared) {
			return e
		}
	}
	return first.conflictBelow(shared)
}

// anyExcludes reports whether an entry at n or below does.
func (n *node) anyExcludes(shared bool) bool {
	if n.exclusive > 0 || n.below > 0 && !shared {
		return true
	}
	return slices.ContainsFunc(n.entries, func(e *entry) bool { return e.excludes(shared) })
}
