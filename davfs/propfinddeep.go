package davfs

import (
	"io/fs"
	"strings"

	"sealdav/davfs/locks"
	"sealdav/providers"
)

// endless reports whether the request is a PROPFIND of depth infinity that may
// be answered.
func (q *request) endless() bool {
	depth := q.r.Header.Get("Depth")
	return q.h.deep && q.above == "" && (depth == "" || strings.EqualFold(depth, "infinity"))
}

// everything answers with depth infinity, in the order of a recursive listing
// and no slower than that arrives: nothing of it is held.
func (p *propfind) everything() error {
	if !p.q.isRoot() {
		return p.below(p.q.tree, p.q.path)
	}
	if err := p.root(false); err != nil {
		return err
	}
	for _, t := range p.q.h.forest.visible(p.q.r.Context()) {
		if err := p.below(t, ""); err != nil {
			return err
		}
	}
	return nil
}

// below answers for the folder at path in t and all that lies below it. Folders
// need no marker: one is told before the first key that lies in it.
func (p *propfind) below(t *tree, path string) error {
	d := descent{p: p, t: t, top: path}
	if path == "" {
		if err := d.enter(path); err != nil {
			return err
		}
	}
	if t.absent(path) {
		return fs.ErrNotExist
	}
	prefix := dirKey(path)
	for e, err := range t.list(p.q.r.Context(), prefix, providers.ListOptions{Recursive: true}) {
		if err != nil {
			return err
		}
		if err := d.entry(e.Object); err != nil {
			return err
		}
	}
	if len(d.open) == 0 { // nothing lies there
		return p.single()
	}
	return nil
}

// descent walks through the keys of a recursive listing.
type descent struct {
	p    *propfind
	t    *tree
	top  string
	open []string // the folders that contain the last key, top first
}

// entry answers for a key, and for the folders that begin with it. What is not
// shown in a listing is not shown here.
func (d *descent) entry(obj providers.Object) error {
	if reserved(obj.Key) {
		return nil
	}
	for len(d.open) > 1 && !strings.HasPrefix(obj.Key, dirKey(d.open[len(d.open)-1])) {
		d.open = d.open[:len(d.open)-1]
	}
	if len(d.open) == 0 {
		if err := d.enter(d.top); err != nil {
			return err
		}
	}
	at := dirKey(d.open[len(d.open)-1])
	for {
		name, _, more := strings.Cut(obj.Key[len(at):], "/")
		if name == "" && !more {
			return nil // the folder's own marker
		}
		e := providers.Entry{Object: obj}
		if more {
			e = providers.Entry{Object: providers.Object{Key: at + name + "/"}, Dir: true}
		}
		n, ok := d.t.child(strings.TrimSuffix(at, "/"), e)
		if !ok {
			return nil
		}
		if !more {
			return d.tell(n)
		}
		if err := d.enter(n.path); err != nil {
			return err
		}
		at += name + "/"
	}
}

// enter answers for a folder whose members follow.
func (d *descent) enter(path string) error {
	d.open = append(d.open, path)
	return d.tell(node{path: path, dir: true})
}

func (d *descent) tell(n node) error {
	r := resource{tree: d.t, node: n, locks: d.locksOn(n.path), self: d.t == d.p.q.tree && n.path == d.top && n.dir}
	d.p.respond(r)
	return d.p.m.grown()
}

// locksOn are the locks that cover path: those on what was asked for, those of
// depth infinity on the folders in between, and its own.
func (d *descent) locksOn(path string) []locks.Lock {
	if d.t == d.p.q.tree && path == d.top {
		return d.p.covering
	}
	var on []locks.Lock
	for _, l := range d.p.covering {
		if l.Infinite {
			on = append(on, l)
		}
	}
	if d.p.inside == nil {
		return on
	}
	own := place{tree: d.t, path: path}.lockPath()
	for i := 1; i <= len(own); i++ {
		if i < len(own) && own[i] != '/' {
			continue
		}
		for _, l := range d.p.inside[own[:i]] {
			if l.Infinite || i == len(own) {
				on = append(on, l)
			}
		}
	}
	return on
}
