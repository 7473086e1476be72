package azure

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"sealdav/providers"
)

// Probe shows that the store seals what it is told to seal, with two small
// blobs of our own that are removed again. It runs before the first write; nil
// means that writes may go.
//
// A blob written under a customer key must be refused without it; one under a
// scope must be said to lie there. A copy is made as well: where the store
// cannot, copies are streamed through this process from then on.
func (b *Bucket) Probe(ctx context.Context) error {
	name := providers.ReservedPrefix + "probe-" + rand.Text()
	copyName := name + "-copy"
	defer b.removeProbes(ctx, name, copyName)

	src, err := b.probePut(ctx, name)
	if err != nil {
		return err
	}
	if err := b.probeRead(ctx, name); err != nil {
		return err
	}
	return b.probeCopy(ctx, copyName, src)
}

// probePut writes the probe and checks the store's answer.
func (b *Bucket) probePut(ctx context.Context, name string) (providers.Object, error) {
	cpk, scope := b.crypt.write()
	data := []byte("sealdav probe\n")
	out, err := b.client.NewBlockBlobClient(b.full(name)).Upload(ctx, streaming.NopCloser(bytes.NewReader(data)), &blockblob.UploadOptions{
		CPKInfo: cpk, CPKScopeInfo: scope,
	})
	if err != nil {
		return providers.Object{}, b.writeError(ctx, "probe", name, providers.Condition{}, err)
	}
	if !b.crypt.confirmed(answer{out.IsServerEncrypted, out.EncryptionKeySHA256, out.EncryptionScope}) {
		return providers.Object{}, probeFailed(name, "the store ignored the encryption that was asked for")
	}
	return providers.Object{Key: name, Size: int64(len(data)), ETag: entityTag(out.ETag)}, nil
}

func probeFailed(name, what string) error {
	return &providers.Error{Op: "probe", Key: name, Kind: providers.ErrUnverified,
		Advice: what + "; the remote takes no writes. Use an account that supports this encryption, or change the remote's sse options"}
}

// probeRead checks that a blob is sealed: refused without its key, or said to
// lie under the scope.
func (b *Bucket) probeRead(ctx context.Context, name string) error {
	wait, _, cancel := withPatience(ctx)
	defer cancel()
	out, err := b.client.NewBlobClient(b.full(name)).GetProperties(wait, &blob.GetPropertiesOptions{})
	f := examine(err)
	customer := !b.crypt.settings.WriteKey.IsZero()
	switch {
	case customer && err == nil:
		return probeFailed(name, "the store gave out a blob without the customer key it was sealed with")
	case customer && f.code == codeNeedsKey:
		return nil
	case err != nil:
		return b.patient(ctx, "probe", name, err)
	case !b.crypt.confirmed(answer{out.IsServerEncrypted, out.EncryptionKeySHA256, out.EncryptionScope}):
		return probeFailed(name, "the store does not report the encryption that was asked for")
	}
	return nil
}

// probeCopy learns whether the store copies sealed blobs. Only a store that is
// away makes it an error.
func (b *Bucket) probeCopy(ctx context.Context, copyName string, src providers.Object) error {
	_, err := b.copyWhole(ctx, copying{dst: copyName, src: src}, b.crypt.settings.WriteKey)
	if err == nil || ctx.Err() != nil {
		return b.fail(ctx, "probe", copyName, err)
	}
	f := examine(err)
	err = b.fail(ctx, "probe", copyName, err)
	if f.status == 0 && !errors.Is(err, providers.ErrUnverified) || errors.Is(err, providers.ErrThrottled) || f.status >= 500 && f.status != 501 {
		return err
	}
	b.log.Warn("the store does not copy sealed blobs; copies go through this server", "err", err)
	b.streamCopies.Store(true)
	return nil
}

// CopiesInStore reports whether the store copies under the remote's settings
// itself, as far as the probe or a copy has shown.
func (b *Bucket) CopiesInStore() bool { return !b.streamCopies.Load() }

// removeProbes removes the probes whatever became of ctx.
func (b *Bucket) removeProbes(ctx context.Context, names ...string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	if err := b.Delete(ctx, names...); err != nil {
		b.log.Warn("probe blobs not removed", "container", b.name, "err", err)
	}
}
