package harness

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// Memory reads a line of /proc/PID/status in bytes: VmRSS, or VmHWM, its peak.
func Memory(t testing.TB, pid int, line string) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatalf("memory is read from Linux's /proc: %v", err)
	}
	for l := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(l, line+":"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatalf("no %s in /proc", line)
	return 0
}
