package azure

import (
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"sealdav/providers"
)

// answer is what the store says about the encryption of a blob or a block.
type answer struct {
	encrypted *bool // x-ms-server-encrypted, x-ms-request-server-encrypted
	keySHA256 *string
	scope     *string
}

// describe is the answer in the words of package providers.
func (e encryption) describe(a answer) providers.Encryption {
	if sum := value(a.keySHA256); sum != "" {
		enc := providers.Encryption{Mode: providers.ModeCustomer}
		if c, ok := e.place(sum); ok {
			enc.Key = c.Place
		}
		return enc
	}
	if scope := value(a.scope); scope != "" {
		return providers.Encryption{Mode: providers.ModeScope, Key: scope}
	}
	return providers.Encryption{Mode: providers.ModeSSE} // always, in every account
}

// confirmed reports whether an answer confirms the write settings.
func (e encryption) confirmed(a answer) bool {
	switch {
	case !e.settings.WriteKey.IsZero():
		return value(a.encrypted) && value(a.keySHA256) == e.settings.WriteKey.SHA256()
	case e.settings.Scope != "":
		return value(a.encrypted) && value(a.scope) == e.settings.Scope
	}
	return true
}

// required reports whether a blob lies under an encryption of the kind the
// settings name, which is what RequireEncrypted demands of what is read.
func (e encryption) required(enc providers.Encryption) bool {
	switch {
	case enc.Mode == providers.ModeCustomer:
		return true
	case e.settings.Scope != "":
		return enc.Mode == providers.ModeScope
	}
	return !e.settings.HasCustomerKeys()
}

// conditions are the entity tags a write depends on; nil for none.
func conditions(ifMatch, ifNoneMatch *azcore.ETag) *blob.AccessConditions {
	if ifMatch == nil && ifNoneMatch == nil {
		return nil
	}
	return &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: ifMatch, IfNoneMatch: ifNoneMatch}}
}

// conditionsOf are those of a Condition.
func conditionsOf(c providers.Condition) *blob.AccessConditions {
	var none *azcore.ETag
	if c.IfAbsent {
		none = new(azcore.ETagAny)
	}
	return conditions(tag(c.IfMatch), none)
}

// tag is an entity tag as the SDK takes it; nil for "".
func tag(etag string) *azcore.ETag {
	if etag == "" {
		return nil
	}
	return new(azcore.ETag(etag))
}
