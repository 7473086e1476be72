package azure

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"sealdav/providers"
)

// maxPage is the most entries Azure puts on a page, and what it puts there
// unless it is told otherwise.
const maxPage = 5000

// List implements providers.Bucket. Whether there is a next page is the store's
// word (NextMarker), never a page's length: Azure may answer an empty page in
// the middle.
func (b *Bucket) List(ctx context.Context, prefix string, opts providers.ListOptions) iter.Seq2[providers.Entry, error] {
	return func(yield func(providers.Entry, error) bool) {
		l := &listing{b: b, prefix: prefix, recursive: opts.Recursive, request: b.pages(prefix, opts)}
		providers.Pages(ctx, b.log, prefix, opts, l.fetch)(yield)
	}
}

// listing is a listing under way; it fetches one page after the other.
type listing struct {
	b         *Bucket
	prefix    string
	recursive bool
	request   func(context.Context) (page, bool, error)
	held      []providers.Entry // sort behind their page
	begun     bool              // there was a page
}

// fetch implements providers.Fetch. A folder of two pages, or a marker beside
// its folder blob, is in it twice.
func (l *listing) fetch(ctx context.Context) (providers.Page, error) {
	p, more, err := l.b.listPage(ctx, l.prefix, l.request)
	if err != nil {
		return providers.Page{}, err
	}
	// What was held comes last: a marker is preferred to its folder blob.
	entries := append(l.b.entries(l.prefix, p, l.recursive), l.held...)
	slices.SortStableFunc(entries, func(x, y providers.Entry) int { return strings.Compare(x.Key, y.Key) })
	if !l.begun {
		l.begun = true
		if entries, err = l.b.withMarker(ctx, l.prefix, entries); err != nil {
			return providers.Page{}, err
		}
	}
	if more {
		ready, _ := slices.BinarySearchFunc(entries, p.last(l.b.base)+"\x00", func(e providers.Entry, end string) int { return strings.Compare(e.Key, end) })
		l.held = slices.Clone(entries[ready:])
		return providers.Page{Entries: entries[:ready], Next: l.fetch}, nil
	}
	return providers.Page{Entries: entries}, nil
}

// page is what both kinds of listing have on a page.
type page struct {
	blobs    []*container.BlobItem
	prefixes []*container.BlobPrefix
}

// last is the last name on a page, as a key.
func (p page) last(base string) string {
	last := ""
	if n := len(p.blobs); n > 0 {
		last = value(p.blobs[n-1].Name)
	}
	if n := len(p.prefixes); n > 0 {
		last = max(last, value(p.prefixes[n-1].Name))
	}
	return strings.TrimPrefix(last, base)
}

// pages returns what fetches one page after the other.
func (b *Bucket) pages(prefix string, opts providers.ListOptions) func(context.Context) (page, bool, error) {
	size := int32(maxPage)
	if opts.PageSize > 0 {
		size = int32(min(opts.PageSize, maxPage))
	}
	include, full := container.ListBlobsInclude{Metadata: true}, b.full(prefix)
	if opts.Recursive {
		pager := b.client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &full, Include: include, MaxResults: &size})
		return func(ctx context.Context) (page, bool, error) {
			out, err := pager.NextPage(ctx)
			if err != nil || out.Segment == nil {
				return page{}, false, err
			}
			return page{blobs: out.Segment.BlobItems}, pager.More(), nil
		}
	}
	pager := b.client.NewListBlobsHierarchyPager("/", &container.ListBlobsHierarchyOptions{Prefix: &full, Include: include, MaxResults: &size})
	return func(ctx context.Context) (page, bool, error) {
		out, err := pager.NextPage(ctx)
		if err != nil || out.Segment == nil {
			return page{}, false, err
		}
		return page{blobs: out.Segment.BlobItems, prefixes: out.Segment.BlobPrefixes}, pager.More(), nil
	}
}

func (b *Bucket) listPage(ctx context.Context, prefix string, next func(context.Context) (page, bool, error)) (page, bool, error) {
	wait, _, cancel := providers.WithPatience(ctx, providers.Patience)
	defer cancel()
	p, more, err := next(wait)
	if err != nil {
		if ctx.Err() == nil && wait.Err() != nil {
			err = providers.ErrNoAnswer
		}
		return page{}, false, b.fail(ctx, "list", prefix, err)
	}
	return p, more, nil
}

// entries turns a page into entries; folder blobs become markers, and fold as
// those do.
func (b *Bucket) entries(prefix string, p page, recursive bool) []providers.Entry {
	entries := make([]providers.Entry, 0, len(p.blobs)+len(p.prefixes))
	dir := func(key string) providers.Entry {
		return providers.Entry{Object: providers.Object{Key: key}, Dir: true}
	}
	var folders []providers.Entry
	for _, item := range p.blobs {
		key, ok := b.own(item.Name)
		if !ok || item.Properties == nil {
			continue
		}
		f := b.listed(key, item)
		switch {
		case !f.folder:
			entries = append(entries, providers.Entry{Object: f.Object})
		case key+"/" == providers.ReservedPrefix:
		case recursive:
			folders = append(folders, providers.Entry{Object: f.asMarker()})
		default:
			folders = append(folders, dir(key+"/"))
		}
	}
	for _, folder := range p.prefixes {
		if folder.Properties != nil && value(folder.Properties.ResourceType) == "directory" {
			b.folders.Store(true) // a hierarchical namespace may list its folders so
		}
		if key, ok := b.own(folder.Name); ok {
			entries = append(entries, dir(key))
		}
	}
	return append(entries, folders...)
}

func (b *Bucket) listed(key string, item *container.BlobItem) found {
	props := item.Properties
	d := details{
		size: value(props.ContentLength), modified: value(props.LastModified), etag: props.ETag,
		contentType: value(props.ContentType), metadata: item.Metadata,
		headers: keptHeaders(props.CacheControl, props.ContentDisposition, props.ContentEncoding, props.ContentLanguage),
		answer:  answer{props.ServerEncrypted, props.CustomerProvidedKeySHA256, props.EncryptionScope},
	}
	if value(props.ResourceType) == "directory" {
		d.metadata = map[string]*string{folderMetadata: new("true")}
	}
	return b.found(key, d)
}

// own is a blob's name as a key of ours; ok is false for the prefix itself and
// for sealdav's own blobs.
func (b *Bucket) own(full *string) (key string, ok bool) {
	key, ok = strings.CutPrefix(value(full), b.base)
	return key, ok && key != "" && !strings.HasPrefix(key, providers.ReservedPrefix)
}
