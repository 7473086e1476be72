package tests

import (
	"strings"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

// TestMemory: an idle server is small, and lists a folder of any size in the
// same memory.
func TestMemory(t *testing.T) {
	const (
		idle   = 40_000_000 // bytes of resident memory
		growth = 32 << 20
	)
	s := harness.ServeConfig(t, "", harness.Remote{
		Name: "drive", URL: "s3://bucket", Store: testserver.Listing(t), SSE: harness.NewKey(t).Write(),
	})
	list := func(folder string, n int) {
		t.Helper()
		body := s.Want(t, []int{207}, "PROPFIND", "/drive/"+folder+"/", nil, "Depth", "1").Body
		if got := strings.Count(string(body), "<D:response>"); got != n+1 {
			t.Errorf("%d members are listed, want %d", got-1, n)
		}
	}
	list("1000", 1000)
	before := harness.Memory(t, s.PID(), "VmHWM")
	if before > idle {
		t.Errorf("%d MB resident after a folder of 1,000, want %d at most", before/1e6, idle/1_000_000)
	}
	list("200000", 200_000)
	if grown := harness.Memory(t, s.PID(), "VmHWM") - before; grown > growth {
		t.Errorf("a folder of 200,000 takes %d MiB more, want %d at most", grown>>20, growth>>20)
	}
}
