package davfs

import (
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"sealdav/providers"
	"sealdav/providers/providertest"
)

// TestTransferFaults makes each request of each operation fail, before and
// after the store has done it: no content is ever lost, and doing it again
// ends as if nothing had happened.
func TestTransferFaults(t *testing.T) {
	tests := []struct {
		op, path string
		keys     []string
	}{
		{"put", "d/a", []string{"d/", "d/a"}},
		{"mkdir", "d/n", []string{"d/", "d/a"}},
		{"remove", "d/s", []string{"d/s/", "d/s/a", "d/s/b", "d/s/t/", "d/s/t/c"}},
		{"copy e/b", "d/a", []string{"d/a", "e/b", "e/c"}},
		{"move e/b", "d/a", []string{"d/a", "e/b", "e/c"}},
		{"move e/b", "d/a", []string{"d/a", "e/b/", "e/b/x", "e/c"}},
		{"copy e/n", "d/s/", []string{"d/s/", "d/s/a", "d/s/b/c", "e/n/", "e/n/a", "e/n/x"}},
		{"move e/n", "d/s/", []string{"d/s/", "d/s/a", "d/s/b/c", "e/n/", "e/n/a", "e/n/x"}},
		{"move e/n", "d/s/", []string{"d/s/a", "d/s/b/c", "e/n", "e/m"}},
		{"move e/n", "d/s/", []string{"d/s/a", "d/s/b/c", "e/n/a/x", "e/n/b", "e/m"}},
	}
	for _, kind := range storeKinds {
		for _, tc := range tests {
			t.Run(kind.name+"/"+tc.op+" "+tc.path+" "+strings.Join(tc.keys, " "), func(t *testing.T) {
				clean := kind.make(tc.keys...)
				if err := do(tc.op, treeOn(clean, 0), tc.path)(t.Context()); err != nil {
					t.Fatal(err)
				}
				for call := 0; ; call++ {
					for _, when := range []providertest.When{providertest.Before, providertest.After} {
						s := kind.make(tc.keys...)
						if !failAt(t, s, clean, call, when, func(tr *tree) error { return do(tc.op, tr, tc.path)(t.Context()) }) {
							return // there are no more calls
						}
					}
				}
			})
		}
	}
}

// failAt runs op with its call-th request failing.
func failAt(t *testing.T, s, clean *store, call int, when providertest.When, op func(*tree) error) (more bool) {
	t.Helper()
	var mu sync.Mutex
	n, failing := 0, true
	f := &providertest.Faults{Bucket: s, Hook: func(o providertest.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if o.When != when || !failing {
			return nil
		}
		if n++; n-1 == call {
			more = true
			return providers.ErrUnavailable
		}
		return nil
	}}
	before := s.all()
	tr := treeOn(f, time.Hour)
	contents(t, treeOn(s, 0), "") // warms nothing; the tree is cold
	err := op(tr)
	if !more {
		if err != nil {
			t.Errorf("without a fault: %v", err)
		}
		return false
	}
	if err != nil && Status(err) != 502 && Status(err) != 207 {
		t.Errorf("call %d: %v is status %d", call, err, Status(err))
	}
	failing = false
	checkNothingLost(t, call, before, s.all(), clean)
	again := op(tr)
	if again != nil && !errors.Is(again, fs.ErrNotExist) && !errors.Is(again, fs.ErrExist) {
		t.Errorf("call %d, again: %v", call, again)
	}
	if again == nil {
		wantSettled(t, call, s, clean)
	}
	return true
}

// checkNothingLost wants each content that the finished operation would have
// kept to be somewhere.
func checkNothingLost(t *testing.T, call int, before, after []string, clean *store) {
	t.Helper()
	content := func(line string) string {
		key, data, ok := strings.Cut(line, "=")
		if !ok {
			return key
		}
		return strings.TrimPrefix(data, "content of ")
	}
	has := make(map[string]bool)
	for _, line := range after {
		has[content(line)] = true
	}
	kept := make(map[string]bool)
	for _, line := range clean.all() {
		kept[content(line)] = true
	}
	for _, line := range before {
		if c := content(line); !strings.HasSuffix(c, "/") && kept[c] && !has[c] {
			t.Errorf("call %d: the content of %s is lost, left is %q", call, c, after)
		}
	}
}

// wantSettled wants the files of the store that the operation leaves when
// nothing fails. Markers and what could not be put back may be left beside.
func wantSettled(t *testing.T, call int, s, clean *store) {
	t.Helper()
	files := func(s *store) string {
		var files []string
		for _, line := range s.all() {
			if !strings.HasSuffix(line, "/") && !strings.Contains(line, ".replaced-") {
				files = append(files, line)
			}
		}
		return strings.Join(files, " ")
	}
	if got, want := files(s), files(clean); got != want {
		t.Errorf("call %d: after a retry %q, want %q", call, got, want)
	}
}
