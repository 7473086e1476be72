package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

// sealedRemotes are a sealed remote "drive" of each kind that clients are
// driven on.
var sealedRemotes = []struct {
	name string
	make func(t *testing.T) harness.Remote
}{
	{"local", func(t *testing.T) harness.Remote {
		r, _ := harness.LocalRemote(t, "drive", harness.NewKey(t).Write())
		return r
	}},
	{"MinIO", func(t *testing.T) harness.Remote {
		return newBucket(t, testserver.SharedMinIO(t)).remote("drive", harness.NewKey(t).Write())
	}},
	{"GCS", func(t *testing.T) harness.Remote {
		b := newGCSBucket(t)
		b.MustSeal(t, b.name)
		return b.remote("drive", harness.NewKey(t).Write())
	}},
}

// litmusLine is one test in the output of litmus.
var litmusLine = regexp.MustCompile(`(?m)^ *\d+\. (\S+?)\.+ (pass|FAIL|SKIPPED|WARNING)(.*)$`)

// litmusSummary is the last line of a suite.
var litmusSummary = regexp.MustCompile("(?m)^<- summary for `(.+)': of (\\d+) tests run: (\\d+) passed, (\\d+) failed")

// noDeadProps are the litmus tests that want the server to keep properties of
// the client's own invention (dead properties), which sealdav refuses. They
// must fail, so that this list stays true.
var noDeadProps = map[string][]string{
	"props": {
		"propset", "propget", "propmove", "propdeletes", "propreplace", "propnullns", "prophighunicode",
		"propremoveset", "propsetremove", "propvalnspace", "propmanyns",
	},
	"locks": {"owner_modify"}, // modifies by PROPPATCH
}

// TestLitmus runs every suite of litmus; a FAIL, or a test that did not run,
// fails it.
func TestLitmus(t *testing.T) {
	litmus := program(t, "litmus")
	for _, remote := range sealedRemotes {
		for _, suite := range []string{"basic", "copymove", "props", "locks", "http"} {
			t.Run(remote.name+"/"+suite, func(t *testing.T) {
				s := harness.ServeConfig(t, "", remote.make(t))
				cmd := exec.CommandContext(t.Context(), litmus, "-k", s.URL+"/drive/")
				cmd.Dir = t.TempDir() // it writes debug.log
				cmd.Env = append(os.Environ(), "TESTS="+suite)
				out, err := cmd.CombinedOutput()
				harness.CheckClean(t, "what litmus printed", out)
				// It moves the cursor to print a result over its progress.
				text := strings.ReplaceAll(string(out), "\r", "\n")
				summary := litmusSummary.FindStringSubmatch(text)
				if summary == nil {
					t.Fatalf("litmus: %v\n%s", err, out)
				}
				t.Logf("litmus %s: of %s tests run %s passed, %s failed", summary[1], summary[2], summary[3], summary[4])
				known := map[string]bool{} // whether it failed
				for _, name := range noDeadProps[suite] {
					known[name] = false
				}
				for _, m := range litmusLine.FindAllStringSubmatch(text, -1) {
					name, result, reason := m[1], m[2], m[3]
					_, listed := known[name]
					switch {
					case result == "WARNING":
						t.Logf("%s: %s%s", name, result, reason)
					case result != "pass" && listed:
						known[name] = true
					case result != "pass":
						t.Errorf("%s: %s%s", name, result, reason)
					}
				}
				for name, failed := range known {
					if !failed {
						t.Errorf("%s passes: take it off the list", name)
					}
				}
				if t.Failed() {
					t.Logf("litmus: %v\n%s", err, text)
				}
			})
		}
	}
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
