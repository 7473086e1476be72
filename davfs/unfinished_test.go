package davfs

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sealdav/providers"
	"sealdav/providers/providertest"
)

// keysOf is a list of about so many bytes.
func keysOf(bytes int) *keyList {
	l := new(keyList)
	for i := 0; len(l.buf) < bytes; i++ {
		l.add(fmt.Sprintf("%08d%s", i, strings.Repeat("x", 1000)))
	}
	return l
}

// TestUnfinishedExpires: keys are kept for an hour, and what is known beside
// them for longer.
func TestUnfinishedExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var u unfinished
		first := func() (rest, bool) {
			u.mu.Lock()
			defer u.mu.Unlock()
			return u.rests[0], u.timer != nil
		}
		old, young := transferID{from: "a"}, transferID{from: "b"}
		u.add(transferID{from: "file"}, rest{file: true})
		u.add(old, rest{moved: keysOf(1), dir: true})
		time.Sleep(keysKept / 2)
		u.add(young, rest{moved: keysOf(1)})
		time.Sleep(keysKept / 2)
		synctest.Wait()
		if r := u.take(old); r == nil || r.moved != nil || !r.lost || !r.dir {
			t.Errorf("after an hour: %+v", r)
		}
		if r := u.take(transferID{from: "file"}); r == nil || r.lost || !r.file {
			t.Errorf("of a file after an hour: %+v", r)
		}
		if r, timed := first(); r.moved == nil || r.lost || !timed {
			t.Errorf("after half an hour: %+v, a timer: %t", r, timed)
		}
		time.Sleep(keysKept / 2)
		synctest.Wait()
		if r, timed := first(); r.moved != nil || !r.lost || timed {
			t.Errorf("after an hour: %+v, a timer: %t", r, timed)
		}
	})
}

func TestUnfinishedBytes(t *testing.T) {
	for _, tc := range []struct {
		mib  []int // of the transfers, in their order
		kept string
	}{
		{[]int{1, 1, 1}, "true true true"},
		{[]int{5, 5, 1}, "false true true"},
		{[]int{5, 1, 5}, "false true true"},
		{[]int{1, 20}, "false true"}, // the last in any case
		{[]int{20, 1}, "false true"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var u unfinished
			for i, mib := range tc.mib {
				u.add(transferID{to: fmt.Sprint(i)}, rest{moved: keysOf(mib << 20 * 3 / 4)}) // and what append takes more
			}
			var kept []string
			for _, r := range u.rests {
				kept = append(kept, fmt.Sprint(r.moved != nil))
				if r.lost == (r.moved != nil) {
					t.Errorf("%v MiB: keys: %t, lost: %t", tc.mib, r.moved != nil, r.lost)
				}
			}
			if got := strings.Join(kept, " "); got != tc.kept {
				t.Errorf("of %v MiB: kept %s, want %s", tc.mib, got, tc.kept)
			}
		})
	}
}

// TestMoveAgainLater: a MOVE over a folder that failed half way is completed by
// the same request, and what the first half has moved stays, also if that was
// too long ago to know it from what lay there before.
func TestMoveAgainLater(t *testing.T) {
	for _, tc := range []struct {
		after time.Duration
		want  []string
	}{
		{0, []string{"e/", "e/a=content of d/a", "e/b=content of d/b", "e/c=content of d/c"}},
		{2 * keysKept, []string{"e/", "e/a=content of d/a", "e/b=content of d/b", "e/c=content of d/c", "e/old"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStore("d/", "d/a", "d/b", "d/c", "e/", "e/old")
			s.renames = true
			var broken atomic.Bool
			broken.Store(true)
			f := &providertest.Faults{Bucket: s, Hook: func(op providertest.Op) error {
				if broken.Load() && op.Key == "e/b" && op.When == providertest.Before {
					return providers.ErrUnavailable
				}
				return nil
			}}
			tr := treeOn(f, 0)
			move := func() error {
				_, err := transferTree(t.Context(), tr, "e", tr, find(t, tr, "d/"), transfer{move: true, overwrite: true})
				return err
			}
			if err := move(); Status(err) != 207 {
				t.Fatalf("move: %v", err)
			}
			time.Sleep(tc.after)
			broken.Store(false)
			wantIs(t, "move again", move(), nil)
			wantAll(t, fmt.Sprintf("after %v", tc.after), s, tc.want...)
		})
	}
}
