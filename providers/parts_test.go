package providers_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"sealdav/providers"
)

// TestParts cuts bodies of every size around those that matter, however they
// arrive.
func TestParts(t *testing.T) {
	const part, own = 256 << 10, 64 << 10
	buffers := providers.NewBuffers(part, 2*part)
	for _, n := range []int{0, 1, own - 1, own, own + 1, part - 1, part, part + 1, 2 * part, 2*part + own, 2*part + own + 1} {
		content := strings.Repeat("0123456789", n/10+1)[:n]
		for _, size := range []int64{int64(n), providers.SizeUnknown} {
			for how, wrap := range map[string]func(io.Reader) io.Reader{
				"whole": func(r io.Reader) io.Reader { return r }, "halves": iotest.HalfReader, "with EOF": iotest.DataErrReader,
			} {
				p := providers.NewParts(buffers, wrap(strings.NewReader(content)), size)
				var got strings.Builder
				for last := false; !last; {
					c, l, err := p.Next(t.Context())
					if err != nil {
						t.Fatalf("%d bytes of %d, %s: %v", n, size, how, err)
					}
					if !l && len(c.Data) != part {
						t.Errorf("%d bytes of %d, %s: a part of %d bytes", n, size, how, len(c.Data))
					}
					got.Write(c.Data)
					c.Release()
					last = l
				}
				if got.String() != content || p.Total() != int64(n) {
					t.Errorf("%d bytes of %d, %s: got %d, Total %d", n, size, how, got.Len(), p.Total())
				}
			}
		}
	}
	wantFree(t, buffers, 2)
}

// TestPartsFail: a body that is not what it said, or fails, gives nothing.
func TestPartsFail(t *testing.T) {
	const part = 256 << 10
	buffers := providers.NewBuffers(part, 2*part)
	broken := errors.New("broken")
	for _, tc := range []struct {
		name string
		body io.Reader
		size int64
		want error
	}{
		{"short", strings.NewReader("x"), 2, io.ErrUnexpectedEOF},
		{"short of a part", strings.NewReader(strings.Repeat("x", part)), part + 1, io.ErrUnexpectedEOF},
		{"breaks", io.MultiReader(strings.NewReader(strings.Repeat("x", part-1)), iotest.ErrReader(broken)), providers.SizeUnknown, broken},
		{"breaks at the end of a part", io.MultiReader(strings.NewReader(strings.Repeat("x", part)), iotest.ErrReader(broken)), providers.SizeUnknown, broken},
		{"gives nothing", readerFunc(func([]byte) (int, error) { return 0, nil }), providers.SizeUnknown, io.ErrNoProgress},
		{"long", strings.NewReader("xx"), 1, nil},
	} {
		p, last := providers.NewParts(buffers, tc.body, tc.size), false
		var err error
		for !last && err == nil {
			var c providers.Part
			if c, last, err = p.Next(t.Context()); err == nil {
				c.Release()
			}
		}
		if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
	wantFree(t, buffers, 2)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := providers.NewParts(buffers, strings.NewReader("x"), 1).Next(ctx)
	if !errors.Is(err, context.Canceled) || !errors.Is(providers.BodyError(ctx, "k", err), context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := providers.BodyError(t.Context(), "k", broken); !errors.Is(err, broken) || !errors.Is(err, providers.ErrBody) {
		t.Errorf("BodyError: %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// wantFree fails the test unless n buffers can be borrowed.
func wantFree(t *testing.T, b *providers.Buffers, n int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range n {
		p, err := b.Get(ctx)
		if err != nil {
			t.Fatal("a buffer was not given back")
		}
		defer b.Put(p)
	}
}
