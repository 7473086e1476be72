package providers_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"sealdav/providers"
)

// pagesOf fetches pages of entries with these keys, and counts them in asked.
func pagesOf(asked *atomic.Int64, pages ...string) providers.Fetch {
	return func(context.Context) (p providers.Page, err error) {
		asked.Add(1)
		for _, key := range strings.Fields(pages[0]) {
			p.Entries = append(p.Entries, providers.Entry{Object: providers.Object{Key: key}})
		}
		if len(pages) > 1 {
			p.Next = pagesOf(asked, pages[1:]...)
		}
		return p, nil
	}
}

// TestPages: who leaves the loop after some entries has cost some requests,
// and no goroutine stays behind.
func TestPages(t *testing.T) {
	for _, tc := range []struct {
		name  string
		pages []string
		size  int // ListOptions.PageSize
		leave int // after so many entries; 0: never
		want  string
		asked int64
	}{
		{"to the end", []string{"a b c d", "e f", "g"}, 0, 0, "a b c d e f g", 3},
		{"to the end, with a size", []string{"a b c d", "e f", "g"}, 4, 0, "a b c d e f g", 3},
		{"the first half", []string{"a b c d", "e f"}, 0, 2, "a b", 1},
		{"past the middle", []string{"a b c d", "e f", "g"}, 0, 3, "a b c", 2},
		{"a page", []string{"a b c d", "e f"}, 0, 4, "a b c d", 2},
		{"a page that was asked for", []string{"a b c d", "e f"}, 4, 4, "a b c d", 1},
		{"is anything there?", []string{"a", "b"}, 1, 1, "a", 1},
		{"into the second page", []string{"a b", "c d", "e"}, 0, 3, "a b c", 2},
		{"one entry to a page", []string{"a", "b", "c"}, 0, 0, "a b c", 3},
		{"nothing", []string{""}, 0, 0, "", 1},
		{"empty pages", []string{"", "a b", "", "", "c"}, 0, 0, "a b c", 5},
		{"a folder of two pages", []string{"a b/", "b/ c"}, 0, 0, "a b/ c", 2},
		{"a folder of three pages", []string{"a b/", "b/", "b/ c"}, 0, 0, "a b/ c", 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int64
				list := providers.Pages(t.Context(), slog.New(slog.DiscardHandler), "", providers.ListOptions{PageSize: tc.size}, pagesOf(&asked, tc.pages...))
				var got []string
				for e, err := range list {
					if err != nil {
						t.Fatal(err)
					}
					if got = append(got, e.Key); len(got) == tc.leave {
						break
					}
				}
				synctest.Wait()
				if keys := strings.Join(got, " "); keys != tc.want || asked.Load() != tc.asked {
					t.Errorf("%q for %d requests, want %q for %d", keys, asked.Load(), tc.want, tc.asked)
				}
			})
		})
	}
}

// TestPagesAhead: the next page is under way while the second half of this one
// is consumed, and given up with the loop.
func TestPagesAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, given := false, false
		second := func(ctx context.Context) (providers.Page, error) {
			begun = true
			<-ctx.Done()
			given = true
			return providers.Page{}, ctx.Err()
		}
		n := 0
		for range providers.Pages(t.Context(), slog.New(slog.DiscardHandler), "", providers.ListOptions{}, pageBefore(4, second)) {
			n++
			synctest.Wait()
			if begun != (n > 2) {
				t.Errorf("with entry %d of 4, the next page is under way: %t", n, begun)
			}
			if n == 4 {
				break
			}
		}
		synctest.Wait()
		if !given {
			t.Error("the next page is waited for though the loop was left")
		}
	})
}

// TestPagesFail: what goes wrong with the next page comes after the entries of
// this one, a panic too.
func TestPagesFail(t *testing.T) {
	for _, tc := range []struct {
		name   string
		second providers.Fetch
		want   error
	}{
		{"an error", func(context.Context) (providers.Page, error) { return providers.Page{}, io.ErrUnexpectedEOF }, io.ErrUnexpectedEOF},
		{"a panic", func(context.Context) (providers.Page, error) { panic("a bug") }, providers.ErrUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var errs []error
			for _, err := range providers.Pages(t.Context(), slog.New(slog.DiscardHandler), "", providers.ListOptions{}, pageBefore(2, tc.second)) {
				errs = append(errs, err)
			}
			if len(errs) != 3 || slices.IndexFunc(errs, func(err error) bool { return err != nil }) != 2 || !errors.Is(errs[2], tc.want) {
				t.Errorf("got %v, want two entries and %v", errs, tc.want)
			}
		})
	}
}

// pageBefore fetches a page of n entries, and says that second follows.
func pageBefore(n int, second providers.Fetch) providers.Fetch {
	return func(context.Context) (p providers.Page, err error) {
		for i := range n {
			p.Entries = append(p.Entries, providers.Entry{Object: providers.Object{Key: string(rune('a' + i))}})
		}
		p.Next = second
		return p, nil
	}
}
