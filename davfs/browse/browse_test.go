package browse

import (
	"bytes"
	"encoding/xml"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRender(t *testing.T) {
	p := Page{
		Crumbs: []Crumb{{"", "/"}, {"photos", "/photos/"}, {`<script>"&`, "/photos/%3Cscript%3E%22%26/"}},
		Entries: slices.Values([]Entry{
			{Name: "sub", Href: "/photos/x/sub/", Dir: true},
			{Name: "javascript:alert(1)", Href: "/photos/x/javascript%3Aalert%281%29", Size: 1536, ModTime: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)},
		}),
	}
	var b bytes.Buffer
	if err := Render(&b, p); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, want := range []string{
		`<html lang="en">`, "<title>&lt;script&gt;&#34;&amp;</title>", `<a href="/">All remotes</a>`,
		`<a href="/photos/">photos</a>`, `aria-current="page">&lt;script&gt;`, `<a href="/photos/">Up one folder</a>`,
		`<a href="/photos/x/sub/">sub/</a>`, `href="/photos/x/javascript%3Aalert%281%29">javascript:alert(1)</a>`,
		`1.5 KiB`, `<time datetime="2026-11-24T10:00:00Z">2026-11-24 10:00</time>`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %s:\n%s", want, got)
		}
	}
	if strings.Contains(got, "<script") {
		t.Errorf("a name has become markup:\n%s", got)
	}
	d := xml.NewDecoder(strings.NewReader(got))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
	}
}

// Entries are written as they come.
func TestRenderStreams(t *testing.T) {
	var b bytes.Buffer
	seen := 0
	entries := func(yield func(Entry) bool) {
		for range 3 {
			if !yield(Entry{Name: "x", Href: "/x"}) {
				return
			}
			if b.Len() <= seen {
				t.Error("an entry was not written before the next was asked for")
			}
			seen = b.Len()
		}
	}
	if err := Render(&b, Page{Crumbs: []Crumb{{"", "/"}}, Entries: entries}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "Up one folder") {
		t.Error("the root leads up")
	}
}

func TestSizeText(t *testing.T) {
	for size, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1.0 MiB", 1 << 20: "1.0 MiB", 5 << 40: "5.0 TiB", 1<<63 - 1: "8.0 EiB",
	} {
		if got := (Entry{Size: size}).SizeText(); got != want {
			t.Errorf("%d: %s, want %s", size, got, want)
		}
	}
}
