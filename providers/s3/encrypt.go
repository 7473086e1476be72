package s3

import (
	"context"
	"fmt"
	"strings"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"

	"sealdav/providers"
	"sealdav/sse"
)

// encryption puts keys and encryption settings into requests. Nothing else in
// this package touches a key: every request of the client passes apply, which
// knows each operation that is used and refuses any other before it is sent.
type encryption struct {
	settings sse.Settings
	// redact takes the keys, in every form they could have, out of a text that
	// a server wrote. It is a closure for the reason that sse.Key is one: fmt
	// prints every field of what it is handed.
	redact func(text string) string
}

func newEncryption(s sse.Settings) encryption {
	return encryption{settings: s, redact: func(text string) string {
		for _, c := range s.Candidates() {
			if c.Key.IsZero() {
				continue
			}
			raw := c.Key.Bytes()
			for _, form := range []string{string(raw[:]), c.Key.Base64(), c.Key.MD5(), fmt.Sprintf("%x", raw[:]), fmt.Sprintf("%X", raw[:])} {
				text = strings.ReplaceAll(text, form, "[key]")
			}
		}
		return text
	}}
}

// fingerprint names the customer key of an encryption, "" for any other.
func (e encryption) fingerprint(of providers.Encryption) string {
	if of.Mode != providers.ModeCustomer {
		return ""
	}
	for _, c := range e.settings.Candidates() {
		if c.Place == of.Key {
			return c.Key.Fingerprint()
		}
	}
	// An object that was written is under the write key, whatever that is
	// called as a read key.
	if of.Key == "write key" {
		return e.settings.WriteKey.Fingerprint()
	}
	return ""
}

// Fingerprint implements providers.Fingerprinter.
func (b *Bucket) Fingerprint(e providers.Encryption) string { return b.crypt.fingerprint(e) }

// readKey is the context key under which withReadKey stores its candidate.
type readKey struct{}

// withReadKey says which key opens the object that the request reads: of a
// GET or HEAD the object itself, of a copy the source. The choice travels in
// the context because the middleware sees nothing else beside the input, and
// the input is not to hold keys outside of it. A read without a choice fails.
func withReadKey(ctx context.Context, c sse.Candidate) context.Context {
	return context.WithValue(ctx, readKey{}, c)
}

// attach adds the middleware to a client's stack of every operation.
func (e encryption) attach(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("sealdavEncryption",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			params, err := e.apply(ctx, in.Parameters)
			if err != nil {
				return middleware.InitializeOutput{}, middleware.Metadata{}, err
			}
			in.Parameters = params
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
}

// apply returns a copy of an operation's input with the encryption it needs;
// the caller's input never holds a key.
func (e encryption) apply(ctx context.Context, params any) (any, error) {
	switch p := params.(type) {
	// Reads: the key the object lies under.
	case *awss3.HeadObjectInput:
		in := *p
		key, err := chosen(ctx)
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = customer(key)
		return &in, err
	case *awss3.GetObjectInput:
		in := *p
		key, err := chosen(ctx)
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = customer(key)
		return &in, err

	// Writes: the write settings. Store-held modes are settled when an upload
	// is created; a customer key goes with each of its parts.
	case *awss3.PutObjectInput:
		in := *p
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = customer(e.settings.WriteKey)
		in.ServerSideEncryption, in.SSEKMSKeyId = e.storeHeld()
		return &in, nil
	case *awss3.CreateMultipartUploadInput:
		in := *p
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = customer(e.settings.WriteKey)
		in.ServerSideEncryption, in.SSEKMSKeyId = e.storeHeld()
		return &in, nil
	case *awss3.UploadPartInput:
		in := *p
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = customer(e.settings.WriteKey)
		return &in, nil
	case *awss3.CompleteMultipartUploadInput:
		// Needed where a bucket policy demands SSE-C, or a checksum algorithm
		// was named at the start; accepted everywhere.
		in := *p
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = customer(e.settings.WriteKey)
		return &in, nil

	// Copies: both.
	case *awss3.CopyObjectInput:
		in := *p
		key, err := chosen(ctx)
		in.CopySourceSSECustomerAlgorithm, in.CopySourceSSECustomerKey, in.CopySourceSSECustomerKeyMD5 = customer(key)
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = customer(e.settings.WriteKey)
		in.ServerSideEncryption, in.SSEKMSKeyId = e.storeHeld()
		return &in, err
	case *awss3.UploadPartCopyInput:
		in := *p
		key, err := chosen(ctx)
		in.CopySourceSSECustomerAlgorithm, in.CopySourceSSECustomerKey, in.CopySourceSSECustomerKeyMD5 = customer(key)
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = customer(e.settings.WriteKey)
		return &in, err

	// These name objects and move no content; S3 takes no key with them.
	case *awss3.ListObjectsV2Input, *awss3.DeleteObjectInput, *awss3.DeleteObjectsInput, *awss3.AbortMultipartUploadInput:
		return params, nil

	default:
		return nil, fmt.Errorf("%T is not reviewed for encryption and not sent", params)
	}
}

func chosen(ctx context.Context) (sse.Key, error) {
	c, ok := ctx.Value(readKey{}).(sse.Candidate)
	if !ok {
		return sse.Key{}, fmt.Errorf("no key was chosen for a read; not sent")
	}
	return c.Key, nil
}

// customer is a key in the three headers of SSE-C. The SDK sends the strings
// as they are, so they are encoded here.
func customer(k sse.Key) (algorithm, key, md5 *string) {
	if k.IsZero() {
		return nil, nil, nil
	}
	return new(sse.AES256), new(k.Base64()), new(k.MD5())
}

// storeHeld is the encryption under a key that the store or its KMS holds.
func (e encryption) storeHeld() (types.ServerSideEncryption, *string) {
	if e.settings.KMSKeyID == "" {
		return types.ServerSideEncryption(e.mode()), nil
	}
	return types.ServerSideEncryption(e.mode()), &e.settings.KMSKeyID
}

// mode is the value of x-amz-server-side-encryption that is asked for, or "".
func (e encryption) mode() string {
	if e.settings.Algorithm == "" && e.settings.KMSKeyID != "" {
		return sse.KMS
	}
	return e.settings.Algorithm
}
