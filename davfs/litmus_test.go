package davfs

import (
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"sealdav/providers"
)

// TestLitmus runs litmus, of which nothing may fail, warn or be skipped.
func TestLitmus(t *testing.T) {
	litmus, err := exec.LookPath("litmus")
	if err != nil {
		t.Fatal("litmus is not installed; on Debian: apt-get install litmus")
	}
	for _, store := range []string{"memory", "sealed directory"} {
		for _, suite := range []string{"basic", "copymove", "props", "locks", "http"} {
			t.Run(store+" "+suite, func(t *testing.T) {
				var bucket providers.Bucket = newStore()
				if store != "memory" {
					bucket = newLocal(t)
				}
				for line := range strings.Lines(runLitmus(t, litmus, suite, bucket)) {
					if strings.Contains(line, "FAIL") || strings.Contains(line, "WARNING") || strings.Contains(line, "SKIPPED") {
						t.Errorf("%s", line)
					}
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
