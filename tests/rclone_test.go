package tests

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

// rclone runs rclone, whose remote "drive:" is the drive.
type rclone struct {
	t       *testing.T
	program string
	env     []string
}

// newRclone makes a remote of a vendor: "other" is plain WebDAV, "owncloud"
// sends modification times, too.
func newRclone(t *testing.T, s *harness.Server, vendor string) rclone {
	t.Helper()
	root, err := testserver.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(root, ".cache", "bin", "rclone")
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("rclone is missing: run: make tools (%v)", err)
	}
	return rclone{t, program, []string{
		"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "RCLONE_CONFIG=",
		"RCLONE_CONFIG_DRIVE_TYPE=webdav", "RCLONE_CONFIG_DRIVE_VENDOR=" + vendor, "RCLONE_CONFIG_DRIVE_URL=" + s.URL + "/drive/",
		"RCLONE_RETRIES=1", "RCLONE_LOW_LEVEL_RETRIES=1", // an error is an error
	}}
}

// try runs a command with a standard input.
func (r rclone) try(stdin string, args ...string) (stdout, stderr string, err error) {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), r.program, args...)
	var out, errs strings.Builder
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = r.env, strings.NewReader(stdin), &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// run is try for a command that has to succeed.
func (r rclone) run(args ...string) (stdout, stderr string) {
	r.t.Helper()
	stdout, stderr, err := r.try("", args...)
	if err != nil {
		r.t.Fatalf("rclone %q: %v\n%s%s", args, err, stdout, stderr)
	}
	return stdout, stderr
}

// wantIdle fails unless a sync from dir finds nothing to do.
func (r rclone) wantIdle(dir string) {
	r.t.Helper()
	if _, log := r.run("sync", "--dry-run", dir, "drive:tree"); strings.Contains(log, "Skipped") {
		r.t.Errorf("a sync would do something again:\n%s", log)
	}
}

// TestRclone keeps a tree in step with a drive.
func TestRclone(t *testing.T) {
	for _, remote := range sealedRemotes {
		for _, vendor := range []string{"other", "owncloud"} {
			t.Run(remote.name+"/"+vendor, func(t *testing.T) {
				s := harness.ServeConfig(t, "", remote.make(t))
				r := newRclone(t, s, vendor)
				tree := rcloneTree(t, remote.names(oddNames))
				r.run("copy", tree, "drive:tree")
				r.run("check", "--download", tree, "drive:tree")
				r.wantIdle(tree)
				r.wantTimes(tree, vendor == "owncloud")

				// A file changes, one goes, one comes.
				for name, change := range map[string]func(path string) error{
					"a b":     func(path string) error { return os.WriteFile(path, []byte("longer than it was"), 0o600) },
					"100%":    os.Remove,
					"another": func(path string) error { return os.WriteFile(path, []byte("new"), 0o600) },
				} {
					if err := change(filepath.Join(tree, name)); err != nil {
						t.Fatal(err)
					}
				}
				r.run("sync", tree, "drive:tree")
				r.run("check", "--download", tree, "drive:tree")
				r.wantIdle(tree)

				// A stream whose length is not known.
				if _, log, err := r.try(strings.Repeat("0123456789", 100_000), "rcat", "drive:tree/stream"); err != nil {
					t.Fatalf("rcat: %v\n%s", err, log)
				}
				if got, _ := r.run("cat", "--offset", "999990", "drive:tree/stream"); got != "0123456789" {
					t.Errorf("the end of the stream is %q", got)
				}
				r.run("moveto", "drive:tree/stream", "drive:elsewhere/moved #1")
				r.run("copyto", "drive:elsewhere/moved #1", "drive:tree/copied?")
				if got, _ := r.run("cat", "--count", "5", "drive:tree/copied?"); got != "01234" {
					t.Errorf("the copy begins with %q", got)
				}
				r.run("moveto", "drive:tree", "drive:tree 2") // a folder, in one request
				r.run("deletefile", "drive:tree 2/copied?")
				r.run("check", "--download", tree, "drive:tree 2")
				r.run("copy", "drive:tree 2", filepath.Join(tree, "..", "back"))
				r.run("check", tree, filepath.Join(tree, "..", "back"))
				r.run("purge", "drive:tree 2")
				r.run("purge", "drive:elsewhere")
				wantDrive(t, s, "/drive/", nil, nil)
			})
		}
	}
}

// rcloneTree is a tree with those names, last changed at odd times.
func rcloneTree(t *testing.T, names []string) string {
	t.Helper()
	tree := filepath.Join(t.TempDir(), "tree")
	for i, name := range append(names, "sub folder/deeper/file", "large") {
		size := 10 * i
		if name == "large" {
			size = 20 << 20 // several parts of an upload
		}
		path := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, randomBytes(size), 0o600); err != nil {
			t.Fatal(err)
		}
		changed := time.Date(2019, time.March, 1+i, 12, 34, 56, 0, time.UTC)
		if err := os.Chtimes(path, changed, changed); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

// wantTimes compares what rclone lists of the drive with the tree. Times are
// kept only for vendors whose clients send them.
func (r rclone) wantTimes(tree string, kept bool) {
	r.t.Helper()
	type entry struct {
		Path    string
		Size    int64
		ModTime time.Time
	}
	list := func(where string) map[string]entry {
		r.t.Helper()
		out, _ := r.run("lsjson", "-R", "--files-only", where)
		var entries []entry
		if err := json.Unmarshal([]byte(out), &entries); err != nil {
			r.t.Fatal(err)
		}
		byPath := map[string]entry{}
		for _, e := range entries {
			byPath[e.Path] = e
		}
		return byPath
	}
	want, got := list(tree), list("drive:tree")
	for path, w := range want {
		g, ok := got[path]
		if !ok || g.Size != w.Size {
			r.t.Errorf("%q: listed with %d bytes, want %d", path, g.Size, w.Size)
		}
		if kept != g.ModTime.Equal(w.ModTime) {
			r.t.Errorf("%q: changed at %v, locally %v; is the time kept? want %v", path, g.ModTime, w.ModTime, kept)
		}
	}
	if len(got) != len(want) {
		r.t.Errorf("%d files are listed, want %d", len(got), len(want))
	}
}
