package tests

import (
	"context"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"sealdav/tests/harness"
)

// chromium loads a page in a browser without a window, and returns what it has
// made of it: the elements after the browser has parsed them.
func chromium(t *testing.T, url string) *html.Node {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(t, "chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run", "--no-proxy-server",
		"--user-data-dir="+filepath.Join(t.TempDir(), "profile"), "--dump-dom", url)
	var errs strings.Builder
	cmd.Stderr = &errs
	cmd.WaitDelay = 10 * time.Second // for its children
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v\n%s", err, &errs)
	}
	root, err := html.Parse(strings.NewReader(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// pageLink is a link of a page: where it leads, what it says, and whether it
// asks to store what is there.
type pageLink struct {
	href, text string
	download   bool
}

func pageLinks(root *html.Node) []pageLink {
	var links []pageLink
	for n := range root.Descendants() {
		if n.DataAtom != atom.A {
			continue
		}
		var l pageLink
		for _, a := range n.Attr {
			switch a.Key {
			case "href":
				l.href = a.Val
			case "download":
				l.download = true
			}
		}
		for d := range n.Descendants() {
			if d.Type == html.TextNode {
				l.text += d.Data
			}
		}
		links = append(links, l)
	}
	return links
}

// TestBrowser opens a folder in Chromium and follows the links it finds.
func TestBrowser(t *testing.T) {
	for _, remote := range localAndS3 {
		t.Run(remote.name, func(t *testing.T) {
			s := harness.ServeConfig(t, "", remote.make(t))
			s.Want(t, []int{201}, "MKCOL", "/drive/a%20%26%20b/", nil)
			s.Want(t, []int{201}, "MKCOL", "/drive/a%20%26%20b/sub%3F/", nil)
			names := append([]string{"<img src=x onerror=alert(1)>", "javascript:alert(1)"}, oddNames...)
			for _, name := range names {
				s.Put(t, "/drive/a%20%26%20b/"+escapePath(name), []byte("content of "+name))
			}

			page := chromium(t, s.URL+"/drive/a%20%26%20b/")
			links := pageLinks(page)
			above := []pageLink{{"/", "All remotes", false}, {"/drive/", "drive", false}, {"/drive/a%20&%20b/", "a & b", false}, {"/drive/", "Up one folder", false}}
			for i, want := range above {
				if i >= len(links) || unescape(t, links[i].href) != unescape(t, want.href) || links[i].text != want.text {
					t.Fatalf("the way to the folder is %v, want %v", links[:min(i+1, len(links))], above)
				}
			}
			opened, stored := map[string]bool{}, map[string]bool{}
			for _, l := range links[len(above):] {
				if l.text == "sub?/" {
					continue
				}
				name := strings.TrimPrefix(l.text, "Download ")
				same(t, l.href, s.Get(t, l.href), []byte("content of "+name))
				if l.download {
					stored[name] = true
				} else {
					opened[name] = true
				}
			}
			for _, name := range names {
				if !opened[name] || !stored[name] {
					t.Errorf("%q has no link to open it (%v) or to download it (%v)", name, opened[name], stored[name])
				}
			}
			if len(opened) != len(names) || len(stored) != len(names) {
				t.Errorf("%d files to open, %d to download, want %d", len(opened), len(stored), len(names))
			}

			// A directory tells of each file how it lies there; of a bucket, what
			// has just been written is remembered.
			cells := 0
			for n := range page.Descendants() {
				if n.Type == html.TextNode && strings.HasPrefix(n.Data, "customer key") {
					cells++
				}
			}
			if cells != len(names) {
				t.Errorf("%d files are said to be encrypted, want %d", cells, len(names))
			}

			// On into the folder, which is empty, and back up to the remotes.
			i := slices.IndexFunc(links, func(l pageLink) bool { return l.text == "sub?/" })
			if i < 0 {
				t.Fatal("there is no link to the folder")
			}
			empty := string(s.Want(t, []int{http.StatusOK}, "GET", links[i].href, nil).Body)
			if !strings.Contains(empty, "This folder is empty.") {
				t.Errorf("the empty folder shows\n%s", empty)
			}
			if root := pageLinks(chromium(t, s.URL+links[0].href)); !slices.ContainsFunc(root, func(l pageLink) bool { return l.href == "/drive/" }) {
				t.Errorf("the remotes are %v", root)
			}
		})
	}
}

// TestBrowserOrClient tells a browser, which gets a page, from a client, which
// gets what WebDAV says.
func TestBrowserOrClient(t *testing.T) {
	r, _ := harness.LocalRemote(t, "drive", harness.NewKey(t).Write())
	s := harness.ServeConfig(t, "", r)
	s.Put(t, "/drive/page.html", []byte("<script>alert(1)</script>"))
	for _, path := range []string{"/", "/drive/", "/drive"} { // none is redirected
		a := s.Want(t, []int{200}, "GET", path, nil)
		if kind := a.Header.Get("Content-Type"); kind != "text/html; charset=utf-8" || !strings.Contains(a.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("GET %s: %v", path, a.Header)
		}
		connect(t, s).want(207, "PROPFIND "+path, "", "Depth: 0").multistatus()
	}
	// What other people have stored runs no scripts with this user's rights.
	a := s.Want(t, []int{200}, "GET", "/drive/page.html", nil)
	if !strings.Contains(a.Header.Get("Content-Security-Policy"), "sandbox") || a.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("GET page.html: %v", a.Header)
	}
}
