package browse

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// render renders a page, and checks that it is valid HTML as far as a parser
// can tell.
func render(t *testing.T, p Page) (text string, root *html.Node) {
	t.Helper()
	var b bytes.Buffer
	if err := Render(&b, p); err != nil {
		t.Fatal(err)
	}
	wantBalanced(t, b.String())
	root, err := html.Parse(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return b.String(), root
}

// wantBalanced fails unless each element is closed where it must be, and none
// is closed that is not open. A parser mends both.
func wantBalanced(t *testing.T, text string) {
	t.Helper()
	void := []string{"meta", "use", "path"}
	var open []string
	for z := html.NewTokenizer(strings.NewReader(text)); ; {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("never closed: %v", open)
			}
			return
		case html.StartTagToken:
			if name, _ := z.TagName(); !slices.Contains(void, string(name)) {
				open = append(open, string(name))
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if len(open) == 0 || open[len(open)-1] != string(name) {
				t.Fatalf("</%s> closes %v in\n%s", name, open, text)
			}
			open = open[:len(open)-1]
		}
	}
}

// all are the elements of a kind.
func all(root *html.Node, kind atom.Atom) []*html.Node {
	var found []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.DataAtom == kind {
			found = append(found, n)
		}
	}
	return found
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// text is what is read out of an element.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// texts are what is read out of elements.
func texts(nodes []*html.Node) []string {
	var all []string
	for _, n := range nodes {
		all = append(all, text(n))
	}
	return all
}

func folder(entries ...Entry) Page {
	return Page{
		Crumbs:  []Crumb{{"", "/"}, {"photos", "/photos/"}, {"x", "/photos/x/"}},
		Entries: slices.Values(entries),
	}
}

func TestRender(t *testing.T) {
	_, root := render(t, folder(
		Entry{Name: "sub", Href: "/photos/x/sub/", Dir: true},
		Entry{
			Name: "a b.jpg", Href: "/photos/x/a%20b.jpg", Size: 1536, Encryption: "customer key",
			ModTime: time.Date(2026, 11, 24, 10, 0, 0, 0, time.FixedZone("", 3600)),
		},
		Entry{Name: "old", Href: "/photos/x/old"},
	))
	var links []string
	for _, a := range all(root, atom.A) {
		links = append(links, attr(a, "href")+" "+text(a))
	}
	want := []string{
		"/ All remotes", "/photos/ photos", "/photos/x/ x", "/photos/ Up one folder", "/photos/x/sub/ sub/",
		"/photos/x/a%20b.jpg a b.jpg", "/photos/x/a%20b.jpg Download a b.jpg", "/photos/x/old old", "/photos/x/old Download old",
	}
	if !slices.Equal(links, want) {
		t.Errorf("links %q,\nwant %q", links, want)
	}
	var rows [][]string
	for _, tr := range all(root, atom.Tr)[2:] {
		rows = append(rows, texts(slices.Concat(all(tr, atom.Th), all(tr, atom.Td))))
	}
	wantRows := [][]string{
		{"sub/", "folder", "", "", ""},
		{"a b.jpg", "1.5 KiB", "2026-11-24 09:00", "customer key", "Download a b.jpg"},
		{"old", "0 B", "", "", "Download old"},
	}
	if !slices.EqualFunc(rows, wantRows, slices.Equal) {
		t.Errorf("rows %q,\nwant %q", rows, wantRows)
	}
	if times := all(root, atom.Time); len(times) != 1 || attr(times[0], "datetime") != "2026-11-24T09:00:00Z" {
		t.Errorf("times %v", times)
	}
	if got := texts(all(root, atom.Footer)); !slices.Equal(got, []string{"1 folder, 2 files, 1.5 KiB"}) {
		t.Errorf("summary %q", got)
	}
}

// What the page offers to those who cannot see it.
func TestRenderIsAccessible(t *testing.T) {
	_, root := render(t, folder(Entry{Name: "f", Href: "/photos/x/f", Encryption: "none"}, Entry{Name: "d", Href: "/photos/x/d/", Dir: true}))
	if htmls := all(root, atom.Html); attr(htmls[0], "lang") != "en" {
		t.Error("the page has no language")
	}
	for kind, n := range map[atom.Atom]int{atom.Title: 1, atom.H1: 1, atom.Main: 1, atom.Nav: 1, atom.Table: 1, atom.Caption: 1, atom.Script: 0, atom.Img: 0} {
		if got := len(all(root, kind)); got != n {
			t.Errorf("%d elements %s, want %d", got, kind, n)
		}
	}
	for _, th := range all(root, atom.Th) {
		if scope := attr(th, "scope"); scope != "col" && scope != "row" || text(th) == "" {
			t.Errorf("a header of scope %q: %q", scope, text(th))
		}
	}
	// Rows stay rows where the style makes blocks of them.
	roles := map[atom.Atom][]string{
		atom.Table: {"table"}, atom.Thead: {"rowgroup"}, atom.Tbody: {"rowgroup"}, atom.Tr: {"row"},
		atom.Th: {"columnheader", "rowheader"}, atom.Td: {"cell"},
	}
	for kind, want := range roles {
		for _, n := range all(root, kind) {
			if !slices.Contains(want, attr(n, "role")) {
				t.Errorf("%s has the role %q", kind, attr(n, "role"))
			}
		}
	}
	for _, tr := range all(root, atom.Tr) {
		if n := len(all(tr, atom.Th)) + len(all(tr, atom.Td)); n != 5 {
			t.Errorf("a row has %d cells: %q", n, text(tr))
		}
	}
	for _, a := range all(root, atom.A) {
		if strings.TrimSpace(text(a)) == "" || attr(a, "href") == "" {
			t.Errorf("a link without a text or an address: %+v", a)
		}
	}
	ids := map[string]bool{}
	for n := range root.Descendants() {
		if n.DataAtom == atom.Svg && attr(n, "aria-hidden") != "true" {
			t.Error("a picture is read out")
		}
		if id := attr(n, "id"); id != "" && ids[id] {
			t.Errorf("the id %s is there twice", id)
		} else if id != "" {
			ids[id] = true
		}
		if attr(n, "tabindex") != "" || attr(n, "accesskey") != "" {
			t.Errorf("%s changes what the keyboard does", n.Data)
		}
	}
	if nav := all(root, atom.Nav)[0]; attr(nav, "aria-label") == "" || attr(all(nav, atom.A)[2], "aria-current") != "page" {
		t.Error("the way to the folder does not say what it is, or where it ends")
	}
}

// Names come from anybody.
func TestRenderHostileNames(t *testing.T) {
	for _, tt := range []struct{ name, href, want string }{
		{`<script>alert(1)</script>`, "/r/%3Cscript%3Ealert%281%29%3C%2Fscript%3E", `<script>alert(1)</script>`},
		{`"><img src=x onerror=alert(1)>`, "/r/%22%3E%3Cimg%20src=x%20onerror=alert%281%29%3E", `"><img src=x onerror=alert(1)>`},
		{"javascript:alert(1)", "/r/javascript:alert%281%29", "javascript:alert(1)"},
		{"' onclick='alert(1)", "/r/%27%20onclick=%27alert%281%29", "' onclick='alert(1)"},
		{"{{.Crumbs}}", "/r/%7B%7B.Crumbs%7D%7D", "{{.Crumbs}}"},
		{"&lt;b&gt;", "/r/&lt;b&gt;", "&lt;b&gt;"},
		{"</title></table></main>", "/r/x", "</title></table></main>"},
		{"photo\u202egpj.exe", "/r/x", "photo⟨U+202E⟩gpj.exe"},
		{"a\nb\tc\x7f\u0085\u2028", "/r/x", "a⟨U+000A⟩b⟨U+0009⟩c⟨U+007F⟩⟨U+0085⟩⟨U+2028⟩"},
		{"\ufeff\u200b\u2066x\u2069", "/r/x", "⟨U+FEFF⟩⟨U+200B⟩⟨U+2066⟩x⟨U+2069⟩"},
		{"👨\u200d👩\u200d👧", "/r/x", "👨\u200d👩\u200d👧"},
		{"می\u200cخواهم", "/r/x", "می\u200cخواهم"},
		{"cafe\u0301", "/r/x", "cafe\u0301"},
		{strings.Repeat("long", 256), "/r/x", strings.Repeat("long", 256)},
	} {
		p := folder(Entry{Name: tt.name, Href: tt.href, Encryption: "none"}, Entry{Name: tt.name, Href: tt.href + "/", Dir: true})
		p.Crumbs[2].Name = tt.name
		_, root := render(t, p)
		if n := len(all(root, atom.Script)) + len(all(root, atom.Img)); n != 0 {
			t.Errorf("%q has become markup", tt.name)
		}
		// In the title, the heading, the way to it, the table and its caption.
		names := texts(all(root, atom.Bdi))
		if len(names) != 8 || names[3] != tt.want || slices.ContainsFunc(names[2:], func(s string) bool { return s != tt.want }) || text(all(root, atom.Title)[0]) != tt.want {
			t.Errorf("%q is shown as %q in %q", tt.name, names, text(all(root, atom.Title)[0]))
		}
		for n := range root.Descendants() {
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") {
					t.Errorf("%q has become the attribute %s", tt.name, a.Key)
				}
				if a.Key == "href" && !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "#") {
					t.Errorf("%q has made a link to %s", tt.name, a.Val)
				}
			}
		}
	}
}

func TestRenderEmpty(t *testing.T) {
	if _, root := render(t, folder()); !strings.Contains(text(root), "This folder is empty.") || text(all(root, atom.Footer)[0]) != "" {
		t.Error("an empty folder does not say so")
	}
	_, root := render(t, Page{Crumbs: []Crumb{{"", "/"}}, Entries: slices.Values([]Entry{})})
	if !strings.Contains(text(root), "There is no remote that you may open.") || strings.Contains(text(root), "Up one folder") {
		t.Error("the root without a remote does not say so, or leads up")
	}
	_, root = render(t, Page{Crumbs: []Crumb{{"", "/"}}, Entries: slices.Values([]Entry{{Name: "r", Href: "/r/", Dir: true}})})
	if got := text(all(root, atom.Footer)[0]); got != "1 remote" || strings.Contains(text(root), "Up one folder") {
		t.Errorf("the root has %q", got)
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
