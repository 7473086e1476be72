package providers

import "context"

// Spacer is implemented by a Bucket that knows how much room there is, at
// little cost.
type Spacer interface {
	// Space returns the bytes that can still be written and those that are in
	// use where the bucket lies, by others too.
	Space(ctx context.Context) (available, used int64, err error)
}

// Fingerprinter is implemented by a Bucket with customer keys.
type Fingerprinter interface {
	// Fingerprint names the customer key that e.Key gives the place of, in 16
	// hex digits that tell nothing of it; "" if e is no such encryption. The
	// first call for a key takes about 0.2 s.
	Fingerprint(e Encryption) string
}
