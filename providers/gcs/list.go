package gcs

import (
	"context"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"sealdav/providers"
)

// pageSize is the greatest number of entries the store gives at once.
const pageSize = 1000

// page is one answer to a listing.
type page struct {
	Items         []resource `json:"items"`
	Prefixes      []string   `json:"prefixes"`
	NextPageToken string     `json:"nextPageToken"`
}

// List implements providers.Bucket. Entries tell everything, the encryption
// included; their keys are remembered for the reads that follow. Whether there
// is another page is the store's word, never a page's length.
func (b *Bucket) List(ctx context.Context, prefix string, opts providers.ListOptions) iter.Seq2[providers.Entry, error] {
	query := url.Values{
		"prefix":     {b.base + prefix},
		"maxResults": {strconv.Itoa(pageSize)},
		"fields":     {"nextPageToken,prefixes,items(" + resourceFields + ")"},
	}
	if !opts.Recursive {
		query.Set("delimiter", "/")
	}
	if opts.PageSize > 0 {
		query.Set("maxResults", strconv.Itoa(min(opts.PageSize, pageSize)))
	}
	return providers.Pages(ctx, b.log, prefix, opts, b.fetch(prefix, query))
}

// fetch asks for the page that query describes.
func (b *Bucket) fetch(prefix string, query url.Values) providers.Fetch {
	return func(ctx context.Context) (providers.Page, error) {
		p, err := b.requestPage(ctx, query)
		if err != nil {
			return providers.Page{}, b.bucketError(ctx, "list", prefix, err)
		}
		out := providers.Page{Entries: b.entries(p)}
		if p.NextPageToken != "" {
			next := maps.Clone(query)
			next.Set("pageToken", p.NextPageToken)
			out.Next = b.fetch(prefix, next)
		}
		return out, nil
	}
}

func (b *Bucket) requestPage(ctx context.Context, query url.Values) (p page, err error) {
	ctx, _, cancel := providers.WithPatience(ctx, providers.Patience)
	defer cancel()
	err = b.ask(ctx, &call{op: opList, method: http.MethodGet, path: b.bucketPath() + "/o", query: query}, &p)
	return p, err
}

// entries merges the objects and the folders of a page into key order.
func (b *Bucket) entries(p page) []providers.Entry {
	entries := make([]providers.Entry, 0, len(p.Items)+len(p.Prefixes))
	for _, r := range p.Items {
		if key, ok := b.own(r.Name); ok {
			entries = append(entries, providers.Entry{Object: b.object(key, r)})
		}
	}
	for _, name := range p.Prefixes {
		if key, ok := b.own(name); ok {
			entries = append(entries, providers.Entry{Object: providers.Object{Key: key}, Dir: true})
		}
	}
	if len(p.Prefixes) > 0 {
		slices.SortStableFunc(entries, func(x, y providers.Entry) int { return strings.Compare(x.Key, y.Key) })
	}
	return entries
}

// own is a name in the bucket as a key of ours; ok is false for the prefix
// itself and for sealdav's own objects.
func (b *Bucket) own(name string) (key string, ok bool) {
	key, ok = strings.CutPrefix(name, b.base)
	return key, ok && key != "" && !strings.HasPrefix(key, providers.ReservedPrefix)
}
