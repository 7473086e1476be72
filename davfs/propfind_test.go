package davfs

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sealdav/providers"
	"sealdav/providers/providertest"
)

// parsed is a multistatus as a client sees it: href, then status, then the
// property's name, then its inner XML.
type parsed map[string]map[int]map[string]string

func (d *drive) parse(a answer) parsed {
	d.Helper()
	var doc struct {
		XMLName   xml.Name `xml:"DAV: multistatus"`
		Responses []struct {
			Href     string `xml:"DAV: href"`
			Status   string `xml:"DAV: status"`
			Propstat []struct {
				Status string `xml:"DAV: status"`
				Prop   struct {
					Props []struct {
						XMLName xml.Name
						Inner   string `xml:",innerxml"`
					} `xml:",any"`
				} `xml:"DAV: prop"`
			} `xml:"DAV: propstat"`
		} `xml:"DAV: response"`
	}
	if err := xml.Unmarshal([]byte(a.body), &doc); err != nil {
		d.Fatalf("%v in\n%s", err, a.body)
	}
	code := func(s string) (n int) {
		if _, err := fmt.Sscanf(s, "HTTP/1.1 %d ", &n); err != nil {
			d.Fatalf("status %q: %v", s, err)
		}
		return n
	}
	p := make(parsed)
	for _, r := range doc.Responses {
		if p[r.Href] != nil {
			d.Errorf("two responses for %s", r.Href)
		}
		p[r.Href] = make(map[int]map[string]string)
		if r.Status != "" {
			p[r.Href][code(r.Status)] = nil
		}
		for _, ps := range r.Propstat {
			props := make(map[string]string)
			for _, prop := range ps.Prop.Props {
				props[prop.XMLName.Space+prop.XMLName.Local] = prop.Inner
			}
			p[r.Href][code(ps.Status)] = props
		}
	}
	return p
}

func (p parsed) hrefs() []string { return slices.Sorted(maps.Keys(p)) }

func (d *drive) propfind(path, depth, body string, headers ...string) parsed {
	d.Helper()
	return d.parse(d.want(207, "PROPFIND", path, body, append(headers, "Depth: "+depth)...))
}

func TestPropfindProps(t *testing.T) {
	d := newDrive(t, "dir/sub/x")
	d.object("dir/a&b.txt", "hello", "text/odd")
	const ask = `<D:propfind xmlns:D="DAV:"><D:prop><D:resourcetype/><D:displayname/><D:getcontentlength/><D:getcontenttype/><D:getlastmodified/><D:creationdate/><D:getetag/><D:quota/><x:executable xmlns:x="http://apache.org/dav/props/"/><bare xmlns=""/></D:prop></D:propfind>`
	head := d.want(200, "HEAD", "/r/dir/a&b.txt", "")
	modified, err := http.ParseTime(head.Header.Get("Last-Modified"))
	if err != nil {
		t.Fatal(err)
	}
	got := d.propfind("/r/dir/a&b.txt", "0", ask)
	want := parsed{"/r/dir/a%26b.txt": {
		200: {
			"DAV:resourcetype": "", "DAV:displayname": "a&amp;b.txt", "DAV:getcontentlength": "5", "DAV:getcontenttype": "text/odd",
			"DAV:getlastmodified": head.Header.Get("Last-Modified"),
			"DAV:creationdate":    modified.Format("2006-01-02T15:04:05Z"),
			"DAV:getetag":         strings.ReplaceAll(head.Header.Get("ETag"), `"`, "&#34;"),
		},
		404: {"DAV:quota": "", "http://apache.org/dav/props/executable": "", "bare": ""},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got = d.propfind("/r/dir", "0", ask)
	want = parsed{"/r/dir/": {
		200: {"DAV:resourcetype": "<D:collection/>", "DAV:displayname": "dir",
			// Nothing tells how old it is.
			"DAV:getlastmodified": d.h.forest.started.UTC().Format(http.TimeFormat),
			"DAV:creationdate":    d.h.forest.started.UTC().Format("2006-01-02T15:04:05Z")},
		404: {"DAV:getcontentlength": "", "DAV:getcontenttype": "", "DAV:getetag": "",
			"DAV:quota": "", "http://apache.org/dav/props/executable": "", "bare": ""},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPropfindKinds(t *testing.T) {
	d := newDrive(t, "f")
	names := func(p parsed) []string { return slices.Sorted(maps.Keys(p["/r/f"][200])) }
	all := []string{"DAV:creationdate", "DAV:displayname", "DAV:getcontentlength", "DAV:getcontenttype", "DAV:getetag",
		"DAV:getlastmodified", "DAV:lockdiscovery", "DAV:resourcetype", "DAV:supportedlock"}
	forWindows := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return name == "DAV:supportedlock" || name == "DAV:displayname" })
	for _, tt := range []struct {
		name, body string
		want       []string
	}{
		{"allprop", `<propfind xmlns="DAV:"><allprop/></propfind>`, all},
		{"propname", `<propfind xmlns="DAV:"><propname/></propfind>`, all},
		{"no body", ``, forWindows},
		{"empty body", "\r\n", forWindows},
		{"prop", `<propfind xmlns="DAV:"><prop><getetag/><getetag/></prop></propfind>`, []string{"DAV:getetag"}},
		{"no prop", `<propfind xmlns="DAV:"><prop/></propfind>`, nil},
		{"extended", `<propfind xmlns="DAV:"><prop><getetag/></prop><x:more xmlns:x="x"/></propfind>`, []string{"DAV:getetag"}},
	} {
		if diff := cmp.Diff(tt.want, names(d.propfind("/r/f", "0", tt.body))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	p := d.propfind("/r/f", "0", `<propfind xmlns="DAV:"><allprop/><include><supportedlock/><x:y xmlns:x="x"/></include></propfind>`)
	if _, ok := p["/r/f"][404]["xy"]; !ok || len(p["/r/f"][200]) != 9 {
		t.Errorf("include: %v", p)
	}
	if p := d.propfind("/r/f", "0", `<propfind xmlns="DAV:"><propname/></propfind>`); p["/r/f"][200]["DAV:getetag"] != "" {
		t.Error("propname tells values")
	}
}

// Items 12 and 8: a folder is answered from one listing.
func TestPropfindCostsOneListing(t *testing.T) {
	keys := []string{"dir/"}
	for i := range 50 {
		keys = append(keys, fmt.Sprintf("dir/f%d", i), fmt.Sprintf("dir/s%d/x", i))
	}
	d := newDrive(t, keys...)
	d.counter.Reset()
	p := d.propfind("/r/dir/", "1", "")
	d.wantCalls("list dir/")
	if len(p) != 101 {
		t.Errorf("%d responses, want 101", len(p))
	}
	d.counter.Reset()
	d.propfind("/r/dir/f1", "0", "")
	d.wantCalls("stat dir/f1")
	d.counter.Reset()
	d.propfind("/r/dir", "0", "")
	d.wantCalls("stat dir", "list dir/")
	d.counter.Reset()
	if p := d.propfind("/r/dir/f1", "1", ""); len(p) != 1 {
		t.Errorf("a file of depth 1: %d responses", len(p))
	}
	d.wantCalls("list dir/f1/", "stat dir/f1")
	// A file whose key is not known is there, whatever the depth.
	d.fail("stat dir/f1", providers.ErrKey)
	for _, depth := range []string{"0", "1"} {
		if p := d.propfind("/r/dir/f1", depth, ""); len(p) != 1 {
			t.Errorf("a file without its key, depth %s: %d responses", depth, len(p))
		}
	}
}

func TestPropfindDepth(t *testing.T) {
	d := newDrive(t, "dir/f", "g")
	// Item 14.
	for _, headers := range [][]string{nil, {"Depth: infinity"}, {"Depth: Infinity"}} {
		a := d.want(403, "PROPFIND", "/r/", "", headers...)
		if !strings.Contains(a.body, "<D:propfind-finite-depth/>") {
			t.Errorf("body: %s", a.body)
		}
	}
	d.want(400, "PROPFIND", "/r/", "", "Depth: 2")
	d.want(400, "PROPFIND", "/r/", "", "Depth: garbage")
	d.want(404, "PROPFIND", "/r/none", "", "Depth: 0")
	d.want(404, "PROPFIND", "/r/none", "", "Depth: 1")
	d.want(404, "PROPFIND", "/none/", "", "Depth: 1")
	for path, want := range map[string][]string{
		"/":        {"/", "/other/", "/r/"},
		"/r":       {"/r/", "/r/dir/", "/r/g"},
		"/r/dir":   {"/r/dir/", "/r/dir/f"},
		"/r/dir/f": {"/r/dir/f"},
		"/other/":  {"/other/"},
	} {
		if diff := cmp.Diff(want, d.propfind(path, "1", "").hrefs()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
		if got := d.propfind(path, "0", "").hrefs(); len(got) != 1 || got[0] != want[0] {
			t.Errorf("%s depth 0: %v", path, got)
		}
	}
	d.as(Access{Remotes: []string{"other"}})
	if got := d.propfind("/", "1", "").hrefs(); len(got) != 2 || got[1] != "/other/" {
		t.Errorf("another user sees %v", got)
	}
	d.want(404, "PROPFIND", "/r/", "", "Depth: 1")
}

// The folder comes first: clients take the first response for it.
func TestPropfindOrder(t *testing.T) {
	d := newDrive(t, "dir/!first", "dir/z")
	a := d.want(207, "PROPFIND", "/r/dir", "", "Depth: 1")
	first, _, _ := strings.Cut(a.body, "</D:href>")
	if !strings.HasSuffix(first, "<D:href>/r/dir/") {
		t.Errorf("first response: %s", first)
	}
}

// Item 8: a listing that fails at its beginning has a status; one that fails
// later breaks the connection, so that no client takes the half for the whole.
func TestPropfindListingFails(t *testing.T) {
	keys := []string{}
	for i := range 3000 {
		keys = append(keys, fmt.Sprintf("dir/%04d", i))
	}
	for _, at := range []int64{0, 5, 2500} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			d := newDrive(t, keys...)
			d.faults.Hook = func(op providertest.Op) error {
				if op.Name == "list" && op.When == providertest.During && op.N >= at {
					return providers.ErrUnavailable
				}
				return nil
			}
			a := d.do("PROPFIND", "/r/dir/", "", "Depth: 1")
			if at < 1000 {
				if a.StatusCode != 502 {
					t.Errorf("status %d, want 502", a.StatusCode)
				}
			} else if a.StatusCode != 207 || !errors.Is(a.err, io.ErrUnexpectedEOF) {
				t.Errorf("status %d and %v, want a body that breaks off", a.StatusCode, a.err)
			}
			if strings.Contains(a.body, "</D:multistatus>") {
				t.Error("the document looks complete")
			}
		})
	}
}

// Names that XML cannot say do not break it, and every name can be asked for
// by its href.
func TestPropfindNames(t *testing.T) {
	names := []string{"a b", "a%20b", "a+b", "a#b", "a?b", "a;b=c", "a&b<c>\"'", "\x01\x1f\x7f", "é", "e\u0301", "😀", "...", ".hidden", "a:b@c!$*()", "tab\tnl\n", "\uFFFE"}
	var keys []string
	for _, n := range names {
		keys = append(keys, "dir/"+n)
	}
	d := newDrive(t, keys...)
	p := d.propfind("/r/dir/", "1", "")
	if len(p) != len(names)+1 {
		t.Errorf("%d responses for %d names", len(p), len(names))
	}
	for href := range p {
		if href == "/r/dir/" {
			continue
		}
		if got := d.want(200, "GET", href, "").body; !strings.HasPrefix(got, "content of dir/") {
			t.Errorf("%s: %q", href, got)
		}
	}
}

// Item 18 and RFC 4918 section 8.2: bad bodies are refused, at little cost.
func TestPropfindBadBodies(t *testing.T) {
	d := newDrive(t, "f")
	const open, end = `<D:propfind xmlns:D="DAV:">`, `</D:propfind>`
	for name, tt := range map[string]struct {
		body string
		code int
	}{
		"not closed":        {open + `<D:prop>`, 400},
		"text":              {`hello`, 400},
		"two roots":         {open + `<D:allprop/>` + end + `<x/>`, 400},
		"text after":        {open + `<D:allprop/>` + end + `x`, 400},
		"wrong root":        {`<D:prop xmlns:D="DAV:"/>`, 400},
		"no namespace":      {`<propfind><allprop/></propfind>`, 400},
		"empty prefix":      {open + `<D:prop><bar:foo xmlns:bar=""/></D:prop>` + end, 400},
		"prefix undeclared": {open + `<D:prop><bar:foo/></D:prop>` + end, 400},
		"nothing asked":     {open + end, 400},
		"two things asked":  {open + `<D:allprop/><D:propname/>` + end, 400},
		"document type":     {`<!DOCTYPE x [<!ENTITY a "aaaa">]>` + open + `<D:allprop/>` + end, 400},
		"entity":            {open + `<D:prop><D:x>&a;</D:x></D:prop>` + end, 400},
		"deep":              {open + strings.Repeat("<a>", 100000) + strings.Repeat("</a>", 100000) + end, 400},
		"wide":              {open + "<D:prop>" + strings.Repeat("<a/>", 100000) + "</D:prop>" + end, 400},
		"many properties":   {open + "<D:prop>" + strings.Repeat("<a/>", 300) + "</D:prop>" + end, 400},
		"long names":        {open + "<D:prop><" + strings.Repeat("a", 100000) + "/></D:prop>" + end, 400},
		"large":             {open + strings.Repeat(" ", 2<<20) + end, 413},
		"charset":           {`<?xml version="1.0" encoding="ebcdic"?>` + open + `<D:allprop/>` + end, 400},
		"fine":              {`<?xml version="1.0" encoding="utf-8"?>` + open + `<D:allprop/><!-- x -->` + end + "\n", 207},
	} {
		t.Run(name, func(t *testing.T) { d.want(tt.code, "PROPFIND", "/r/f", tt.body, "Depth: 0") })
	}
}

// lockdiscovery tells the locks on the folder and on what lies in it, without
// asking once for each member. Items 25 and 29.
func TestPropfindLocks(t *testing.T) {
	d := newDrive(t, "dir/a b", "dir/c", "dir/sub/x")
	token := d.lock("/r/dir/a%20b", "Depth: 0", "Timeout: Infinite")
	d.want(200, "LOCK", "/r/dir/c", sharedBody, "Depth: 0")
	d.want(200, "LOCK", "/r/dir/c", sharedBody, "Depth: 0")
	p := d.propfind("/r/dir/", "1", `<propfind xmlns="DAV:"><prop><lockdiscovery/><supportedlock/></prop></propfind>`)
	got := p["/r/dir/a%20b"][200]["DAV:lockdiscovery"]
	want := `<D:activelock><D:locktype><D:write/></D:locktype><D:lockscope><D:exclusive/></D:lockscope><D:depth>0</D:depth>` +
		`<D:owner><D:href xmlns:D="DAV:">http://example.org/me</D:href></D:owner><D:timeout>Second-86400</D:timeout>` +
		`<D:locktoken><D:href>` + token + `</D:href></D:locktoken><D:lockroot><D:href>/r/dir/a%20b</D:href></D:lockroot></D:activelock>`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if n := strings.Count(p["/r/dir/c"][200]["DAV:lockdiscovery"], "<D:shared/>"); n != 2 {
		t.Errorf("%d shared locks, want 2", n)
	}
	if got := p["/r/dir/sub/"][200]["DAV:lockdiscovery"]; got != "" {
		t.Errorf("sub has %s", got)
	}
	if n := strings.Count(p["/r/dir/sub/"][200]["DAV:supportedlock"], "<D:lockentry>"); n != 2 {
		t.Errorf("%d kinds of lock supported, want 2", n)
	}
	d.want(200, "LOCK", "/r/dir/sub", lockBody)
	if p := d.propfind("/r/dir/sub/x", "0", ""); !strings.Contains(p["/r/dir/sub/x"][200]["DAV:lockdiscovery"], "<D:lockroot><D:href>/r/dir/sub</D:href>") {
		t.Errorf("a lock of depth infinity does not show below it: %v", p)
	}
}

func TestPropfindHidesTokensOfOthers(t *testing.T) {
	d := newDrive(t, "f")
	d.as(Access{User: "alice"})
	token := d.lock("/r/f")
	if p := d.propfind("/r/f", "0", ""); !strings.Contains(p["/r/f"][200]["DAV:lockdiscovery"], token) {
		t.Errorf("alice does not see her token: %v", p)
	}
	d.as(Access{User: "bob"})
	if p := d.propfind("/r/f", "0", ""); strings.Contains(p["/r/f"][200]["DAV:lockdiscovery"], token) {
		t.Errorf("bob sees the token of alice: %v", p)
	}
}

// BenchmarkPropfind measures what an entry of a listing costs.
func BenchmarkPropfind(b *testing.B) {
	h, err := New([]Remote{{Name: "r", Bucket: newStore()}}, Options{})
	if err != nil {
		b.Fatal(err)
	}
	r, err := http.NewRequest("PROPFIND", "/r/dir/", nil)
	if err != nil {
		b.Fatal(err)
	}
	q := &request{h: h, r: r}
	p := &propfind{q: q, m: &multistatus{}}
	if err := p.want(true, allProps()); err != nil {
		b.Fatal(err)
	}
	n := node{path: "dir/some file.txt", obj: providers.Object{Size: 12345, ETag: `"0123456789abcdef"`, ModTime: time.Now()}}
	b.ReportAllocs()
	for b.Loop() {
		p.m.b = p.m.b[:0]
		p.member(h.forest.trees["r"], n)
	}
	b.SetBytes(int64(len(p.m.b)))
}
