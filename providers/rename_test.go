package providers_test

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sealdav/providers"
)

// names is a bucket that holds names alone, each by what fold makes of it. It
// lists a name as it was first written, as a disk does.
type names struct {
	providers.Bucket
	fold   func(string) string
	stored map[string]string
	lists  int
}

func (n *names) Copy(_ context.Context, dst string, src providers.Object, _ providers.CopyOptions) (providers.Object, error) {
	if _, ok := n.stored[n.fold(dst)]; !ok {
		n.stored[n.fold(dst)] = dst
	}
	return providers.Object{Key: dst, ETag: src.ETag}, nil
}

func (n *names) Delete(_ context.Context, keys ...string) error {
	for _, key := range keys {
		delete(n.stored, n.fold(key))
	}
	return nil
}

func (n *names) DeleteIf(ctx context.Context, key string, opts providers.DeleteOptions) error {
	if opts.IfMatch != etag {
		return &providers.Error{Op: "delete", Key: key, Kind: providers.ErrPrecondition}
	}
	return n.Delete(ctx, key)
}

const etag = `"1"` // of all

func (n *names) List(_ context.Context, prefix string, _ providers.ListOptions) iter.Seq2[providers.Entry, error] {
	n.lists++
	return func(yield func(providers.Entry, error) bool) {
		for _, name := range slices.Sorted(maps.Values(n.stored)) {
			if strings.HasPrefix(name, prefix) && !yield(providers.Entry{Object: providers.Object{Key: name}}, nil) {
				return
			}
		}
	}
}

// TestRename: the source goes once the copy stands, unless both names are one
// to the store.
func TestRename(t *testing.T) {
	exact := func(s string) string { return s }
	for _, tc := range []struct {
		name     string
		fold     func(string) string
		src, dst string
		want     []string
		lists    int
	}{
		{"another name", exact, "a", "b", []string{"b"}, 0},
		{"itself", exact, "a", "a", []string{"a"}, 0},
		{"another case", exact, "a.txt", "A.txt", []string{"A.txt"}, 2},
		{"another case, and the store folds it", strings.ToLower, "a.txt", "A.txt", []string{"a.txt"}, 2},
		{"another case beside longer names", exact, "a", "A", []string{"A", "a2"}, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := &names{fold: tc.fold, stored: map[string]string{}}
			for _, name := range append(tc.want, tc.src) {
				if name != tc.dst {
					b.stored[tc.fold(name)] = name
				}
			}
			obj, err := providers.Rename(t.Context(), b, tc.dst, providers.Object{Key: tc.src, ETag: etag}, providers.CopyOptions{})
			if err != nil || obj.Key != tc.dst {
				t.Errorf("Rename: %+v, %v", obj, err)
			}
			if diff := cmp.Diff(tc.want, slices.Sorted(maps.Values(b.stored))); diff != "" {
				t.Errorf("what is there (-want +got):\n%s", diff)
			}
			if b.lists != tc.lists {
				t.Errorf("%d listings, want %d", b.lists, tc.lists)
			}
		})
	}
}
