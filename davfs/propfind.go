package davfs

import (
	"encoding/xml"
	"errors"
	"net/http"
	"slices"
	"strings"

	"sealdav/davfs/locks"
	"sealdav/providers"
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
	namesOnly bool       // propname: which properties there are, without values
	allDead   bool       // all dead properties
	dead      []xml.Name // dead properties by name
	unknown   []byte     // empty elements of all of those
	missing   []int      // of one resource; kept, as it is, for its memory
	// exact: it is worth a request to know what was kept with the resource
	// itself.
	exact bool
	of    resource

	covering []locks.Lock            // locks that cover the folder itself
	inside   map[string][]locks.Lock // locks on what is below it, by their root
}

// wanted is a live property asked for, by its place in liveProps.
type wanted struct {
	prop int
	must bool // by its name: where a resource lacks it, that is told
	self bool // only of the resource itself, not of its members
}

// propfind answers PROPFIND from one listing, streamed. Depth infinity is
// refused unless the options allow it, as RFC 4918 section 9.1 permits: on a
// bucket it lists everything.
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
	case q.endless():
		err = p.everything()
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
	case depth == "1", q.endless():
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
// that there is left out what it does nothing with, and its own names for times
// that it is told already; who names them or sends allprop gets them.
func (p *propfind) parse() error {
	root, _, err := readXML(p.q.body())
	if err != nil {
		return err
	}
	if root == nil {
		p.allDead = true
		return p.want(false, slices.DeleteFunc(allProps(), func(name xml.Name) bool {
			return slices.Contains(notForWindows, name.Local)
		}))
	}
	if root.name != (xml.Name{Space: nsDAV, Local: "propfind"}) {
		return &statusError{code: http.StatusBadRequest, why: "the body is not a propfind element"}
	}
	all, names, prop := root.child("allprop"), root.child("propname"), root.child("prop")
	switch {
	case all != nil && names == nil && prop == nil:
		p.allDead = true
		if err := p.want(false, allProps()); err != nil {
			return err
		}
		if include := root.child("include"); include != nil {
			return p.want(true, include.elements())
		}
	case names != nil && all == nil && prop == nil:
		p.namesOnly, p.allDead = true, true
		return p.want(false, everyProp())
	case prop != nil && all == nil && names == nil:
		return p.want(true, prop.elements())
	default:
		return &statusError{code: http.StatusBadRequest, why: "a propfind element has one of allprop, propname and prop"}
	}
	return nil
}

// notForWindows is left out for a client that asks for nothing in particular.
var notForWindows = []string{"supportedlock", "displayname", "Win32CreationTime", "Win32LastModifiedTime"}

// allProps are the properties that allprop asks for.
func allProps() []xml.Name {
	var names []xml.Name
	for _, l := range liveProps {
		if l.when != byName && l.when != kept {
			names = append(names, l.xmlName())
		}
	}
	return names
}

func everyProp() []xml.Name {
	names := make([]xml.Name, len(liveProps))
	for i, l := range liveProps {
		names[i] = l.xmlName()
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
		i := livePropNamed(name)
		if must && (i < 0 || liveProps[i].when >= kept) {
			p.exact = true
		}
		if i < 0 {
			p.dead = append(p.dead, name)
			p.unknown = appendEmpty(p.unknown, name)
			continue
		}
		w := wanted{prop: i, must: must, self: !must && liveProps[i].when == oneself}
		if j := slices.IndexFunc(p.wanted, func(w wanted) bool { return w.prop == i }); j < 0 {
			p.wanted = append(p.wanted, w)
		} else if must {
			p.wanted[j] = w
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
	p.respond(resource{node: node{dir: true}, locks: p.covering, self: true})
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
	ctx, t := p.q.r.Context(), p.q.tree
	// A folder whose members are known from a listing is one; with depth 1 it
	// is told as such too, whatever file may have its name.
	_, listed := t.cache.folder(t, p.q.path)
	n, err := t.stat(ctx, p.q.path, p.q.asDir || listed)
	if errors.Is(err, providers.ErrKey) {
		// It is there, and a listing tells so without its key.
		if n, err = t.lookup(ctx, p.q.path, p.q.asDir); err == nil {
			n.obj.Encryption = keyMissing
		}
	}
	if err != nil {
		return err
	}
	return p.alone(n)
}

// alone answers for what was found at the URL.
func (p *propfind) alone(n node) error {
	if p.exact && n.obj.Encryption != keyMissing {
		if err := p.q.tree.describe(p.q.r.Context(), &n); err != nil {
			return err
		}
	}
	p.respond(resource{tree: p.q.tree, node: n, locks: p.covering, self: true})
	return nil
}

// folder answers with depth 1. A failure before the first flush becomes a
// status; later it breaks the connection.
func (p *propfind) folder() error {
	self := node{path: p.q.path, dir: true}
	first := true
	for n, err := range p.q.tree.children(p.q.r.Context(), p.q.path) {
		switch {
		case first && errors.Is(err, errNotDir):
			return p.alone(n)
		case first && errors.Is(err, providers.ErrKey):
			return p.single()
		case err != nil:
			return err
		}
		if first {
			p.respond(resource{tree: p.q.tree, node: self, locks: p.covering, self: true})
			first = false
		}
		p.member(p.q.tree, n)
		if err := p.m.grown(); err != nil {
			return err
		}
	}
	if first {
		p.respond(resource{tree: p.q.tree, node: self, locks: p.covering, self: true})
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
	self  bool // what was asked for, not a member of it
	named bool // the property at hand was asked for by its name
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
	r.tree.recall(&r.node)
	if r.dir && r.obj.ModTime.IsZero() {
		r.obj.ModTime = p.q.h.forest.started
	}
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
	b = p.appendLive(b, r)
	b, unknown := p.appendDead(b, r)
	if none := len(p.missing) == 0 && len(unknown) == 0; len(b) > empty || none {
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
		b = append(b, propTags[i][2]...)
	}
	b = append(b, unknown...)
	b = append(b, "</D:prop>"...)
	b = append(appendStatus(b, http.StatusNotFound), "</D:propstat>"...)
	p.m.b = append(b, "</D:response>"...)
}

// appendLive writes the live properties that r has, and leaves in p.missing
// those that were asked for by name and it has not.
func (p *propfind) appendLive(b []byte, r *resource) []byte {
	p.missing = p.missing[:0]
	for _, w := range p.wanted {
		if w.self && !r.self {
			continue
		}
		tags, start := &propTags[w.prop], len(b)
		var ok bool
		r.named = w.must
		b = append(b, tags[0]...)
		if b, ok = liveProps[w.prop].value(b, p.q, r); !ok {
			b = b[:start]
			if w.must {
				p.missing = append(p.missing, w.prop)
			}
			continue
		}
		if p.namesOnly || len(b) == start+len(tags[0]) {
			b = append(b[:start], tags[2]...)
			continue
		}
		b = append(b, tags[1]...)
	}
	return b
}

// appendDead writes the dead properties that r has. unknown are empty elements
// of those that were asked for by name and it has not.
func (p *propfind) appendDead(b []byte, r *resource) (_, unknown []byte) {
	if r.attrs == nil || len(r.attrs.dead) == 0 {
		return b, p.unknown
	}
	if p.allDead {
		for _, d := range r.attrs.dead {
			switch {
			case d.name == windowsAttributes: // a live one
			case p.namesOnly:
				b = appendEmpty(b, d.name)
			default:
				b = append(b, d.xml...)
			}
		}
	}
	for _, name := range p.dead {
		switch i := r.attrs.find(name); {
		case i < 0:
			unknown = appendEmpty(unknown, name)
		case !p.allDead:
			b = append(b, r.attrs.dead[i].xml...)
		}
	}
	return b, unknown
}

// appendEmpty writes an element without content.
func appendEmpty(b []byte, name xml.Name) []byte {
	return append(appendName(append(b, '<'), name), "/>"...)
}

// keyMissing is the encryption of an object that no configured key opens.
var keyMissing = providers.Encryption{Mode: providers.ModeCustomer, Key: "key not configured"}
