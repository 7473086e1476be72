package s3

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"sealdav/providers"
	"sealdav/sse"
)

// Stat implements providers.Bucket. A HEAD is answered without a body, so a
// refusal that may be about keys, and the first 404, are looked into with a
// GET of one byte.
func (b *Bucket) Stat(ctx context.Context, key string) (providers.Object, error) {
	if err := b.checkKey("stat", key); err != nil {
		return providers.Object{}, err
	}
	wait, _, cancel := b.withPatience(ctx)
	defer cancel()
	obj, err := b.head(wait, key)
	if errors.Is(err, errNoKeyFits) || b.doubtful(err) {
		obj, err = b.peek(wait, key)
	}
	return obj, b.patient(ctx, "stat", key, err)
}

// doubtful reports whether a 404 may mean that there is no such bucket.
func (b *Bucket) doubtful(err error) bool {
	return examine(err).status == 404 && !b.exists.Load()
}

func (b *Bucket) head(ctx context.Context, key string) (obj providers.Object, err error) {
	err = b.reading(ctx, "stat", key, "", func(ctx context.Context, c sse.Candidate) error {
		out, err := b.client.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: &b.bucket, Key: b.full(key)})
		if err != nil {
			return err
		}
		obj = b.found(key, c, headDetails(out))
		return nil
	})
	return obj, err
}

// peek asks again for the object with a GET, without a key, whose error says
// what is wrong.
func (b *Bucket) peek(ctx context.Context, key string) (providers.Object, error) {
	c := sse.Candidate{}
	in := &awss3.GetObjectInput{Bucket: &b.bucket, Key: b.full(key), Range: new("bytes=0-0")}
	out, err := b.client.GetObject(withReadKey(ctx, c), in)
	if examine(err).status == 416 { // an empty object has no first byte
		in.Range = nil
		out, err = b.client.GetObject(withReadKey(ctx, c), in)
	}
	f := examine(err)
	switch {
	case err == nil:
		defer out.Body.Close()
		return b.found(key, c, getDetails(out)), nil
	case f.status != 403 && f.mayBeKey():
		b.exists.Store(true)
		b.keys.refuse(key)
		return providers.Object{}, noKeyFits("stat", key)
	}
	return providers.Object{}, b.fail(ctx, "stat", key, err)
}

// details are what HEAD and GET tell about an object.
type details struct {
	size        int64
	modified    *time.Time
	etag        *string
	contentType *string
	metadata    map[string]string
	headers     map[string]string
	answer      answer
}

func headDetails(out *awss3.HeadObjectOutput) details {
	return details{
		size: aws.ToInt64(out.ContentLength), modified: out.LastModified, etag: out.ETag,
		contentType: out.ContentType, metadata: out.Metadata,
		headers: keptHeaders(out.CacheControl, out.ContentDisposition, out.ContentEncoding, out.ContentLanguage),
		answer:  answer{out.ServerSideEncryption, out.SSEKMSKeyId, out.SSECustomerAlgorithm, out.SSECustomerKeyMD5},
	}
}

// keptHeaders are the headers of S3 that an Object has no field for.
func keptHeaders(cacheControl, disposition, encoding, language *string) map[string]string {
	var kept map[string]string
	for name, value := range map[string]*string{
		"cache-control": cacheControl, "content-disposition": disposition,
		"content-encoding": encoding, "content-language": language,
	} {
		if aws.ToString(value) == "" {
			continue
		}
		if kept == nil {
			kept = make(map[string]string)
		}
		kept[name] = *value
	}
	return kept
}

// found makes an Object of what was told, and remembers the key that fitted:
// none, where the store answered a key but did not name it, as Ceph does for
// objects that are not sealed.
func (b *Bucket) found(key string, c sse.Candidate, d details) providers.Object {
	b.exists.Store(true)
	obj := providers.Object{
		Key: key, Size: d.size, ModTime: aws.ToTime(d.modified), ETag: entityTag(d.etag),
		ContentType: aws.ToString(d.contentType), Metadata: decodeMetadata(d.metadata), Headers: d.headers,
		Encryption: d.answer.describe(c.Place),
	}
	if obj.Encryption.Mode != providers.ModeCustomer {
		c = sse.Candidate{}
	}
	b.keys.fitted(key, obj.ETag, c)
	return obj
}

// entityTag puts an ETag into its quotes where a store left them out.
func entityTag(tag *string) string {
	t := aws.ToString(tag)
	if t == "" || strings.HasPrefix(t, `"`) {
		return t
	}
	return `"` + strings.TrimSuffix(strings.TrimPrefix(t, `W/"`), `"`) + `"`
}
