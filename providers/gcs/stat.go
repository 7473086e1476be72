package gcs

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sealdav/providers"
)

// Stat implements providers.Bucket: one request, which needs no key.
func (b *Bucket) Stat(ctx context.Context, key string) (providers.Object, error) {
	if err := b.checkKey("stat", key); err != nil {
		return providers.Object{}, err
	}
	r, err := b.describe(ctx, key)
	if err != nil {
		return providers.Object{}, b.fail(ctx, "stat", key, err)
	}
	obj := b.object(key, r)
	if _, ok := b.keys.find(r.keyHash()); !ok {
		return providers.Object{}, noKeyFits("stat", key)
	}
	return obj, nil
}

// describe asks for an object's metadata.
func (b *Bucket) describe(ctx context.Context, key string) (r resource, err error) {
	ctx, _, cancel := providers.WithPatience(ctx, providers.Patience)
	defer cancel()
	err = b.ask(ctx, b.describeCall(key), &r)
	return r, err
}

func (b *Bucket) describeCall(key string) *call {
	return &call{
		op: opDescribe, method: http.MethodGet, path: b.objectPath(key),
		query: url.Values{"fields": {resourceFields}},
	}
}

// keyHash is the SHA-256 of the customer key an object lies under, "" for none.
func (r *resource) keyHash() string {
	if r.CustomerEncryption == nil {
		return ""
	}
	return r.CustomerEncryption.KeySHA256
}

// object makes an Object of a resource, and remembers its key.
func (b *Bucket) object(key string, r resource) providers.Object {
	obj := providers.Object{
		Key: key, Size: r.Size, ETag: entityTag(r.Generation), ContentType: r.ContentType,
		Metadata: lowerNames(r.Metadata), Headers: r.headers(), Encryption: b.encryptionOf(r),
	}
	if r.Updated != nil {
		// Reads tell seconds only, and one object has one time.
		obj.ModTime = r.Updated.UTC().Truncate(time.Second)
	}
	b.keys.learn(key, obj.ETag, r.keyHash())
	return obj
}

func lowerNames(metadata map[string]string) map[string]string {
	out := make(map[string]string, len(metadata))
	for name, value := range metadata {
		out[strings.ToLower(name)] = value
	}
	return out
}

// encryptionOf is what a resource says of its encryption. Google encrypts what
// nobody gave a key for under keys of its own.
func (b *Bucket) encryptionOf(r resource) providers.Encryption {
	switch {
	case r.CustomerEncryption != nil:
		c, _ := b.keys.find(r.keyHash())
		return providers.Encryption{Mode: providers.ModeCustomer, Key: c.Place}
	case r.KMSKeyName != "":
		return providers.Encryption{Mode: providers.ModeCMEK, Key: keyOfVersion(r.KMSKeyName)}
	}
	return providers.Encryption{Mode: providers.ModeSSE}
}

// keyOfVersion is the name of a Cloud KMS key without the version that an
// object was encrypted with.
func keyOfVersion(name string) string {
	key, _, _ := strings.Cut(name, "/cryptoKeyVersions/")
	return key
}
