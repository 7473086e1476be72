package azure

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"golang.org/x/sync/errgroup"

	"sealdav/providers"
	"sealdav/sse"
)

// Copy implements providers.Bucket: one Put Blob From URL, or blocks from the
// URL for what is larger than 5,000 MiB. The store confirms the encryption in
// its answer. Where it cannot copy under these settings (service versions
// before 2026-02-06 take no key for the source), the content is read and put
// again by this process.
func (b *Bucket) Copy(ctx context.Context, dst string, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	if err := errors.Join(b.checkKey("copy", dst), b.checkKey("copy", src.Key)); err != nil {
		return providers.Object{}, &providers.Error{Op: "copy", Key: dst, Kind: fs.ErrInvalid, Advice: providers.Advice(err)}
	}
	if err := b.gate.Admit(ctx); err != nil {
		return providers.Object{}, b.fail(ctx, "copy", dst, err)
	}
	c := copying{dst: dst, src: src, opts: opts}
	if b.streamCopies.Load() || strings.HasSuffix(src.Key, "/") && b.folders.Load() {
		return b.copyStreamed(ctx, c)
	}
	if b.needsBlocks(c) {
		if err := b.gateBlockCopies.Admit(ctx); err != nil {
			return providers.Object{}, b.fail(ctx, "copy", dst, err)
		}
		if b.streamBlocks.Load() {
			return b.copyStreamed(ctx, c)
		}
	}
	obj, err := b.copyInStore(ctx, c)
	switch {
	case errors.Is(err, errStream):
		return b.copyStreamed(ctx, c)
	case c.onItself() && errors.Is(err, providers.ErrUnverified):
		return b.resealed(ctx, c)
	}
	return obj, err
}

// copying is one Copy under way.
type copying struct {
	dst  string
	src  providers.Object
	opts providers.CopyOptions
}

func (c copying) onItself() bool { return c.dst == c.src.Key }

// needsBlocks reports whether a copy is put together from blocks. Azure copies
// the source's metadata unless it is given some, so for none at all it is.
func (b *Bucket) needsBlocks(c copying) bool {
	bare := c.opts.Replace && len(c.opts.Metadata) == 0 && !strings.HasSuffix(c.dst, "/") && (c.src.Metadata == nil || len(c.src.Metadata) > 0)
	return bare || c.src.Size > b.limits.copyBlob
}

// resealed puts a blob once more that was copied onto itself and did not come
// out sealed: it is the only copy, and must neither go nor stay so.
func (b *Bucket) resealed(ctx context.Context, c copying) (providers.Object, error) {
	c.src.ETag, c.opts.Condition = "", providers.Condition{}
	obj, err := b.copyStreamed(ctx, c)
	if err != nil {
		return providers.Object{}, &providers.Error{Op: "copy", Key: c.dst, Kind: providers.ErrUnverified,
			Err: errors.Join(b.left(ctx, c.dst, providers.AdviceOnlyCopy, nil), err), Advice: providers.AdviceOnlyCopy}
	}
	return obj, nil
}

// errStream says that the store cannot make this copy.
var errStream = errors.New("not copied by the store")

// copyInStore has the store copy, under the source key that is the best guess
// and, where the store finds fault with the source, under the one a HEAD finds.
func (b *Bucket) copyInStore(ctx context.Context, c copying) (providers.Object, error) {
	guess := b.keys.order(c.src.Key, c.src.ETag)[0].Key
	following, tries := providers.Following(ctx)
	for second := false; ; second = true {
		obj, err := b.copyUnder(following, c, guess)
		if err == nil {
			return obj, nil
		}
		if errors.Is(err, providers.ErrUnverified) {
			return providers.Object{}, err
		}
		f := examine(err)
		if f.cannotCopy(guess) {
			if !b.streamCopies.Swap(true) {
				b.log.Warn("the store does not copy under these settings itself; copies go through this server", "err", b.fail(ctx, "copy", c.dst, err))
			}
			return providers.Object{}, errStream
		}
		if ctx.Err() != nil || !f.aboutSource() {
			w := written{Written: providers.Written{Size: c.src.Size, Start: tries.Start, OnlyCopy: c.onItself(), Same: providers.SameAs(b.reopen, c.dst, c.src)}}
			return providers.Object{}, b.uncertain(ctx, c.dst, tries, w, b.writeError(ctx, "copy", c.dst, c.opts.Condition, err))
		}
		fits, err := b.checkSource(ctx, c.src)
		if err != nil {
			return providers.Object{}, err
		}
		if second || fits.Equal(guess) {
			return providers.Object{}, errStream // it can be read from here at least
		}
		guess = fits
	}
}

// cannotCopy reports whether the store lacks the operation, or takes no key
// for a source.
func (f *failure) cannotCopy(source sse.Key) bool {
	return f.kind() == errors.ErrUnsupported ||
		f.status == http.StatusBadRequest && f.code == "InvalidHeaderValue" && !source.IsZero()
}

// aboutSource reports whether the store could not read the source: it is not
// there, lies under another key, or is out of the store's own reach. Which of
// them, its code does not always say.
func (f *failure) aboutSource() bool {
	switch f.code {
	case "CannotVerifyCopySource", "SourceConditionNotMet", "PublicAccessNotPermitted", "NoAuthenticationInformation":
		return true
	}
	return f.aboutKey() || f.kind() == fs.ErrNotExist
}

// checkSource finds the key of a copy's source, which must be the one meant.
func (b *Bucket) checkSource(ctx context.Context, src providers.Object) (sse.Key, error) {
	wait, _, cancel := providers.WithPatience(ctx, providers.Patience)
	defer cancel()
	obj, out, err := b.head(wait, "copy", src.Key)
	if err != nil {
		return sse.Key{}, b.patient(ctx, "copy", src.Key, err)
	}
	if src.ETag != "" && obj.ETag != src.ETag {
		return sse.Key{}, &providers.Error{Op: "copy", Key: src.Key, Kind: providers.ErrPrecondition}
	}
	c, _ := b.crypt.place(value(out.EncryptionKeySHA256))
	return c.Key, nil
}

func (b *Bucket) copyUnder(ctx context.Context, c copying, source sse.Key) (providers.Object, error) {
	if b.needsBlocks(c) {
		return b.copyBlocks(ctx, c, source)
	}
	return b.copyWhole(ctx, c, source)
}

func (b *Bucket) copyWhole(ctx context.Context, c copying, source sse.Key) (providers.Object, error) {
	address, authorization, err := b.source(ctx, c.src.Key)
	if err != nil {
		return providers.Object{}, err
	}
	if c.opts.Replace && c.src.Headers == nil {
		_, h, err := b.head(ctx, "copy", c.src.Key)
		if err != nil {
			return providers.Object{}, err
		}
		c.src.Headers = headDetails(*h).headers // of another version the copy fails
	}
	cpk, scope := b.crypt.write()
	in := &blockblob.UploadBlobFromURLOptions{
		CPKInfo: cpk, CPKScopeInfo: scope, SourceCustomerProvidedKey: b.crypt.source(source), CopySourceAuthorization: authorization,
		SourceModifiedAccessConditions: &blob.SourceModifiedAccessConditions{SourceIfMatch: tag(c.src.ETag)},
		AccessConditions:               conditionsOf(c.opts.Condition),
	}
	if c.opts.Replace {
		in.CopySourceBlobProperties = new(false)
		in.HTTPHeaders, in.Metadata = httpHeaders(typeOr(c.opts.ContentType), c.src.Headers), encodeMetadata(c.dst, c.opts.Metadata)
	}
	whole, err := providers.Unbroken(ctx)
	if err != nil {
		return providers.Object{}, err
	}
	start := time.Now()
	out, err := b.client.NewBlockBlobClient(b.full(c.dst)).UploadBlobFromURL(whole, address, in)
	if err != nil {
		return providers.Object{}, err
	}
	a := answer{out.IsServerEncrypted, out.EncryptionKeySHA256, out.EncryptionScope}
	if !b.crypt.confirmed(a) {
		return providers.Object{}, b.unverified(ctx, "copy", c.dst, written{
			providers.Written{Size: c.src.Size, Start: start, OnlyCopy: c.onItself(), Same: providers.SameAs(b.reopen, c.dst, c.src)}, out.ETag, out.VersionID})
	}
	return b.copied(c, out.ETag, out.LastModified, a), nil
}

func typeOr(t string) string {
	if t == "" {
		return defaultContentType
	}
	return t
}

// copied describes a finished copy.
func (b *Bucket) copied(c copying, etag *azcore.ETag, modified *time.Time, a answer) providers.Object {
	obj := providers.Object{
		Key: c.dst, Size: c.src.Size, ModTime: value(modified).UTC().Truncate(time.Second), ETag: entityTag(etag),
		ContentType: c.src.ContentType, Metadata: c.src.Metadata, Headers: c.src.Headers, Encryption: b.crypt.describe(a),
	}
	if c.opts.Replace {
		obj.ContentType, obj.Metadata = typeOr(c.opts.ContentType), c.opts.Metadata
	}
	b.keys.fitted(c.dst, obj.ETag, b.crypt.settings.WriteKey)
	return obj
}

// copyBlocks has the store copy a blob block by block, and gives it its
// attributes with the commit.
func (b *Bucket) copyBlocks(ctx context.Context, c copying, source sse.Key) (providers.Object, error) {
	src, h, err := b.head(ctx, "copy", c.src.Key)
	if err != nil {
		return providers.Object{}, err
	}
	if c.src.ETag != "" && src.ETag != c.src.ETag {
		return providers.Object{}, &providers.Error{Op: "copy", Key: c.src.Key, Kind: providers.ErrPrecondition}
	}
	if fits, _ := b.crypt.place(value(h.EncryptionKeySHA256)); !fits.Key.Equal(source) {
		source = fits.Key
	}
	c.src = src
	contentType, metadata := src.ContentType, src.Metadata
	if c.opts.Replace {
		contentType, metadata = typeOr(c.opts.ContentType), c.opts.Metadata
	}
	u := b.newUpload("copy", c.dst)
	n, err := u.copyAll(ctx, src, source)
	if err != nil {
		return providers.Object{}, err
	}
	done, err := u.commit(ctx, n, httpHeaders(contentType, src.Headers), encodeMetadata(c.dst, metadata), c.opts.Condition, written{Written: providers.Written{Size: src.Size, OnlyCopy: c.onItself(), Same: u.same}})
	if err != nil {
		return providers.Object{}, err
	}
	return b.copied(c, done.etag, done.modified, done.answer), nil
}

// copyAll has the store copy every block, and returns how many there are.
func (u *upload) copyAll(ctx context.Context, src providers.Object, source sse.Key) (int, error) {
	size := max(u.b.limits.copyBlock, (src.Size+int64(u.b.limits.blocks)-1)/int64(u.b.limits.blocks))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(copiesAtOnce)
	n := 0
	for from := int64(0); from < src.Size && ctx.Err() == nil; from += size {
		n++
		number, part := n, blob.HTTPRange{Offset: from, Count: min(size, src.Size-from)}
		group.Go(func() error {
			return providers.Guarded(u.b.log, u.op, u.key, func() error { return u.copyBlock(ctx, src, source, number, part) })
		})
	}
	return n, group.Wait()
}

func (u *upload) copyBlock(ctx context.Context, src providers.Object, source sse.Key, number int, part blob.HTTPRange) error {
	address, authorization, err := u.b.source(ctx, src.Key)
	if err != nil {
		return err
	}
	cpk, scope := u.b.crypt.write()
	out, err := u.client.StageBlockFromURL(ctx, u.block(number), address, &blockblob.StageBlockFromURLOptions{
		Range: part, CPKInfo: cpk, CPKScopeInfo: scope,
		SourceCustomerProvidedKey: u.b.crypt.source(source), CopySourceAuthorization: authorization,
		SourceModifiedAccessConditions: &blob.SourceModifiedAccessConditions{SourceIfMatch: tag(src.ETag)},
	})
	if err != nil {
		return err
	}
	return u.took(answer{out.IsServerEncrypted, out.EncryptionKeySHA256, out.EncryptionScope})
}

// copyStreamed copies through this process: what was read under one key is put
// under the write settings.
func (b *Bucket) copyStreamed(ctx context.Context, c copying) (providers.Object, error) {
	// A plain source is to be sealed, so RequireEncrypted has no say here.
	body, src, err := b.openSource(ctx, c.src)
	if err != nil {
		return providers.Object{}, err
	}
	defer body.Close()
	w := writing{key: c.dst, headers: src.Headers, parts: providers.NewParts(b.buffers, body, src.Size), opts: providers.PutOptions{
		Condition: c.opts.Condition, Size: src.Size, ContentType: src.ContentType, Metadata: src.Metadata,
	}}
	if c.opts.Replace {
		w.opts.ContentType, w.opts.Metadata = c.opts.ContentType, c.opts.Metadata
	}
	w.metadata = encodeMetadata(c.dst, w.opts.Metadata)
	obj, err := b.put(ctx, w)
	if e, ok := errors.AsType[*providers.Error](err); ok {
		told := *e // the gate's is shared
		told.Op = "copy"
		return obj, &told
	}
	return obj, err
}
