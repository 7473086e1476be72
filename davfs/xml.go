package davfs

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"strconv"
	"unicode/utf8"
)

// Bounds of an XML request body. Clients send a few hundred bytes; these are
// for those who mean harm. Anything beyond is refused before it costs memory.
const (
	maxXMLBytes    = 1 << 20
	maxXMLDepth    = 64
	maxXMLElements = 10_000
)

const (
	nsDAV = "DAV:"
	nsXML = "http://www.w3.org/XML/1998/namespace" // of the prefix xml
)

// element is a node of a parsed request body: an element, or a text where
// name is zero.
type element struct {
	name     xml.Name
	attrs    []xml.Attr
	text     string
	children []element
}

// child returns the first child DAV: element called local, or nil.
func (e *element) child(local string) *element {
	for i := range e.children {
		if e.children[i].name == (xml.Name{Space: nsDAV, Local: local}) {
			return &e.children[i]
		}
	}
	return nil
}

// elements returns the names of the children that are elements.
func (e *element) elements() []xml.Name {
	var names []xml.Name
	for _, c := range e.children {
		if c.name.Local != "" {
			names = append(names, c.name)
		}
	}
	return names
}

// readXML reads and parses a request body. Without a body root is nil. The
// errors are *statusError.
func readXML(body io.Reader) (root *element, raw []byte, err error) {
	raw, err = io.ReadAll(io.LimitReader(body, maxXMLBytes+1))
	if err != nil {
		return nil, nil, &statusError{code: http.StatusBadRequest, why: "the request body ended early", err: err}
	}
	if len(raw) > maxXMLBytes {
		return nil, nil, &statusError{code: http.StatusRequestEntityTooLarge, why: "an XML body may have 1 MiB"}
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, nil, nil
	}
	p := xmlParser{dec: xml.NewDecoder(bytes.NewReader(raw)), spaces: map[string]bool{
		"": true, nsXML: true,
	}}
	root, err = p.document()
	if err != nil {
		return nil, nil, err
	}
	return root, raw, nil
}

// xmlParser builds elements from a Decoder, whose leniency it makes up for:
// namespaces in XML 1.0 forbid prefixes that are not declared, or declared as
// empty, and a document has one root.
type xmlParser struct {
	dec      *xml.Decoder
	spaces   map[string]bool // every namespace declared so far
	elements int
}

var errBadXML = &statusError{code: http.StatusBadRequest, why: "the body is not well-formed XML"}

func (p *xmlParser) document() (*element, error) {
	var root *element
	for {
		tok, err := p.dec.Token()
		switch {
		case err == io.EOF && root != nil:
			return root, nil
		case err != nil:
			return nil, errBadXML
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if root != nil {
				return nil, errBadXML
			}
			root = new(element)
			if err := p.element(tok, root, 1); err != nil {
				return nil, err
			}
		case xml.CharData:
			if len(bytes.TrimSpace(tok)) > 0 {
				return nil, errBadXML
			}
		case xml.Directive:
			return nil, errDirective
		}
	}
}

// A document type could define entities, which is how a small body becomes a
// large one; no WebDAV client sends any.
var errDirective = &statusError{code: http.StatusBadRequest, why: "document types are not accepted in XML bodies"}

func (p *xmlParser) element(start xml.StartElement, into *element, depth int) error {
	if p.elements++; depth > maxXMLDepth || p.elements > maxXMLElements {
		return &statusError{code: http.StatusBadRequest, why: "the XML body is nested too deep or has too many elements"}
	}
	if err := p.name(start, into); err != nil {
		return err
	}
	for {
		tok, err := p.dec.Token()
		if err != nil {
			return errBadXML
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			into.children = append(into.children, element{})
			if err := p.element(tok, &into.children[len(into.children)-1], depth+1); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		case xml.CharData:
			into.children = append(into.children, element{text: string(tok)})
		case xml.Directive:
			return errDirective
		}
	}
}

// name takes over the name and the attributes of an element, leaving out
// namespace declarations, which the decoder has resolved.
func (p *xmlParser) name(start xml.StartElement, into *element) error {
	into.name = start.Name
	for _, a := range start.Attr {
		declares := a.Name.Space == "xmlns" || a.Name == xml.Name{Local: "xmlns"}
		if a.Name.Space == "xmlns" && a.Value == "" {
			return errBadXML
		}
		if declares {
			p.spaces[a.Value] = true
		} else {
			into.attrs = append(into.attrs, a)
		}
	}
	if !p.spaces[start.Name.Space] {
		return errBadXML
	}
	return nil
}

// appendElement writes e so that it depends on no declaration around it.
func appendElement(b []byte, e *element) []byte {
	if e.name.Local == "" {
		return appendText(b, e.text)
	}
	b = append(b, '<')
	b = appendName(b, e.name)
	for i, a := range e.attrs {
		switch {
		case a.Name.Space == "xml" || a.Name.Space == nsXML:
			b = append(b, " xml:"...)
		case a.Name.Space == "":
			b = append(b, ' ')
		default:
			// A prefix for each, because two may be of one name.
			prefix := "a" + strconv.Itoa(i)
			b = append(append(append(b, " xmlns:"...), prefix...), `="`...)
			b = append(appendText(b, a.Name.Space), `" `...)
			b = append(append(b, prefix...), ':')
		}
		b = append(b, a.Name.Local...)
		b = append(b, `="`...)
		b = appendText(b, a.Value)
		b = append(b, '"')
	}
	b = append(b, '>')
	for i := range e.children {
		b = appendElement(b, &e.children[i])
	}
	b = append(b, "</"...)
	if e.name.Space != "" {
		b = append(b, prefixOf(e.name.Space)...)
	}
	b = append(b, e.name.Local...)
	return append(b, '>')
}

// appendName writes the inside of a start tag: a name with its prefix, and the
// declaration of that prefix. Windows does not understand default namespaces,
// so everything in a namespace has a prefix.
func appendName(b []byte, name xml.Name) []byte {
	switch name.Space {
	case "":
		return append(b, name.Local...)
	case nsDAV:
		b = append(b, "D:"...)
		b = append(b, name.Local...)
		return append(b, ` xmlns:D="DAV:"`...)
	}
	b = append(b, "x:"...)
	b = append(b, name.Local...)
	b = append(b, ` xmlns:x="`...)
	b = appendText(b, name.Space)
	return append(b, '"')
}

func prefixOf(space string) string {
	if space == nsDAV {
		return "D:"
	}
	return "x:"
}

// appendText writes s as XML 1.0 text or attribute value. What XML cannot say
// (control characters, which keys of a bucket may hold, and bytes that are not
// UTF-8) becomes U+FFFD.
func appendText(b []byte, s string) []byte {
	last := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if (r != utf8.RuneError || n > 1) && r != 0xFFFE && r != 0xFFFF {
				i += n
				continue
			}
			b = append(b, s[last:i]...)
			b = append(b, "\uFFFD"...)
			i += n
			last = i
			continue
		}
		esc := escapeByte(c)
		if esc == "" {
			i++
			continue
		}
		b = append(b, s[last:i]...)
		b = append(b, esc...)
		i++
		last = i
	}
	return append(b, s[last:]...)
}

// escapeByte returns what stands for an ASCII character in XML, "" for itself.
func escapeByte(c byte) string {
	switch c {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	case '"':
		return "&#34;"
	case '\t':
		return "&#9;"
	case '\n':
		return "&#10;"
	case '\r':
		return "&#13;"
	}
	if c < ' ' {
		return "\uFFFD"
	}
	return ""
}
