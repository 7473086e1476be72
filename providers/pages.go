package providers

import (
	"context"
	"iter"
	"log/slog"
)

// Page is one answer to a listing.
type Page struct {
	Entries []Entry // in the order of their keys
	Next    Fetch   // of the page that follows; nil: this one is the last
}

// Fetch asks the store for a page.
type Fetch func(context.Context) (Page, error)

// Pages is a listing that comes in pages, from the first on. The next page is
// asked for while the second half of one is consumed, so that the store and the
// consumer work at the same time; not if opts has a PageSize, as then a page may
// be all that is wanted. What is asked for is given up when the loop is left.
//
// Entries of one key in a row are one: pages may share a folder.
func Pages(ctx context.Context, log *slog.Logger, prefix string, opts ListOptions, first Fetch) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		last := "" // no entry's key
		for next := first; next != nil; {
			page, err := next(ctx)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			next = page.Next
			for i, e := range page.Entries {
				if opts.PageSize == 0 && i == len(page.Entries)/2 && next != nil {
					next = ahead(ctx, log, prefix, next)
				}
				if e.Key == last {
					continue
				}
				last = e.Key
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// ahead asks for a page now, and returns what waits for it.
func ahead(ctx context.Context, log *slog.Logger, prefix string, next Fetch) Fetch {
	var page Page
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = Guarded(log, "list", prefix, func() (err error) {
			page, err = next(ctx)
			return err
		})
	}()
	return func(context.Context) (Page, error) {
		<-done
		return page, err
	}
}
