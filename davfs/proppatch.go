package davfs

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"sealdav/providers"
)

// proppatch answers PROPPATCH: all of its instructions are carried out, in the
// order of the document, or none (RFC 4918 section 9.2). It costs a look at the
// object and, if that changes anything, a copy of it onto itself inside the
// store, which also brings it under the write settings.
func (q *request) proppatch() error {
	if q.isRoot() {
		return errRootStays
	}
	ctx := q.r.Context()
	if err := q.tree.mayWrite(ctx, q.path); err != nil {
		return err
	}
	root, _, err := readXML(q.body())
	if err != nil {
		return err
	}
	changes, err := propertyUpdate(root)
	if err != nil {
		return err
	}
	n, err := q.tree.stat(ctx, q.path, q.asDir)
	if err != nil {
		return err
	}
	if err := q.permit(effect{on: q.place}); err != nil {
		return err
	}
	if err := q.checkWrite(&n); err != nil {
		return err
	}
	p := patch{q: q, changes: changes, pinned: !q.conditions().none()}
	n, err = p.run(ctx, n)
	if err != nil {
		return err
	}
	if !n.dir && n.obj.ETag != "" {
		q.w.Header().Set("ETag", n.obj.ETag)
	}
	return p.answer(n)
}

// change is an instruction of a PROPPATCH.
type change struct {
	name  xml.Name
	value *element // nil: the property is removed
	lang  string   // xml:lang in scope
}

// propertyUpdate reads the body of a PROPPATCH.
func propertyUpdate(root *element) ([]change, error) {
	bad := &statusError{code: http.StatusBadRequest, why: "the body is not a propertyupdate element"}
	if root == nil || root.name != (xml.Name{Space: nsDAV, Local: "propertyupdate"}) {
		return nil, bad
	}
	var changes []change
	for i := range root.children {
		instruction := &root.children[i]
		remove := instruction.name == xml.Name{Space: nsDAV, Local: "remove"}
		if !remove && instruction.name != (xml.Name{Space: nsDAV, Local: "set"}) {
			continue
		}
		prop := instruction.child("prop")
		if prop == nil {
			return nil, bad
		}
		for j := range prop.children {
			e := &prop.children[j]
			if e.name.Local == "" {
				continue
			}
			c := change{name: e.name}
			if !remove {
				c.value, c.lang = e, language(root, instruction, prop)
			}
			changes = append(changes, c)
		}
	}
	if len(changes) > maxProps {
		return nil, errManyProps
	}
	return changes, nil
}

// language is the xml:lang that holds inside the innermost of nested elements.
func language(nested ...*element) (lang string) {
	for _, e := range nested {
		for _, a := range e.attrs {
			if isLang(a.Name) {
				lang = a.Value
			}
		}
	}
	return lang
}

func isLang(name xml.Name) bool {
	return name.Local == "lang" && (name.Space == "xml" || name.Space == nsXML)
}

// text is the text directly inside an element.
func (e *element) content() string {
	var b strings.Builder
	for _, c := range e.children {
		b.WriteString(c.text)
	}
	return strings.TrimSpace(b.String())
}

// patch is a PROPPATCH under way.
type patch struct {
	q        *request
	changes  []change
	pinned   bool      // to the version that a condition is about
	outcomes []outcome // of each change

	dir   bool
	attrs attributes // as they are to be
	ctype string
}

// outcome is what becomes of a change: a status, the precondition that was
// not met, and what to tell a person.
type outcome struct {
	code      int
	condition string
	why       string
}

var (
	done      = outcome{code: http.StatusOK}
	protected = outcome{code: http.StatusForbidden, condition: "<D:cannot-modify-protected-property/>"}
	dependent = outcome{code: http.StatusFailedDependency}
)

// maxPatchAttempts is how often a file is looked at again because somebody has
// written it in between.
const maxPatchAttempts = 3

// run carries the changes out. The node that it returns is n as it is then.
func (p *patch) run(ctx context.Context, n node) (node, error) {
	if n.path == "" {
		// The root of a remote has no object to keep anything with.
		p.dir = true
		p.apply(n)
		for i, c := range p.changes {
			if p.outcomes[i] == done && c.value != nil && c.name.Space != nsWindows {
				p.outcomes[i] = outcome{code: http.StatusForbidden, why: "the root of a remote has no properties of its own"}
			}
		}
		p.settle()
		return n, nil
	}
	if len(p.changes) == 0 {
		return n, nil
	}
	for attempt := 1; ; attempt++ {
		if err := p.q.tree.examine(ctx, &n); err != nil {
			return n, err
		}
		p.apply(n)
		if !p.settle() || n.attrs.equal(&p.attrs) && n.obj.ContentType == p.ctype {
			return n, nil
		}
		kept, err := p.q.tree.keep(ctx, n, &p.attrs, p.ctype)
		switch {
		case err == nil:
			return kept, nil
		case errors.Is(err, providers.ErrPrecondition) && !p.pinned && attempt < maxPatchAttempts:
			n.whole = false
		case errors.Is(err, providers.ErrTooLarge), errors.Is(err, errors.ErrUnsupported):
			p.q.logFailure(err)
			p.refuse(err)
			return n, nil
		default:
			return n, err
		}
	}
}

// apply works out what the attributes are to be.
func (p *patch) apply(n node) {
	p.dir, p.attrs, p.ctype = n.dir, attributes{}, n.obj.ContentType
	if n.attrs != nil {
		p.attrs = *n.attrs
		p.attrs.dead = slices.Clone(n.attrs.dead)
	}
	p.outcomes = p.outcomes[:0]
	for _, c := range p.changes {
		p.outcomes = append(p.outcomes, p.change(c))
	}
	if p.attrs.mtime.IsZero() && !n.obj.ModTime.IsZero() && !n.dir {
		// The store will call the object new; its content is not.
		p.attrs.mtime = n.obj.ModTime
		if n.attrs != nil && p.attrs.btime.Equal(n.attrs.btime) && slices.EqualFunc(p.attrs.dead, n.attrs.dead, sameProperty) && p.ctype == n.obj.ContentType {
			p.attrs.mtime = time.Time{} // nothing else changes
		}
	}
}

// change applies one of them.
func (p *patch) change(c change) outcome {
	switch {
	case c.name.Space == nsWindows && livePropNamed(c.name) >= 0:
		p.windows(c)
		return done
	case c.name == xml.Name{Space: nsDAV, Local: "lastmodified"}:
		return p.time(c, &p.attrs.mtime)
	case c.name == xml.Name{Space: nsDAV, Local: "creationdate"}:
		return p.time(c, &p.attrs.btime)
	case c.name == xml.Name{Space: nsDAV, Local: "getcontenttype"} && !p.dir:
		return p.contentType(c)
	case livePropNamed(c.name) >= 0 || c.name.Space == nsSealdav:
		return protected
	case p.attrs.unreadable:
		return outcome{code: http.StatusConflict, why: errBadProperties.Error()}
	}
	p.set(c.name, c.value, c.lang)
	return done
}

// set sets a dead property, or removes it. Removing one that is not set is no
// error (RFC 4918 section 14.23).
func (p *patch) set(name xml.Name, value *element, lang string) {
	i := p.attrs.find(name)
	if value == nil {
		if i >= 0 {
			p.attrs.dead = slices.Delete(p.attrs.dead, i, i+1)
		}
		return
	}
	e := *value
	if lang != "" && !slices.ContainsFunc(e.attrs, func(a xml.Attr) bool { return isLang(a.Name) }) {
		e.attrs = append(slices.Clone(e.attrs), xml.Attr{Name: xml.Name{Space: nsXML, Local: "lang"}, Value: lang})
	}
	prop := property{name, appendElement(nil, &e)}
	if i >= 0 {
		p.attrs.dead[i] = prop
	} else {
		p.attrs.dead = append(p.attrs.dead, prop)
	}
}

// windows sets one of the properties that Windows sets on every file it
// writes. Explorer gives a copy up when it may not: what makes no sense is
// left out, and called done.
func (p *patch) windows(c change) {
	switch c.name.Local {
	case "Win32CreationTime":
		p.time(c, &p.attrs.btime)
	case "Win32LastModifiedTime":
		p.time(c, &p.attrs.mtime)
	case "Win32FileAttributes":
		if p.attrs.unreadable {
			return
		}
		if c.value != nil {
			flags, err := strconv.ParseUint(strings.TrimPrefix(c.value.content(), "0x"), 16, 32)
			if err != nil {
				return
			}
			text := fmt.Sprintf("%08x", flags)
			c.value = &element{name: windowsAttributes, children: []element{{text: text}}}
			if text == usualAttributes(p.dir) {
				c.value = nil // needs no keeping
			}
		}
		p.set(windowsAttributes, c.value, "")
	}
}

// time sets a time, or gives it back to the store.
func (p *patch) time(c change, to *time.Time) outcome {
	if c.value == nil {
		*to = time.Time{}
		return done
	}
	t, ok := parseTime(c.value.content())
	if !ok {
		return outcome{code: http.StatusConflict, why: "this is no time: write seconds since 1970, or a date as in HTTP or RFC 3339"}
	}
	*to = t.UTC()
	return done
}

func (p *patch) contentType(c change) outcome {
	if c.value == nil {
		p.ctype = contentTypeOf(p.q.path)
		return done
	}
	t := c.value.content()
	if _, _, err := mime.ParseMediaType(t); err != nil || len(t) > 255 {
		return outcome{code: http.StatusConflict, why: "this is no media type"}
	}
	p.ctype = t
	return done
}

// settle makes the changes that could be done depend on those that could not.
// It reports whether all could.
func (p *patch) settle() bool {
	if !slices.ContainsFunc(p.outcomes, func(o outcome) bool { return o != done }) {
		return true
	}
	for i, o := range p.outcomes {
		if o == done {
			p.outcomes[i] = dependent
		}
	}
	return false
}

// refuse makes outcomes of why the store cannot keep the properties: it has no
// room for them. What Windows sets on every file is given up in silence if
// there is nothing else.
func (p *patch) refuse(err error) {
	full := outcome{code: http.StatusInsufficientStorage, why: explain(err)}
	others := slices.ContainsFunc(p.changes, func(c change) bool { return c.value != nil && c.name.Space != nsWindows })
	for i, c := range p.changes {
		switch {
		case !others:
		case c.value != nil && c.name.Space != nsWindows:
			p.outcomes[i] = full
		default:
			p.outcomes[i] = dependent
		}
	}
}

// answer writes the multistatus: the properties by what became of them, each
// once, as the last of its instructions went.
func (p *patch) answer(n node) error {
	m := newMultistatus(p.q.w)
	defer m.release()
	b := append(m.b, "<D:response><D:href>"...)
	b = p.q.h.appendHref(b, p.q.tree, n.path, n.dir)
	b = append(b, "</D:href>"...)
	last := make(map[xml.Name]int)
	for i, c := range p.changes {
		last[c.name] = i
	}
	var kinds []outcome
	for _, o := range p.outcomes {
		if !slices.Contains(kinds, o) {
			kinds = append(kinds, o)
		}
	}
	if len(kinds) == 0 {
		kinds = []outcome{done}
	}
	for _, kind := range kinds {
		var props []byte
		for i, c := range p.changes {
			if last[c.name] == i && p.outcomes[i] == kind {
				props = appendEmpty(props, c.name)
			}
		}
		if len(props) == 0 && len(p.changes) > 0 {
			continue
		}
		b = append(append(append(b, "<D:propstat><D:prop>"...), props...), "</D:prop>"...)
		b = appendStatus(b, kind.code)
		if kind.condition != "" {
			b = append(append(append(b, "<D:error>"...), kind.condition...), "</D:error>"...)
		}
		if kind.why != "" {
			b = append(appendText(append(b, "<D:responsedescription>"...), kind.why), "</D:responsedescription>"...)
		}
		b = append(b, "</D:propstat>"...)
	}
	m.b = append(b, "</D:response>"...)
	return m.close()
}

func sameProperty(a, b property) bool { return a.name == b.name && string(a.xml) == string(b.xml) }

// describe makes sure that the attributes of n are known, with a request if
// they are not.
func (t *tree) describe(ctx context.Context, n *node) error {
	if t.recall(n); n.attrs != nil || n.path == "" {
		return nil
	}
	return t.examine(ctx, n)
}

// examine asks the store for all that it tells of the object of n, unless that
// was done in this request. A folder may have none.
func (t *tree) examine(ctx context.Context, n *node) error {
	if n.whole {
		return nil
	}
	obj, err := t.remote.Bucket.Stat(ctx, n.key())
	switch {
	case err == nil:
		n.obj, n.attrs, n.whole = obj, readAttributes(obj.Metadata), true
		t.learn(obj, n.attrs, false)
	case n.dir && errors.Is(err, fs.ErrNotExist):
		n.obj, n.attrs, n.whole = providers.Object{}, noAttributes, true
	default:
		return err
	}
	return nil
}

// keep stores attributes and a content type with the object of n, which
// examine has described: a copy onto itself. A folder without a marker gets
// one. ErrPrecondition if it was written in between.
func (t *tree) keep(ctx context.Context, n node, attrs *attributes, ctype string) (node, error) {
	metadata, err := attrs.metadata(n.obj.Metadata)
	if err != nil {
		return n, err
	}
	w := t.beginWrite(ctx, n.path)
	defer w.fail()
	var obj providers.Object
	if n.dir && n.obj.Key == "" {
		obj, err = t.remote.Bucket.Put(ctx, n.key(), strings.NewReader(""), providers.PutOptions{
			Condition: providers.Condition{IfAbsent: true}, ContentType: markerType, Metadata: metadata,
		})
	} else {
		obj, err = t.remote.Bucket.Copy(ctx, n.key(), n.obj, providers.CopyOptions{
			Condition: providers.Condition{IfMatch: n.obj.ETag}, Replace: true, ContentType: ctype, Metadata: metadata,
		})
	}
	if err != nil {
		return n, err
	}
	attrs = new(*attrs)
	now := node{path: n.path, dir: n.dir, obj: obj, attrs: attrs}
	if n.dir {
		t.learn(obj, attrs, true)
		t.markFolder(ctx, n.path, obj)
		w.put(node{path: n.path, dir: true})
		return now, nil
	}
	t.learnPatched(obj, attrs, n.obj.ETag)
	w.put(now)
	return now, nil
}
