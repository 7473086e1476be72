package gcs

import "net/http"

// WrapTransport puts a transport between a bucket and its store.
func (b *Bucket) WrapTransport(wrap func(http.RoundTripper) http.RoundTripper) {
	b.http.Transport = wrap(b.http.Transport)
}
