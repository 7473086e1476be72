package providertest

import (
	"fmt"
	"sync"
	"testing"

	"sealdav/providers"
)

func conditionCases() []testCase {
	return []testCase{
		{"condition/if-absent", testPutIfAbsent},
		{"condition/if-absent-large", testPutIfAbsentLarge},
		{"condition/if-absent-race", testPutIfAbsentRace},
		{"condition/if-match", testPutIfMatch},
		{"condition/if-match-race", testPutIfMatchRace},
		{"condition/copy", testCopyConditions},
	}
}

var ifAbsent = providers.Condition{IfAbsent: true}

func putIf(t testing.TB, b providers.Bucket, key, body string, c providers.Condition) (providers.Object, error) {
	t.Helper()
	return b.Put(t.Context(), key, reader(body), providers.PutOptions{Condition: c, Size: int64(len(body))})
}

func testPutIfAbsent(t testing.TB, e *env) {
	if _, err := putIf(t, e.b, "dir/k", "first", ifAbsent); err != nil {
		t.Errorf("Put if absent: %v", err)
	}
	_, err := putIf(t, e.b, "dir/k", "second", ifAbsent)
	wantKind(t, "second Put if absent", err, providers.ErrPrecondition)
	wantContent(t, e.b, "dir/k", "first")
	e.wantNothingLeft(t)
}

func testPutIfAbsentLarge(t testing.TB, e *env) {
	// The smaller one fits what a connection takes at once: some stores refuse a
	// write before they have read it, and break off who is still sending.
	large := noise(1, e.size(20<<20, 64<<10))
	if _, err := putIf(t, e.b, "k", large, ifAbsent); err != nil {
		t.Errorf("Put if absent: %v", err)
	}
	_, err := putIf(t, e.b, "k", noise(2, len(large)), ifAbsent)
	wantKind(t, "second Put if absent", err, providers.ErrPrecondition)
	wantContent(t, e.b, "k", large)
	e.wantNothingLeft(t)
}

// wantOneWinner puts n times at once under c and wants one success.
func wantOneWinner(t testing.TB, e *env, n int, c providers.Condition) {
	t.Helper()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { _, errs[i] = putIf(t, e.b, "k", fmt.Sprintf("writer %d", i), c) })
	}
	wg.Wait()
	winners := 0
	for i, err := range errs {
		if err != nil {
			wantKind(t, "a loser's Put", err, providers.ErrPrecondition)
			continue
		}
		winners++
		wantContent(t, e.b, "k", fmt.Sprintf("writer %d", i))
	}
	if winners != 1 {
		t.Errorf("%d of %d writers succeeded, want 1", winners, n)
	}
	e.wantNothingLeft(t)
}

func testPutIfAbsentRace(t testing.TB, e *env) { wantOneWinner(t, e, 8, ifAbsent) }

func testPutIfMatchRace(t testing.TB, e *env) {
	old := mustPut(t, e.b, "k", "old")
	wantOneWinner(t, e, 8, providers.Condition{IfMatch: old.ETag})
}

func testPutIfMatch(t testing.TB, e *env) {
	_, err := putIf(t, e.b, "k", "x", providers.Condition{IfMatch: `"0123456789abcdef0123456789abcdef"`})
	wantKind(t, "Put if-match on nothing", err, providers.ErrPrecondition)
	old := mustPut(t, e.b, "k", "one")
	now, err := putIf(t, e.b, "k", "two", providers.Condition{IfMatch: old.ETag})
	if err != nil {
		t.Fatalf("Put if-match: %v", err)
	}
	wantContent(t, e.b, "k", "two")
	_, err = putIf(t, e.b, "k", "three", providers.Condition{IfMatch: old.ETag})
	wantKind(t, "Put if-match with an old tag", err, providers.ErrPrecondition)
	wantContent(t, e.b, "k", "two")
	if got := mustStat(t, e.b, "k").ETag; got != now.ETag {
		t.Errorf("ETag is %s, want %s", got, now.ETag)
	}
	e.wantNothingLeft(t)
}

func testCopyConditions(t testing.TB, e *env) {
	src := mustPut(t, e.b, "src", "source")
	dst := mustPut(t, e.b, "dst", "old")
	newer := mustPut(t, e.b, "dst", "target")
	for _, c := range []providers.Condition{ifAbsent, {IfMatch: dst.ETag}} {
		_, err := e.b.Copy(t.Context(), "dst", src, providers.CopyOptions{Condition: c})
		wantKind(t, fmt.Sprintf("Copy under %+v", c), err, providers.ErrPrecondition)
		wantContent(t, e.b, "dst", "target")
	}
	if _, err := e.b.Copy(t.Context(), "fresh", src, providers.CopyOptions{Condition: ifAbsent}); err != nil {
		t.Errorf("Copy if absent: %v", err)
	}
	if _, err := e.b.Copy(t.Context(), "dst", src, providers.CopyOptions{Condition: providers.Condition{IfMatch: newer.ETag}}); err != nil {
		t.Errorf("Copy if-match: %v", err)
	}
	wantContent(t, e.b, "fresh", "source")
	wantContent(t, e.b, "dst", "source")
	e.wantNothingLeft(t)
}
