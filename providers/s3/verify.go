package s3

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"sealdav/providers"
	"sealdav/sse"
)

// cleanupTime bounds what is done, on a context of its own, to leave nothing
// behind after a failure.
const cleanupTime = 30 * time.Second

// answer is what a store says about the encryption of an object.
type answer struct {
	mode      types.ServerSideEncryption
	kmsKey    *string
	algorithm *string
	keyMD5    *string
}

// silent reports whether the store said nothing at all.
func (a answer) silent() bool {
	return a.mode == "" && aws.ToString(a.algorithm) == "" && aws.ToString(a.keyMD5) == ""
}

// describe is the answer in the words of package providers. place names the
// customer key that was sent.
func (a answer) describe(place string) providers.Encryption {
	switch {
	case aws.ToString(a.algorithm) != "":
		return providers.Encryption{Mode: providers.ModeCustomer, Key: place}
	case a.mode != "":
		return providers.Encryption{Mode: string(a.mode), Key: aws.ToString(a.kmsKey)}
	}
	return providers.Encryption{Mode: providers.ModeNone}
}

// confirmed reports whether an answer confirms the write settings.
func (e encryption) confirmed(a answer) bool {
	if key := e.settings.WriteKey; !key.IsZero() {
		return aws.ToString(a.algorithm) == sse.AES256 && aws.ToString(a.keyMD5) == key.MD5()
	}
	switch mode := e.mode(); mode {
	case "":
		return true
	case sse.KMS, sse.KMSDSSE:
		return string(a.mode) == mode && sameKMSKey(e.settings.KMSKeyID, aws.ToString(a.kmsKey))
	default:
		return string(a.mode) == mode
	}
}

// sameKMSKey reports whether the key a store names is the one that was asked
// for. A store answers with the ARN of the key; what was asked for may be that,
// the id at its end, an alias, which only the KMS can resolve, or nothing.
func sameKMSKey(asked, told string) bool {
	switch {
	case told == "":
		return false
	case asked == "", strings.HasPrefix(asked, "alias/"), strings.Contains(asked, ":alias/"):
		return true
	case asked == told:
		return true
	}
	return strings.HasSuffix(told, "/"+asked) || strings.HasSuffix(told, ":"+asked)
}

// required reports whether an object lies under an encryption of the kind the
// settings name, which is what RequireEncrypted demands of what is read.
func (e encryption) required(enc providers.Encryption) bool {
	if enc.Mode == providers.ModeCustomer {
		return true
	}
	switch e.mode() {
	case sse.AES256:
		return enc.Mode != providers.ModeNone
	case sse.KMS:
		return enc.Mode == providers.ModeKMS || enc.Mode == providers.ModeDSSE
	case sse.KMSDSSE:
		return enc.Mode == providers.ModeDSSE
	}
	return !e.settings.HasCustomerKeys() && enc.Mode != providers.ModeNone
}

// adviceUnverified explains a write that the store answered without sealing.
const adviceUnverified = "the store accepted the write without confirming the encryption the remote asks for, so it may ignore encryption headers; nothing was kept. Use a store that supports this encryption, or change the remote's sse options"

// written is an object that stands in the bucket and may have to go again.
type written struct{ etag, version *string }

// unverified removes what was written and returns the error that says so.
func (b *Bucket) unverified(ctx context.Context, op, key string, w written) error {
	e := &providers.Error{Op: op, Key: key, Kind: providers.ErrUnverified, Advice: adviceUnverified}
	if err := b.discard(ctx, key, w); err != nil {
		e.Err = err
		e.Advice = "the store accepted the write without confirming the encryption the remote asks for, and what it wrote could not be removed again: remove that object by hand, it may lie there unencrypted"
	}
	return e
}

// discard removes an object that was written but not confirmed, unless
// somebody has replaced it meanwhile. The store's answer to If-Match is asked
// for but not relied on: MinIO and Ceph ignore it on DELETE.
func (b *Bucket) discard(ctx context.Context, key string, w written) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	b.keys.forget(key)
	in := &awss3.DeleteObjectInput{Bucket: &b.bucket, Key: b.full(key)}
	if aws.ToString(w.version) != "" {
		in.VersionId = w.version
	} else {
		obj, err := b.Stat(ctx, key)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err == nil && obj.ETag != entityTag(w.etag):
			return nil
		}
		in.IfMatch = w.etag
	}
	_, err := b.client.DeleteObject(ctx, in)
	if f := examine(err); err != nil && f.status != 404 && f.status != 412 {
		return b.fail(ctx, "delete", key, err)
	}
	return nil
}
