// Package browse renders a folder as a page for a browser. The page works
// without JavaScript and asks the server for nothing else.
package browse

import (
	_ "embed"
	"html/template"
	"io"
	"iter"
	"net/http"
	"strconv"
	"time"
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

// Render writes the page to w.
func Render(w io.Writer, p Page) error { return page.Execute(w, p) }

// Title is the name of the folder.
func (p Page) Title() string {
	if n := len(p.Crumbs); n > 1 {
		return p.Crumbs[n-1].Name
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
func (e Entry) SizeText() string {
	const units = "KMGTPE"
	if e.Size < 1024 {
		return strconv.FormatInt(e.Size, 10) + " B"
	}
	v, unit := float64(e.Size)/1024, 0
	for v >= 1023.95 && unit < len(units)-1 {
		v /= 1024
		unit++
	}
	return strconv.FormatFloat(v, 'f', 1, 64) + " " + units[unit:unit+1] + "iB"
}
