package azure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"sealdav/providers"
)

// defaultContentType is what Azure gives a blob that is put without a type.
const defaultContentType = "application/octet-stream"

// Put implements providers.Bucket: one Put Blob for what fits into a part,
// else blocks and their commit. What was read can be sent again, so the SDK's
// retries cover a blob and each block.
func (b *Bucket) Put(ctx context.Context, key string, body io.Reader, opts providers.PutOptions) (providers.Object, error) {
	if err := b.checkKey("put", key); err != nil {
		return providers.Object{}, err
	}
	return b.put(ctx, writing{key: key, opts: opts, metadata: encodeMetadata(key, opts.Metadata), parts: providers.NewParts(b.buffers, body, opts.Size)})
}

// put is Put for a key that was looked at.
func (b *Bucket) put(ctx context.Context, w writing) (providers.Object, error) {
	key, opts := w.key, w.opts
	if limit := int64(b.buffers.Size()) * int64(b.limits.blocks); opts.Size > limit {
		return providers.Object{}, b.tooLarge(key)
	}
	if err := b.gate.Admit(ctx); err != nil {
		return providers.Object{}, b.fail(ctx, "put", key, err)
	}
	first, last, err := w.parts.Next(ctx)
	if err != nil {
		return providers.Object{}, providers.BodyError(ctx, key, err)
	}
	if last {
		defer first.Release()
		return b.putWhole(ctx, w, first.Data)
	}
	return b.putBlocks(ctx, w, first)
}

// writing is one Put under way.
type writing struct {
	key      string
	opts     providers.PutOptions
	metadata map[string]*string // encoded
	headers  map[string]string  // those of Object.Headers
	parts    *providers.Parts
}

func (b *Bucket) tooLarge(key string) error {
	return &providers.Error{Op: "put", Key: key, Kind: providers.ErrTooLarge,
		Advice: fmt.Sprintf("a blob may have 50,000 blocks, here %d GiB together", int64(b.buffers.Size())*int64(b.limits.blocks)>>30)}
}

// putWhole stores a body of one part.
func (b *Bucket) putWhole(ctx context.Context, w writing, data []byte) (providers.Object, error) {
	cpk, scope := b.crypt.write()
	following, tries := providers.Following(ctx)
	out, err := b.client.NewBlockBlobClient(b.full(w.key)).Upload(following, streaming.NopCloser(bytes.NewReader(data)), &blockblob.UploadOptions{
		HTTPHeaders: httpHeaders(w.opts.ContentType, w.headers), Metadata: w.metadata, CPKInfo: cpk, CPKScopeInfo: scope,
		AccessConditions: conditionsOf(w.opts.Condition),
	})
	size := int64(len(data))
	wrote := written{Written: providers.Written{Size: size, Start: tries.Start, Same: providers.SameBytes(b.reopen, w.key, data)}}
	if err != nil {
		refused := b.writeError(ctx, "put", w.key, w.opts.Condition, err)
		if tries.Lost.Load() && errors.Is(refused, providers.ErrPrecondition) {
			if s, ok := b.ownWrite(ctx, w.key, wrote); ok {
				return s.obj, nil
			}
		}
		return providers.Object{}, b.uncertain(ctx, w.key, tries, wrote, refused)
	}
	a := answer{out.IsServerEncrypted, out.EncryptionKeySHA256, out.EncryptionScope}
	if !b.crypt.confirmed(a) {
		wrote.etag, wrote.version = out.ETag, out.VersionID
		return providers.Object{}, b.unverified(ctx, "put", w.key, wrote)
	}
	return b.stored(w, size, out.ETag, out.LastModified, a), nil
}

// stored is the Object of a finished write.
func (b *Bucket) stored(w writing, size int64, etag *azcore.ETag, modified *time.Time, a answer) providers.Object {
	obj := providers.Object{
		Key: w.key, Size: size, ModTime: value(modified).UTC().Truncate(time.Second), ETag: entityTag(etag),
		ContentType: w.opts.ContentType, Metadata: w.opts.Metadata, Headers: w.headers, Encryption: b.crypt.describe(a),
	}
	if obj.Headers == nil {
		obj.Headers = map[string]string{}
	}
	if obj.ContentType == "" {
		obj.ContentType = defaultContentType
	}
	b.keys.fitted(w.key, obj.ETag, b.crypt.settings.WriteKey)
	return obj
}

// writeError is the error of a refused write.
func (b *Bucket) writeError(ctx context.Context, op, key string, cond providers.Condition, err error) error {
	f := examine(err)
	if cond.IfMatch != "" && f.code == "BlobNotFound" {
		return &providers.Error{Op: op, Key: key, Kind: providers.ErrPrecondition}
	}
	err = b.fail(ctx, op, key, err)
	if e, ok := errors.AsType[*providers.Error](err); ok && e.Advice == "" {
		e.Advice = b.writeAdvice(f)
	}
	return err
}

// writeAdvice explains a denied write.
func (b *Bucket) writeAdvice(f *failure) string {
	switch {
	case f.status == 403 || f.status == 401:
		return "the credentials may not write here: a SAS needs create and write, an identity the role Storage Blob Data Contributor"
	case f.kind() == errors.ErrUnsupported && b.crypt.settings.Sealed():
		return "the account has no encryption of the kind the remote's sse options ask for"
	}
	return ""
}
