package providers_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"sealdav/providers"
)

func TestContent(t *testing.T) {
	broken := errors.New("broken")
	for _, tc := range []struct {
		name   string
		body   io.Reader
		length int64
		limit  int64
		want   string
		err    error
	}{
		{name: "whole", body: strings.NewReader("0123"), length: 4, want: "0123"},
		{name: "empty", body: strings.NewReader(""), length: 0},
		{name: "cut", body: strings.NewReader("01"), length: 4, want: "01", err: io.ErrUnexpectedEOF},
		{name: "cut, as HTTP says it", body: iotest.ErrReader(io.ErrUnexpectedEOF), length: 4, err: io.ErrUnexpectedEOF},
		{name: "broken", body: io.MultiReader(strings.NewReader("01"), iotest.ErrReader(broken)), length: 4, want: "01", err: broken},
		{name: "more than asked for", body: strings.NewReader("0123"), length: 4, limit: 2, want: "01"},
		{name: "less than the limit", body: strings.NewReader("0123"), length: 4, limit: 9, want: "0123"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			done := 0
			c := providers.NewContent(io.NopCloser(tc.body), tc.length, func() { done++ }, func(err error) error { return fmt.Errorf("failed: %w", err) })
			if tc.limit > 0 {
				c.Limit(tc.limit)
			}
			got, err := io.ReadAll(c)
			if string(got) != tc.want || !errors.Is(err, tc.err) {
				t.Errorf("reads %q, %v; want %q, %v", got, err, tc.want, tc.err)
			}
			if err := c.Close(); err != nil || done != 1 {
				t.Errorf("Close: %v; done was called %d times", err, done)
			}
		})
	}
}

type badCloser struct{ io.Reader }

func (badCloser) Close() error { return io.ErrClosedPipe }

// TestContentClose: only of a content that was read to its end does it matter
// how the connection closes.
func TestContentClose(t *testing.T) {
	for _, read := range []int64{0, 4} {
		c := providers.NewContent(badCloser{strings.NewReader("0123")}, 4, func() {}, func(err error) error { return err })
		if _, err := io.CopyN(io.Discard, c, read); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); (err != nil) != (read == 4) {
			t.Errorf("after %d bytes: %v", read, err)
		}
	}
}

// TestContentStalls: a content that no longer comes is ended, however long a
// reader that does not ask for it takes.
func TestContentStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("from the provider")
		r, w := io.Pipe()
		c := providers.NewContent(r, 10, func() { w.CloseWithError(errors.New("request ended")) }, func(err error) error {
			return errors.Join(broken, err)
		})
		go w.Write([]byte("01234")) //nolint:errcheck // the rest is never read
		if _, err := io.ReadFull(c, make([]byte, 3)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // the reader is busy
		if _, err := io.ReadFull(c, make([]byte, 2)); err != nil {
			t.Errorf("after a pause of the reader's: %v", err)
		}
		start := time.Now()
		n, err := c.Read(make([]byte, 5))
		if n != 0 || !errors.Is(err, broken) || !errors.Is(err, providers.ErrNoAnswer) {
			t.Errorf("%d bytes, %v", n, err)
		}
		if d := time.Since(start); d < 30*time.Second || d > time.Minute {
			t.Errorf("ended after %v", d)
		}
		c.Close()
	})
}
