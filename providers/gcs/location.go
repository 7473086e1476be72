package gcs

import (
	"strings"

	"sealdav/providers"
)

// Location implements providers.Located.
func (b *Bucket) Location() string {
	return "gs://" + strings.ToLower(b.endpoint.Host) + "/" + b.bucket + "/" + b.base
}

// Fingerprint implements providers.Fingerprinter.
func (b *Bucket) Fingerprint(e providers.Encryption) string { return b.crypt.fingerprint(e) }
