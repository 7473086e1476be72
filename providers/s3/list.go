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
func (b *Bucket) List(ctx context.Context, prefix string, opts providers.ListOptions) iter.Seq2[providers.Entry, error] {
	return providers.Pages(ctx, b.log, prefix, opts, b.fetch(prefix, b.listInput(prefix, opts)))
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

// fetch asks for the page that in describes.
func (b *Bucket) fetch(prefix string, in *awss3.ListObjectsV2Input) providers.Fetch {
	return func(ctx context.Context) (providers.Page, error) {
		out, err := b.requestPage(ctx, prefix, in)
		if err != nil {
			return providers.Page{}, err
		}
		page := providers.Page{Entries: b.entries(out)}
		if aws.ToBool(out.IsTruncated) {
			if aws.ToString(out.NextContinuationToken) == "" {
				return providers.Page{}, &providers.Error{Op: "list", Key: prefix, Kind: providers.ErrUnavailable, Advice: "the store cut its listing short without saying how to go on"}
			}
			next := *in
			next.ContinuationToken = out.NextContinuationToken
			page.Next = b.fetch(prefix, &next)
		}
		return page, nil
	}
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
