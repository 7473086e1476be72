package s3

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"sealdav/providers"
	"sealdav/sse"
)

// Probe shows that the store seals what it is told to seal, with two small
// objects of our own that are removed again. It runs before the first write;
// nil means that writes may go.
//
// An object written under a customer key must be refused without it: some
// stores echo the headers of a key they ignore. A copy of it must be refused
// as well; where it is not (Ceph stores copies in the clear), or cannot be
// made, copies are streamed through this process from then on. Learning that
// here, once, costs two requests, and no user's object its content.
func (b *Bucket) Probe(ctx context.Context) error {
	name := probeName()
	return b.probes.Run(ctx, func() error { return b.probe(ctx, name, name+"-copy") }, name, name+"-copy")
}

func (b *Bucket) probe(ctx context.Context, name, copyName string) error {
	etag, err := b.probePut(ctx, name)
	if err != nil {
		return err
	}
	if err := b.probeRead(ctx, name); err != nil {
		return err
	}
	return b.probeCopy(ctx, name, copyName, etag)
}

// probePut writes the probe and checks the store's answer.
func (b *Bucket) probePut(ctx context.Context, name string) (etag *string, err error) {
	wait, _, cancel := b.withPatience(ctx)
	defer cancel()
	out, err := b.client.PutObject(wait, &awss3.PutObjectInput{
		Bucket: &b.bucket, Key: b.full(name), Body: bytes.NewReader(probeContent),
	})
	if err != nil {
		return nil, b.writeError(ctx, "probe", name, providers.Condition{}, err)
	}
	b.exists.Store(true)
	if !b.crypt.confirmed(answer{out.ServerSideEncryption, out.SSEKMSKeyId, out.SSECustomerAlgorithm, out.SSECustomerKeyMD5}) {
		return nil, probeFailed(name, "the store ignored the encryption that was asked for")
	}
	return out.ETag, nil
}

var probeContent = []byte("sealdav probe\n")

func probeFailed(name, what string) error {
	return &providers.Error{Op: "probe", Key: name, Kind: providers.ErrUnverified,
		Advice: what + "; the remote takes no writes. Use a store that supports this encryption, or change the remote's sse options"}
}

// probeRead checks that an object is sealed: refused without its key, or said
// to be sealed by a store that holds the key.
func (b *Bucket) probeRead(ctx context.Context, name string) error {
	if b.crypt.settings.WriteKey.IsZero() {
		seen, err := b.lookBack(ctx, name, nil, sse.Candidate{})
		if err != nil {
			return b.fail(ctx, "probe", name, err)
		}
		if !b.crypt.confirmed(seen.answer) {
			return probeFailed(name, "the store does not report the encryption that was asked for")
		}
		return nil
	}
	err := b.probeGet(ctx, name, sse.Candidate{})
	f := examine(err)
	switch {
	case err == nil:
		return probeFailed(name, "the store gave out an object without the customer key it was sealed with")
	case f.status == 400 && f.mayBeKey():
		return nil
	case f.status == 403:
		// About the key, or about permission to read at all?
		return b.fail(ctx, "probe", name, b.probeGet(ctx, name, b.writeCandidate()))
	}
	return b.fail(ctx, "probe", name, err)
}

func (b *Bucket) probeGet(ctx context.Context, name string, c sse.Candidate) error {
	wait, _, cancel := b.withPatience(ctx)
	defer cancel()
	out, err := b.client.GetObject(withReadKey(wait, c), &awss3.GetObjectInput{Bucket: &b.bucket, Key: b.full(name)})
	if err == nil {
		out.Body.Close()
	}
	return err
}

// probeCopy learns whether the store copies sealed objects. Only a store that
// is away makes it an error.
func (b *Bucket) probeCopy(ctx context.Context, name, copyName string, etag *string) error {
	wait, _, cancel := b.withPatience(ctx)
	defer cancel()
	_, err := b.client.CopyObject(withReadKey(wait, b.writeCandidate()), &awss3.CopyObjectInput{
		Bucket: &b.bucket, Key: b.full(copyName), CopySource: b.source(name), CopySourceIfMatch: etag,
	})
	if err == nil {
		err = b.probeRead(ctx, copyName)
	}
	return b.copyVerdict(&b.streamCopies, b.fail(ctx, "probe", name, err))
}

// copyVerdict notes whether copies of a kind must be streamed, which is what a
// probe's error means, and returns the error of a store that is away.
func (b *Bucket) copyVerdict(stream *atomic.Bool, err error) error {
	e, ok := errors.AsType[*providers.Error](err)
	if err != nil && (!ok || errors.Is(e, providers.ErrThrottled) || errors.Is(e, providers.ErrUnavailable)) {
		return err
	}
	if err != nil {
		b.log.Warn("the store does not copy sealed objects; copies go through this server", "err", err)
	}
	stream.Store(err != nil)
	return nil
}
