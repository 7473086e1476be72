package locks

import (
	"fmt"
	"slices"
	"strings"
)

// State answers what Evaluate has to know about resources. Each function is
// called at most once for the same argument, and only when the answer matters.
type State struct {
	// Resolve returns the path that a tag names, false if that is no resource
	// of this server.
	Resolve func(tag string) (path string, ok bool)
	// Tokens returns the tokens of the locks that cover path.
	Tokens func(path string) ([]string, error)
	// ETag returns the entity tag of what lies at path as an ETag header has
	// it, "" if nothing does or it has none.
	ETag func(path string) (string, error)
}

// Evaluate reports whether an If header holds for a request on the path
// request: one of its lists must, and that is the list it returns. A resource that this server does not have
// matches no token and no entity tag (RFC 4918 section 10.4.4), so there only
// conditions with Not hold.
//
// Entity tags are compared weakly, which RFC 4918 section 10.4.4 leaves open: a
// proxy that compresses answers turns "x" into W/"x", and the client means the
// same version.
//
// The error is that of the State, or ErrBadHeader where the lists ask for the
// entity tags of more than 32 resources.
func Evaluate(lists []List, request string, s State) (by List, ok bool, err error) {
	e := evaluation{state: s, request: request, paths: make(map[string]target),
		tokens: make(map[string][]string), etags: make(map[string]string)}
	// Lists that name tokens alone cost no request to the store, so they have
	// the first chance to answer. Within a list conditions does the same.
	for _, withETag := range []bool{false, true} {
		for _, l := range lists {
			if slices.ContainsFunc(l.Conditions, hasETag) != withETag {
				continue
			}
			if ok, err := e.list(l); ok || err != nil {
				return l, ok, err
			}
		}
	}
	return List{}, false, nil
}

func hasETag(c Condition) bool { return c.ETag != "" }

// evaluation remembers the answers of a State.
type evaluation struct {
	state   State
	request string
	paths   map[string]target // by tag
	tokens  map[string][]string
	etags   map[string]string
}

type target struct {
	name string
	ok   bool // it is ours
}

func (e *evaluation) list(l List) (bool, error) {
	p := e.resolve(l.Tag)
	for _, withETag := range []bool{false, true} {
		for _, c := range l.Conditions {
			if hasETag(c) != withETag {
				continue
			}
			if ok, err := e.condition(p, c); !ok || err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

func (e *evaluation) resolve(tag string) target {
	if tag == "" {
		return target{e.request, true}
	}
	p, known := e.paths[tag]
	if !known {
		p.name, p.ok = e.state.Resolve(tag)
		e.paths[tag] = p
	}
	return p
}

func (e *evaluation) condition(p target, c Condition) (bool, error) {
	if !p.ok {
		return c.Not, nil
	}
	var match bool
	var err error
	if c.ETag != "" {
		match, err = e.matchETag(p.name, c.ETag)
	} else {
		match, err = e.matchToken(p.name, c.Token)
	}
	return match != c.Not, err
}

// matchToken needs no exception for DAV:no-lock, which RFC 4918 section 10.4.8
// made to match nothing: no lock has it for its token.
func (e *evaluation) matchToken(path, token string) (bool, error) {
	tokens, known := e.tokens[path]
	if !known {
		var err error
		if tokens, err = e.state.Tokens(path); err != nil {
			return false, err
		}
		e.tokens[path] = tokens
	}
	return slices.Contains(tokens, token), nil
}

func (e *evaluation) matchETag(path, etag string) (bool, error) {
	current, known := e.etags[path]
	if !known {
		if len(e.etags) == maxIfETags {
			return false, fmt.Errorf("%w: If asks for the entity tags of more than %d resources", ErrBadHeader, maxIfETags)
		}
		var err error
		if current, err = e.state.ETag(path); err != nil {
			return false, err
		}
		e.etags[path] = current
	}
	return strings.TrimPrefix(current, "W/") == strings.TrimPrefix(etag, "W/"), nil
}
