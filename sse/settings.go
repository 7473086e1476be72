package sse

import "fmt"

// Store is the kind of store a remote lives in; the grammar differs by it.
type Store int

// The stores.
const (
	S3 Store = iota
	GCS
	Azure
	Local
)

func (s Store) String() string {
	return [...]string{"Amazon S3", "Google Cloud Storage", "Azure Blob Storage", "a local directory"}[s]
}

// The values of --sse.
const (
	AES256  = "AES256"       // SSE-S3; also the only algorithm of customer keys
	KMS     = "aws:kms"      // SSE-KMS
	KMSDSSE = "aws:kms:dsse" // dual-layer SSE-KMS
)

// Settings are one remote's encryption: how new objects are written, and
// which customer keys may read. The zero Settings ask the store for nothing.
// Parse makes them; at most one of WriteKey, Algorithm or KMSKeyID, and Scope
// is set.
type Settings struct {
	WriteKey  Key
	Algorithm string // --sse: "", AES256, KMS or KMSDSSE
	KMSKeyID  string // S3: key id, ARN or alias, "" the store's default; GCS: full resource name
	Scope     string // Azure: encryption scope
	ReadKeys  []Key  // in the order of the options
}

// Candidate is a key that may open an object, with its place in the settings.
type Candidate struct {
	Key   Key    // zero: no key
	Place string // "read key 1", "write key", "no key"
}

// Sealed reports whether new objects are written under an encryption that was
// asked for, which the store must then confirm.
func (s Settings) Sealed() bool {
	return !s.WriteKey.IsZero() || s.Algorithm != "" || s.KMSKeyID != "" || s.Scope != ""
}

// HasCustomerKeys reports whether any customer key is set; then every request
// must go over https.
func (s Settings) HasCustomerKeys() bool {
	return !s.WriteKey.IsZero() || len(s.ReadKeys) > 0
}

// Candidates are the keys that may open an object: the read keys in order,
// the write key, no key. Each key comes once.
func (s Settings) Candidates() []Candidate {
	var cs []Candidate
	add := func(k Key, place string) {
		for _, c := range cs {
			if c.Key.Equal(k) {
				return
			}
		}
		cs = append(cs, Candidate{k, place})
	}
	for i, k := range s.ReadKeys {
		add(k, fmt.Sprintf("read key %d", i+1))
	}
	if !s.WriteKey.IsZero() {
		add(s.WriteKey, "write key")
	}
	add(Key{}, "no key")
	return cs
}
