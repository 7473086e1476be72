package sse

import (
	"crypto/md5" //nolint:gosec // S3's protocol wants the key's MD5
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"sync"
)

// KeySize is the length of a customer key in bytes (AES-256).
const KeySize = 32

// redacted is what a Key prints as, in every way Go can print it.
const redacted = "**redacted**"

// Key is a customer key of 32 bytes. The zero Key is no key.
//
// The bytes live in a closure: fmt follows pointers and unexported fields of
// the structs it is handed, and calls no methods there, but it cannot look
// into a function.
type Key struct {
	reveal      func() [KeySize]byte
	fingerprint func() string
}

// NewKey copies exactly 32 bytes into a Key.
func NewKey(b []byte) (Key, error) {
	if len(b) != KeySize {
		return Key{}, fmt.Errorf("key is %d bytes, want exactly %d raw bytes", len(b), KeySize)
	}
	k := [KeySize]byte(b)
	return Key{
		reveal:      func() [KeySize]byte { return k },
		fingerprint: sync.OnceValue(func() string { return fingerprint(&k) }),
	}, nil
}

// GenerateKey makes a new key of the system's randomness.
func GenerateKey() (Key, error) {
	b := make([]byte, KeySize)
	if _, err := rand.Read(b); err != nil {
		return Key{}, fmt.Errorf("generate key: %w", err)
	}
	return NewKey(b)
}

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return k.reveal == nil }

// Bytes returns the key itself. Only a provider's encrypt.go calls it.
func (k Key) Bytes() [KeySize]byte {
	if k.reveal == nil {
		return [KeySize]byte{}
	}
	return k.reveal()
}

// Equal reports in constant time whether two keys are the same.
func (k Key) Equal(other Key) bool {
	a, b := k.Bytes(), other.Bytes()
	return k.IsZero() == other.IsZero() && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// Base64 is the key as S3, GCS and Azure take it in a header.
func (k Key) Base64() string {
	b := k.Bytes()
	return base64.StdEncoding.EncodeToString(b[:])
}

// MD5 is the base64 of the key's MD5, as S3 takes it. It counts as a secret.
func (k Key) MD5() string {
	b := k.Bytes()
	sum := md5.Sum(b[:]) //nolint:gosec // as above
	return base64.StdEncoding.EncodeToString(sum[:])
}

// SHA256 is the base64 of the key's SHA-256, as GCS and Azure take and report
// it. It counts as a secret: a key made of a guessable text can be found by it.
func (k Key) SHA256() string {
	b := k.Bytes()
	sum := sha256.Sum256(b[:])
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Fingerprint names a key without telling it: 16 hex digits, the same for the
// same key everywhere. It is slow on purpose (about 0.2 s, once per key), so
// that a key made of a guessable text cannot be looked up by it.
func (k Key) Fingerprint() string {
	if k.IsZero() {
		return ""
	}
	return k.fingerprint()
}

// fingerprint takes a pointer because a stack trace prints the first bytes of
// an array that is passed.
func fingerprint(k *[KeySize]byte) string {
	sum, err := pbkdf2.Key(sha256.New, string(k[:]), []byte("sealdav key fingerprint v1"), 600_000, 8)
	if err != nil {
		return "unavailable" // FIPS mode refuses; a name is not worth a failure
	}
	return hex.EncodeToString(sum)
}

// Format implements fmt.Formatter for every verb.
func (k Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// String implements fmt.Stringer.
func (k Key) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (k Key) GoString() string { return redacted }

// MarshalText implements encoding.TextMarshaler (JSON, TOML, XML).
func (k Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements slog.LogValuer.
func (k Key) LogValue() slog.Value { return slog.StringValue(redacted) }
