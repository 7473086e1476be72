package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"sealdav/providers"
)

// A store may seal what is put in one request, and store in the clear, while
// it repeats the key, what is put in parts. So an upload in parts is tried as
// well, before the first one; its only part is its last, and may be small.

// probeParts shows that the store seals an upload in parts.
func (b *Bucket) probeParts(ctx context.Context) error {
	name := probeName() + "-parts"
	err := b.probes.Run(ctx, func() error {
		return b.probeUpload(ctx, name, &awss3.CreateMultipartUploadInput{ChecksumAlgorithm: b.partSums()}, func(ctx context.Context, u *upload) error { return u.send(ctx, 1, probeContent) })
	}, name)
	if errors.Is(err, providers.ErrUnverified) {
		return &providers.Error{Op: "probe", Key: name, Kind: providers.ErrUnverified, Err: err, Advice: fmt.Sprintf(
			"the store does not seal what is uploaded in parts, so the remote takes no upload of more than %d MiB. Use a store that supports this encryption, or change the remote's sse options", b.buffers.Size()>>20)}
	}
	return err
}

// probePartCopy learns whether the store copies in parts what is sealed. Only
// a store that is away makes it an error.
func (b *Bucket) probePartCopy(ctx context.Context) error {
	name := probeName()
	return b.probes.Run(ctx, func() error {
		etag, err := b.probePut(ctx, name)
		if err != nil {
			return err
		}
		src := providers.Object{Key: name, Size: int64(len(probeContent)), ETag: aws.ToString(etag)}
		return b.copyVerdict(&b.streamLarge, b.probeUpload(ctx, name+"-parts", &awss3.CreateMultipartUploadInput{}, func(ctx context.Context, u *upload) error {
			return u.copyPart(ctx, src, 1, "")
		}))
	}, name, name+"-parts")
}

// probeUpload makes an object of one part, and checks that it is sealed.
func (b *Bucket) probeUpload(ctx context.Context, name string, in *awss3.CreateMultipartUploadInput, part func(context.Context, *upload) error) error {
	wait, _, cancel := b.withPatience(ctx)
	defer cancel()
	u, err := b.createUploadFrom(wait, "probe", name, in)
	if err != nil {
		return b.patient(ctx, "probe", name, err)
	}
	if err := part(wait, u); err != nil {
		u.abort(ctx)
		return b.patient(ctx, "probe", name, err)
	}
	// What the store says of parts it copies is not the rule; reading tells.
	_, err = u.finish(wait, providers.Condition{}, written{Written: providers.Written{Size: int64(len(probeContent)), Start: u.start, Same: u.same}})
	if err == nil {
		err = b.probeRead(ctx, name)
	}
	return b.patient(ctx, "probe", name, err)
}

func probeName() string { return providers.ReservedPrefix + "probe-" + rand.Text() }
