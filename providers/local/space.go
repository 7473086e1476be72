package local

import (
	"context"

	"sealdav/providers"
)

var _ interface {
	providers.Spacer
	providers.Fingerprinter
} = (*Bucket)(nil)

// Space implements providers.Spacer: the room of the file system that the
// directory lies in.
func (b *Bucket) Space(context.Context) (available, used int64, err error) {
	available, used, err = space(b.root)
	return available, used, fail("stat", "", err)
}

// Fingerprint implements providers.Fingerprinter.
func (b *Bucket) Fingerprint(e providers.Encryption) string {
	return b.keys.fingerprint(e)
}
