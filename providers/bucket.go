package providers

import (
	"context"
	"io"
	"iter"
	"time"
)

// ReservedPrefix holds sealdav's own short-lived objects (probes of a store's
// encryption, temporary files of the local provider), under the remote's
// prefix. Providers leave it out of listings; package davfs refuses names in it.
const ReservedPrefix = ".sealdav/"

// SizeUnknown is the PutOptions.Size of a body whose length is not known.
const SizeUnknown = -1

// Bucket is a flat namespace of objects. Its methods may be called
// concurrently. Every error but a context's is an *Error whose Kind is one of
// the kinds listed beside Error; a key is a non-empty UTF-8 string of at most
// 1,024 bytes, relative to the prefix the bucket was opened with.
type Bucket interface {
	// Stat describes one object: one request where the store's key for it is
	// known. Kinds: fs.ErrNotExist, ErrKey.
	Stat(ctx context.Context, key string) (Object, error)

	// List yields the entries whose keys begin with prefix, in the order of
	// their UTF-8 bytes. Pages are fetched as the loop asks for them, and
	// leaving the loop fetches no more. An error is the last pair. Entries
	// carry Key, Size, ModTime and ETag; the rest is filled in only where the
	// store's listing tells it. A prefix that holds nothing yields nothing.
	List(ctx context.Context, prefix string, opts ListOptions) iter.Seq2[Entry, error]

	// Open reads an object or a range of it in one request. The Object has
	// the size of the whole object, whatever the range. A body that ends
	// early returns io.ErrUnexpectedEOF, never io.EOF. The caller closes it.
	// Kinds: fs.ErrNotExist, ErrKey, ErrNotModified, ErrPrecondition, ErrRange.
	Open(ctx context.Context, key string, opts OpenOptions) (io.ReadCloser, Object, error)

	// Put stores an object under the bucket's write settings, replacing any
	// older one at once: until Put has succeeded a reader sees the old object
	// whole. Any error from body but io.EOF, a body of another length than
	// opts.Size, or the end of ctx leaves the old object, and nothing else,
	// behind. Put returns only after the store has confirmed the encryption
	// that was asked for; a write that was not confirmed is removed again and
	// is ErrUnverified. Put does not close body. Kinds: ErrPrecondition,
	// ErrUnverified, ErrQuota, ErrKey.
	Put(ctx context.Context, key string, body io.Reader, opts PutOptions) (Object, error)

	// Copy copies an object inside the store, from whichever key it lies
	// under to the bucket's write settings, with the same guarantees as Put.
	// src comes from Stat, List, Open, Put or Copy: its Key, Size and ETag are
	// used, and the copy fails with ErrPrecondition if the source has changed
	// since. Content type and metadata go with it unless opts replaces them.
	// A source may be copied onto itself, which re-encrypts it.
	Copy(ctx context.Context, dst string, src Object, opts CopyOptions) (Object, error)

	// Delete removes objects, in batches where the store has them. A key that
	// does not exist is no error. If some could not be removed the error is a
	// *DeleteError naming them.
	Delete(ctx context.Context, keys ...string) error

	// DeleteIf removes one object, no folder's marker, if it still is the one
	// that opts name, which the store decides in the same request and without
	// a customer key. One that is gone already is no error, another one stays.
	// A store that does not decide it is asked for the ETag first, a second
	// request, unless opts.Seen; another writer may then come between. Kinds:
	// ErrPrecondition, and ErrKey where the store has to be asked.
	DeleteIf(ctx context.Context, key string, opts DeleteOptions) error

	// Close releases what the bucket holds. Calls under way may fail.
	Close() error
}

// Renamer is implemented by a Bucket whose store can rename an object without
// copying it. Call it through Rename.
type Renamer interface {
	// Rename moves src to dst, replacing it at once. It returns
	// errors.ErrUnsupported (as an *Error's Kind) when the object does not lie
	// under the bucket's write settings already: then it must be copied.
	Rename(ctx context.Context, dst string, src Object, opts CopyOptions) (Object, error)
}

// Object describes a stored object.
type Object struct {
	Key     string
	Size    int64 // bytes of content, not of what its encryption adds
	ModTime time.Time
	// ETag is a strong entity tag in its quotes, as RFC 9110 section 8.8.3
	// writes it; the same in every answer until the object is replaced.
	ETag        string
	ContentType string // "" where not told
	// Metadata is the user metadata, keys in lower case; nil where not told.
	Metadata map[string]string
	// Headers are the other HTTP headers that are kept with the object and
	// given out with it (cache-control, content-encoding and the like), in
	// lower case; nil where not told. Only Copy looks at them: a copy that
	// replaces the metadata keeps those of its source.
	Headers    map[string]string
	Encryption Encryption
}

// Encryption says how an object lies in the store. It never holds a secret.
type Encryption struct {
	// Mode is one of the constants below, or "" where the store did not tell.
	Mode string
	// Key names the key: a KMS key's name, an encryption scope's, or the place
	// of a customer key in the settings ("write key", "read key 2").
	Key string
}

// The modes of encryption, in the words of the stores' own documentation.
const (
	ModeNone     = "none"             // plain
	ModeSSE      = "AES256"           // a key of the store's own (SSE-S3, Google's or Microsoft's default)
	ModeKMS      = "aws:kms"          // a key in AWS KMS (SSE-KMS)
	ModeDSSE     = "aws:kms:dsse"     // two layers under AWS KMS
	ModeCMEK     = "cloud-kms"        // a key in Google Cloud KMS
	ModeCustomer = "customer-key"     // a key the client sends (SSE-C, CSEK, CPK), or sealed by the local provider
	ModeScope    = "encryption-scope" // an Azure encryption scope
)

// Entry is one line of a listing.
type Entry struct {
	Object
	// Dir marks what a listing that is not recursive folds together: Key ends
	// in "/" and stands for every object below it. Only Key is set then, and
	// ModTime where the listing tells one.
	Dir bool
}

// Range is a part of an object. The zero Range is the whole.
type Range struct {
	Offset int64 // negative: the last -Offset bytes
	Length int64 // 0: to the end
}

// OpenOptions are the conditions and the range of a read. Conditions that are
// not met give ErrPrecondition or ErrNotModified, decided by the store in the
// same request.
type OpenOptions struct {
	Range             Range
	IfMatch           string // one entity tag, or "*"
	IfNoneMatch       string // one entity tag
	IfModifiedSince   time.Time
	IfUnmodifiedSince time.Time
}

// Condition makes a write depend on what it would replace, decided by the
// store where it can, so that two writers cannot both win.
type Condition struct {
	IfMatch  string // the ETag the object must have
	IfAbsent bool   // there must be no object
}

// PutOptions describe what is put.
type PutOptions struct {
	Condition
	Size        int64 // of the body, or SizeUnknown
	ContentType string
	Metadata    map[string]string
}

// CopyOptions describe a copy.
type CopyOptions struct {
	Condition
	// Replace sets ContentType and Metadata instead of keeping the source's.
	Replace     bool
	ContentType string
	Metadata    map[string]string
}

// DeleteOptions say which version of an object is to be deleted.
type DeleteOptions struct {
	IfMatch string // the ETag the object must have; never ""
	// Seen says that the store has just told the caller, or a copy of this
	// bucket's has shown, that it has that tag.
	Seen bool
}

// ListOptions describe a listing.
type ListOptions struct {
	// Recursive lists every object below the prefix; otherwise keys with a "/"
	// after the prefix are folded into one entry with Dir set.
	Recursive bool
	// PageSize is the greatest number of entries asked of the store at once;
	// 0 is the store's own (1,000 on S3). 1 is the cheapest way to ask whether
	// anything is there.
	PageSize int
}
