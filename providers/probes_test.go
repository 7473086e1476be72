package providers_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"sealdav/providers"
)

// TestProbes: a probe whose objects cannot be removed has failed, and is not
// repeated before they are gone.
func TestProbes(t *testing.T) {
	denied := &providers.DeleteError{Failed: []*providers.Error{{Op: "delete", Key: "b", Kind: fs.ErrPermission}}}
	for _, tc := range []struct {
		name    string
		probe   error
		remove  error
		want    error  // nil: none
		advice  string // a part of it
		again   bool   // the next attempt probes
		removes []string
	}{
		{name: "well", again: true, removes: []string{"a b", "a b"}},
		{
			name: "not deleted", remove: denied, want: fs.ErrPermission,
			advice: "takes no writes: the permission. Left behind: b", removes: []string{"a b", "b"},
		},
		{
			name: "store away", remove: &providers.Error{Op: "delete", Key: "a", Kind: providers.ErrUnavailable, Advice: "the store is away"}, want: providers.ErrUnavailable,
			advice: "takes no writes: the store is away. Left behind: a, b", removes: []string{"a b", "a b"},
		},
		{
			name: "not sealed, and not deleted", probe: &providers.Error{Op: "probe", Kind: providers.ErrUnverified, Advice: "not sealed"}, remove: denied,
			want: providers.ErrUnverified, advice: "not sealed", removes: []string{"a b", "b"},
		},
		{
			name: "not written, and so not deleted", probe: &providers.Error{Op: "probe", Kind: fs.ErrPermission, Advice: "not written"}, remove: denied,
			want: fs.ErrPermission, advice: "not written", again: true, removes: []string{"a b", "a b"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var removes []string
			p := providers.NewProbes(func(_ context.Context, keys ...string) error {
				removes = append(removes, strings.Join(keys, " "))
				return tc.remove
			}, "the permission", slog.New(slog.DiscardHandler))
			probes := 0
			run := func() error {
				return p.Run(t.Context(), func() error { probes++; return tc.probe }, "a", "b")
			}
			err := run()
			if !errors.Is(err, tc.want) || !strings.Contains(providers.Advice(err), tc.advice) {
				t.Errorf("%v, want %v that says %q", err, tc.want, tc.advice)
			}
			_ = run()
			if again := probes == 2; again != tc.again {
				t.Errorf("the second attempt probes: %v, want %v", again, tc.again)
			}
			if !slices.Equal(removes, tc.removes) {
				t.Errorf("removed %q, want %q", removes, tc.removes)
			}
			tc.remove, tc.probe = nil, nil
			if err := run(); err != nil {
				t.Errorf("once it can be deleted: %v", err)
			}
		})
	}
}
