package davfs

import (
	"encoding/xml"
	"errors"
	"net/http"
	"slices"
	"strings"

	"sealdav/davfs/locks"
)

// Bounds of what a PROPFIND may ask for: each property that is not known is
// repeated for each member of the folder.
const (
	maxProps        = 200
	maxUnknownBytes = 16 << 10
)

// propfind is a PROPFIND being answered.
type propfind struct {
	q *request
	m *multistatus

	wanted    []wanted
	namesOnly bool   // propname: which properties there are, without values
	unknown   []byte // elements of the properties that nothing here has
	missing   []int  // of one resource; kept, as it is, for its memory
	of        resource

	covering []locks.Lock            // locks that cover the folder itself
	inside   map[string][]locks.Lock // locks on what is below it, by their root
}

// wanted is a live property asked for, by its place in liveProps.
type wanted struct {
	prop int
	must bool // by its name: where a resource lacks it, that is told
}

// propfind answers PROPFIND from one listing, streamed. Depth infinity is
// refused, which RFC 4918 section 9.1 allows: on a bucket it would list
// everything.
func (q *request) propfind() error {
	p := &propfind{q: q}
	if err := p.parse(); err != nil {
		return err
	}
	deep, err := q.propfindDepth()
	if err != nil {
		return err
	}
	if err := q.permit(); err != nil {
		return err
	}
	if err := p.findLocks(deep); err != nil {
		return err
	}
	p.m = newMultistatus(q.w)
	p.m.pack(q.r)
	defer p.m.release()
	switch {
	case q.above != "":
		p.onTheWay(deep)
	case q.isRoot():
		err = p.root(deep)
	case deep:
		err = p.folder()
	default:
		err = p.single()
	}
	if err != nil {
		return err
	}
	return p.m.close()
}

// propfindDepth reads the Depth header: 0 or 1.
func (q *request) propfindDepth() (deep bool, err error) {
	switch depth := q.r.Header.Get("Depth"); {
	case depth == "0":
		return false, nil
	case depth == "1":
		return true, nil
	case depth == "" || strings.EqualFold(depth, "infinity"):
		return false, &statusError{code: http.StatusForbidden, condition: "<D:propfind-finite-depth/>"}
	default:
		return false, errDepth
	}
}

var errDepth = &statusError{code: http.StatusBadRequest, why: "this Depth header makes no sense here"}

// parse reads what is asked for. Windows sends no body, which means all
// properties. It also gives up on a folder of more than 1 MB of properties, so
// that there supportedlock, the longest and the same for everything, is left
// out; who names it or sends allprop gets it.
func (p *propfind) parse() error {
	root, _, err := readXML(p.q.body())
	if err != nil {
		return err
	}
	if root == nil {
		p.want(false, slices.DeleteFunc(allProps(), func(name xml.Name) bool { return name.Local == "supportedlock" }))
		return nil
	}
	if root.name != (xml.Name{Space: nsDAV, Local: "propfind"}) {
		return &statusError{code: http.StatusBadRequest, why: "the body is not a propfind element"}
	}
	all, names, prop := root.child("allprop"), root.child("propname"), root.child("prop")
	switch {
	case all != nil && names == nil && prop == nil:
		p.want(false, allProps())
		if include := root.child("include"); include != nil {
			return p.want(true, include.elements())
		}
	case names != nil && all == nil && prop == nil:
		p.namesOnly = true
		p.want(false, allProps())
	case prop != nil && all == nil && names == nil:
		return p.want(true, prop.elements())
	default:
		return &statusError{code: http.StatusBadRequest, why: "a propfind element has one of allprop, propname and prop"}
	}
	return nil
}

func allProps() []xml.Name {
	names := make([]xml.Name, len(liveProps))
	for i, l := range liveProps {
		names[i] = xml.Name{Space: nsDAV, Local: l.name}
	}
	return names
}

// want adds names to what is wanted, each once.
func (p *propfind) want(must bool, names []xml.Name) error {
	if len(names) > maxProps {
		return errManyProps
	}
	seen := make(map[xml.Name]bool)
	for _, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		i := slices.IndexFunc(liveProps, func(l liveProp) bool { return name.Space == nsDAV && l.name == name.Local })
		switch {
		case i < 0:
			p.unknown = append(appendName(append(p.unknown, '<'), name), "/>"...)
		case slices.ContainsFunc(p.wanted, func(w wanted) bool { return w.prop == i }):
		default:
			p.wanted = append(p.wanted, wanted{i, must})
		}
	}
	if len(p.unknown) > maxUnknownBytes {
		return errManyProps
	}
	return nil
}

var errManyProps = &statusError{code: http.StatusBadRequest, why: "too many properties asked for at once"}

// findLocks asks for the locks once, however many resources there are.
func (p *propfind) findLocks(deep bool) error {
	asked := slices.ContainsFunc(p.wanted, func(w wanted) bool { return liveProps[w.prop].name == "lockdiscovery" })
	if !asked || p.namesOnly {
		return nil
	}
	ctx, path := p.q.r.Context(), p.q.lockPath()
	var err error
	if p.covering, err = p.q.h.locks.Covering(ctx, path); err != nil || !deep {
		return err
	}
	all, err := p.q.h.locks.Inside(ctx, path)
	if err != nil || len(all) == 0 {
		return err
	}
	p.inside = make(map[string][]locks.Lock)
	for _, l := range all {
		p.inside[l.Root] = append(p.inside[l.Root], l)
	}
	return nil
}

// onTheWay answers above the prefix, where Windows begins even if what it
// mounts lies deeper: a folder, with the next one on the way in it.
func (p *propfind) onTheWay(deep bool) {
	p.respond(resource{href: p.q.above, node: node{dir: true}})
	if deep {
		next, _, _ := strings.Cut(p.q.h.prefix[len(p.q.above):], "/")
		p.respond(resource{href: p.q.above + next + "/", node: node{dir: true}})
	}
}

// root answers for the root of all remotes.
func (p *propfind) root(deep bool) error {
	p.respond(resource{node: node{dir: true}, locks: p.covering})
	if !deep {
		return nil
	}
	for _, t := range p.q.h.forest.visible(p.q.r.Context()) {
		p.member(t, node{dir: true})
		if err := p.m.grown(); err != nil {
			return err
		}
	}
	return nil
}

// single answers with depth 0.
func (p *propfind) single() error {
	// A folder whose members are known from a listing is one; with depth 1 it
	// is told as such too, whatever file may have its name.
	_, listed := p.q.tree.cache.folder(p.q.tree, p.q.path)
	n, err := p.q.tree.stat(p.q.r.Context(), p.q.path, p.q.asDir || listed)
	if err != nil {
		return err
	}
	p.respond(resource{tree: p.q.tree, node: n, locks: p.covering})
	return nil
}

// folder answers with depth 1. A failure before the first flush becomes a
// status; later it breaks the connection.
func (p *propfind) folder() error {
	self := node{path: p.q.path, dir: true}
	first := true
	for n, err := range p.q.tree.children(p.q.r.Context(), p.q.path) {
		if first && errors.Is(err, errNotDir) {
			return p.single()
		}
		if err != nil {
			return err
		}
		if first {
			p.respond(resource{tree: p.q.tree, node: self, locks: p.covering})
			first = false
		}
		p.member(p.q.tree, n)
		if err := p.m.grown(); err != nil {
			return err
		}
	}
	if first {
		p.respond(resource{tree: p.q.tree, node: self, locks: p.covering})
	}
	return nil
}

// member answers for what lies in the folder.
func (p *propfind) member(t *tree, n node) {
	r := resource{tree: t, node: n}
	for _, l := range p.covering {
		if l.Infinite {
			r.locks = append(r.locks, l)
		}
	}
	if p.inside != nil {
		r.locks = append(r.locks, p.inside[place{tree: t, path: n.path}.lockPath()]...)
	}
	p.respond(r)
}

// resource is what one response describes.
type resource struct {
	tree *tree  // nil: the root of all remotes
	href string // instead of the tree's, not yet escaped
	node
	locks []locks.Lock
}

// name is the last segment of the path, "" for the root.
func (r *resource) name() string {
	switch {
	case r.tree == nil:
		return ""
	case r.path == "":
		return r.tree.remote.Name
	}
	_, name := splitPath(r.path)
	return name
}

// respond appends the response for one resource: what it has under 200, what
// it lacks under 404.
func (p *propfind) respond(of resource) {
	p.of = of
	r := &p.of
	b := append(p.m.b, "<D:response><D:href>"...)
	if r.href != "" {
		b = appendEscaped(b, r.href)
	} else {
		b = p.q.h.appendHref(b, r.tree, r.path, r.dir)
	}
	b = append(b, "</D:href>"...)
	before := len(b)
	b = append(b, "<D:propstat><D:prop>"...)
	empty := len(b)
	p.missing = p.missing[:0]
	for _, w := range p.wanted {
		l, start := &liveProps[w.prop], len(b)
		var ok bool
		b = append(append(append(b, "<D:"...), l.name...), '>')
		if b, ok = l.value(b, p.q, r); !ok {
			b = b[:start]
			if w.must {
				p.missing = append(p.missing, w.prop)
			}
			continue
		}
		if p.namesOnly {
			b = append(append(append(b[:start], "<D:"...), l.name...), "/>"...)
			continue
		}
		b = append(append(append(b, "</D:"...), l.name...), '>')
	}
	if none := len(p.missing) == 0 && len(p.unknown) == 0; len(b) > empty || none {
		b = append(b, "</D:prop>"...)
		b = append(appendStatus(b, http.StatusOK), "</D:propstat>"...)
		if none {
			p.m.b = append(b, "</D:response>"...)
			return
		}
	} else {
		b = b[:before]
	}
	b = append(b, "<D:propstat><D:prop>"...)
	for _, i := range p.missing {
		b = append(append(append(b, "<D:"...), liveProps[i].name...), "/>"...)
	}
	b = append(b, p.unknown...)
	b = append(b, "</D:prop>"...)
	b = append(appendStatus(b, http.StatusNotFound), "</D:propstat>"...)
	p.m.b = append(b, "</D:response>"...)
}
