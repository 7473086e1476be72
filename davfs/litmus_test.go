package davfs

import (
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"sealdav/providers"
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
	for _, store := range []string{"memory", "sealed directory"} {
		for _, tt := range tests {
			t.Run(store+" "+tt.suite, func(t *testing.T) {
				var bucket providers.Bucket = newStore()
				if store != "memory" {
					bucket = newLocal(t)
				}
				failed := 0
				for line := range strings.Lines(runLitmus(t, litmus, tt.suite, bucket)) {
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
			})
		}
	}
}

// runLitmus runs a suite on a bucket, and returns what litmus says.
func runLitmus(t *testing.T, litmus, suite string, bucket providers.Bucket) string {
	h, err := New([]Remote{{Name: "r", Bucket: bucket}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	defer server.Close()
	cmd := exec.CommandContext(t.Context(), litmus, "-k", server.URL+"/r/")
	cmd.Dir = t.TempDir()
	cmd.Env = append(cmd.Environ(), "TESTS="+suite)
	out, _ := cmd.CombinedOutput() // the exit status is that of the last test alone
	if !strings.Contains(string(out), "<- summary for") {
		t.Fatalf("litmus did not finish:\n%s", out)
	}
	return string(out)
}
