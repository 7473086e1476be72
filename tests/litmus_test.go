package tests

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

// litmusLine is one test in the output of litmus, litmusSummary the last line
// of a suite.
var (
	litmusLine    = regexp.MustCompile(`(?m)^ *\d+\. (\S+?)\.* (pass|FAIL|SKIPPED|WARNING)(.*)$`)
	litmusSummary = regexp.MustCompile("(?m)^<- summary for `(.+)': of (\\d+) tests run: (\\d+) passed, (\\d+) failed")
)

// TestLitmus runs every suite of litmus. What it does not plainly pass, a
// warning and a skipped test too, fails.
func TestLitmus(t *testing.T) {
	litmus := program(t, "litmus")
	remotes := append(sealedRemotes[:len(sealedRemotes):len(sealedRemotes)], kindOfRemote{name: "MinIO plain", make: func(t *testing.T) harness.Remote {
		return newBucket(t, testserver.SharedMinIO(t)).remote("drive", "")
	}})
	for _, remote := range remotes {
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
				passed := 0
				for _, m := range litmusLine.FindAllStringSubmatch(text, -1) {
					if name, result, reason := m[1], m[2], m[3]; result == "pass" {
						passed++
					} else {
						t.Errorf("%s: %s%s", name, result, reason)
					}
				}
				if summary[2] != summary[3] || passed == 0 {
					t.Errorf("%d passed; %s", passed, summary[0])
				}
				// Skipped tests and warnings are summed up on lines of their own.
				if strings.Contains(text, "\n-> ") || strings.Contains(text, "WARNING") {
					t.Error("litmus warns or skips")
				}
				if t.Failed() {
					t.Logf("litmus: %v\n%s", err, text)
				}
			})
		}
	}
}
