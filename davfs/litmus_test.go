package davfs

import (
	"os/exec"
	"strings"
	"testing"
)

// TestLitmus runs litmus. Of the suite locks the tests called owner_modify set
// a dead property, which a bucket does not keep; they must fail, so that this
// list cannot outlive its reason.
func TestLitmus(t *testing.T) {
	litmus, err := exec.LookPath("litmus")
	if err != nil {
		t.Fatal("litmus is not installed; on Debian: apt-get install litmus")
	}
	tests := []struct {
		suite string
		fails string // what every failure mentions
		times int
	}{
		{suite: "basic"},
		{suite: "copymove"},
		{suite: "http"},
		{suite: "locks", fails: "owner_modify", times: 3},
	}
	for _, tt := range tests {
		t.Run(tt.suite, func(t *testing.T) {
			d := newDrive(t)
			cmd := exec.CommandContext(t.Context(), litmus, "-k", d.url+"/r/")
			cmd.Dir = t.TempDir()
			cmd.Env = append(cmd.Environ(), "TESTS="+tt.suite)
			// The exit status is that of the last suite's last test.
			out, _ := cmd.CombinedOutput()
			if !strings.Contains(string(out), "<- summary for") {
				t.Fatalf("litmus did not finish:\n%s", out)
			}
			failed := 0
			for line := range strings.Lines(string(out)) {
				switch {
				case strings.Contains(line, "FAIL") && tt.fails != "" && strings.Contains(line, tt.fails):
					failed++
				case strings.Contains(line, "FAIL"), strings.Contains(line, "WARNING"), strings.Contains(line, "SKIPPED"):
					t.Errorf("%s", line)
				}
			}
			if failed != tt.times {
				t.Errorf("%d expected failures, want %d", failed, tt.times)
			}
			if t.Failed() {
				t.Logf("%s", out)
			}
		})
	}
}
