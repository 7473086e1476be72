package s3_test

import (
	"testing"

	"sealdav/internal/testserver"
	"sealdav/providers"
	"sealdav/sse"
)

// TestListAhead: the next page is asked for early, but only by who reads on.
func TestListAhead(t *testing.T) {
	p := testserver.NewProxy(t, testserver.Listing(t))
	b := open(t, config(p.S3, "bucket", sse.Settings{}))
	for _, tc := range []struct {
		name     string
		opts     providers.ListOptions
		entries  int // to read
		requests int
	}{
		{"to the end", providers.ListOptions{}, 2500, 3},
		{"recursively", providers.ListOptions{Recursive: true}, 2500, 3},
		{"the beginning", providers.ListOptions{}, 500, 1},
		{"a page that was asked for", providers.ListOptions{PageSize: 1000}, 1000, 1},
		{"into the second page", providers.ListOptions{}, 1001, 2},
	} {
		p.Reset()
		n := 0
		last := ""
		for e, err := range b.List(t.Context(), "2500/", tc.opts) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Key <= last {
				t.Fatalf("%s: %q after %q", tc.name, e.Key, last)
			}
			last = e.Key
			if n++; n == tc.entries && n < 2500 {
				break
			}
		}
		if n != tc.entries || len(p.Ops()) != tc.requests {
			t.Errorf("%s: %d entries for %q, want %d for %d requests", tc.name, n, p.Ops(), tc.entries, tc.requests)
		}
	}
}
