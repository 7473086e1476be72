package providers

import "context"

// Spacer is implemented by a Bucket that knows how much room there is, at
// little cost.
type Spacer interface {
	// Space returns the bytes that can still be written and those that are in
	// use where the bucket lies, by others too.
	Space(ctx context.Context) (available, used int64, err error)
}

// Strict is implemented by a Bucket that may refuse to open an object for how it
// lies encrypted (ErrPlain). Ask it through MayOpen.
type Strict interface {
	// MayOpen is the error with which Open would refuse an object that Stat has
	// described; nil for none.
	MayOpen(obj Object) error
}

// MayOpen tells without a request whether a bucket would refuse to open an
// object that its Stat has described.
func MayOpen(b Bucket, obj Object) error {
	if s, ok := b.(Strict); ok {
		return s.MayOpen(obj)
	}
	return nil
}

// Fingerprinter is implemented by a Bucket with customer keys.
type Fingerprinter interface {
	// Fingerprint names the customer key that e.Key gives the place of, in 16
	// hex digits that tell nothing of it; "" if e is no such encryption. The
	// first call for a key takes about 0.2 s.
	Fingerprint(e Encryption) string
}
