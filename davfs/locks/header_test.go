package locks_test

import (
	"errors"
	"testing"
	"time"

	"sealdav/davfs/locks"
)

func TestParseTimeout(t *testing.T) {
	const fallback, limit = 5 * time.Minute, time.Hour
	tests := []struct {
		header string
		want   time.Duration
	}{
		{"", fallback},
		{"Second-600", 600 * time.Second},
		{"second-600", 600 * time.Second},
		{" Second-600 ", 600 * time.Second},
		{"Second-3600", limit},
		{"Second-3601", limit},
		{"Infinite", limit},
		{"INFINITE", limit},
		{"Infinite, Second-4100000000", limit},
		{"Second-4100000000", limit},
		{"Second-9223372036", limit},
		{"Second-9223372037", limit},
		{"Second-99999999999999999999999", limit},
		{"Second-1, Infinite", time.Second},
		{"Extend-7, Second-60", time.Minute},
		{"Second-x, Second-60", time.Minute},
		{"Second--1, Second-60", time.Minute},
		{"Second-+1", fallback},
		{"Second-1.5", fallback},
		{"Second-0", fallback},
		{"Second-", fallback},
		{"Second", fallback},
		{"600", fallback},
		{",,", fallback},
	}
	for _, tt := range tests {
		if got := locks.ParseTimeout(tt.header, fallback, limit); got != tt.want {
			t.Errorf("ParseTimeout(%q): got %v, want %v", tt.header, got, tt.want)
		}
	}
	if got := locks.ParseTimeout("", limit, fallback); got != fallback {
		t.Errorf("a fallback beyond the limit: got %v, want %v", got, fallback)
	}
}

func TestParseLockToken(t *testing.T) {
	tests := []struct{ header, want string }{
		{"<urn:uuid:1>", "urn:uuid:1"},
		{"urn:uuid:1", "urn:uuid:1"},
		{" <urn:uuid:1> ", "urn:uuid:1"},
		{"<DAV:no-lock>", "DAV:no-lock"},
		{"", ""},
		{"<>", ""},
		{"<urn:uuid:1", ""},
		{"urn:uuid:1>", ""},
		{"<<urn:uuid:1>>", ""},
		{"<urn:uuid:1> <urn:uuid:2>", ""},
		{"<urn:uuid: 1>", ""},
		{"(<urn:uuid:1>)", ""},
		{"<urn:\x00>", ""},
	}
	for _, tt := range tests {
		got, err := locks.ParseLockToken(tt.header)
		if got != tt.want || (err != nil) != (tt.want == "") || err != nil && !errors.Is(err, locks.ErrBadHeader) {
			t.Errorf("ParseLockToken(%q): got %q, error %v; want %q", tt.header, got, err, tt.want)
		}
	}
}
