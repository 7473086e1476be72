// Package browse renders a folder as a page for a browser. The page works
// without JavaScript and asks the server for nothing else.
package browse

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Page is a folder to be shown.
type Page struct {
	// Crumbs lead from the root, whose Name is "", to the folder itself.
	Crumbs []Crumb
	// Entries are the folder's members in the order they are shown. They are
	// written as they come, so a folder may be larger than memory.
	Entries iter.Seq[Entry]
}

// Crumb is a folder on the way to the one shown.
type Crumb struct {
	Name string
	Href string // absolute path, percent-encoded
}

// Entry is a member of the folder.
type Entry struct {
	Name    string
	Href    string // absolute path, percent-encoded; a folder's ends in "/"
	Dir     bool
	Size    int64     // bytes, of a file
	ModTime time.Time // zero where not known
	// Encryption says for a person how a file lies in the store; "" where the
	// listing does not tell.
	Encryption string
}

//go:embed page.html
var pageHTML string

var page = template.Must(template.New("page").Parse(pageHTML))

// SetHeaders sets the headers of an answer whose body is a page.
func SetHeaders(h http.Header) {
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'")
}

// Render writes the page to w. Entries are asked for one by one, and written
// before the next.
func Render(w io.Writer, p Page) error {
	v := view{Page: p}
	v.Entries = func(yield func(Entry) bool) {
		for e := range p.Entries {
			v.count(e)
			if !yield(e) {
				return
			}
		}
	}
	return page.Execute(w, &v)
}

// view is what the template sees. It counts as it goes, for the end of the
// page.
type view struct {
	Page
	folders, files, bytes int64
}

func (v *view) count(e Entry) {
	if e.Dir {
		v.folders++
		return
	}
	v.files++
	v.bytes += e.Size
}

// Summary is how much there was, in words: "2 folders, 1 file, 1.5 KiB".
func (v *view) Summary() string {
	var parts []string
	add := func(n int64, one, more string) {
		switch n {
		case 0:
		case 1:
			parts = append(parts, "1 "+one)
		default:
			parts = append(parts, strconv.FormatInt(n, 10)+" "+more)
		}
	}
	if v.Up() == "" {
		add(v.folders, "remote", "remotes")
		return strings.Join(parts, ", ")
	}
	add(v.folders, "folder", "folders")
	add(v.files, "file", "files")
	if v.files > 0 {
		parts = append(parts, sizeText(v.bytes))
	}
	return strings.Join(parts, ", ")
}

// Title is the name of the folder.
func (p Page) Title() string {
	if n := len(p.Crumbs); n > 1 {
		return p.Crumbs[n-1].Label()
	}
	return "sealdav"
}

// Up is the folder above, "" at the root.
func (p Page) Up() string {
	if n := len(p.Crumbs); n > 1 {
		return p.Crumbs[n-2].Href
	}
	return ""
}

// Last is the index of the folder itself in Crumbs.
func (p Page) Last() int { return len(p.Crumbs) - 1 }

// Label is the folder's name as it is shown.
func (c Crumb) Label() string {
	if c.Name == "" {
		return "All remotes"
	}
	return visible(c.Name)
}

// Label is the name as it is shown.
func (e Entry) Label() string { return visible(e.Name) }

// visible spells out the characters of a name that would not be seen but
// change how the rest looks: control characters, and those that turn the
// direction of writing, with which a program can look like a picture. Joiners
// stay, as many scripts and emoji need them.
func visible(name string) string {
	if strings.IndexFunc(name, hidden) < 0 {
		return name
	}
	var b strings.Builder
	for _, r := range name {
		if hidden(r) {
			fmt.Fprintf(&b, "⟨%U⟩", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func hidden(r rune) bool {
	const joiner, nonJoiner = '\u200d', '\u200c'
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) && r != joiner && r != nonJoiner && !isTag(r)
}

// isTag tells the invisible letters of which the flags of England, Scotland
// and Wales are made.
func isTag(r rune) bool { return 0xE0020 <= r && r <= 0xE007F }

// Modified is the time of the last change as a machine reads it, "" where it
// is not known.
func (e Entry) Modified() string {
	if e.ModTime.IsZero() {
		return ""
	}
	return e.ModTime.UTC().Format(time.RFC3339)
}

// ModifiedText is the same for a person.
func (e Entry) ModifiedText() string {
	if e.ModTime.IsZero() {
		return ""
	}
	return e.ModTime.UTC().Format("2006-01-02 15:04")
}

// SizeText is the size for a person: "1.5 MiB".
func (e Entry) SizeText() string { return sizeText(e.Size) }

func sizeText(size int64) string {
	const units = "KMGTPE"
	if size < 1024 {
		return strconv.FormatInt(size, 10) + " B"
	}
	v, unit := float64(size)/1024, 0
	for v >= 1023.95 && unit < len(units)-1 {
		v /= 1024
		unit++
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + " " + units[unit:unit+1] + "iB"
}
