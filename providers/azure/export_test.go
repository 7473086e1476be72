package azure

import (
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

// SetCopyLimits lowers the sizes, in bytes, from which copies take blocks and
// which the blocks have.
func (b *Bucket) SetCopyLimits(blob, block int64) {
	b.limits.copyBlob, b.limits.copyBlock = blob, block
}

// SetMaxBlocks lowers the number of blocks of a blob.
func (b *Bucket) SetMaxBlocks(n int) { b.limits.blocks = n }

// SetToken has the sources of copies authorised by a token, as they are where
// an identity takes the place of a key.
func (b *Bucket) SetToken(cred azcore.TokenCredential) { b.signs, b.token = false, cred }

// Check is what the last look at a request before it is sent says.
func (b *Bucket) Check(method, comp string, h http.Header) error {
	return guard{b.crypt}.check(method, comp, h)
}

// The rules of metadata names.
var (
	EncodeName = encodeName
	DecodeName = decodeName
)

// Fail is what becomes of an SDK error.
var Fail = (*Bucket).fail
