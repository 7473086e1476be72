package davfs

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sealdav/providers"
	"sealdav/providers/providertest"
)

// update is a body of PROPPATCH: instructions with the prefixes D, W
// (Windows), S (sealdav's own) and e (urn:e) declared.
func update(instructions string) string {
	return `<?xml version="1.0" encoding="utf-8"?><D:propertyupdate xmlns:D="DAV:" xmlns:W="urn:schemas-microsoft-com:" xmlns:S="urn:x-sealdav:properties" xmlns:e="urn:e">` +
		instructions + `</D:propertyupdate>`
}

func set(props string) string    { return `<D:set><D:prop>` + props + `</D:prop></D:set>` }
func remove(props string) string { return `<D:remove><D:prop>` + props + `</D:prop></D:remove>` }

// ask is a body of PROPFIND for these properties.
func ask(props string) string {
	return `<D:propfind xmlns:D="DAV:" xmlns:W="urn:schemas-microsoft-com:" xmlns:S="urn:x-sealdav:properties" xmlns:e="urn:e"><D:prop>` + props + `</D:prop></D:propfind>`
}

const allprop = `<D:propfind xmlns:D="DAV:"><D:allprop/></D:propfind>`

// metadata is that of the bucket's object.
func (d *drive) metadata(key string) map[string]string {
	d.bucket.mu.Lock()
	defer d.bucket.mu.Unlock()
	return d.bucket.objects[key].Metadata
}

// restarted is a second server on the bucket, which has never seen it.
func (d *drive) restarted() *drive {
	d.Helper()
	e := newDrive(d.T)
	h, err := New([]Remote{{Name: "r", Bucket: d.counter}, {Name: "other", Bucket: d.other}}, Options{Locks: d.locks})
	if err != nil {
		d.Fatal(err)
	}
	e.bucket, e.other, e.counter = d.bucket, d.other, d.counter
	*e.h = *h
	return e
}

// TestProppatchOutcomes: what becomes of each instruction, all or none.
func TestProppatchOutcomes(t *testing.T) {
	const lastModified = `<D:lastmodified>1500000000</D:lastmodified>`
	for _, tt := range []struct {
		name, path, body string
		want             map[int][]string
		kept             bool
	}{
		{"dead", "f", set(`<e:a>1</e:a><b xmlns="">2</b>`), map[int][]string{200: {"b", "urn:ea"}}, true},
		{"set and remove", "f", set(`<e:a>1</e:a>`) + remove(`<e:b/>`), map[int][]string{200: {"urn:ea", "urn:eb"}}, true},
		{"remove what is not there", "f", remove(`<e:a/>`), map[int][]string{200: {"urn:ea"}}, false},
		{"protected", "f", set(`<D:getetag>x</D:getetag>`), map[int][]string{403: {"DAV:getetag"}}, false},
		{"protected and others", "f", set(`<e:a>1</e:a><D:resourcetype/>`) + remove(`<e:b/><D:lockdiscovery/>`),
			map[int][]string{403: {"DAV:lockdiscovery", "DAV:resourcetype"}, 424: {"urn:ea", "urn:eb"}}, false},
		{"getlastmodified", "f", set(`<D:getlastmodified>Tue, 24 Nov 2026 10:00:00 GMT</D:getlastmodified>`), map[int][]string{403: {"DAV:getlastmodified"}}, false},
		{"quota", "f", set(`<D:quota-available-bytes>1</D:quota-available-bytes>`), map[int][]string{403: {"DAV:quota-available-bytes"}}, false},
		{"sealdav's own", "f", set(`<S:encryption>none</S:encryption><S:future/>`), map[int][]string{403: {"urn:x-sealdav:propertiesencryption", "urn:x-sealdav:propertiesfuture"}}, false},
		{"rclone", "f", set(lastModified), map[int][]string{200: {"DAV:lastmodified"}}, true},
		{"no time", "f", set(`<D:lastmodified>soon</D:lastmodified>` + `<e:a/>`), map[int][]string{409: {"DAV:lastmodified"}, 424: {"urn:ea"}}, false},
		{"creationdate", "f", set(`<D:creationdate>2001-02-03T04:05:06+01:00</D:creationdate>`), map[int][]string{200: {"DAV:creationdate"}}, true},
		{"content type", "f", set(`<D:getcontenttype>text/x-odd</D:getcontenttype>`), map[int][]string{200: {"DAV:getcontenttype"}}, true},
		{"bad content type", "f", set(`<D:getcontenttype>;;</D:getcontenttype>`), map[int][]string{409: {"DAV:getcontenttype"}}, false},
		{"content type of a folder", "dir/", set(`<D:getcontenttype>text/x-odd</D:getcontenttype>`), map[int][]string{403: {"DAV:getcontenttype"}}, false},
		{"Windows", "f", set(`<W:Win32CreationTime>nonsense</W:Win32CreationTime><W:Win32FileAttributes>xyz</W:Win32FileAttributes><W:Win32LastAccessTime>Tue, 24 Nov 2026 10:00:00 GMT</W:Win32LastAccessTime>`),
			map[int][]string{200: {"urn:schemas-microsoft-com:Win32CreationTime", "urn:schemas-microsoft-com:Win32FileAttributes", "urn:schemas-microsoft-com:Win32LastAccessTime"}}, false},
		{"usual attributes", "f", set(`<W:Win32FileAttributes>00000020</W:Win32FileAttributes>`), map[int][]string{200: {"urn:schemas-microsoft-com:Win32FileAttributes"}}, false},
		{"folder with a marker", "dir/", set(`<e:a>1</e:a>`), map[int][]string{200: {"urn:ea"}}, true},
		{"folder without one", "bare", set(`<e:a>1</e:a>`), map[int][]string{200: {"urn:ea"}}, true},
		{"the remote", "", set(`<e:a>1</e:a>`) + remove(`<e:b/>`), map[int][]string{403: {"urn:ea"}, 424: {"urn:eb"}}, false},
		{"Windows on the remote", "", set(`<W:Win32FileAttributes>00000010</W:Win32FileAttributes>`), map[int][]string{200: {"urn:schemas-microsoft-com:Win32FileAttributes"}}, false},
		{"set twice", "f", set(`<e:a>1</e:a>`) + set(`<e:a>2</e:a>`), map[int][]string{200: {"urn:ea"}}, true},
		{"set and removed", "f", set(`<e:a>1</e:a>`) + remove(`<e:a/>`), map[int][]string{200: {"urn:ea"}}, false},
		{"nothing", "f", "", map[int][]string{200: nil}, false},
		{"too large", "f", set(`<e:a>`+incompressible(4000)+`</e:a>`) + remove(`<e:b/>`), map[int][]string{507: {"urn:ea"}, 424: {"urn:eb"}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDrive(t, "f", "dir/", "bare/x")
			d.bucket.cost()
			a := d.want(207, "PROPPATCH", "/r/"+tt.path, update(tt.body))
			got := make(map[int][]string)
			for _, response := range d.parse(a) {
				for code, props := range response {
					got[code] = slices.Sorted(maps.Keys(props))
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, a.body)
			}
			cost := d.bucket.cost()
			if kept := strings.Contains(cost, "copy") || strings.Contains(cost, "put"); kept != tt.kept {
				t.Errorf("kept %v, want %v", kept, tt.kept)
			}
			if strings.Contains(a.body, "cannot-modify-protected-property") != (got[403] != nil && tt.path != "") {
				t.Errorf("precondition: %s", a.body)
			}
			if got[507] != nil && !strings.Contains(a.body, "2048 bytes") {
				t.Errorf("no explanation in %s", a.body)
			}
		})
	}
}

// incompressible is n letters that do not get shorter.
func incompressible(n int) string {
	b, x := make([]byte, n), uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = 'A' + byte(x>>24)%26
	}
	return string(b)
}

func TestProppatchRefused(t *testing.T) {
	d := newDrive(t, "f")
	body := update(set(`<e:a/>`))
	d.want(404, "PROPPATCH", "/r/none", body)
	d.want(404, "PROPPATCH", "/nosuch/f", body)
	d.want(403, "PROPPATCH", "/", body)
	d.want(400, "PROPPATCH", "/r/f", ``)
	d.want(400, "PROPPATCH", "/r/f", `<D:propertyupdate xmlns:D="DAV:">`)
	d.want(400, "PROPPATCH", "/r/f", `<D:propertyupdate xmlns:D="DAV:"><D:set/></D:propertyupdate>`)
	d.want(400, "PROPPATCH", "/r/f", `<D:propfind xmlns:D="DAV:"/>`)
	d.want(400, "PROPPATCH", "/r/f", update(set(strings.Repeat("<e:a/>", 300))))
	d.want(412, "PROPPATCH", "/r/f", body, `If-Match: "other"`)
	d.want(412, "PROPPATCH", "/r/f", body, `If-Unmodified-Since: Tue, 24 Nov 1998 10:00:00 GMT`)
	token := d.lock("/r/f")
	d.want(423, "PROPPATCH", "/r/f", body)
	d.want(207, "PROPPATCH", "/r/f", body, "If: (<"+token+">)")
	d.as(Access{ReadOnly: true})
	d.want(403, "PROPPATCH", "/r/f", body)
	d.as(Access{})
	for match, code := range map[string]int{"stat g": 502, "copy g": 502} {
		d.object("g", "x", "")
		repair := d.fail(match, providers.ErrUnavailable)
		d.want(code, "PROPPATCH", "/r/g", body)
		repair()
		if len(d.metadata("g")) != 0 {
			t.Errorf("%s: metadata %v", match, d.metadata("g"))
		}
		d.want(207, "PROPPATCH", "/r/g", body)
	}
}

// A store that cannot keep them does not stop Windows from copying.
func TestProppatchWindowsAlwaysDone(t *testing.T) {
	d := newDrive(t, "f")
	repair := d.fail("copy", providers.ErrTooLarge)
	a := d.want(207, "PROPPATCH", "/r/f", update(set(`<W:Win32LastModifiedTime>Tue, 24 Nov 2026 10:00:00 GMT</W:Win32LastModifiedTime>`)))
	if !strings.Contains(a.body, "200 OK") || strings.Contains(a.body, "507") {
		t.Errorf("%s", a.body)
	}
	a = d.want(207, "PROPPATCH", "/r/f", update(set(`<W:Win32LastModifiedTime>Tue, 24 Nov 2026 10:00:00 GMT</W:Win32LastModifiedTime><e:a/>`)))
	if p := d.parse(a); p["/r/f"][507] == nil || p["/r/f"][424] == nil || !strings.Contains(a.body, "advice for a person") {
		t.Errorf("%s", a.body)
	}
	repair()
}

// TestProppatchCost: a look at the object, and a copy if anything changes.
func TestProppatchCost(t *testing.T) {
	const a, b = `<e:a>1</e:a>`, `<e:a>2</e:a>`
	for _, tt := range []struct{ path, body, cost string }{
		{"dir/f", set(a), "1 copy, 1 stat"},
		{"dir/f", set(a), "1 stat"},
		{"dir/f", set(b), "1 copy, 1 stat"},
		{"dir/f", remove(b), "1 copy, 1 stat"},
		{"dir/", set(a), "1 copy, 1 stat"},
		{"dir/sub", set(a), "1 put, 1 stat"},
	} {
		d := newDriveWith(t, Options{ListCache: time.Hour}, "dir/", "dir/f", "dir/sub/x")
		if tt.cost == "1 stat" || strings.HasPrefix(tt.body, "<D:remove") {
			d.want(207, "PROPPATCH", "/r/"+tt.path, update(set(a)))
		}
		d.propfind("/r/dir/", "1", "")
		d.propfind("/r/", "1", "")
		d.bucket.cost()
		d.want(207, "PROPPATCH", "/r/"+tt.path, update(tt.body))
		if got := d.bucket.cost(); got != tt.cost {
			t.Errorf("%s %s: %q, want %q", tt.path, tt.body, got, tt.cost)
		}
	}
	// Without a listing the look is the one that finds the file.
	d := newDrive(t, "f")
	d.want(207, "PROPPATCH", "/r/f", update(set(a)))
	if got := d.bucket.cost(); got != "1 copy, 1 stat" {
		t.Errorf("cold: %q", got)
	}
}

// What clients put into a property comes back: elements, text, attributes and
// languages, whoever asks.
func TestPropertyValues(t *testing.T) {
	values := map[string]string{
		"text":       `<e:a>plain &amp; simple</e:a>`,
		"mixed":      `<e:a> one <e:b x="1">two</e:b> three <c xmlns="urn:other">f&lt;our</c>` + "\n" + `</e:a>`,
		"empty":      `<e:a/>`,
		"unicode":    `<e:a>𐀀 é 日本</e:a>`,
		"attributes": `<e:a p="1" e:q="&quot;2&quot;" xmlns:o="urn:o" o:q="3"/>`,
		"language":   `<e:a xml:lang="de">Straße</e:a>`,
		"namespaces": `<e:a><x:y xmlns:x="http://one"><x:y xmlns:x="http://two"/></x:y></e:a>`,
	}
	for name, value := range values {
		t.Run(name, func(t *testing.T) {
			d := newDrive(t, "f", "d/x")
			for _, path := range []string{"/r/f", "/r/d/"} {
				d.want(207, "PROPPATCH", path, update(set(value)))
				body := d.want(207, "PROPFIND", path, ask(`<e:a/>`), "Depth: 0").body
				again := d.restarted().want(207, "PROPFIND", path, ask(`<e:a/>`), "Depth: 0").body
				if diff := cmp.Diff(canonical(t, update(set(value)), "a"), canonical(t, body, "a")); diff != "" {
					t.Errorf("%s (-sent +got):\n%s\n%s", path, diff, body)
				}
				if body != again {
					t.Errorf("after a restart:\n%s\nbefore:\n%s", again, body)
				}
			}
		})
	}
	d := newDrive(t, "f")
	d.want(207, "PROPPATCH", "/r/f", update(`<D:set xml:lang="fr"><D:prop><e:a>oui</e:a><e:b xml:lang="en">yes</e:b></D:prop></D:set>`))
	body := d.want(207, "PROPFIND", "/r/f", allprop, "Depth: 0").body
	if !strings.Contains(body, `xml:lang="fr">oui`) || !strings.Contains(body, `xml:lang="en">yes`) {
		t.Errorf("languages: %s", body)
	}
}

// canonical is the first element called local in a document, without the
// accidents of its prefixes.
func canonical(t *testing.T, document, local string) string {
	t.Helper()
	root, _, err := readXML(strings.NewReader(document))
	if err != nil {
		t.Fatalf("%v in %s", err, document)
	}
	var find func(e *element) *element
	find = func(e *element) *element {
		if e.name.Local == local {
			return e
		}
		for i := range e.children {
			if found := find(&e.children[i]); found != nil {
				return found
			}
		}
		return nil
	}
	e := find(root)
	if e == nil {
		t.Fatalf("no %s in %s", local, document)
	}
	return string(appendElement(nil, e))
}

func TestPropertiesInPropfind(t *testing.T) {
	d := newDrive(t, "dir/f", "dir/g", "dir/sub/")
	d.want(207, "PROPPATCH", "/r/dir/f", update(set(`<e:a>1</e:a><e:b>2</e:b>`)))
	d.want(207, "PROPPATCH", "/r/dir/sub/", update(set(`<e:a>3</e:a>`)))
	d.bucket.cost()
	p := d.propfind("/r/dir/", "1", ask(`<e:b/><e:a/><D:getcontentlength/>`))
	want := parsed{
		"/r/dir/":     {404: {"urn:ea": "", "urn:eb": "", "DAV:getcontentlength": ""}},
		"/r/dir/f":    {200: {"urn:ea": "1", "urn:eb": "2", "DAV:getcontentlength": "16"}},
		"/r/dir/g":    {200: {"DAV:getcontentlength": "16"}, 404: {"urn:ea": "", "urn:eb": ""}},
		"/r/dir/sub/": {200: {"urn:ea": "3"}, 404: {"urn:eb": "", "DAV:getcontentlength": ""}},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := d.bucket.cost(); got != "1 list" {
		t.Errorf("cost %q", got)
	}
	for kind, value := range map[string]string{"allprop": "1", "propname": ""} {
		p := d.propfind("/r/dir/f", "0", `<D:propfind xmlns:D="DAV:"><D:`+kind+`/></D:propfind>`)
		if got, ok := p["/r/dir/f"][200]["urn:ea"]; !ok || got != value {
			t.Errorf("%s: %v", kind, p)
		}
	}
	body := d.want(207, "PROPFIND", "/r/dir/f", `<D:propfind xmlns:D="DAV:"><D:allprop/><D:include><a xmlns="urn:e"/></D:include></D:propfind>`, "Depth: 0").body
	if strings.Count(body, "urn:e") != 2 {
		t.Errorf("include repeats a property: %s", body)
	}
	// A server that knows nothing asks for one object, and for no member.
	e := d.restarted()
	d.bucket.cost()
	if p := e.propfind("/r/dir/f", "0", ask(`<e:a/>`)); p["/r/dir/f"][200]["urn:ea"] != "1" {
		t.Errorf("after a restart: %v", p)
	}
	if got := d.bucket.cost(); got != "1 stat" {
		t.Errorf("cost %q", got)
	}
	p = e.propfind("/r/dir", "1", ask(`<e:a/>`))
	if p["/r/dir/f"][200]["urn:ea"] != "1" || p["/r/dir/sub/"][200] != nil {
		t.Errorf("what was asked for once is not known: %v", p)
	}
	if got := d.bucket.cost(); got != "1 list" {
		t.Errorf("cost %q", got)
	}
}

// Properties go with a copy and a move, inside a remote and to another.
func TestPropertiesTravel(t *testing.T) {
	for _, to := range []string{"/r/to", "/other/to"} {
		for _, method := range []string{"COPY", "MOVE"} {
			for _, from := range []string{"/r/f", "/r/dir"} {
				d := newDrive(t, "f", "dir/", "dir/x")
				for _, path := range []string{from, "/r/dir/x"} {
					d.want(207, "PROPPATCH", path, update(set(`<e:a>kept</e:a><D:lastmodified>1500000000</D:lastmodified>`)))
				}
				d.want(201, method, from, "", "Destination: "+to)
				href := to
				if from == "/r/dir" {
					href += "/"
				}
				for _, e := range []*drive{d, d.restarted()} {
					p := e.propfind(to, "0", ask(`<e:a/><D:getlastmodified/>`))
					if got := p[href][200]; got["urn:ea"] != "kept" || got["DAV:getlastmodified"] != "Fri, 14 Jul 2017 02:40:00 GMT" {
						t.Errorf("%s %s to %s: %v", method, from, to, p)
					}
				}
			}
		}
	}
}

// A new version of a file keeps what was said about it, at no cost, but not
// its time.
func TestPropertiesOutliveContent(t *testing.T) {
	d := newDriveWith(t, Options{ListCache: time.Hour}, "f")
	d.want(207, "PROPPATCH", "/r/f", update(set(`<e:a>kept</e:a><D:lastmodified>1500000000</D:lastmodified><D:creationdate>2001-02-03T04:05:06Z</D:creationdate>`)))
	d.propfind("/r/", "1", "")
	d.bucket.cost()
	d.want(204, "PUT", "/r/f", "new")
	if got := d.bucket.cost(); got != "1 put" {
		t.Errorf("cost %q", got)
	}
	p := d.restarted().propfind("/r/f", "0", ask(`<e:a/><D:creationdate/><D:lastmodified/>`))
	want := parsed{"/r/f": {200: {"urn:ea": "kept", "DAV:creationdate": "2001-02-03T04:05:06Z"}, 404: {"DAV:lastmodified": ""}}}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	d.want(204, "DELETE", "/r/f", "")
	d.want(201, "PUT", "/r/f", "another")
	if m := d.metadata("f"); len(m) != 0 {
		t.Errorf("a new file has %v", m)
	}
}

// A client that knows the file by its ETag before a property was changed may
// still replace it, as davfs2 does after a chmod; a new content is another
// file.
func TestProppatchFormerETag(t *testing.T) {
	d := newDrive(t, "f")
	first := d.want(200, "HEAD", "/r/f", "").Header.Get("ETag")
	a := d.want(207, "PROPPATCH", "/r/f", update(set(`<e:a>1</e:a>`)))
	second := a.Header.Get("ETag")
	if second == first || second != d.want(200, "HEAD", "/r/f", "").Header.Get("ETag") {
		t.Errorf("ETag %s, then %s", first, second)
	}
	d.want(207, "PROPPATCH", "/r/f", update(set(`<e:a>2</e:a>`)), "If-Match: "+first)
	d.want(204, "PUT", "/r/f", "new", "If-Match: "+first)
	d.want(412, "PUT", "/r/f", "lost", "If-Match: "+first)
	d.want(412, "PUT", "/r/f", "lost", "If-Match: "+second)
	d.wantContent("f", "new")
}

// A file that is written while its properties are changed keeps its content.
func TestProppatchRace(t *testing.T) {
	d := newDrive(t, "f")
	races, most := 0, 2
	d.faults.Hook = func(op providertest.Op) error {
		if op.Name == "copy" && op.When == providertest.Before && races < most {
			races++
			d.bucket.set("f", strings.Repeat("new", races))
		}
		return nil
	}
	d.want(207, "PROPPATCH", "/r/f", update(set(`<e:a>1</e:a>`)))
	d.wantContent("f", "newnew")
	if m := d.metadata("f"); m[metaProps] == "" {
		t.Errorf("metadata %v", m)
	}
	races, most = 0, 1000
	d.want(412, "PROPPATCH", "/r/f", update(set(`<e:a>2</e:a>`)))
}

// Metadata of other programs stays as it is.
func TestProppatchKeepsForeignMetadata(t *testing.T) {
	d := newDrive(t)
	put := func(m map[string]string) {
		d.bucket.mu.Lock()
		defer d.bucket.mu.Unlock()
		d.bucket.replace("f", "x", providers.PutOptions{ContentType: "text/x-odd", Metadata: m})
	}
	put(map[string]string{"owner": "me", "mtime": "1500000000.5", "btime": "2001-02-03T04:05:06Z"})
	d.want(207, "PROPPATCH", "/r/f", update(set(`<e:a>1</e:a>`)))
	m := d.metadata("f")
	if m["owner"] != "me" || m["mtime"] != "1500000000.5" || m["btime"] != "2001-02-03T04:05:06Z" || !strings.HasPrefix(m[metaProps], "1:") {
		t.Errorf("metadata %v", m)
	}
	if got := d.want(200, "HEAD", "/r/f", "").Header; got.Get("Content-Type") != "text/x-odd" || got.Get("Last-Modified") != "Fri, 14 Jul 2017 02:40:00 GMT" {
		t.Errorf("headers %v", got)
	}
	for _, damaged := range []string{"2:future", "1:%%%", "1:AAAA", ""} {
		put(map[string]string{metaProps: damaged, "mtime": "yesterday"})
		a := d.want(207, "PROPPATCH", "/r/f", update(set(`<e:a>1</e:a>`)))
		if d.parse(a)["/r/f"][409] == nil {
			t.Errorf("%q: %s", damaged, a.body)
		}
		d.want(207, "PROPPATCH", "/r/f", update(set(`<D:creationdate>2001-02-03T04:05:06Z</D:creationdate>`)))
		if m := d.metadata("f"); m[metaProps] != damaged {
			t.Errorf("%q became %v", damaged, m)
		}
	}
}
