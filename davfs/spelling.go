package davfs

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Unicode writes many letters in two ways: "é" is one code point, or an "e" and
// an accent. Keys are bytes, so a bucket may hold either, or both as two files.
// macOS asks for the second form whatever the listing has said; others send what
// the keyboard gave them. So a name that is not there finds the file whose name
// is the same text: an exact match wins, then the sibling with an equal NFC
// form. What is made new gets its name as the client has sent it.

// ambiguous reports whether path holds characters that can be written in more
// than one way. Only then a miss is worth another look.
func ambiguous(path string) bool {
	ascii := !strings.ContainsFunc(path, func(r rune) bool { return r >= utf8.RuneSelf })
	return !ascii && !(norm.NFC.IsNormalString(path) && norm.NFD.IsNormalString(path))
}

// spell returns path as the store spells it, segment by segment. It costs what
// look does, and nothing for a path that is not ambiguous; where path is missing
// each of its folders may cost a look. In a folder larger than a page that no
// cache holds, only the two forms that clients send are looked for, not their
// mixtures.
func (t *tree) spell(ctx context.Context, path string) (string, error) {
	if !ambiguous(path) || reserved(path) {
		return path, nil
	}
	s, err := t.look(ctx, path)
	if err != nil || s.exists() {
		return path, err
	}
	parent, name := splitPath(path)
	if !s.parent {
		spelled, err := t.spell(ctx, parent)
		if err != nil || spelled == parent {
			return path, err
		}
		parent, path = spelled, dirKey(spelled)+name
		if s, err = t.look(ctx, path); err != nil || s.exists() {
			return path, err
		}
	}
	if !ambiguous(name) {
		return path, nil
	}
	return t.sibling(ctx, parent, name)
}

// sibling returns the path of what is called name in the folder at parent in
// another spelling, or that of name itself. NFC is preferred to others.
func (t *tree) sibling(ctx context.Context, parent, name string) (string, error) {
	nfc, path := norm.NFC.String(name), dirKey(parent)+name
	for _, c := range t.cachesOf(ctx) {
		seq, ok := c.children(t, parent)
		if !ok {
			continue
		}
		found := path
		for n := range seq {
			_, other := splitPath(n.path)
			if other == nfc {
				return n.path, nil
			}
			if found == path && ambiguous(other) && norm.NFC.String(other) == nfc {
				found = n.path
			}
		}
		return found, nil
	}
	for _, form := range []string{nfc, norm.NFD.String(name)} {
		s, other := sight{}, dirKey(parent)+form
		if form == name {
			continue
		}
		if err := t.lookFurther(ctx, other, "", &s); err != nil {
			return path, err
		}
		if s.exists() {
			return other, nil
		}
	}
	return path, nil
}

// spelled serves the request under the spelling that the store has of its path.
// Reads ask for the name as it came first: most are spelled right, and what a
// file costs must not depend on its letters. Writes look at the folder anyway.
func (q *request) spelled(serve func(*request) error) error {
	if q.tree == nil || !ambiguous(q.path) {
		return serve(q)
	}
	q.withMemo()
	exact, err := q.exactFirst()
	if err != nil {
		return err
	}
	var missed error
	if exact {
		header, replay := maps.Clone(q.w.Header()), q.recordBody()
		missed = serve(q)
		if missed == nil || q.w.began || statusOf(missed) != http.StatusNotFound {
			return missed
		}
		clear(q.w.Header())
		maps.Copy(q.w.Header(), header)
		replay()
	}
	path, err := q.tree.spell(q.r.Context(), q.path)
	if err != nil {
		return err
	}
	if exact && path == q.path {
		return missed
	}
	q.path = path
	return serve(q)
}

// exactFirst reports whether the request may be tried with the name as it came:
// it is a read that does not depend on locks, or is about a lock on that name.
func (q *request) exactFirst() (bool, error) {
	switch q.r.Method {
	case http.MethodGet, http.MethodHead, "PROPFIND":
		return q.r.Header.Get("If") == "", nil
	case "LOCK", "UNLOCK":
		covering, err := q.h.locks.Covering(q.r.Context(), q.lockPath())
		for _, l := range covering {
			if l.Root == q.lockPath() {
				return true, err
			}
		}
		return false, err
	}
	return false, nil
}

// recordBody keeps what is read of the body; replay puts it back.
func (q *request) recordBody() (replay func()) {
	var read bytes.Buffer
	body := q.r.Body
	if body == nil {
		return func() {}
	}
	q.r.Body = withCloser{io.TeeReader(body, &read), body}
	return func() { q.r.Body = withCloser{io.MultiReader(&read, body), body} }
}

type withCloser struct {
	io.Reader
	io.Closer
}

// withMemo lets the request remember what it lists: the spelling is found in
// the listing that the rest of the request needs.
func (q *request) withMemo() {
	if ctx := q.r.Context(); memoOf(ctx) == nil {
		q.r = q.r.WithContext(withMemo(ctx, newCache(0, maxCachedFolder+1)))
	}
}

// spellDestination is spell for the destination of a COPY or MOVE. A MOVE onto
// another spelling of the source's own name is meant to respell it.
func (q *request) spellDestination(p place, move bool) (place, error) {
	if p.tree == nil || !ambiguous(p.path) {
		return p, nil
	}
	q.withMemo()
	path, err := p.tree.spell(q.r.Context(), p.path)
	if err != nil {
		return p, err
	}
	if move && p.tree == q.tree && path == q.path {
		parent, _ := splitPath(path)
		_, name := splitPath(p.path)
		path = dirKey(parent) + name
	}
	p.path = path
	return p, nil
}

// spellCached is spell as far as it costs nothing: for the tags of an If header,
// of which a request may send many.
func (q *request) spellCached(p place) place {
	if p.tree == nil || !ambiguous(p.path) {
		return p
	}
	segments := strings.Split(p.path, "/")
	path := ""
	for i, name := range segments {
		s, ok := p.tree.known(q.r.Context(), dirKey(path)+name, toWrite)
		if !ok {
			path = dirKey(path) + strings.Join(segments[i:], "/")
			break
		}
		if !s.exists() && ambiguous(name) {
			spelled, err := p.tree.sibling(q.r.Context(), path, name)
			if err == nil {
				path = spelled
				continue
			}
		}
		path = dirKey(path) + name
	}
	p.path = path
	return p
}

// spelledPlace is resolve, for FileSystem.
func (f *forest) spelledPlace(ctx context.Context, name string) (place, error) {
	p, err := f.resolve(ctx, name)
	if err != nil || p.tree == nil || !ambiguous(p.path) {
		return p, err
	}
	if memoOf(ctx) == nil {
		ctx = withMemo(ctx, newCache(0, maxCachedFolder+1))
	}
	p.path, err = p.tree.spell(ctx, p.path)
	return p, err
}
