package providers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"sealdav/providers"
	"sealdav/providers/local"
	"sealdav/providers/providertest"
)

const rangeSize = 4096 // of the buffers of these tests

// aheadTest is an object in a bucket, read by ranges.
type aheadTest struct {
	bucket  providers.Bucket
	content []byte
	buffers *providers.Buffers
	*providers.ReadAhead
}

func newAheadTest(t *testing.T, size, streams, buffers int) *aheadTest {
	t.Helper()
	b, err := local.Open(t.Context(), local.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	a := &aheadTest{bucket: b, content: make([]byte, size), buffers: providers.NewBuffers(rangeSize, int64(buffers)*rangeSize)}
	rand.NewChaCha8([32]byte{}).Read(a.content)
	a.put(t, a.content)
	a.ReadAhead = providers.NewReadAhead(a.buffers, streams, slog.New(slog.DiscardHandler))
	return a
}

func (a *aheadTest) put(t *testing.T, content []byte) {
	t.Helper()
	if _, err := a.bucket.Put(t.Context(), "o", bytes.NewReader(content), providers.PutOptions{Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
}

// wantBack fails unless all n buffers are there again.
func (a *aheadTest) wantBack(t *testing.T, n int) {
	t.Helper()
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range n {
		if _, err := a.buffers.Get(done); err != nil {
			t.Fatalf("only %d of %d buffers were given back", i, n)
		}
	}
}

func TestReadAhead(t *testing.T) {
	const size = 100_000
	for _, tc := range []struct {
		name    string
		size    int
		streams int
		buffers int // 0: 64
		rng     providers.Range
		opens   int
		want    [2]int // of the content
	}{
		{name: "one stream", size: size, streams: 1, opens: 1, want: [2]int{0, size}},
		{name: "whole", size: size, streams: 4, opens: 25, want: [2]int{0, size}},
		{name: "more streams than ranges", size: 2*rangeSize + 1, streams: 16, opens: 3, want: [2]int{0, 2*rangeSize + 1}},
		{name: "whole ranges", size: 3 * rangeSize, streams: 2, opens: 3, want: [2]int{0, 3 * rangeSize}},
		{name: "to the end", size: size, streams: 3, rng: providers.Range{Offset: 50_000}, opens: 13, want: [2]int{50_000, size}},
		{name: "long range", size: size, streams: 3, rng: providers.Range{Offset: 10, Length: 9000}, opens: 3, want: [2]int{10, 9010}},
		{name: "range past the end", size: size, streams: 3, rng: providers.Range{Offset: size - 9000, Length: 20_000}, opens: 3, want: [2]int{size - 9000, size}},
		{name: "short range", size: size, streams: 3, rng: providers.Range{Offset: 10, Length: rangeSize}, opens: 1, want: [2]int{10, 10 + rangeSize}},
		{name: "suffix", size: size, streams: 3, rng: providers.Range{Offset: -9000}, opens: 1, want: [2]int{size - 9000, size}},
		{name: "small", size: 100, streams: 3, opens: 1, want: [2]int{0, 100}},
		{name: "one range", size: rangeSize, streams: 3, opens: 1, want: [2]int{0, rangeSize}},
		{name: "empty", size: 0, streams: 3, opens: 2, want: [2]int{0, 0}},
		{name: "no buffer to spare", size: size, streams: 4, buffers: 1, opens: 25, want: [2]int{0, size}},
		{name: "few buffers", size: size, streams: 8, buffers: 4, opens: 25, want: [2]int{0, size}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := max(tc.buffers, 1)
			if tc.buffers == 0 {
				n = 64
			}
			a := newAheadTest(t, tc.size, tc.streams, n)
			counter := &providertest.Counter{Bucket: a.bucket}
			body, obj, err := a.Open(t.Context(), counter, "o", providers.OpenOptions{Range: tc.rng})
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(body)
			if err != nil || !bytes.Equal(got, a.content[tc.want[0]:tc.want[1]]) {
				t.Errorf("%d bytes, %v; want those from %d to %d", len(got), err, tc.want[0], tc.want[1])
			}
			if obj.Size != int64(tc.size) {
				t.Errorf("Size = %d", obj.Size)
			}
			if err := body.Close(); err != nil {
				t.Error(err)
			}
			counts := counter.Counts()
			if counts.Calls["open"] != tc.opens || counts.BytesRead != int64(len(got)) {
				t.Errorf("%v and %d bytes, want %d open and %d bytes", counts, counts.BytesRead, tc.opens, len(got))
			}
			a.wantBack(t, n)
		})
	}
}

// held is a bucket whose reads of all but the beginning wait to be let go, one
// after the other.
type held struct {
	providers.Bucket
	letGo   chan struct{}
	waiting atomic.Int64
}

func (h *held) Open(ctx context.Context, key string, opts providers.OpenOptions) (io.ReadCloser, providers.Object, error) {
	if opts.Range.Offset > 0 {
		h.waiting.Add(1)
		<-h.letGo
		h.waiting.Add(-1)
	}
	return h.Bucket.Open(ctx, key, opts)
}

// TestReadAheadAtATime: as many ranges are asked for at a time as there are
// streams, whether the beginning is one of them or not, and never more; and
// none before that was looked at.
func TestReadAheadAtATime(t *testing.T) {
	const ranges = 20
	for _, streams := range []int{2, 4, 8} {
		t.Run(strconv.Itoa(streams), func(t *testing.T) {
			a := newAheadTest(t, ranges*rangeSize, streams, 32)
			synctest.Test(t, func(t *testing.T) {
				h := &held{Bucket: a.bucket, letGo: make(chan struct{})}
				waiting := func(when string, want int) {
					t.Helper()
					if synctest.Wait(); int(h.waiting.Load()) != want {
						t.Errorf("%s %d ranges are asked for, want %d", when, h.waiting.Load(), want)
					}
				}
				buffers := providers.NewBuffers(rangeSize, 32*rangeSize)
				ahead := providers.NewReadAhead(buffers, streams, slog.New(slog.DiscardHandler))
				body, _, err := ahead.Open(t.Context(), h, "o", providers.OpenOptions{})
				if err != nil {
					t.Fatal(err)
				}
				defer body.Close()
				got := make([]byte, rangeSize/4+1)
				if _, err := io.ReadFull(body, got[:rangeSize/4]); err != nil {
					t.Fatal(err)
				}
				waiting("before a quarter of the first was read", 0)
				if _, err := io.ReadFull(body, got[rangeSize/4:]); err != nil {
					t.Fatal(err)
				}
				waiting("beside the first", streams-1)
				done := make(chan error)
				go func() {
					rest, err := io.ReadAll(body)
					got = append(got, rest...)
					done <- err
				}()
				waiting("after the first", streams)
				for range ranges - 1 {
					h.letGo <- struct{}{}
					if synctest.Wait(); int(h.waiting.Load()) > streams {
						t.Errorf("%d ranges are asked for at a time", h.waiting.Load())
					}
				}
				if err := <-done; err != nil || !bytes.Equal(got, a.content) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			})
		})
	}
}

// TestReadAheadFails: whatever ends a read ends it as an error, and gives the
// buffers back.
func TestReadAheadFails(t *testing.T) {
	broken := &providers.Error{Op: "open", Key: "o", Kind: providers.ErrUnavailable}
	for _, tc := range []struct {
		name string
		do   func(t *testing.T, a *aheadTest, f *providertest.Faults, cancel func())
		want error
	}{
		{"replaced", func(t *testing.T, a *aheadTest, f *providertest.Faults, _ func()) {
			a.put(t, bytes.Repeat([]byte("x"), len(a.content)))
		}, providers.ErrPrecondition},
		{"unreachable", func(t *testing.T, a *aheadTest, f *providertest.Faults, _ func()) {
			f.Hook = func(op providertest.Op) error {
				if op.When == providertest.Before {
					return broken
				}
				return nil
			}
		}, providers.ErrUnavailable},
		{"cut", func(t *testing.T, a *aheadTest, f *providertest.Faults, _ func()) {
			f.Hook = func(op providertest.Op) error {
				if op.When == providertest.During && op.N > 100 {
					return broken
				}
				return nil
			}
		}, providers.ErrUnavailable},
		{"given up", func(t *testing.T, _ *aheadTest, _ *providertest.Faults, cancel func()) { cancel() }, context.Canceled},
		{"closed", func(*testing.T, *aheadTest, *providertest.Faults, func()) {}, nil},
	} {
		// With one buffer there is none to spare, and each range is a stream.
		for _, buffers := range []int{16, 1} {
			t.Run(fmt.Sprintf("%s, %d buffers", tc.name, buffers), func(t *testing.T) {
				a := newAheadTest(t, 20*rangeSize, 4, buffers)
				faults := &providertest.Faults{Bucket: a.bucket}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				body, _, err := a.Open(ctx, faults, "o", providers.OpenOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(body, make([]byte, 100)); err != nil {
					t.Fatal(err)
				}
				tc.do(t, a, faults, cancel)
				var works atomic.Bool
				if hook := faults.Hook; hook != nil {
					faults.Hook = func(op providertest.Op) error {
						if works.Load() {
							return nil
						}
						return hook(op)
					}
				}
				if tc.want != nil {
					got, err := io.ReadAll(body)
					if !errors.Is(err, tc.want) {
						t.Errorf("after %d bytes: %v, want %v", len(got), err, tc.want)
					}
					if !bytes.HasPrefix(a.content[100:], got) {
						t.Error("bytes of two versions")
					}
					works.Store(true) // the store; the body does not
					if n, err := body.Read(make([]byte, 10)); n > 0 || !errors.Is(err, tc.want) {
						t.Errorf("Read after a failure: %d bytes, %v; want %v", n, err, tc.want)
					}
				} else if _, err := io.ReadFull(body, make([]byte, rangeSize)); err != nil {
					t.Fatal(err)
				}
				_ = body.Close()
				if n, err := body.Read(make([]byte, 10)); n > 0 || !errors.Is(err, fs.ErrClosed) {
					t.Errorf("Read after Close: %d bytes, %v; want %v", n, err, fs.ErrClosed)
				}
				a.wantBack(t, buffers)
			})
		}
	}
}
