package tests

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/studio-b12/gowebdav"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

// TestGowebdav drives the Go client library.
func TestGowebdav(t *testing.T) {
	for _, remote := range localAndS3 {
		t.Run(remote.name, func(t *testing.T) {
			s := harness.ServeConfig(t, "", remote.make(t))
			c := gowebdav.NewClient(s.URL+"/drive/", "", "")
			check := func(what string, err error) {
				t.Helper()
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
			}
			check("connect", c.Connect())
			check("mkdir", c.MkdirAll("a/b/c", 0o755))
			body := randomBytes(100_000)
			check("write", c.Write("a/b/f", body, 0o644))
			read := func(path string, want []byte) {
				t.Helper()
				got, err := c.Read(path)
				check("read "+path, err)
				same(t, path, got, want)
			}
			read("a/b/f", body)
			slices.Reverse(body)
			check("overwrite", c.WriteStream("a/b/f", bytes.NewReader(body), 0o644))
			read("a/b/f", body)
			check("write chunks", c.WriteStream("a/b/chunks", &zeros{left: 300_000}, 0o644))
			read("a/b/chunks", make([]byte, 300_000))
			part, err := c.ReadStreamRange("a/b/f", 1000, 500)
			check("read a part", err)
			got, err := io.ReadAll(part)
			check("read a part", err)
			part.Close()
			same(t, "a part", got, body[1000:1500])

			info, err := c.Stat("a/b/f")
			check("stat", err)
			if info.Size() != int64(len(body)) || info.IsDir() || info.ModTime().IsZero() || info.Name() != "f" {
				t.Errorf("stat: %+v", info)
			}
			check("rename", c.Rename("a/b/f", "a/b/g", false))
			if _, err := c.Stat("a/b/f"); !gowebdav.IsErrNotFound(err) {
				t.Errorf("stat of the old name: %v", err)
			}
			if err := c.Rename("a/b/g", "a/b/chunks", false); !gowebdav.IsErrCode(err, 412) {
				t.Errorf("rename onto a file, not to overwrite it: %v", err)
			}
			check("rename onto a file", c.Rename("a/b/g", "a/b/chunks", true))
			read("a/b/chunks", body)
			check("copy a folder", c.Copy("a/b", "a/d", false))
			check("rename a folder", c.Rename("a/b", "a/e", false))
			read("a/d/chunks", body)
			read("a/e/chunks", body)
			check("remove", c.Remove("a/d/chunks"))
			check("remove a folder", c.RemoveAll("a"))

			check("mkdir", c.Mkdir("odd", 0o755))
			for _, name := range oddNames {
				check("write "+name, c.Write("odd/"+name, []byte("first"), 0o644))
				check("overwrite "+name, c.Write("odd/"+name, []byte(name), 0o644))
				check("rename "+name, c.Rename("odd/"+name, "odd/"+name+" ", false))
				check("rename "+name, c.Rename("odd/"+name+" ", "odd/"+name, false))
				read("odd/"+name, []byte(name))
			}
			listed, err := c.ReadDir("odd")
			check("list", err)
			if len(listed) != len(oddNames) {
				t.Errorf("%d files are listed, want %d", len(listed), len(oddNames))
			}
			for _, info := range listed {
				if !slices.Contains(oddNames, info.Name()) {
					t.Errorf("%q is listed", info.Name())
				}
			}
			wantDrive(t, s, "/drive/odd/", oddNames, func(name string) string { return name })
			for _, name := range oddNames {
				check("remove "+name, c.Remove("odd/"+name))
			}
			wantDrive(t, s, "/drive/odd/", nil, nil)
		})
	}
}

// TestNodeWebdav drives the JavaScript client library by a script.
func TestNodeWebdav(t *testing.T) {
	node := program(t, "node")
	root, err := testserver.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	library := filepath.Join(root, ".cache", "npm-webdav", "node_modules", "webdav", "dist", "node", "index.js")
	if _, err := os.Stat(library); err != nil {
		t.Fatalf("npm's webdav is missing: run: make tools (%v)", err)
	}
	names, err := json.Marshal(oddNames)
	if err != nil {
		t.Fatal(err)
	}
	for _, remote := range localAndS3 {
		t.Run(remote.name, func(t *testing.T) {
			s := harness.ServeConfig(t, "", remote.make(t))
			cmd := exec.CommandContext(t.Context(), node, "testdata/webdav.mjs", library, s.URL+"/drive/")
			cmd.Stdin = bytes.NewReader(names)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			wantDrive(t, s, "/drive/odd/", oddNames, func(name string) string { return name })
		})
	}
}

// TestCurl drives curl, with every method by hand.
func TestCurl(t *testing.T) {
	path := program(t, "curl")
	for _, remote := range sealedRemotes {
		t.Run(remote.name, func(t *testing.T) {
			s := harness.ServeConfig(t, "", remote.make(t))
			drive, dir := s.URL+"/drive/", t.TempDir()
			curl := func(args ...string) string {
				t.Helper()
				cmd := exec.CommandContext(t.Context(), path, append([]string{"-sS", "--fail-with-body", "--noproxy", "*"}, args...)...)
				cmd.Dir = dir
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("curl %q: %v\n%s", args, err, out)
				}
				return string(out)
			}
			if err := os.WriteFile(filepath.Join(dir, "up"), []byte("content"), 0o600); err != nil {
				t.Fatal(err)
			}
			names := remote.names(oddNames)
			curl("-X", "MKCOL", drive+"odd/")
			for _, name := range names {
				file := drive + "odd/" + escapePath(name)
				curl("-T", "up", file)
				// With a body whose length is not known, after "100 Continue".
				curl("-T", "-", "-H", "Expect: 100-continue", file)
				curl("--data-raw", name, "-X", "PUT", file)
				curl("-X", "COPY", "-H", "Destination: "+file+"2", file)
				curl("-X", "MOVE", "-H", "Destination: "+file, file+"2")
				if got := curl(file); got != name {
					t.Errorf("%s: %q", name, got)
				}
				if got := curl("-r", "0-0", file); got != name[:1] {
					t.Errorf("the first byte of %s: %q", name, got)
				}
			}
			wantDrive(t, s, "/drive/odd/", names, func(name string) string { return name })
			if got := curl("-X", "PROPFIND", "-H", "Depth: 1", drive+"odd/"); strings.Count(got, "<D:response>") != len(names)+1 {
				t.Errorf("PROPFIND: %s", got)
			}
			curl("-X", "DELETE", drive+"odd/")
			wantDrive(t, s, "/drive/", nil, nil)
		})
	}
}
