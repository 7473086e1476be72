package azure

import (
	"net/url"
	"strings"

	"sealdav/providers"
)

// Location implements providers.Located. The path is that of an emulator's
// account, which a cloud has in the host.
func (b *Bucket) Location() string {
	u, err := url.Parse(b.client.URL()) // with a SAS in its query
	if err != nil {
		return ""
	}
	return "az://" + strings.ToLower(u.Host) + strings.TrimRight(u.Path, "/") + "/" + b.base
}

// Fingerprint implements providers.Fingerprinter.
func (b *Bucket) Fingerprint(e providers.Encryption) string { return b.crypt.fingerprint(e) }
