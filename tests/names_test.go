package tests

import (
	"net/url"
	"strings"
	"testing"

	"sealdav/tests/harness"
)

// oddNames are names that URLs, XML and shells have their own ideas about. Each
// client makes files of these names, and reads them back.
var oddNames = []string{
	"a b", "two  blanks", "100%", "%41", "%2F", "a+b", "#1", "what?", "a;b", "a&b=c", "<b>", `"double"`, "'single'",
	"[x]{y}", "back\\slash", "co:lon", "a*|b", "~tilde", ".hidden", "-dash", "@at,comma", "$HOME", "😀 👨‍👩‍👧",
	"cafe\u0301", "\u00fcber", "\u65e5\u672c\u8a9e", "\u0627\u0644\u0639\u0631\u0628\u064a\u0629",
	strings.Repeat("long ", 45) + "name",
}

// escapePath writes a path for a URL.
func escapePath(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return strings.Join(segments, "/")
}

// wantDrive fails unless a folder of the drive holds these names, and each file
// what its name says; the server is asked without the client in between.
func wantDrive(t *testing.T, s *harness.Server, dir string, names []string, content func(name string) string) {
	t.Helper()
	listed := map[string]bool{}
	w := connect(t, s)
	for _, href := range w.want(207, "PROPFIND "+escapePath(dir), "", "Depth: 1").members() {
		if name := strings.TrimPrefix(unescape(t, href), dir); name != "" {
			listed[name] = true
		}
	}
	for _, name := range names {
		if !listed[name] {
			t.Errorf("%q is not listed", name)
			continue
		}
		delete(listed, name)
		same(t, name, s.Get(t, escapePath(dir+name)), []byte(content(name)))
	}
	for name := range listed {
		t.Errorf("%q is listed too", name)
	}
}
