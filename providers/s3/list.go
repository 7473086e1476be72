package s3

import (
	"bytes"
	"context"
	"io"
	"iter"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"sealdav/providers"
)

// List implements providers.Bucket. Whether there is a next page is the store's
// word (IsTruncated), never a page's length: Ceph's pages are short and uneven.
// The next page is asked for while the second half of this one is consumed, so
// that the store and the consumer work at the same time; not if a PageSize is
// given, as then a page may be all that is wanted.
func (b *Bucket) List(ctx context.Context, prefix string, opts providers.ListOptions) iter.Seq2[providers.Entry, error] {
	return func(yield func(providers.Entry, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		ahead := opts.PageSize == 0
		page := b.listPage(ctx, prefix, b.listInput(prefix, opts))
		last := ""
		for {
			if page.err != nil {
				yield(providers.Entry{}, page.err)
				return
			}
			var next chan listed
			for i, e := range page.entries {
				if ahead && i == len(page.entries)/2 && page.next != nil {
					next = make(chan listed, 1)
					go func() { next <- b.listPage(ctx, prefix, page.next) }()
				}
				if e.Dir && e.Key == last {
					continue // a folder that two pages share
				}
				last = e.Key
				if !yield(e, nil) {
					return
				}
			}
			switch {
			case page.next == nil:
				return
			case next != nil:
				page = <-next
			default:
				page = b.listPage(ctx, prefix, page.next)
			}
		}
	}
}

// listed is a page of a listing, and the request of the one that follows.
type listed struct {
	entries []providers.Entry
	next    *awss3.ListObjectsV2Input // nil: this page is the last
	err     error
}

func (b *Bucket) listInput(prefix string, opts providers.ListOptions) *awss3.ListObjectsV2Input {
	in := &awss3.ListObjectsV2Input{
		Bucket: &b.bucket, Prefix: b.full(prefix),
		// XML cannot hold every key; encoded it can.
		EncodingType: types.EncodingTypeUrl,
	}
	if !opts.Recursive {
		in.Delimiter = new("/")
	}
	if opts.PageSize > 0 {
		in.MaxKeys = new(int32(min(opts.PageSize, 1000)))
	}
	return in
}

func (b *Bucket) listPage(ctx context.Context, prefix string, in *awss3.ListObjectsV2Input) listed {
	page, err := b.requestPage(ctx, prefix, in)
	if err != nil {
		return listed{err: err}
	}
	l := listed{entries: b.entries(page)}
	if aws.ToBool(page.IsTruncated) {
		if aws.ToString(page.NextContinuationToken) == "" {
			return listed{err: &providers.Error{Op: "list", Key: prefix, Kind: providers.ErrUnavailable, Advice: "the store cut its listing short without saying how to go on"}}
		}
		next := *in
		next.ContinuationToken = page.NextContinuationToken
		l.next = &next
	}
	return l
}

func (b *Bucket) requestPage(ctx context.Context, prefix string, in *awss3.ListObjectsV2Input) (*awss3.ListObjectsV2Output, error) {
	wait, _, cancel := b.withPatience(ctx)
	defer cancel()
	var options []func(*awss3.Options)
	if notXML(*in.Prefix) {
		options = append(options, awss3.WithAPIOptions(mendXML))
	}
	page, err := b.client.ListObjectsV2(wait, in, options...)
	if err != nil {
		return nil, b.fail(ctx, "list", prefix, err)
	}
	b.exists.Store(true)
	if page.EncodingType != types.EncodingTypeUrl {
		return page, nil // a store that does not know the option
	}
	for _, k := range keysOf(page) {
		if *k, err = url.QueryUnescape(*k); err != nil {
			return nil, &providers.Error{Op: "list", Key: prefix, Kind: providers.ErrUnavailable, Err: err, Advice: "the store's listing cannot be decoded"}
		}
	}
	return page, nil
}

// notInXML matches what XML 1.0 does not allow, as it is or by number.
var notInXML = regexp.MustCompile(`(?i)&#x0*(?:[0-8bcef]|1[0-9a-f]|fff[ef]);|[\x00-\x08\x0b\x0c\x0e-\x1f]|\x{fffe}|\x{ffff}`)

// mendXML makes a listing decodable whose prefix XML cannot hold: Ceph encodes
// the keys, but not the prefix it repeats.
func mendXML(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("sealdavMendXML",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, md, err := next.HandleDeserialize(ctx, in)
			if resp, ok := out.RawResponse.(*smithyhttp.Response); ok && err == nil {
				text, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil {
					return out, md, err
				}
				resp.Body = io.NopCloser(bytes.NewReader(notInXML.ReplaceAll(text, []byte("?"))))
			}
			return out, md, err
		}), middleware.After)
}

// keysOf are the places of all keys of a page.
func keysOf(page *awss3.ListObjectsV2Output) []*string {
	var keys []*string
	for i := range page.Contents {
		if k := page.Contents[i].Key; k != nil {
			keys = append(keys, k)
		}
	}
	for i := range page.CommonPrefixes {
		if k := page.CommonPrefixes[i].Prefix; k != nil {
			keys = append(keys, k)
		}
	}
	return keys
}

// entries merges the objects and the folders of a page into key order.
func (b *Bucket) entries(page *awss3.ListObjectsV2Output) []providers.Entry {
	entries := make([]providers.Entry, 0, len(page.Contents)+len(page.CommonPrefixes))
	for _, o := range page.Contents {
		key, ok := b.own(o.Key)
		if !ok {
			continue
		}
		tag := entityTag(o.ETag)
		b.keys.seen(key, tag)
		entries = append(entries, providers.Entry{Object: providers.Object{
			Key: key, Size: aws.ToInt64(o.Size), ETag: tag,
			// HEAD and GET tell seconds only, and one object has one time.
			ModTime: aws.ToTime(o.LastModified).Truncate(time.Second),
		}})
	}
	for _, p := range page.CommonPrefixes {
		if key, ok := b.own(p.Prefix); ok {
			entries = append(entries, providers.Entry{Object: providers.Object{Key: key}, Dir: true})
		}
	}
	if len(page.CommonPrefixes) > 0 {
		slices.SortStableFunc(entries, func(x, y providers.Entry) int { return strings.Compare(x.Key, y.Key) })
	}
	return entries
}

// own is a key of the bucket as ours; ok is false for the prefix itself and
// for sealdav's own objects.
func (b *Bucket) own(full *string) (key string, ok bool) {
	key, ok = strings.CutPrefix(aws.ToString(full), b.base)
	return key, ok && key != "" && !strings.HasPrefix(key, providers.ReservedPrefix)
}
