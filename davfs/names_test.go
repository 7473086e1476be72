package davfs

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// Every legal key that a path can say goes through the drive and back: what a
// listing shows leads to it, and to nothing else.
func TestNames(t *testing.T) {
	names := []string{
		"a b", " a", "a ", "50%", "%41", "a+b", "a#b", "a?b", "a;b=c", "a&b", "a<b>", `a"b'`, "a\\b", "a:b", "a|b*",
		"\u00fc", "u\u0308", "\U0001F9C0", "\u65e5\u672c", "\u0301x", "\u212b", "\ufeff", "\ufffd", "\u202egpj",
		".a", "..a", "...", "-", "~", "$x", "@x",
		"tab\t", "nl\n", "cr\r", "bell\x07", "esc\x1b", "del\x7f", "\uffff",
		strings.Repeat("x", 1024), strings.Repeat("\u00fc/", 341) + "y",
	}
	for _, name := range names {
		if len(name) > 1024 || !utf8.ValidString(name) {
			t.Fatalf("%q is no key", name)
		}
		d := newDrive(t, "A", "a", "50", "u")
		path := "/r/" + (&url.URL{Path: name}).EscapedPath()
		parent, _ := splitPath(name)
		d.object("keep", "", "")
		if parent != "" {
			d.object(name, "", "") // its folders
		}
		before := len(d.bucket.all())
		a := d.do("PUT", path, "content of "+name)
		if a.StatusCode != 201 && a.StatusCode != 204 {
			t.Errorf("%.40q: PUT %d %s", name, a.StatusCode, a.body)
			continue
		}
		if !slices.Contains(d.bucket.all(), name) {
			t.Errorf("%.40q is stored as something else", name)
		}
		hrefs := d.propfind("/r/"+(&url.URL{Path: parent}).EscapedPath(), "1", "").hrefs()
		found := ""
		for _, h := range hrefs {
			if u, err := url.Parse(h); err == nil && u.Path == "/r/"+name {
				found = h
			}
		}
		if found == "" {
			t.Errorf("%.40q is not listed: %.200q", name, hrefs)
			continue
		}
		if g := d.want(200, "GET", found, ""); g.body != "content of "+name {
			t.Errorf("%.40q: GET gives %.40q", name, g.body)
		}
		d.want(207, "PROPFIND", found, "", "Depth: 0")
		d.want(201, "MOVE", found, "", "Destination: /r/moved")
		d.want(201, "MOVE", "/r/moved", "", "Destination: "+found)
		d.wantContent(name, "content of "+name)
		d.want(204, "DELETE", found, "")
		if slices.Contains(d.bucket.all(), name) || len(d.bucket.all()) < before-1 {
			t.Errorf("%.40q: DELETE leaves %.100q", name, d.bucket.all())
		}
	}
}
