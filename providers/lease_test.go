package providers_test

import (
	"io"
	"strings"
	"testing"

	"sealdav/providers"
)

// TestLease: a body that is taken back gives nothing more of its buffer.
func TestLease(t *testing.T) {
	l := providers.NewLease(strings.NewReader("0123456789"), 10)
	buf := make([]byte, 6)
	if n, err := io.ReadFull(l, buf); n != 6 || err != nil || string(buf) != "012345" {
		t.Fatalf("read %q, %v", buf[:n], err)
	}
	l.Close()
	if n, err := l.Read(buf); n != 0 || err != providers.ErrLeaseEnded {
		t.Errorf("after the end: %d bytes, %v", n, err)
	}
	whole := providers.NewLease(strings.NewReader("0123456789"), 10)
	if _, err := io.ReadAll(whole); err != nil {
		t.Error(err)
	}
	whole.Close()
	if n, err := whole.Read(buf); n != 0 || err != io.EOF {
		t.Errorf("after the end of what was read whole: %d bytes, %v", n, err)
	}
}
