package providers_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"sealdav/providers"
)

func TestSameContent(t *testing.T) {
	long := strings.Repeat("0123456789", 10_000)
	broken := errors.New("broken")
	for _, tc := range []struct {
		name string
		a, b io.Reader
		want bool
		err  error
	}{
		{name: "empty", a: strings.NewReader(""), b: strings.NewReader(""), want: true},
		{name: "same", a: strings.NewReader(long), b: iotest.OneByteReader(strings.NewReader(long)), want: true},
		{name: "as long as a buffer", a: strings.NewReader(long[:64<<10]), b: iotest.DataErrReader(strings.NewReader(long[:64<<10])), want: true},
		{name: "other byte at the end", a: strings.NewReader(long + "a"), b: strings.NewReader(long + "b")},
		{name: "shorter", a: strings.NewReader(long), b: strings.NewReader(long[:len(long)-1])},
		{name: "begins with it", a: strings.NewReader(long), b: strings.NewReader(long + long)},
		{name: "cut", a: strings.NewReader(long), b: io.MultiReader(strings.NewReader(long), iotest.ErrReader(io.ErrUnexpectedEOF)), err: io.ErrUnexpectedEOF},
		{name: "broken", a: iotest.ErrReader(broken), b: strings.NewReader(long), err: broken},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got, err := providers.SameContent(tc.a, tc.b); got != tc.want || !errors.Is(err, tc.err) {
				t.Errorf("%v, %v, want %v, %v", got, err, tc.want, tc.err)
			}
		})
	}
}
