package gcs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"sealdav/providers"
	"sealdav/sse"
)

// confirmed reports whether what the store says of a written object confirms
// the write settings.
func (e encryption) confirmed(r resource) bool {
	switch s := e.settings; {
	case !s.WriteKey.IsZero():
		c := r.CustomerEncryption
		return c != nil && c.Algorithm == sse.AES256 && c.KeySHA256 == s.WriteKey.SHA256()
	case s.KMSKeyID != "":
		return keyOfVersion(r.KMSKeyName) == s.KMSKeyID
	}
	return true
}

// required reports whether an object lies under an encryption of the kind the
// settings name, which is what RequireEncrypted demands of what is read.
func (e encryption) required(enc providers.Encryption) bool {
	switch {
	case enc.Mode == providers.ModeCustomer:
		return true
	case e.settings.KMSKeyID != "":
		return enc.Mode == providers.ModeCMEK
	}
	return !e.settings.HasCustomerKeys()
}

// writeError is the error of a refused write.
//
// 412 is also what a bucket answers that forbids the kind of encryption asked
// for. It gives another reason than a precondition then, or says so.
func (b *Bucket) writeError(ctx context.Context, op, key string, cond providers.Condition, err error) error {
	f := examine(err)
	wrapped := b.bucketError(ctx, op, key, err)
	e, ok := errors.AsType[*providers.Error](wrapped)
	if !ok || f.status == 0 {
		return wrapped
	}
	forbidden := f.reason != "conditionNotMet" || cond == providers.Condition{} && strings.Contains(strings.ToLower(f.message), "encryption")
	switch {
	case f.status == http.StatusPreconditionFailed && f.reason == "orgPolicyConstraintFailed":
	case f.status == http.StatusPreconditionFailed && forbidden:
		e.Kind, e.Advice = fs.ErrPermission, b.enforcementAdvice()
	case f.status == http.StatusForbidden && e.Advice == "":
		e.Advice = "the credentials lack storage.objects.create, or storage.objects.delete to replace an object; roles/storage.objectUser has both"
	}
	return wrapped
}

// enforcementAdvice explains a bucket that forbids the encryption asked for.
func (b *Bucket) enforcementAdvice() string {
	kind, name := "Google's default encryption", "gmekEnforcement"
	switch {
	case !b.crypt.settings.WriteKey.IsZero():
		kind, name = "customer keys (CSEK)", "csekEnforcement"
	case b.crypt.settings.KMSKeyID != "":
		kind, name = "Cloud KMS keys (CMEK)", "cmekEnforcement"
	}
	return fmt.Sprintf("the bucket's encryption enforcement forbids %s for new objects; change the remote's sse options, or allow it: %s", kind, EnforcementCommand(b.bucket, name))
}

// EnforcementCommand is the command that allows a kind of encryption in a
// bucket again: gmekEnforcement, cmekEnforcement or csekEnforcement.
func EnforcementCommand(bucket, kind string) string {
	return fmt.Sprintf(`echo '{"%s":{"restrictionMode":"NotRestricted"}}' > allow.json && gcloud storage buckets update gs://%s --encryption-enforcement-file=allow.json`, kind, bucket)
}
