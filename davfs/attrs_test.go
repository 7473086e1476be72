package davfs

import (
	"bytes"
	stdcmp "cmp"
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sealdav/providers"
)

// The times are those that rclone's S3 backend writes and reads.
func TestKeptTimes(t *testing.T) {
	for _, tt := range []struct {
		text string
		want time.Time
		kept string // as written back, "" as it was
	}{
		{text: "1354040105.123456789", want: time.Unix(1354040105, 123456789)},
		{text: "1354040105.5", want: time.Unix(1354040105, 500000000)},
		{text: "1354040105", want: time.Unix(1354040105, 0)},
		{text: "0", want: time.Unix(0, 0)},
		{text: "-1.25", want: time.Unix(-1, -250000000)},
		{text: "-0.5", want: time.Unix(0, -500000000)},
		{text: "1354040105.", want: time.Unix(1354040105, 0), kept: "1354040105"},
		{text: "1354040105.1234567891", want: time.Unix(1354040105, 123456789), kept: "1354040105.123456789"},
		{text: "2012-11-27T18:15:05.5Z", want: time.Unix(1354040105, 500000000), kept: "1354040105.5"},
		{text: ""}, {text: "x"}, {text: "1e9"}, {text: "."}, {text: ".5"}, {text: "9999999999999"}, {text: "1.-5"}, {text: "300000000000"},
	} {
		got, ok := parseKeptTime(tt.text)
		if !got.Equal(tt.want) && ok || ok == tt.want.IsZero() {
			t.Errorf("%q is %v, %v, want %v", tt.text, got, ok, tt.want)
		}
		if written := formatSeconds(got); ok && written != stdcmp.Or(tt.kept, tt.text) {
			t.Errorf("%q is written %q", tt.text, written)
		}
	}
}

func FuzzProperties(f *testing.F) {
	f.Add("1:" + "SyvKLEktzy/KBgA=")
	f.Add("")
	encoded, err := encodeProperties([]property{{xml.Name{Space: "urn:e", Local: "a"}, []byte(`<x:a xmlns:x="urn:e">1</x:a>`)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encoded)
	f.Fuzz(func(t *testing.T, s string) {
		dead, err := decodeProperties(s)
		if err != nil {
			return
		}
		again, err := encodeProperties(dead)
		if err != nil {
			t.Fatal(err)
		}
		if len(dead) == 0 {
			return
		}
		twice, err := decodeProperties(again)
		if err != nil {
			t.Fatalf("%v after writing %q", err, again)
		}
		for i := range dead {
			if dead[i].name != twice[i].name || !bytes.Equal(dead[i].xml, twice[i].xml) {
				t.Errorf("%s became %s", dead[i].xml, twice[i].xml)
			}
		}
	})
}

const (
	setTime  = "1500000000.25"
	httpTime = "Fri, 14 Jul 2017 02:40:00 GMT"
)

// The time that a client has set is the one that everything tells and that
// conditions are about.
func TestMtime(t *testing.T) {
	d := newDrive(t, "plain")
	a := d.want(201, "PUT", "/r/f", "0123456789", "X-OC-Mtime: "+setTime)
	if a.Header.Get("X-OC-Mtime") != "accepted" || a.Header.Get("Last-Modified") != httpTime {
		t.Errorf("PUT answers %v", a.Header)
	}
	if m := d.metadata("f"); m["mtime"] != setTime {
		t.Errorf("metadata %v", m)
	}
	for _, junk := range []string{"", "x", "-5", "1e9"} {
		if a := d.want(201, "PUT", "/r/junk"+junk, "x", "X-OC-Mtime: "+junk); a.Header.Get("X-Oc-Mtime") != "" {
			t.Errorf("%q is accepted", junk)
		}
	}
	before, after := "Fri, 14 Jul 2017 02:39:59 GMT", "Fri, 14 Jul 2017 02:40:01 GMT"
	for _, e := range []*drive{d, d.restarted()} {
		for _, method := range []string{"HEAD", "GET"} {
			if got := e.want(200, method, "/r/f", "").Header.Get("Last-Modified"); got != httpTime {
				t.Errorf("%s tells %s", method, got)
			}
			e.want(304, method, "/r/f", "", "If-Modified-Since: "+httpTime)
			e.want(304, method, "/r/f", "", "If-Modified-Since: "+after)
			e.want(200, method, "/r/f", "", "If-Modified-Since: "+before)
			e.want(200, method, "/r/f", "", "If-Unmodified-Since: "+httpTime)
			e.want(412, method, "/r/f", "", "If-Unmodified-Since: "+before)
			e.want(412, method, "/r/f", "", "If-Unmodified-Since: "+before, "If-Modified-Since: "+after)
			e.want(200, method, "/r/f", "", "If-Modified-Since: "+after, `If-None-Match: "other"`)
		}
		e.want(206, "GET", "/r/f", "", "Range: bytes=2-3", "If-Range: "+httpTime)
		e.want(200, "GET", "/r/f", "", "Range: bytes=2-3", "If-Range: "+after)
		e.want(412, "GET", "/r/f", "", "Range: bytes=2-3", "If-Unmodified-Since: "+before)
		e.want(412, "GET", "/r/f", "", "Range: bytes=20-", "If-Unmodified-Since: "+before)
		e.want(304, "GET", "/r/f", "", "Range: bytes=2-3", "If-Modified-Since: "+httpTime)
		for _, depth := range []string{"0", "1"} {
			p := e.propfind("/r/", depth, ask(`<D:getlastmodified/><D:lastmodified/><D:creationdate/><W:Win32LastModifiedTime/><W:Win32LastAccessTime/>`))
			want := map[string]string{"DAV:getlastmodified": httpTime, "DAV:lastmodified": "1500000000", "DAV:creationdate": "2017-07-14T02:40:00Z",
				"urn:schemas-microsoft-com:Win32LastModifiedTime": httpTime, "urn:schemas-microsoft-com:Win32LastAccessTime": httpTime}
			if diff := cmp.Diff(want, p["/r/f"][200]); depth == "1" && diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
		e.want(412, "PUT", "/r/f", "x", "If-Unmodified-Since: "+before)
		e.want(412, "DELETE", "/r/f", "", "If-Unmodified-Since: "+before)
		e.want(412, "MOVE", "/r/f", "", "If-Unmodified-Since: "+before, "Destination: /r/g")
		e.want(412, "PROPPATCH", "/r/f", update(set("<e:a/>")), "If-Unmodified-Since: "+before)
	}
	if got := d.want(200, "GET", "/r/", "").body; !strings.Contains(got, "2017-07-14") {
		t.Errorf("the page does not show it: %s", got)
	}
	d.want(204, "PUT", "/r/f", "new")
	if got := d.want(200, "HEAD", "/r/f", "").Header.Get("Last-Modified"); got == httpTime {
		t.Error("the new content has the old time")
	}
}

// A conditional GET is one request, whoever decides it.
func TestMtimeCost(t *testing.T) {
	d := newDrive(t)
	d.want(201, "PUT", "/r/f", "x", "X-OC-Mtime: "+setTime)
	for _, e := range []*drive{d.restarted(), d} {
		for range 2 {
			d.bucket.cost()
			e.want(304, "GET", "/r/f", "", "If-Modified-Since: "+httpTime)
			if got := d.bucket.cost(); got != "1 open" {
				t.Errorf("cost %q", got)
			}
		}
	}
	d.object("f", "changed by another", "")
	if got := d.want(200, "GET", "/r/f", "", "If-Modified-Since: "+httpTime).body; got != "changed by another" {
		t.Errorf("got %q", got)
	}
}

// rclone tells the time with a copy and a move too; that of the source may
// never have been set.
func TestMtimeOfCopies(t *testing.T) {
	for _, method := range []string{"COPY", "MOVE"} {
		for _, to := range []string{"/r/to", "/other/to"} {
			for _, known := range []bool{false, true} {
				d := newDrive(t)
				var headers []string
				if known {
					headers = []string{"X-OC-Mtime: 1500000000"}
				}
				d.want(201, "PUT", "/r/f", "x", append(headers, "Content-Type: text/x-odd")...)
				d.want(207, "PROPPATCH", "/r/f", update(set(`<e:a>kept</e:a>`)))
				a := d.want(201, method, "/r/f", "", "Destination: "+to, "X-OC-Mtime: 1500000000")
				h := d.want(200, "HEAD", to, "").Header
				if a.Header.Get("X-Oc-Mtime") != "accepted" || h.Get("Last-Modified") != httpTime || h.Get("Content-Type") != "text/x-odd" {
					t.Errorf("%s to %s, known %v: %v, then %v", method, to, known, a.Header, h)
				}
				if p := d.propfind(to, "0", ask("<e:a/>")); p[to][200]["urn:ea"] != "kept" {
					t.Errorf("%s to %s, known %v: %v", method, to, known, p)
				}
			}
		}
	}
}

// Folders have a time: what was set, their marker's, or one that stays.
func TestFolderTimes(t *testing.T) {
	d := newDrive(t, "dir/marked/", "dir/bare/x", "dir/set/y")
	d.bucket.mu.Lock()
	o := d.bucket.objects["dir/marked/"]
	o.ModTime = time.Unix(1600000000, 0)
	d.bucket.objects["dir/marked/"] = o
	d.bucket.mu.Unlock()
	d.want(207, "PROPPATCH", "/r/dir/set/", update(set(`<W:Win32LastModifiedTime>`+httpTime+`</W:Win32LastModifiedTime>`)))
	started := d.h.forest.started.UTC().Format(http.TimeFormat)
	want := map[string]string{"/r/dir/": started, "/r/dir/bare/": started, "/r/dir/set/": httpTime, "/r/dir/marked/": "Sun, 13 Sep 2020 12:26:40 GMT"}
	d.propfind("/r/dir/marked/", "1", "") // shows the marker
	for _, path := range []string{"/r/dir/", "/r/dir/bare/", "/r/dir/set/", "/r/dir/marked/"} {
		for depth, p := range map[string]parsed{"0": d.propfind(path, "0", ""), "1": d.propfind("/r/dir/", "1", "")} {
			if got := p[path][200]["DAV:getlastmodified"]; got != want[path] {
				t.Errorf("%s depth %s: %s, want %s", path, depth, got, want[path])
			}
		}
	}
	for path, response := range d.propfind("/", "1", "") {
		if response[200]["DAV:getlastmodified"] != started {
			t.Errorf("%s: %v", path, response)
		}
	}
}

// The memory is of one version of an object, and has a bound.
func TestMemory(t *testing.T) {
	tr := treeOn(newStore(), 0)
	at := time.Unix(1700000000, 0)
	obj := providers.Object{Key: "f", ETag: `"1"`, ModTime: at}
	attrs := &attributes{mtime: at.Add(time.Hour)}
	known := func(o providers.Object) bool {
		n := node{path: o.Key, obj: o}
		tr.recall(&n)
		return n.attrs == attrs
	}
	tr.learn(obj, attrs, true)
	later := obj
	later.ModTime = at.Add(time.Second)
	if !known(obj) || !known(later) {
		t.Error("what was written is not known")
	}
	if known(obj) { // the listing has told the exact time
		t.Error("two versions are known")
	}
	other := later
	other.ETag = `"2"`
	if known(other) || !known(later) {
		t.Error("another version is known")
	}
	for i := range 3 * maxRemembered {
		obj.Key = strconv.Itoa(i)
		tr.learn(obj, noAttributes, false)
	}
	if n := len(tr.memory.young) + len(tr.memory.old); n > 2*maxRemembered {
		t.Errorf("%d objects remembered", n)
	}
}
