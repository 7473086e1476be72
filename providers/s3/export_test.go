package s3

import (
	"net/http"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// SetCopyLimits lowers the sizes, in bytes, from which copies take parts and
// which the parts have.
func (b *Bucket) SetCopyLimits(object, part int64) {
	b.limits.copyObject, b.limits.copyPart = object, part
}

// SetMaxParts lowers the number of parts of an upload.
func (b *Bucket) SetMaxParts(n int) { b.limits.parts = n }

// SetPatience lowers how long a store may take to answer.
func (b *Bucket) SetPatience(d time.Duration) { b.limits.patience, b.limits.answer = d, d }

// WrapTransport puts a transport between a bucket and its store.
func (b *Bucket) WrapTransport(wrap func(http.RoundTripper) http.RoundTripper) {
	b.http.Transport = wrap(b.http.Transport)
}

// SetAbortPause lowers how long an abort that failed waits to be tried again.
func (b *Bucket) SetAbortPause(d time.Duration) { b.limits.abortPause = d }

// WaitBackground waits until there is no work in the background.
func (b *Bucket) WaitBackground() { b.work.Wait() }

// StreamsCopies reports whether the probe found that the store does not copy
// sealed objects.
func (b *Bucket) StreamsCopies() bool { return b.streamCopies.Load() }

// Client is the bucket's SDK client, middleware and all.
func Client(b *Bucket) *awss3.Client { return b.client }

// SetAmazon has a bucket take its store for Amazon's own.
func (b *Bucket) SetAmazon() { b.amazon = true }
