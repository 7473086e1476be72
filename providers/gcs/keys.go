package gcs

import (
	"context"
	"strings"
	"sync"

	"sealdav/providers"
	"sealdav/sse"
)

// keyring finds the key of an object by the SHA-256 that the store names, and
// remembers it, so that reading what was listed, described or written before
// takes one request.
type keyring struct {
	candidates []sse.Candidate
	// place is where the key with that SHA-256 is in candidates, or foreign;
	// "" is no key. A closure, for a hash counts as a secret.
	place func(hash string) int
	first int // the guess where nothing is known: the write key, or none

	mu      sync.Mutex
	objects memory[fit] // by key: what it lies under
	folders memory[int] // by folder: what its last object lay under
}

// fit is the key an object lies under, and which object that is.
type fit struct {
	etag      string
	candidate int // foreign: a customer key that is not configured
}

const foreign = -1

func newKeyring(s sse.Settings) *keyring {
	k := &keyring{
		candidates: s.Candidates(),
		objects:    newMemory[fit](8192),
		folders:    newMemory[int](1024),
	}
	hashes := map[string]int{}
	for i, c := range k.candidates {
		if c.Key.Equal(s.WriteKey) {
			k.first = i
		}
		hash := ""
		if !c.Key.IsZero() {
			hash = c.Key.SHA256()
		}
		hashes[hash] = i
	}
	k.place = func(hash string) int {
		if i, ok := hashes[hash]; ok {
			return i
		}
		return foreign
	}
	return k
}

// find is the candidate with that hash, "" for no customer key.
func (k *keyring) find(hash string) (sse.Candidate, bool) {
	i := k.place(hash)
	if i == foreign {
		return sse.Candidate{}, false
	}
	return k.candidates[i], true
}

// guess is the key an object most likely lies under; known is false for one
// that nobody here has. etag is the object's, or "" where it is not known.
func (k *keyring) guess(key, etag string) (c sse.Candidate, known bool) {
	i := k.first
	k.mu.Lock()
	if f, ok := k.objects.get(key); ok && (etag == "" || f.etag == etag) {
		i = f.candidate
	} else if j, ok := k.folders.get(folder(key)); ok {
		i = j
	}
	k.mu.Unlock()
	if i == foreign {
		return sse.Candidate{}, false
	}
	return k.candidates[i], true
}

// learn notes the hash of the key that an object lies under.
func (k *keyring) learn(key, etag, hash string) {
	if len(k.candidates) == 1 {
		return // a remote without customer keys sends none, whatever the object
	}
	i := k.place(hash)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.objects.set(key, fit{etag, i})
	if i != foreign {
		k.folders.set(folder(key), i)
	}
}

// forget drops what is known of a key.
func (k *keyring) forget(key string) {
	k.mu.Lock()
	k.objects.drop(key)
	k.mu.Unlock()
}

func folder(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }

func noKeyFits(op, key string) error {
	return &providers.Error{Op: op, Key: key, Kind: providers.ErrKey,
		Advice: "the object is sealed with a customer key that this remote does not have; if you have it, add it with --sse-read-c-key"}
}

// maxLookups is how often a read looks for the right key: an object may be
// replaced between the look and the read.
const maxLookups = 3

// reading runs a request that reads an object with the key it lies under. A
// refusal that may be about the key is looked into: the object's metadata
// tells the right one. etag is that of the object meant, or "".
func (b *Bucket) reading(ctx context.Context, op, key, etag string, try func(sse.Candidate) error) error {
	c, known := b.keys.guess(key, etag)
	for lookups := 0; ; lookups++ {
		var refused error
		if known {
			if refused = try(c); refused == nil {
				return nil
			}
			if lookups == maxLookups || !examine(refused).mayBeKey() {
				return b.fail(ctx, op, key, refused)
			}
		}
		right, err := b.locate(ctx, op, key)
		if err != nil {
			return err
		}
		if known && lookups > 0 && right.Key.Equal(c.Key) {
			return b.fail(ctx, op, key, refused)
		}
		c, known = right, true
	}
}

// locate asks the store which key an object lies under.
func (b *Bucket) locate(ctx context.Context, op, key string) (sse.Candidate, error) {
	r, err := b.describe(ctx, key)
	if err != nil {
		return sse.Candidate{}, b.fail(ctx, op, key, err)
	}
	b.keys.learn(key, entityTag(r.Generation), r.keyHash())
	c, ok := b.keys.find(r.keyHash())
	if !ok {
		return sse.Candidate{}, noKeyFits(op, key)
	}
	return c, nil
}
