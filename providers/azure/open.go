package azure

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"sealdav/providers"
	"sealdav/sse"
)

// Open implements providers.Bucket: one GET where the key is known, and a HEAD
// before it for a range that counts from the end, which Azure does not know.
func (b *Bucket) Open(ctx context.Context, key string, opts providers.OpenOptions) (io.ReadCloser, providers.Object, error) {
	if err := b.checkRead("open", key); err != nil {
		return nil, providers.Object{}, err
	}
	r, obj, err := b.open(ctx, "open", key, opts)
	if name, marker := strings.CutSuffix(key, "/"); marker && name != "" && errors.Is(err, fs.ErrNotExist) {
		if obj, err = b.Stat(ctx, key); err == nil {
			return http.NoBody, obj, nil
		}
	}
	if err != nil {
		return nil, providers.Object{}, err
	}
	if err := b.MayOpen(obj); err != nil {
		r.Close()
		return nil, providers.Object{}, err
	}
	return r, obj, nil
}

// MayOpen implements providers.Strict.
func (b *Bucket) MayOpen(obj providers.Object) error {
	if !b.strict || b.crypt.required(obj.Encryption) {
		return nil
	}
	return plain("open", obj.Key)
}

func plain(op, key string) error {
	return &providers.Error{Op: op, Key: key, Kind: providers.ErrPlain,
		Advice: "the blob is not encrypted, and the remote is set to require_encrypted; renaming it on this drive seals it"}
}

// suffixTries is how often a range from the end is worked out again because
// the blob was replaced between the two requests.
const suffixTries = 3

func (b *Bucket) open(ctx context.Context, op, key string, opts providers.OpenOptions) (*providers.Content, providers.Object, error) {
	if opts.Range.Offset >= 0 {
		return b.get(ctx, op, key, opts)
	}
	for try := 1; ; try++ {
		last := -opts.Range.Offset
		obj, err := b.Stat(ctx, key)
		if err != nil {
			return nil, providers.Object{}, err
		}
		if obj.Size == 0 {
			return nil, providers.Object{}, &providers.Error{Op: op, Key: key, Kind: providers.ErrRange}
		}
		absolute := opts
		absolute.Range.Offset = max(0, obj.Size-last)
		if opts.IfMatch == "" || opts.IfMatch == "*" {
			absolute.IfMatch = obj.ETag
		}
		r, obj, err := b.get(ctx, op, key, absolute)
		ours := opts.IfMatch == "" && opts.IfUnmodifiedSince.IsZero()
		if err == nil || !ours || try == suffixTries || !errors.Is(err, providers.ErrPrecondition) {
			return r, obj, err
		}
	}
}

func (b *Bucket) get(ctx context.Context, op, key string, opts providers.OpenOptions) (*providers.Content, providers.Object, error) {
	wait, arrived, cancel := providers.WithPatience(ctx, providers.Patience)
	client := b.client.NewBlobClient(b.full(key))
	var out blob.DownloadStreamResponse
	var found found
	err := b.reading(wait, op, key, strings.TrimPrefix(opts.IfMatch, "*"), func(c sse.Candidate) (err error) {
		var raw *http.Response
		o := getOptions(opts)
		o.CPKInfo = b.crypt.read(c.Key)
		if out, err = client.DownloadStream(policy.WithCaptureResponse(wait, &raw), o); err != nil {
			return err
		}
		if raw.StatusCode == http.StatusNotModified { // which the SDK takes for a success
			return &failure{status: http.StatusNotModified, code: raw.Header.Get("X-Ms-Error-Code")}
		}
		found = b.found(key, getDetails(out))
		return nil
	})
	if err != nil {
		cancel()
		b.noteAbsent(key, err)
		return nil, providers.Object{}, b.patient(ctx, op, key, notModified(op, key, err))
	}
	arrived()
	r := providers.NewContent(out.Body, value(out.ContentLength), cancel, func(err error) error { return b.fail(ctx, "open", key, err) })
	if found.folder {
		r.Close()
		return nil, providers.Object{}, providers.NotExist(op, key)
	}
	if opts.Range != (providers.Range{}) && opts.Range.Offset >= found.Size { // which Azurite answers with nothing
		r.Close()
		return nil, providers.Object{}, &providers.Error{Op: op, Key: key, Kind: providers.ErrRange}
	}
	if err := narrow(r, key, opts.Range, value(out.ContentRange)); err != nil {
		r.Close()
		return nil, providers.Object{}, err
	}
	return r, found.Object, nil
}

// notModified sees that 304, whose code is that of 412, is no failed
// precondition.
func notModified(op, key string, err error) error {
	if examine(err).status == http.StatusNotModified {
		return &providers.Error{Op: op, Key: key, Kind: providers.ErrNotModified}
	}
	return err
}

func getOptions(opts providers.OpenOptions) *blob.DownloadStreamOptions {
	m := &blob.ModifiedAccessConditions{IfMatch: tag(opts.IfMatch), IfNoneMatch: tag(opts.IfNoneMatch)}
	for to, from := range map[**time.Time]time.Time{&m.IfModifiedSince: opts.IfModifiedSince, &m.IfUnmodifiedSince: opts.IfUnmodifiedSince} {
		if !from.IsZero() {
			*to = &from
		}
	}
	o := &blob.DownloadStreamOptions{Range: blob.HTTPRange{Offset: opts.Range.Offset, Count: opts.Range.Length}}
	if *m != (blob.ModifiedAccessConditions{}) {
		o.AccessConditions = &blob.AccessConditions{ModifiedAccessConditions: m}
	}
	return o
}

func getDetails(out blob.DownloadStreamResponse) details {
	size := value(out.ContentLength)
	if _, total, ok := strings.Cut(value(out.ContentRange), "/"); ok {
		if n, err := strconv.ParseInt(total, 10, 64); err == nil {
			size = n
		}
	}
	return details{
		size: size, modified: value(out.LastModified), etag: (*azcore.ETag)(out.ETag),
		contentType: value(out.ContentType), metadata: out.Metadata,
		headers: keptHeaders(out.CacheControl, out.ContentDisposition, out.ContentEncoding, out.ContentLanguage),
		answer:  answer{out.IsServerEncrypted, out.EncryptionKeySHA256, out.EncryptionScope},
	}
}

// narrow checks that the answer is the part that was asked for.
func narrow(r *providers.Content, key string, asked providers.Range, contentRange string) error {
	if contentRange == "" && asked.Offset > 0 {
		return &providers.Error{Op: "open", Key: key, Kind: providers.ErrUnavailable, Advice: "the store ignored the range that was asked for"}
	}
	if asked.Length > 0 {
		r.Limit(asked.Length)
	}
	return nil
}

// openSource opens the source of a copy, which must be the one meant; a folder
// blob's marker is empty. Of a blob that is not there no condition holds, so a
// condition that fails is looked into.
func (b *Bucket) openSource(ctx context.Context, src providers.Object) (io.ReadCloser, providers.Object, error) {
	if name, marker := strings.CutSuffix(src.Key, "/"); marker && src.ETag != "" {
		if seen, _ := b.folderNames.get(name); seen.marker != nil {
			if obj, err := b.statFolder(ctx, name); err == nil && obj.ETag == src.ETag {
				return http.NoBody, obj, nil
			}
		}
	}
	r, obj, err := b.open(ctx, "copy", src.Key, providers.OpenOptions{IfMatch: src.ETag})
	if err == nil {
		return r, obj, nil
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, providers.ErrPrecondition) {
		obj, statErr := b.Stat(ctx, src.Key)
		switch {
		case errors.Is(statErr, fs.ErrNotExist):
			return nil, providers.Object{}, providers.NotExist("copy", src.Key)
		case statErr == nil && strings.HasSuffix(src.Key, "/") && obj.Size == 0 && (src.ETag == "" || obj.ETag == src.ETag):
			return http.NoBody, obj, nil
		}
	}
	return nil, providers.Object{}, err
}
