package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

// program finds a client that `make tools` installs.
func program(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path
		}
	}
	t.Fatalf("%s is missing: run, as root: make tools", name)
	return ""
}

// kindOfRemote makes remotes called "drive", each empty and of a test's own.
type kindOfRemote struct {
	name    string
	make    func(t *testing.T) harness.Remote
	cloud   bool   // a stand-in for a cloud, slower than what it stands for
	refuses string // what cannot be in a name
}

// names are those that the store can have.
func (k kindOfRemote) names(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return strings.ContainsAny(name, k.refuses) })
}

// sealedRemotes are the kinds of sealed remotes that clients are driven on.
var sealedRemotes = append(localAndS3,
	kindOfRemote{name: "Azurite", cloud: true, refuses: `\`, make: func(t *testing.T) harness.Remote {
		a := newAzure(t)
		a.Seal(a.name)
		return a.remote(t, "drive", harness.NewKey(t).Write())
	}},
	kindOfRemote{name: "GCS", cloud: true, make: func(t *testing.T) harness.Remote {
		b := newGCSBucket(t)
		b.MustSeal(t, b.name)
		return b.remote("drive", harness.NewKey(t).Write())
	}},
)

// localAndS3 are the remotes for clients to which one bucket is like another:
// what they ask of a store, others ask of all.
var localAndS3 = []kindOfRemote{
	{name: "local", make: func(t *testing.T) harness.Remote {
		r, _ := harness.LocalRemote(t, "drive", harness.NewKey(t).Write())
		return r
	}},
	{name: "MinIO", make: func(t *testing.T) harness.Remote {
		return newBucket(t, testserver.SharedMinIO(t)).remote("drive", harness.NewKey(t).Write())
	}},
}

// TestCadaver drives the command-line client through a script.
func TestCadaver(t *testing.T) {
	cadaver := program(t, "cadaver")
	for _, remote := range sealedRemotes {
		t.Run(remote.name, func(t *testing.T) {
			s := harness.ServeConfig(t, "", remote.make(t))
			dir := t.TempDir()
			body := randomBytes(100_000)
			if err := os.WriteFile(filepath.Join(dir, "up"), body, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), cadaver, s.URL+"/drive/")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "HOME="+dir)
			cmd.Stdin = strings.NewReader(strings.Join([]string{
				"mkcol letters", "put up letters/a.txt", "ls letters",
				"move letters/a.txt letters/b.txt", "copy letters/b.txt letters/c.txt",
				"lock letters/b.txt", "discover letters/b.txt", "unlock letters/b.txt",
				"get letters/b.txt down", "ls letters", "delete letters/b.txt",
				"rmcol letters", "ls", "quit", "",
			}, "\n"))
			out, err := cmd.CombinedOutput()
			text := string(out)
			if err != nil || strings.Contains(text, "failed") {
				t.Errorf("cadaver: %v", err)
			}
			if n := strings.Count(text, "succeeded."); n < 10 {
				t.Errorf("%d steps succeeded", n)
			}
			for _, want := range []string{"a.txt", "b.txt", "c.txt"} {
				if !strings.Contains(text, want) {
					t.Errorf("no listing shows %s", want)
				}
			}
			got, err := os.ReadFile(filepath.Join(dir, "down"))
			if err != nil {
				t.Error(err)
			}
			same(t, "the file that cadaver fetched", got, body)
			s.Want(t, []int{404}, "PROPFIND", "/drive/letters/", nil, "Depth", "0")
			if t.Failed() {
				t.Logf("cadaver printed:\n%s", text)
			}
		})
	}
}
