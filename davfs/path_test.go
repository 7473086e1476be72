package davfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sealdav/providers"
)

// href is the URL path that the handler gives a resource.
func href(prefix, remote, path string, dir bool) string {
	h := &Handler{prefix: cleanPrefix(prefix)}
	if remote == "" {
		return string(h.appendHref(nil, nil, path, dir))
	}
	return string(h.appendHref(nil, &tree{remote: Remote{Name: remote}}, path, dir))
}

func TestParseName(t *testing.T) {
	tests := []struct {
		name, remote, path string
		asDir              bool
		err                error
	}{
		{name: "/", asDir: true},
		{name: "", asDir: true},
		{name: "//", asDir: true},
		{name: "/r", remote: "r", asDir: true},
		{name: "/r/", remote: "r", asDir: true},
		{name: "/r/a", remote: "r", path: "a"},
		{name: "r/a", remote: "r", path: "a"},
		{name: "/r//a///b/", remote: "r", path: "a/b", asDir: true},
		{name: "/r/a%2Fb", remote: "r", path: "a%2Fb"},
		{name: "/r/...", remote: "r", path: "..."},
		{name: "/r/..", err: fs.ErrInvalid},
		{name: "/../r", err: fs.ErrInvalid},
		{name: "/r/./a", err: fs.ErrInvalid},
		{name: "/r/a\x00", err: fs.ErrInvalid},
		{name: "/r/\xff", err: fs.ErrInvalid},
	}
	for _, tc := range tests {
		remote, path, asDir, err := parseName(tc.name)
		if remote != tc.remote || path != tc.path || err == nil && asDir != tc.asDir || !errors.Is(err, tc.err) {
			t.Errorf("parseName(%q) = %q, %q, %v, %v", tc.name, remote, path, asDir, err)
		}
	}
}

func TestSplitPrefix(t *testing.T) {
	tests := []struct {
		prefix, path, name string
		ok                 bool
	}{
		{"", "/a", "/a", true}, {"", "", "/", true},
		{"/dav", "/dav/a", "/a", true}, {"/dav", "/dav", "/", true}, {"/dav", "/dav/", "/", true},
		{"/dav", "/davother", "", false}, {"/dav", "/", "", false}, {"/dav", "/x/dav/", "", false},
	}
	for _, tc := range tests {
		if name, ok := splitPrefix(tc.prefix, tc.path); name != tc.name || ok != tc.ok {
			t.Errorf("splitPrefix(%q, %q) = %q, %v", tc.prefix, tc.path, name, ok)
		}
	}
	for in, want := range map[string]string{"": "", "/": "", "dav": "/dav", "/dav/": "/dav", "/a/b": "/a/b"} {
		if got := cleanPrefix(in); got != want {
			t.Errorf("cleanPrefix(%q) = %q", in, got)
		}
	}
}

// FuzzPath: what a listing shows leads back to the same key.
func FuzzPath(f *testing.F) {
	for _, key := range []string{"a", "a/b", "50%25 +&?#;.txt", "ü/日本/🧀", "e\u0301", " ", "a\\b", "a:b", "~!*'()", "a//b", "../x", ".", "-", "%2F", "a\nb", ".sealdav/x", ".sealdavx"} {
		f.Add(key, true)
	}
	f.Fuzz(func(t *testing.T, key string, dir bool) {
		if !speakable(key) {
			return
		}
		href := href("/d av", "r&m", key, dir)
		for _, c := range []byte(href) {
			if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~/%", c) >= 0) {
				t.Errorf("%q in the href %q", c, href)
			}
		}
		u, err := url.Parse("http://host" + href)
		if err != nil {
			t.Fatal(err)
		}
		name, ok := splitPrefix("/d av", u.Path)
		if !ok {
			t.Fatalf("href %q lacks the prefix", href)
		}
		remote, path, asDir, err := parseName(name)
		if remote != "r&m" || path != key || asDir != dir || err != nil {
			t.Errorf("%q became %q, %q, %v, %v through %q", key, remote, path, asDir, err, href)
		}
		parent, last := splitPath(path)
		if dirKey(parent)+last != key || last == "" || parent != "" && !inside(path, parent) {
			t.Errorf("%q is parted into %q and %q", path, parent, last)
		}
	})
}

func TestHref(t *testing.T) {
	for want, got := range map[string]string{
		"/":                     href("", "", "", true),
		"/dav/":                 href("/dav", "", "", true),
		"/r/":                   href("", "r", "", true),
		"/dav/r/a%20b/c%25%2B/": href("/dav", "r", "a b/c%+", true),
		"/r/%C3%BC%23%3F":       href("", "r", "ü#?", false),
	} {
		if got != want {
			t.Errorf("href is %q, want %q", got, want)
		}
	}
}

func TestStatus(t *testing.T) {
	e := func(kind error) error { return &providers.Error{Op: "x", Key: "k", Kind: kind} }
	caused := func(kind, cause error) error { return &providers.Error{Op: "x", Key: "k", Kind: kind, Err: cause} }
	batch := func(kinds ...error) error {
		d := &providers.DeleteError{}
		for _, k := range kinds {
			d.Failed = append(d.Failed, &providers.Error{Op: "delete", Key: "k", Kind: k})
		}
		return d
	}
	tests := []struct {
		err  error
		want int
	}{
		{nil, 200},
		{e(fs.ErrNotExist), 404}, {e(fs.ErrExist), 405}, {e(fs.ErrPermission), 403}, {e(fs.ErrInvalid), 400},
		{e(providers.ErrKey), 403}, {e(providers.ErrPlain), 403}, {e(providers.ErrUnverified), 502},
		{e(providers.ErrPrecondition), 412}, {e(providers.ErrNotModified), 304}, {e(providers.ErrRange), 416},
		{e(providers.ErrQuota), 507}, {e(providers.ErrTooLarge), 413}, {e(providers.ErrThrottled), 503},
		{e(providers.ErrUnavailable), 502}, {e(providers.ErrBody), 400}, {e(errors.ErrUnsupported), 501},
		{errNoParent, 409}, {errIsDir, 405}, {errNotDir, 405}, {errSame, 403}, {errOverlap, 403},
		{context.DeadlineExceeded, 504}, {fmt.Errorf("x: %w", context.Canceled), statusClientClosed},
		{errors.New("?"), 500},
		{caused(providers.ErrUnavailable, fs.ErrNotExist), 502}, // the cause does not speak again
		{caused(fs.ErrNotExist, providers.ErrUnavailable), 404},
		{caused(providers.ErrUnavailable, context.DeadlineExceeded), 504},
		{batch(fs.ErrPermission), 403}, {batch(fs.ErrPermission, providers.ErrUnavailable), 502},
		{fmt.Errorf("x: %w", e(providers.ErrKey)), 403},
		{&bodyError{io.ErrUnexpectedEOF}, 400}, {&bodyError{&http.MaxBytesError{Limit: 1}}, 413},
		{&partialError{failures: []failure{{path: "a", err: e(providers.ErrKey)}}}, 207},
	}
	for _, tc := range tests {
		if got := Status(tc.err); got != tc.want {
			t.Errorf("Status(%v) = %d, want %d", tc.err, got, tc.want)
		}
	}
}

func TestForest(t *testing.T) {
	b := newStore("a")
	for _, remotes := range [][]Remote{
		{{Name: "a", Bucket: b}, {Name: "a", Bucket: b}},
		{{Name: "", Bucket: b}}, {{Name: "a/b", Bucket: b}}, {{Name: "..", Bucket: b}}, {{Name: "a\n", Bucket: b}}, {{Name: "\xff", Bucket: b}}, {{Name: "a"}},
	} {
		if _, err := NewFileSystem(remotes, Options{}); err == nil {
			t.Errorf("%+v are accepted", remotes)
		}
	}
	f, err := newForest([]Remote{{Name: "b", Bucket: b}, {Name: "a", Bucket: b}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := WithAccess(t.Context(), Access{User: "eve", Remotes: []string{"b"}})
	if _, err := f.resolve(ctx, "/a/x"); err != fs.ErrNotExist {
		t.Errorf("a hidden remote: %v", err)
	}
	if trees := f.visible(ctx); len(trees) != 1 || trees[0].remote.Name != "b" {
		t.Errorf("visible are %v", trees)
	}
	if trees := f.visible(t.Context()); len(trees) != 2 || trees[0].remote.Name != "a" {
		t.Errorf("visible to all are %v", trees)
	}
}
