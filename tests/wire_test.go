package tests

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"sealdav/tests/harness"
)

// wire is a client's connection. It sends requests byte for byte as the client
// does, with no header that net/http would add, one after the other on one
// connection, as clients do that keep theirs.
type wire struct {
	t      *testing.T
	s      *harness.Server
	conn   net.Conn
	in     *bufio.Reader
	common []string // header lines of every request
}

// noBody sends a request without a Content-Length; "" is a body of 0 bytes,
// which is announced.
const noBody = "\x00"

// connect opens a connection whose requests all have the header lines common.
func connect(t *testing.T, s *harness.Server, common ...string) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &wire{t, s, conn, bufio.NewReader(conn), common}
}

// again is another connection of the same client.
func (w *wire) again() *wire { return connect(w.t, w.s, w.common...) }

// answer is what came back.
type answer struct {
	harness.Response
	t       *testing.T
	request string
}

// write sends the head of a request, whose line is "METHOD path". In header
// lines SERVER stands for http://127.0.0.1:PORT.
func (w *wire) write(line string, header ...string) {
	w.t.Helper()
	lines := slices.Concat([]string{line + " HTTP/1.1", "Host: " + w.s.Addr}, w.common, header)
	head := strings.ReplaceAll(strings.Join(lines, "\r\n"), "SERVER", w.s.URL) + "\r\n\r\n"
	if _, err := io.WriteString(w.conn, head); err != nil {
		w.t.Fatalf("%s: %v", line, err)
	}
}

// read reads the answer to the request whose line is given.
func (w *wire) read(line string) answer {
	w.t.Helper()
	method, _, _ := strings.Cut(line, " ")
	resp, err := http.ReadResponse(w.in, &http.Request{Method: method})
	if err != nil {
		w.t.Fatalf("%s: %v", line, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatalf("%s: %v", line, err)
	}
	if method != "GET" {
		harness.CheckClean(w.t, "the answer to "+line, body)
	}
	return answer{harness.Response{Status: resp.StatusCode, Header: resp.Header, Body: body}, w.t, line}
}

// send sends a request and reads the answer.
func (w *wire) send(line, body string, header ...string) answer {
	w.t.Helper()
	if body == noBody {
		w.write(line, header...)
		return w.read(line)
	}
	w.write(line, append(header[:len(header):len(header)], fmt.Sprintf("Content-Length: %d", len(body)))...)
	if _, err := io.WriteString(w.conn, body); err != nil {
		w.t.Fatalf("%s: %v", line, err)
	}
	return w.read(line)
}

// want is send for one status. The test goes no further with another: what
// follows would not be sent by the client either.
func (w *wire) want(status int, line, body string, header ...string) answer {
	w.t.Helper()
	a := w.send(line, body, header...)
	a.wantStatus(status)
	return a
}

func (a answer) wantStatus(want ...int) {
	a.t.Helper()
	if !slices.Contains(want, a.Status) {
		a.t.Fatalf("%s = %d, want %v\n%v\n%s", a.request, a.Status, want, a.Header, a.Body)
	}
}

// wantHeader fails unless the header has one of the values, or any at all
// where none is given.
func (a answer) wantHeader(name string, want ...string) string {
	a.t.Helper()
	got := a.Header.Get(name)
	if got == "" && len(want) == 0 || len(want) > 0 && !slices.Contains(want, got) {
		a.t.Errorf("%s: %s: %q, want %q", a.request, name, got, want)
	}
	return got
}

// chunk sends a part of a chunked body; an empty one ends it.
func (w *wire) chunk(b string) {
	w.t.Helper()
	if _, err := fmt.Fprintf(w.conn, "%x\r\n%s\r\n", len(b), b); err != nil {
		w.t.Fatal(err)
	}
}

// cut breaks the connection off.
func (w *wire) cut() {
	_ = w.conn.(*net.TCPConn).SetLinger(0) // a reset
	_ = w.conn.Close()
}

// xmlNode is an element of an answer. Names have their namespace resolved.
type xmlNode struct {
	XMLName  xml.Name
	Text     string    `xml:",chardata"`
	Children []xmlNode `xml:",any"`
}

// find returns the elements at a path of "DAV:" names, such as
// "propstat/status".
func (n xmlNode) find(path string) []xmlNode {
	found := []xmlNode{n}
	for name := range strings.SplitSeq(path, "/") {
		var next []xmlNode
		for _, f := range found {
			for _, c := range f.Children {
				if c.XMLName == (xml.Name{Space: "DAV:", Local: name}) {
					next = append(next, c)
				}
			}
		}
		found = next
	}
	return found
}

// text is the text at a path that is there once.
func (n xmlNode) text(t *testing.T, path string) string {
	t.Helper()
	found := n.find(path)
	if len(found) != 1 {
		t.Errorf("%d elements %s in %+v, want one", len(found), path, n)
		return ""
	}
	return strings.TrimSpace(found[0].Text)
}

// document parses an answer as the strictest reader does, and returns its root.
func (a answer) document(root string) xmlNode {
	a.t.Helper()
	a.wantHeader("Content-Type", `application/xml; charset=utf-8`, `text/xml; charset=utf-8`, `application/xml; charset="utf-8"`, `text/xml; charset="utf-8"`)
	d := xml.NewDecoder(bytes.NewReader(a.Body))
	var n xmlNode
	if err := d.Decode(&n); err != nil {
		a.t.Fatalf("%s: %v in\n%s", a.request, err, a.Body)
	}
	for { // Decode stops at the end of the root; clients refuse what follows
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if text, ok := token.(xml.CharData); err != nil || !ok || len(bytes.TrimSpace(text)) > 0 {
			a.t.Fatalf("%s: %v, %v after the root of\n%s", a.request, token, err, a.Body)
		}
	}
	if n.XMLName != (xml.Name{Space: "DAV:", Local: root}) {
		a.t.Fatalf("%s: the root is %v, want DAV: %s", a.request, n.XMLName, root)
	}
	return n
}

// resource is one response of a multistatus: what a client learns of one
// resource. Properties are named by namespace and local name together,
// "DAV:getetag".
type resource struct {
	href       string
	status     string             // of the response itself, "" where properties have theirs
	props      map[string]xmlNode // with status 200
	missing    map[string]string  // any other: the status
	collection bool
}

// prop is the text of a property, which must be there.
func (r resource) prop(t *testing.T, name string) string {
	t.Helper()
	p, ok := r.props[name]
	if !ok {
		t.Errorf("%s has no property %s", r.href, name)
	}
	return strings.TrimSpace(p.Text)
}

// multistatus reads a 207 and returns its responses by href.
func (a answer) multistatus() map[string]resource {
	a.t.Helper()
	a.wantStatus(http.StatusMultiStatus)
	resources := map[string]resource{}
	for _, resp := range a.document("multistatus").find("response") {
		r := resource{href: resp.text(a.t, "href"), props: map[string]xmlNode{}, missing: map[string]string{}}
		if s := resp.find("status"); len(s) > 0 {
			r.status = s[0].Text
		}
		for _, propstat := range resp.find("propstat") {
			status := propstat.text(a.t, "status")
			for _, prop := range propstat.find("prop") {
				for _, p := range prop.Children {
					name := p.XMLName.Space + p.XMLName.Local
					if status == "HTTP/1.1 200 OK" {
						r.props[name] = p
					} else {
						r.missing[name] = status
					}
				}
			}
		}
		if p, ok := r.props["DAV:resourcetype"]; ok {
			r.collection = len(p.find("collection")) == 1
		}
		if _, twice := resources[r.href]; twice {
			a.t.Errorf("%s: %s is there twice", a.request, r.href)
		}
		resources[r.href] = r
	}
	return resources
}

// only is the single response of a multistatus. Which characters of a name are
// escaped is the server's choice.
func (a answer) only(href string) resource {
	a.t.Helper()
	all := a.multistatus()
	for _, r := range all {
		if len(all) == 1 && unescape(a.t, r.href) == unescape(a.t, href) {
			return r
		}
	}
	a.t.Fatalf("%s: %d responses, want one, for %s:\n%s", a.request, len(all), href, a.Body)
	return resource{}
}

func unescape(t *testing.T, href string) string {
	t.Helper()
	path, err := url.PathUnescape(href)
	if err != nil {
		t.Error(err)
	}
	return path
}

// members are the hrefs of a multistatus, in order.
func (a answer) members() []string {
	a.t.Helper()
	var hrefs []string
	for href := range a.multistatus() {
		hrefs = append(hrefs, href)
	}
	slices.Sort(hrefs)
	return hrefs
}

// wantMembers fails unless a listing has exactly these.
func (a answer) wantMembers(want ...string) {
	a.t.Helper()
	slices.Sort(want)
	if got := a.members(); !slices.Equal(got, want) {
		a.t.Errorf("%s lists %q, want %q", a.request, got, want)
	}
}

// wantSet fails unless a PROPPATCH has set all these properties.
func (a answer) wantSet(href string, names ...string) {
	a.t.Helper()
	r := a.only(href)
	for _, name := range names {
		if _, ok := r.props[name]; !ok {
			a.t.Errorf("%s: %s was not set: %s", a.request, name, r.missing[name])
		}
	}
	if len(r.missing) > 0 || len(r.props) != len(names) {
		a.t.Errorf("%s: %v set, %v not; want %v", a.request, r.props, r.missing, names)
	}
}

// activeLock is the only lock in the answer to a LOCK.
func (a answer) activeLock() xmlNode {
	a.t.Helper()
	locks := a.document("prop").find("lockdiscovery/activelock")
	if len(locks) != 1 {
		a.t.Fatalf("%s: %d locks, want one:\n%s", a.request, len(locks), a.Body)
	}
	return locks[0]
}
