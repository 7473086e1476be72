package azure

import (
	"context"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"sealdav/providers"
)

// cleanupTime bounds what is done, on a context of its own, to leave nothing
// behind after a failure.
const cleanupTime = 30 * time.Second

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

// adviceUnverified explains a write that the store answered without sealing.
const adviceUnverified = "the store accepted the write without confirming the encryption the remote asks for, so it may ignore encryption headers; nothing was kept. Use an account that supports this encryption, or change the remote's sse options"

// written is a blob that stands in the container and may have to go again.
type written struct {
	etag    *azcore.ETag
	version *string
}

// unverified removes what was written and returns the error that says so.
func (b *Bucket) unverified(ctx context.Context, op, key string, w written) error {
	e := &providers.Error{Op: op, Key: key, Kind: providers.ErrUnverified, Advice: adviceUnverified}
	if err := b.discard(ctx, key, w); err != nil {
		e.Err = err
		e.Advice = "the store accepted the write without confirming the encryption the remote asks for, and what it wrote could not be removed again: remove that blob by hand, it may lie there unencrypted"
	}
	return e
}

// discard removes a blob that was written but not confirmed, unless somebody
// has replaced it meanwhile, and the version that versioning keeps of it.
// Soft-deleted it stays for as long as the account keeps such blobs.
func (b *Bucket) discard(ctx context.Context, key string, w written) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	b.keys.forget(key)
	client := b.client.NewBlobClient(b.full(key))
	_, err := client.Delete(ctx, &blob.DeleteOptions{AccessConditions: conditions(w.etag, nil)})
	if f := examine(err); err != nil && f.status != 404 && f.status != 412 {
		return b.fail(ctx, "delete", key, err)
	}
	if value(w.version) == "" {
		return nil
	}
	old, err := client.WithVersionID(*w.version)
	if err != nil {
		return err
	}
	if _, err = old.Delete(ctx, nil); err != nil && examine(err).status != 404 {
		return b.fail(ctx, "delete", key, err)
	}
	return nil
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
