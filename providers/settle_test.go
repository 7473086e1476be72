package providers_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"sealdav/providers"
)

// TestSettle: what becomes of what lies there after a write. Ours goes, and
// what may be somebody else's stays; what stays in the clear is told.
func TestSettle(t *testing.T) {
	const size = 6
	broken := errors.New("broken")
	// Both clocks run a day apart.
	now := time.Now()
	theirs := now.Add(24 * time.Hour)
	at := func(age time.Duration) time.Time { return theirs.Add(-age) }
	young, old := at(time.Minute), at(2*time.Hour)
	for _, tc := range []struct {
		name   string
		w      providers.Written // began an hour ago
		s      providers.Standing
		same   bool
		proof  error
		look   error
		remove error

		ours   bool
		sealed bool
		advice string // of the error
		log    string
	}{
		{name: "nothing there", s: providers.Standing{Absent: true}},
		{name: "sealed", s: providers.Standing{Sealed: true, Size: size, ModTime: young}, same: true, sealed: true},
		{name: "under another customer key", s: providers.Standing{OtherKey: true, Size: size, ModTime: young}, same: true},
		{name: "told, under another customer key", w: providers.Written{Answered: true}, s: providers.Standing{OtherKey: true, Told: true}, ours: true},
		{name: "not seen", look: broken, advice: providers.AdviceNotSeen, log: "ERROR"},

		{name: "told", w: providers.Written{Answered: true}, s: providers.Standing{Told: true, Size: size, ModTime: old}, ours: true},
		{name: "answered, same content", w: providers.Written{Answered: true}, s: providers.Standing{Size: size, ModTime: young}, same: true, ours: true},
		{name: "answered, no time", w: providers.Written{Answered: true}, s: providers.Standing{Size: size}, same: true, ours: true},
		{name: "answered, other content", w: providers.Written{Answered: true}, s: providers.Standing{Size: size, ModTime: young}, advice: providers.AdviceAnother, log: "ERROR"},
		{name: "answered, other size", w: providers.Written{Answered: true}, s: providers.Standing{Size: size + 1, ModTime: young}, same: true, advice: providers.AdviceAnother, log: "ERROR"},
		{name: "answered, older", w: providers.Written{Answered: true}, s: providers.Standing{Size: size, ModTime: old}, same: true, advice: providers.AdviceAnother, log: "ERROR"},
		{name: "answered, unclear", w: providers.Written{Answered: true}, s: providers.Standing{Size: size, ModTime: young}, proof: broken, advice: providers.AdviceDoubtful, log: "ERROR"},

		{name: "same content", s: providers.Standing{Size: size, ModTime: young}, same: true, ours: true},
		{name: "same content, as the write began", s: providers.Standing{Size: size, ModTime: at(time.Hour)}, same: true, ours: true},
		{name: "same content, older", s: providers.Standing{Size: size, ModTime: old}, same: true},
		{name: "same content, no time", s: providers.Standing{Size: size}, same: true, log: "WARN"},
		{name: "other content", s: providers.Standing{Size: size, ModTime: young}, log: "WARN"},
		{name: "other content, older", s: providers.Standing{Size: size, ModTime: old}},
		{name: "other size", s: providers.Standing{Size: size - 1, ModTime: young}, same: true},
		{name: "unclear", s: providers.Standing{Size: size, ModTime: young}, proof: broken, advice: providers.AdviceDoubtful, log: "ERROR"},
		{name: "not removed", s: providers.Standing{Size: size, ModTime: young}, same: true, ours: true, remove: broken, advice: providers.AdviceNotRemoved, log: "ERROR"},
		{name: "the replaced one not removed", w: providers.Written{Answered: true}, s: providers.Standing{Absent: true}, remove: broken, advice: providers.AdviceNotRemoved, log: "ERROR"},

		{name: "only copy", w: providers.Written{OnlyCopy: true}, s: providers.Standing{Size: size, ModTime: young}, same: true, remove: broken, advice: providers.AdviceOnlyCopy, log: "ERROR"},
		{name: "only copy, told", w: providers.Written{OnlyCopy: true, Answered: true}, s: providers.Standing{Told: true, Size: size, ModTime: young}, remove: broken, advice: providers.AdviceOnlyCopy, log: "ERROR"},
		{name: "only copy, no time", w: providers.Written{OnlyCopy: true}, s: providers.Standing{Size: size}, remove: broken, advice: providers.AdviceOnlyCopy, log: "ERROR"},
		{name: "only copy, not carried out", w: providers.Written{OnlyCopy: true}, s: providers.Standing{Size: size, ModTime: old}, remove: broken},
		{name: "only copy, sealed", w: providers.Written{OnlyCopy: true}, s: providers.Standing{Sealed: true, Size: size, ModTime: young}, remove: broken, sealed: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var logged bytes.Buffer
			log := slog.New(slog.NewTextHandler(&logged, nil))
			gone, leave := context.WithCancel(t.Context())
			leave()
			tc.w.Size, tc.w.Start, tc.s.Now = size, now.Add(-time.Hour), theirs
			tc.w.Same = func(ctx context.Context, _ providers.Standing) (bool, error) {
				return tc.same, errors.Join(tc.proof, ctx.Err())
			}
			removed := false
			sealed, err := tc.w.Settle(gone, providers.Place{
				Key: "k", Log: log,
				Left: func(advice string, err error) error { return providers.Left(log, "k", advice, err) },
				Look: func(ctx context.Context) (providers.Standing, error) {
					return tc.s, errors.Join(tc.look, ctx.Err())
				},
				Remove: func(ctx context.Context, ours bool) error {
					removed = ours
					return errors.Join(tc.remove, ctx.Err())
				},
			})
			if sealed != tc.sealed || removed != tc.ours || providers.Advice(err) != tc.advice || (err == nil) != (tc.advice == "") {
				t.Errorf("sealed: %v, removed: %v, %v; want %v, %v, advice %q", sealed, removed, err, tc.sealed, tc.ours, tc.advice)
			}
			if err != nil && !errors.Is(err, providers.ErrUnverified) {
				t.Errorf("%v is no ErrUnverified", err)
			}
			if cause := errors.Join(tc.look, tc.proof); cause != nil && !errors.Is(err, broken) {
				t.Errorf("%v does not tell the cause", err)
			}
			if got := logged.String(); (got == "") != (tc.log == "") || !strings.Contains(got, "level="+tc.log) && got != "" {
				t.Errorf("logged %q, want level %q", got, tc.log)
			}
		})
	}
}

// TestSettleTime: proofs are given time by what they read.
func TestSettleTime(t *testing.T) {
	for size, want := range map[int64]time.Duration{0: 30 * time.Second, 8 << 20: 31 * time.Second, 5 << 30: 670 * time.Second, 1 << 40: 12 * time.Minute} {
		var left time.Duration
		w := providers.Written{Size: size, Start: time.Now(), Answered: true, Same: func(ctx context.Context, _ providers.Standing) (bool, error) {
			end, _ := ctx.Deadline()
			left = time.Until(end).Round(time.Second)
			return true, nil
		}}
		_, err := w.Settle(t.Context(), providers.Place{
			Look:   func(context.Context) (providers.Standing, error) { return providers.Standing{Size: size}, nil },
			Remove: func(context.Context, bool) error { return nil },
		})
		if err != nil || left != want {
			t.Errorf("%d bytes: %v, %v; want %v", size, left, err, want)
		}
	}
}

// TestOwn: only what is sealed, young and the same is a write's own.
func TestOwn(t *testing.T) {
	now := time.Now()
	for _, tc := range []struct {
		name string
		s    providers.Standing
		same bool
		err  error
		want bool
	}{
		{name: "own", s: providers.Standing{Sealed: true, ModTime: now}, same: true, want: true},
		{name: "unsealed", s: providers.Standing{ModTime: now}, same: true},
		{name: "other content", s: providers.Standing{Sealed: true, ModTime: now}},
		{name: "older", s: providers.Standing{Sealed: true, ModTime: now.Add(-time.Hour)}, same: true},
		{name: "no time", s: providers.Standing{Sealed: true}, same: true},
		{name: "unclear", s: providers.Standing{Sealed: true, ModTime: now}, same: true, err: io.ErrUnexpectedEOF},
	} {
		tc.s.Now = now
		w := providers.Written{Start: now, Same: func(context.Context, providers.Standing) (bool, error) { return tc.same, tc.err }}
		if got := w.Own(t.Context(), tc.s); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

// TestProofs: bodies are compared under the tag that was looked at.
func TestProofs(t *testing.T) {
	broken := errors.New("broken")
	bodies := map[string]string{`copy src "1"`: "abc", `copy dst "2"`: "abc", `copy other "2"`: "abd", `put dst "2"`: "abc"}
	open := func(_ context.Context, op, key, etag string) (io.ReadCloser, error) {
		body, ok := bodies[op+" "+key+" "+etag]
		if !ok {
			return nil, broken
		}
		return io.NopCloser(strings.NewReader(body)), nil
	}
	src := providers.Object{Key: "src", ETag: `"1"`}
	for name, tc := range map[string]struct {
		same providers.Same
		want bool
		err  error
	}{
		"bytes":             {same: providers.SameBytes(open, "dst", []byte("abc")), want: true},
		"other bytes":       {same: providers.SameBytes(open, "dst", []byte("abx"))},
		"bytes not opened":  {same: providers.SameBytes(open, "gone", nil), err: broken},
		"copy":              {same: providers.SameAs(open, "dst", src), want: true},
		"other copy":        {same: providers.SameAs(open, "other", src)},
		"copy not opened":   {same: providers.SameAs(open, "gone", src), err: broken},
		"source not opened": {same: providers.SameAs(open, "dst", providers.Object{Key: "gone"}), err: broken},
	} {
		if got, err := tc.same(t.Context(), providers.Standing{ETag: `"2"`}); got != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// TestFailedWrite: the error of a write tells what is left of it.
func TestFailedWrite(t *testing.T) {
	refused := &providers.Error{Op: "put", Key: "k", Kind: providers.ErrUnavailable}
	left := &providers.Error{Op: "delete", Key: "k", Kind: providers.ErrUnverified, Advice: "look"}
	plain := errors.New("plain")
	for name, tc := range map[string]struct {
		err    error
		is     []error
		advice string
	}{
		"uncertain, nothing left":    {providers.Uncertain(refused, nil), []error{refused}, ""},
		"uncertain":                  {providers.Uncertain(refused, left), []error{providers.ErrUnavailable, left}, "look"},
		"uncertain, another's error": {providers.Uncertain(plain, left), []error{plain, left}, "look"},
		"unverified":                 {providers.Unverified("put", "k", "gone", false, nil), []error{providers.ErrUnverified}, "gone"},
		"unverified, sealed":         {providers.Unverified("put", "k", "gone", true, nil), []error{providers.ErrUnverified}, providers.AdviceSealed},
		"unverified, left":           {providers.Unverified("put", "k", "gone", false, left), []error{left}, "look"},
		"delete":                     {providers.AsDelete("other", refused), []error{providers.ErrUnavailable}, ""},
		"delete, another's error":    {providers.AsDelete("other", plain), []error{providers.ErrUnavailable, plain}, ""},
	} {
		for _, is := range tc.is {
			if !errors.Is(tc.err, is) || providers.Advice(tc.err) != tc.advice {
				t.Errorf("%s: %v, want %v with advice %q", name, tc.err, is, tc.advice)
			}
		}
	}
	if refused.Err != nil || providers.AsDelete("other", refused).Key != "other" || refused.Key != "k" {
		t.Errorf("the error itself was changed: %v", refused)
	}
}
