package azure

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"sealdav/providers"
	"sealdav/sse"
)

// Stat implements providers.Bucket: one HEAD, whose refusal tells what is
// wrong. A marker "dir/" that is not there may be a folder blob "dir".
func (b *Bucket) Stat(ctx context.Context, key string) (providers.Object, error) {
	if err := b.checkRead("stat", key); err != nil {
		return providers.Object{}, err
	}
	wait, _, cancel := providers.WithPatience(ctx, providers.Patience)
	defer cancel()
	obj, _, err := b.head(wait, "stat", key)
	if name, marker := strings.CutSuffix(key, "/"); marker && name != "" && errors.Is(err, fs.ErrNotExist) {
		obj, err = b.statFolder(wait, name)
	}
	return obj, b.patient(ctx, "stat", key, err)
}

// head describes a blob, which must not stand for a folder.
func (b *Bucket) head(ctx context.Context, op, key string) (providers.Object, *blob.GetPropertiesResponse, error) {
	out, found, err := b.headAny(ctx, op, key)
	if err == nil && found.folder {
		err = providers.NotExist(op, key)
	}
	if err != nil {
		return providers.Object{}, nil, err
	}
	return found.Object, out, nil
}

func (b *Bucket) headAny(ctx context.Context, op, key string) (out *blob.GetPropertiesResponse, found found, err error) {
	client := b.client.NewBlobClient(b.full(key))
	err = b.reading(ctx, op, key, "", func(c sse.Candidate) error {
		resp, err := client.GetProperties(ctx, &blob.GetPropertiesOptions{CPKInfo: b.crypt.read(c.Key)})
		if err != nil {
			return err
		}
		out = &resp
		found = b.found(key, headDetails(resp))
		return nil
	})
	b.noteAbsent(key, err)
	return out, found, err
}

// details are what HEAD, GET and a listing tell about a blob.
type details struct {
	size        int64
	modified    time.Time
	etag        *azcore.ETag
	contentType string
	metadata    map[string]*string
	headers     map[string]string
	answer      answer
}

func headDetails(resp blob.GetPropertiesResponse) details {
	return details{
		size: value(resp.ContentLength), modified: value(resp.LastModified), etag: resp.ETag,
		contentType: value(resp.ContentType), metadata: resp.Metadata,
		headers: keptHeaders(resp.CacheControl, resp.ContentDisposition, resp.ContentEncoding, resp.ContentLanguage),
		answer:  answer{resp.IsServerEncrypted, resp.EncryptionKeySHA256, resp.EncryptionScope},
	}
}

// keptHeaders are the headers of a blob that an Object has no field for; empty
// where it has none.
func keptHeaders(cacheControl, disposition, encoding, language *string) map[string]string {
	kept := map[string]string{}
	for name, v := range map[string]*string{
		"cache-control": cacheControl, "content-disposition": disposition,
		"content-encoding": encoding, "content-language": language,
	} {
		if value(v) != "" {
			kept[name] = *v
		}
	}
	return kept
}

// httpHeaders are the type and the other headers that a blob is given.
func httpHeaders(contentType string, kept map[string]string) *blob.HTTPHeaders {
	optional := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	return &blob.HTTPHeaders{
		BlobContentType: optional(contentType), BlobCacheControl: optional(kept["cache-control"]),
		BlobContentDisposition: optional(kept["content-disposition"]),
		BlobContentEncoding:    optional(kept["content-encoding"]), BlobContentLanguage: optional(kept["content-language"]),
	}
}

// found is a blob that was seen; folder says that it stands for a folder and
// has no "/" at its end.
type found struct {
	providers.Object
	folder bool
}

// found makes an Object of what was told, and remembers the key it lies under.
func (b *Bucket) found(key string, d details) found {
	metadata, folder := decodeMetadata(d.metadata)
	f := found{folder: folder && !strings.HasSuffix(key, "/"), Object: providers.Object{
		Key: key, Size: d.size, ModTime: d.modified.UTC().Truncate(time.Second), ETag: entityTag(d.etag),
		ContentType: d.contentType, Metadata: metadata, Headers: d.headers, Encryption: b.crypt.describe(d.answer),
	}}
	b.noteFolder(f)
	c, _ := b.crypt.place(value(d.answer.keySHA256))
	if !c.Key.IsZero() || value(d.answer.keySHA256) == "" {
		b.keys.fitted(key, f.ETag, c.Key)
	}
	return f
}

// asMarker is the Object of the marker that a folder blob stands for.
func (f found) asMarker() providers.Object {
	obj := f.Object
	obj.Key += "/"
	obj.Size = 0
	return obj
}

// entityTag puts an ETag into its quotes, which listings leave out.
func entityTag(tag *azcore.ETag) string {
	t := string(value(tag))
	if t == "" || strings.HasPrefix(t, `"`) {
		return t
	}
	return `"` + strings.TrimSuffix(strings.TrimPrefix(t, `W/"`), `"`) + `"`
}
