package davfs

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"sealdav/providers"
)

const (
	nfcName = "\u00fcbung.txt"  // ü as one code point
	nfdName = "u\u0308bung.txt" // u and two dots
)

func escapedPath(s string) string { return (&url.URL{Path: s}).EscapedPath() }

// A name finds the file of the same text, whichever way either is written, in
// every method and in every segment.
func TestSpelling(t *testing.T) {
	for _, other := range []string{norm.NFC.String(nfdName), norm.NFD.String(nfcName)} {
		stored := nfcName
		if other == nfcName {
			stored = nfdName
		}
		key := "d\u00e9p\u00f4t/" + stored
		asked := escapedPath("/r/" + norm.NFD.String("d\u00e9p\u00f4t") + "/" + other)
		for _, cache := range []time.Duration{0, time.Hour} {
			d := newDriveWith(t, Options{ListCache: cache}, key, "plain")
			d.want(200, "GET", asked, "")
			d.want(200, "HEAD", asked, "")
			a := d.want(207, "PROPFIND", asked, `<D:propfind xmlns:D="DAV:"><D:prop><D:getetag/></D:prop></D:propfind>`, "Depth: 0")
			if !strings.Contains(a.body, "<D:href>"+string(appendEscaped(nil, "/r/"+key))+"</D:href>") || strings.Contains(a.body, "getcontentlength") {
				t.Errorf("PROPFIND of %q: %s", asked, a.body)
			}
			d.want(204, "PUT", asked, "new")
			d.wantContent(key, "new")
			token := d.lock(asked, "Depth: 0")
			d.want(423, "PUT", asked, "x")
			d.want(423, "PUT", escapedPath("/r/"+key), "x")
			d.want(204, "PUT", asked, "locked", "If: <DRIVE"+asked+"> (<"+token+">)")
			d.want(200, "LOCK", asked, "", "If: (<"+token+">)")
			d.want(204, "UNLOCK", asked, "", "Lock-Token: <"+token+">")
			d.want(405, "MKCOL", escapedPath("/r/"+norm.NFD.String("d\u00e9p\u00f4t")), "")
			d.want(204, "COPY", "/r/plain", "", "Destination: "+asked)
			d.wantContent(key, "content of plain")
			d.want(412, "COPY", "/r/plain", "", "Destination: "+asked, "Overwrite: F")
			d.want(204, "MOVE", "/r/plain", "", "Destination: "+asked)
			d.wantContent(key, "content of plain")
			d.want(201, "MOVE", asked, "", "Destination: /r/back")
			d.want(201, "MOVE", "/r/back", "", "Destination: "+asked)
			d.want(204, "DELETE", escapedPath("/r/"+norm.NFD.String("d\u00e9p\u00f4t")+"/"), "")
			d.wantKeys("")
		}
	}
}

// Twins stay two files, and each is reached by its own name. Nothing makes one
// but a MOVE that is to respell a name.
func TestSpellingTwins(t *testing.T) {
	d := newDrive(t, nfcName, nfdName, "u\u0308/x", "\u00fc/y")
	for _, name := range []string{nfcName, nfdName} {
		if a := d.want(200, "GET", escapedPath("/r/"+name), ""); a.body != "content of "+name {
			t.Errorf("%q answers %q", name, a.body)
		}
		d.want(204, "PUT", escapedPath("/r/"+name), name)
	}
	d.wantContent(nfcName, nfcName)
	d.wantContent(nfdName, nfdName)
	d.want(204, "DELETE", escapedPath("/r/"+nfdName), "")
	d.wantContent(nfcName, nfcName)
	d.want(200, "GET", escapedPath("/r/u\u0308/x"), "")
	d.want(404, "GET", escapedPath("/r/u\u0308/y"), "")

	d.want(201, "MOVE", escapedPath("/r/"+nfcName), "", "Destination: "+escapedPath("/r/"+nfdName))
	d.wantContent(nfdName, nfcName)
	d.wantContent(nfcName, "(missing)")
	// What is new gets its name as it was sent.
	d.want(201, "PUT", escapedPath("/r/e\u0301"), "x")
	d.wantContent("e\u0301", "x")
	d.want(404, "GET", escapedPath("/r/e\u0300"), "")
}

// What it costs: nothing where the name is right, or has one spelling only, and
// one listing otherwise.
func TestSpellingCost(t *testing.T) {
	for _, tt := range []struct {
		method, path string
		code         int
		cold, warm   string
	}{
		{"GET", "/r/d/" + nfcName, 200, "1 open", "1 open"},
		{"HEAD", "/r/d/" + nfcName, 200, "1 stat", "1 stat"},
		{"PROPFIND", "/r/d/" + nfcName, 207, "1 stat", ""},
		{"PUT", "/r/d/" + nfcName, 204, "1 list, 1 put", "1 put"},
		{"DELETE", "/r/d/" + nfcName, 204, "1 delete, 1 list", "1 delete"},
		{"GET", "/r/d/" + nfdName, 200, "2 list, 2 open", "1 open"},
		{"PROPFIND", "/r/d/" + nfdName, 207, "2 list, 1 stat", ""},
		{"PUT", "/r/d/" + nfdName, 204, "1 list, 1 put", "1 put"},
		{"PUT", "/r/d/o\u0308", 201, "1 list, 1 put", "1 put"},
		{"GET", "/r/d/o\u0308", 404, "2 list, 1 open", ""},
		{"GET", "/r/d/\u65e5\u672c", 404, "1 list, 1 open", ""},
	} {
		for _, warm := range []bool{false, true} {
			d := newDriveWith(t, Options{ListCache: time.Hour}, "d/", "d/f", "d/"+nfcName)
			want := tt.cold
			if warm {
				d.propfind("/r/d/", "1", "")
				want = tt.warm
			}
			d.bucket.cost()
			headers := []string{"Depth: 0"}
			if tt.method == "DELETE" {
				headers = nil
			}
			d.want(tt.code, tt.method, escapedPath(tt.path), "", headers...)
			if got := d.bucket.cost(); got != want {
				t.Errorf("%s %s, warm %v: %q, want %q", tt.method, tt.path, warm, got, want)
			}
		}
	}
}

// In a folder that is too large to look through the two usual forms are found.
func TestSpellingLargeFolder(t *testing.T) {
	keys := []string{"d/" + nfcName}
	for i := range 1500 {
		keys = append(keys, "d/a"+strings.Repeat("x", i))
	}
	d := newDrive(t, keys[:600]...)
	d.bucket.page = 100
	for i := range 2500 {
		d.object("d/n"+time.Unix(int64(i), 0).UTC().Format("150405"), "", "")
	}
	d.want(200, "GET", escapedPath("/r/d/"+nfdName), "")
	d.want(204, "PUT", escapedPath("/r/d/"+nfdName), "new")
	d.wantContent("d/"+nfcName, "new")
}

// A store that fails while another spelling is looked for is no "not found".
func TestSpellingFault(t *testing.T) {
	d := newDrive(t, nfcName)
	d.fail("list", providers.ErrUnavailable)
	d.want(502, "GET", escapedPath("/r/"+nfdName), "")
	d.want(502, "PUT", escapedPath("/r/"+nfdName), "x")
	d.wantContent(nfcName, "content of "+nfcName)
	d.wantContent(nfdName, "(missing)")
}

// FuzzSpelling: every key is reached by its own name, and by its other forms
// where it has no twin.
func FuzzSpelling(f *testing.F) {
	for _, key := range []string{"a", nfcName, nfdName, "\u00e9/e\u0301/x", "\uac00/\u1100\u1161", "q\u0307\u0323", "\u212b", "\U0001F9C0", "\u0301", "a\x01\u00fc"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if !speakable(key) || len(key) > 300 || reserved(key) {
			return
		}
		tr := treeOn(newStore(key), 0)
		ctx := withMemo(t.Context(), newCache(0, 100))
		for _, form := range []string{key, norm.NFC.String(key), norm.NFD.String(key)} {
			if !speakable(form) {
				continue
			}
			got, err := tr.spell(ctx, form)
			if err != nil || got != key {
				if norm.NFC.IsNormalString(form) && norm.NFD.IsNormalString(form) && form != key {
					continue // only another character of the same text has two forms
				}
				t.Errorf("%q is spelled %q, want %q: %v", form, got, key, err)
			}
		}
	})
}
