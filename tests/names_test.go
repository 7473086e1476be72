package tests

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// TestDavfs2Names makes, overwrites, renames, reads and removes files of odd
// names in a mount.
func TestDavfs2Names(t *testing.T) {
	for _, remote := range sealedRemotes {
		t.Run(remote.name, func(t *testing.T) {
			names := remote.names(oddNames)
			s := harness.ServeConfig(t, "", remote.make(t))
			s.Want(t, []int{201}, "MKCOL", "/drive/odd/", nil)
			mnt, unmount := mountDavfs(t, s.URL+"/drive/odd/")
			check := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range names {
				file := filepath.Join(mnt, name)
				check(os.WriteFile(file, []byte("before"), 0o600))
				check(os.WriteFile(file, []byte(name), 0o600))
				check(os.Rename(file, file+" 2"))
				check(os.Rename(file+" 2", file))
			}
			unmount() // waits for the uploads
			wantDrive(t, s, "/drive/odd/", names, func(name string) string { return name })
			mnt, unmount = mountDavfs(t, s.URL+"/drive/odd/")
			listed, err := os.ReadDir(mnt)
			check(err)
			seen := 0
			for _, entry := range listed {
				if entry.Name() == "lost+found" { // made up by the client
					continue
				}
				seen++
				got, err := os.ReadFile(filepath.Join(mnt, entry.Name()))
				check(err)
				same(t, "the file", got, []byte(entry.Name()))
				check(os.Remove(filepath.Join(mnt, entry.Name())))
			}
			if seen != len(names) {
				t.Errorf("%d files are listed, want %d", seen, len(names))
			}
			unmount()
			wantDrive(t, s, "/drive/odd/", nil, nil)
		})
	}
}

// TestCadaverNames does the same in the command-line client, whose patterns
// and quotes leave some names to others.
func TestCadaverNames(t *testing.T) {
	cadaver := program(t, "cadaver")
	names := slices.DeleteFunc(slices.Clone(oddNames), func(name string) bool { return strings.ContainsAny(name, `"\*?[]{}`) })
	for _, remote := range sealedRemotes {
		t.Run(remote.name, func(t *testing.T) {
			s := harness.ServeConfig(t, "", remote.make(t))
			dir := t.TempDir()
			script := []string{"mkcol odd", "cd odd"}
			for i, name := range names {
				up := fmt.Sprintf("up%d", i)
				for file, content := range map[string]string{"before": "before", up: name} {
					if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				file := `"./` + name + `"`
				script = append(script, "put before "+file, "put "+up+" "+file, "move "+file+" between",
					"copy between "+file, "delete between", fmt.Sprintf("get %s down%d", file, i))
			}
			cmd := exec.CommandContext(t.Context(), cadaver, s.URL+"/drive/")
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir)
			cmd.Stdin = strings.NewReader(strings.Join(script, "\n") + "\nquit\n")
			out, err := cmd.CombinedOutput()
			if err != nil || strings.Contains(string(out), "failed") {
				t.Errorf("cadaver: %v\n%s", err, out)
			}
			for i, name := range names {
				got, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("down%d", i)))
				if err != nil {
					t.Error(err)
				}
				same(t, name, got, []byte(name))
			}
			wantDrive(t, s, "/drive/odd/", names, func(name string) string { return name })
		})
	}
}
