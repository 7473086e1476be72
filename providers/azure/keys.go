package azure

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"sealdav/providers"
	"sealdav/sse"
)

// The codes of a refusal for the sake of a key. The SDK names the first only.
const (
	codeNeedsKey = string(bloberror.BlobUsesCustomerSpecifiedEncryption)
	codeNoKey    = "BlobDoesNotUseCustomerSpecifiedEncryption"
	codeOtherKey = "BlobCustomerSpecifiedEncryptionMismatch"
)

// keyring knows which keys may open a blob and guesses which one does, from
// what listings and earlier reads have told.
type keyring struct {
	candidates []sse.Candidate
	first      int // the guess where nothing is known: the write key, or none

	mu      sync.Mutex
	objects memory[fit] // by key: what fits
	folders memory[int] // by folder: what fitted last
}

// fit is the candidate that opens a blob, and which blob that is.
type fit struct {
	etag      string
	candidate int
}

func newKeyring(s sse.Settings) *keyring {
	k := &keyring{candidates: s.Candidates(), objects: newMemory[fit](8192), folders: newMemory[int](1024)}
	for i, c := range k.candidates {
		if c.Key.Equal(s.WriteKey) {
			k.first = i
		}
	}
	return k
}

// order is the candidates, the best guess first. etag is the blob's, or ""
// where it is not known.
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

// fitted notes that a blob lies under a key; the zero Key is no key.
func (k *keyring) fitted(key, etag string, fits sse.Key) {
	if len(k.candidates) == 1 {
		return
	}
	for i := range k.candidates {
		if k.candidates[i].Key.Equal(fits) {
			k.mu.Lock()
			k.objects.set(key, fit{etag, i})
			k.folders.set(folder(key), i)
			k.mu.Unlock()
			return
		}
	}
	k.forget(key)
}

// forget drops what is known of a key.
func (k *keyring) forget(key string) {
	k.mu.Lock()
	k.objects.drop(key)
	k.mu.Unlock()
}

func folder(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }

// left are the candidates that may still fit after the store has refused the
// first of them with a code.
func left(order []sse.Candidate, code string) []sse.Candidate {
	var rest []sse.Candidate
	for _, c := range order[1:] {
		if code == codeOtherKey || c.Key.IsZero() == (code == codeNoKey) {
			rest = append(rest, c)
		}
	}
	return rest
}

// errNoKeyFits is the cause of an ErrKey after the store has named a key that
// is not configured, or every configured one was refused.
var errNoKeyFits = errors.New("no configured key fits")

const adviceNoKey = "the blob is sealed with a customer key that this remote does not have; if you have it, add it with --sse-read-c-key"

func noKeyFits(op, key string) error {
	return &providers.Error{Op: op, Key: key, Kind: providers.ErrKey, Err: errNoKeyFits, Advice: adviceNoKey}
}

// reading runs a request that reads a blob with the best guess and, where the
// store refuses that, with what the refusal and then a listing tell, until it
// succeeds or fails for another reason. try returns the SDK's error. etag is
// that of the blob meant, or "".
func (b *Bucket) reading(ctx context.Context, op, key, etag string, try func(sse.Candidate) error) error {
	order := b.keys.order(key, etag)
	for asked := false; len(order) > 0; {
		err := try(order[0])
		if err == nil {
			return nil
		}
		f := examine(err)
		if !f.aboutKey() {
			return b.fail(ctx, op, key, err)
		}
		order = left(order, f.code)
		if len(order) > 1 && !asked {
			asked = true
			if told, err := b.askListing(ctx, key); err == nil {
				order = told
			} else if ctx.Err() != nil {
				return b.fail(ctx, op, key, err)
			}
			// Without leave to list, the rest is tried in order.
		}
	}
	b.keys.forget(key)
	return noKeyFits(op, key)
}

var errNotListed = errors.New("not in the listing")

// askListing learns from a listing of one name under which key it lies: one
// candidate, or none that is configured.
func (b *Bucket) askListing(ctx context.Context, key string) ([]sse.Candidate, error) {
	page, err := b.client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
		Prefix: new(b.full(key)), MaxResults: new(int32(1)),
	}).NextPage(ctx)
	if err != nil {
		return nil, err
	}
	if page.Segment == nil || len(page.Segment.BlobItems) == 0 {
		return nil, errNotListed
	}
	item := page.Segment.BlobItems[0]
	if item.Name == nil || *item.Name != b.full(key) || item.Properties == nil {
		return nil, errNotListed
	}
	sum := value(item.Properties.CustomerProvidedKeySHA256)
	if sum == "" {
		return []sse.Candidate{{Place: "no key"}}, nil
	}
	if c, ok := b.crypt.place(sum); ok {
		return []sse.Candidate{c}, nil
	}
	return nil, nil
}

// value is what a pointer of the SDK points to, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
