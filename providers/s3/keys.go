package s3

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"sealdav/providers"
	"sealdav/sse"
)

// refusalTime is how long an object that no key opens is not tried again.
const refusalTime = time.Minute

// keyring knows which keys may open an object and guesses which one does. S3
// tells it neither in a listing nor before the right key was sent, so each
// wrong guess costs a request.
type keyring struct {
	candidates []sse.Candidate
	first      int // the guess where nothing is known: the write key, or none

	mu      sync.Mutex
	objects memory[fit]     // by key: what fitted
	folders memory[int]     // by folder: what fitted last
	refused memory[refusal] // by key: what nothing fits
}

// fit is the candidate that opened an object, and which object that was.
type fit struct {
	etag      string
	candidate int
}

// refusal is an object that no key opens. Its etag is "" until a listing has
// shown it: a store that refuses a key does not tell.
type refusal struct {
	etag  string
	until time.Time
}

func newKeyring(s sse.Settings) *keyring {
	k := &keyring{
		candidates: s.Candidates(),
		objects:    newMemory[fit](8192),
		folders:    newMemory[int](1024),
		refused:    newMemory[refusal](1024),
	}
	for i, c := range k.candidates {
		if c.Key.Equal(s.WriteKey) {
			k.first = i
		}
	}
	return k
}

// order is the order in which to try the candidates for an object. etag is
// the object's, or "" where it is not known.
func (k *keyring) order(key, etag string) []sse.Candidate {
	guess := k.first
	k.mu.Lock()
	if f, ok := k.objects.get(key); ok && (etag == "" || f.etag == etag) {
		guess = f.candidate
	} else if i, ok := k.folders.get(folder(key)); ok {
		guess = i
	}
	k.mu.Unlock()
	order := []sse.Candidate{k.candidates[guess]}
	for i, c := range k.candidates {
		if i != guess {
			order = append(order, c)
		}
	}
	return order
}

// fitted notes that an object lies under a key; the zero Candidate is no key.
func (k *keyring) fitted(key, etag string, c sse.Candidate) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refused.drop(key)
	if len(k.candidates) == 1 {
		return
	}
	for i := range k.candidates {
		if k.candidates[i].Key.Equal(c.Key) {
			k.objects.set(key, fit{etag, i})
			k.folders.set(folder(key), i)
			return
		}
	}
}

// known reports whether c is known to fit an object.
func (k *keyring) known(key, etag string, c sse.Candidate) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	f, ok := k.objects.get(key)
	return ok && f.etag == etag && k.candidates[f.candidate].Key.Equal(c.Key)
}

// seen drops what is known of a key once a listing shows another object there.
func (k *keyring) seen(key, etag string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch r, ok := k.refused.get(key); {
	case ok && r.etag == "":
		k.refused.set(key, refusal{etag, r.until})
	case ok && r.etag != etag:
		k.refused.drop(key)
	}
	if f, ok := k.objects.get(key); ok && f.etag != etag {
		k.objects.drop(key)
	}
}

// forget drops what is known of a key.
func (k *keyring) forget(key string) {
	k.mu.Lock()
	k.objects.drop(key)
	k.refused.drop(key)
	k.mu.Unlock()
}

// refuse notes that nothing opens an object.
func (k *keyring) refuse(key string) {
	k.mu.Lock()
	k.refused.set(key, refusal{until: time.Now().Add(refusalTime)})
	k.mu.Unlock()
}

func (k *keyring) refusedLately(key string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, ok := k.refused.get(key)
	return ok && time.Now().Before(r.until)
}

func folder(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }

// errNoKeyFits is the cause of an ErrKey after every candidate was refused.
var errNoKeyFits = errors.New("every configured key was refused, and so was no key")

const adviceNoKey = "the object is sealed with a customer key that this remote does not have; if you have it, add it with --sse-read-c --sse-read-c-key"

func noKeyFits(op, key string) error {
	return &providers.Error{Op: op, Key: key, Kind: providers.ErrKey, Err: errNoKeyFits, Advice: adviceNoKey}
}

// reading runs a request that reads an object with one candidate after the
// other, until the store takes one or answers something that another key
// would not change. try returns the SDK's error. etag is that of the object
// meant, or "".
//
// Status 400 and 403 alike may mean a wrong key: Amazon and MinIO answer 403
// and 400 to a wrong and a missing key, Ceph 400 to both. But 403 to a request
// without any key is a matter of permission.
func (b *Bucket) reading(ctx context.Context, op, key, etag string, try func(context.Context, sse.Candidate) error) error {
	if b.keys.refusedLately(key) {
		return &providers.Error{Op: op, Key: key, Kind: providers.ErrKey, Advice: adviceNoKey}
	}
	for _, c := range b.keys.order(key, etag) {
		err := try(withReadKey(ctx, c), c)
		if err == nil {
			return nil
		}
		f := examine(err)
		if !f.mayBeKey() || c.Key.IsZero() && f.status == 403 {
			return b.fail(ctx, op, key, err)
		}
	}
	return noKeyFits(op, key)
}
