package azure

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"

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
// scope must be said to lie there. The same holds for a copy; where the store
// cannot make one, copies are streamed through this process from then on.
func (b *Bucket) Probe(ctx context.Context) error {
	name := probeName()
	return b.probes.Run(ctx, func() error { return b.probe(ctx, name, name+"-copy") }, name, name+"-copy")
}

func (b *Bucket) probe(ctx context.Context, name, copyName string) error {
	src, err := b.probePut(ctx, name)
	if err != nil {
		return err
	}
	if err := b.probeRead(ctx, name); err != nil {
		return err
	}
	return b.probeCopy(ctx, &b.streamCopies, copyName, func(ctx context.Context) error {
		_, err := b.copyWhole(ctx, copying{dst: copyName, src: src}, b.crypt.settings.WriteKey)
		return err
	})
}

func probeName() string { return providers.ReservedPrefix + "probe-" + rand.Text() }

var probeContent = []byte("sealdav probe\n")

// A store may seal what is put in one request, and store in the clear, while
// it repeats the key, what is put in blocks. So an upload in blocks is tried as
// well, before the first one; its only block may be small.

// probeBlocks shows that the store seals an upload in blocks.
func (b *Bucket) probeBlocks(ctx context.Context) error {
	name := probeName() + "-blocks"
	return b.probes.Run(ctx, func() error { return b.probeUpload(ctx, name) }, name)
}

func (b *Bucket) probeUpload(ctx context.Context, name string) error {
	wait, _, cancel := providers.WithPatience(ctx, providers.Patience)
	defer cancel()
	u := b.newUpload("probe", name)
	err := u.send(wait, 1, probeContent)
	if err == nil {
		_, err = u.commit(wait, 1, nil, nil, providers.Condition{}, written{Written: providers.Written{Size: int64(len(probeContent)), Same: u.same}})
	}
	if err == nil {
		err = b.probeRead(wait, name)
	}
	if errors.Is(err, providers.ErrUnverified) {
		return &providers.Error{Op: "probe", Key: name, Kind: providers.ErrUnverified, Err: err, Advice: fmt.Sprintf(
			"the store does not seal what is uploaded in blocks, so the remote takes no upload of more than %d MiB. Use an account that supports this encryption, or change the remote's sse options", b.buffers.Size()>>20)}
	}
	return b.patient(ctx, "probe", name, err)
}

// probeBlockCopy learns whether the store copies in blocks what is sealed.
func (b *Bucket) probeBlockCopy(ctx context.Context) error {
	name := probeName()
	copyName := name + "-copy"
	return b.probes.Run(ctx, func() error {
		src, err := b.probePut(ctx, name)
		if err != nil {
			return err
		}
		return b.probeCopy(ctx, &b.streamBlocks, copyName, func(ctx context.Context) error {
			_, err := b.copyBlocks(ctx, copying{dst: copyName, src: src}, b.crypt.settings.WriteKey)
			return err
		})
	}, name, copyName)
}

// probePut writes the probe and checks the store's answer.
func (b *Bucket) probePut(ctx context.Context, name string) (providers.Object, error) {
	cpk, scope := b.crypt.write()
	wait, _, cancel := providers.WithPatience(ctx, providers.Patience)
	defer cancel()
	out, err := b.client.NewBlockBlobClient(b.full(name)).Upload(wait, streaming.NopCloser(bytes.NewReader(probeContent)), &blockblob.UploadOptions{
		CPKInfo: cpk, CPKScopeInfo: scope,
	})
	if err != nil {
		return providers.Object{}, b.patient(ctx, "probe", name, b.writeError(wait, "probe", name, providers.Condition{}, err))
	}
	if !b.crypt.confirmed(answer{out.IsServerEncrypted, out.EncryptionKeySHA256, out.EncryptionScope}) {
		return providers.Object{}, probeFailed(name, "the store ignored the encryption that was asked for")
	}
	return providers.Object{Key: name, Size: int64(len(probeContent)), ETag: entityTag(out.ETag)}, nil
}

func probeFailed(name, what string) error {
	return &providers.Error{Op: "probe", Key: name, Kind: providers.ErrUnverified,
		Advice: what + "; the remote takes no writes. Use an account that supports this encryption, or change the remote's sse options"}
}

// probeRead checks that a blob is sealed: refused without its key, or said to
// lie under the scope.
func (b *Bucket) probeRead(ctx context.Context, name string) error {
	wait, _, cancel := providers.WithPatience(ctx, providers.Patience)
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

// probeCopy makes a copy and sets stream if it does not end sealed. Only a
// store that is away makes it an error.
func (b *Bucket) probeCopy(ctx context.Context, stream *atomic.Bool, copyName string, do func(context.Context) error) error {
	wait, _, cancel := providers.WithPatience(ctx, providers.Patience)
	defer cancel()
	err := do(wait)
	if err == nil {
		err = b.probeRead(wait, copyName)
	}
	if err == nil || wait.Err() != nil {
		return b.patient(ctx, "probe", copyName, err)
	}
	f := examine(err)
	err = b.fail(ctx, "probe", copyName, err)
	if f.status == 0 && !errors.Is(err, providers.ErrUnverified) || errors.Is(err, providers.ErrThrottled) || f.status >= 500 && f.status != 501 {
		return err
	}
	b.log.Warn("the store does not copy sealed blobs; copies go through this server", "err", err)
	stream.Store(true)
	return nil
}

// CopiesInStore reports whether the store copies under the remote's settings
// itself, as far as the probe or a copy has shown.
func (b *Bucket) CopiesInStore() bool { return !b.streamCopies.Load() }
