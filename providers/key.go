package providers

import (
	"io/fs"
	"unicode/utf8"
)

// MaxKey is the length of the longest key in bytes, as S3 and GCS have it.
const MaxKey = 1024

// CheckKey returns an *Error of kind fs.ErrInvalid for what is no key of any
// bucket: the empty string, more than MaxKey bytes, text that is not UTF-8.
// Every method of a provider that takes a key begins with it.
func CheckKey(op, key string) error {
	advice := ""
	switch {
	case key == "":
		advice = "The name is empty."
	case len(key) > MaxKey:
		advice = "The path is longer than 1,024 bytes; shorten it."
	case !utf8.ValidString(key):
		advice = "The name is not valid UTF-8; rename it."
	default:
		return nil
	}
	return &Error{Op: op, Key: key, Kind: fs.ErrInvalid, Advice: advice}
}
