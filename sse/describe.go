package sse

import (
	"fmt"
	"strings"
)

// customerKeys is what each store calls encryption under a customer key.
var customerKeys = map[Store]string{S3: " (SSE-C)", GCS: " (CSEK)", Azure: " (CPK)"}

// Describe says in a line how a remote in that store is encrypted: what writes
// and what reads, for `check` and the log. It holds no key and no fingerprint.
func (s Settings) Describe(store Store) string {
	var parts []string
	switch {
	case !s.WriteKey.IsZero():
		parts = append(parts, "customer key"+customerKeys[store])
	case s.Algorithm == KMSDSSE:
		parts = append(parts, "two layers of "+s.kmsKey(store)+" (DSSE-KMS)")
	case s.Algorithm == KMS, s.KMSKeyID != "":
		parts = append(parts, s.kmsKey(store))
	case s.Algorithm == AES256:
		parts = append(parts, "keys of the store (SSE-S3)")
	case s.Scope != "":
		parts = append(parts, "encryption scope "+shownID(s.Scope))
	case store == Azure:
		parts = append(parts, "as the account does by default, always on")
	default:
		parts = append(parts, "as the store does by default")
	}
	switch n := len(s.ReadKeys); n {
	case 0:
	case 1:
		parts = append(parts, "1 read key")
	default:
		parts = append(parts, fmt.Sprintf("%d read keys", n))
	}
	return strings.Join(parts, ", ")
}

func (s Settings) kmsKey(store Store) string {
	switch {
	case store == GCS:
		return "Cloud KMS key " + shownID(s.KMSKeyID)
	case s.KMSKeyID == "":
		return "the account's default KMS key"
	}
	return "KMS key " + shownID(s.KMSKeyID)
}
