package s3

import (
	"encoding/base64"
	"io/fs"
	"mime"
	"strings"

	"golang.org/x/net/http/httpguts"

	"sealdav/providers"
)

// encodeMetadata makes user metadata fit for headers: a value that is not
// plain ASCII is wrapped as RFC 2047 has it, which is also how S3 returns
// values that were set in another way.
func encodeMetadata(op, key string, metadata map[string]string) (map[string]string, error) {
	if len(metadata) == 0 {
		return nil, nil
	}
	out := make(map[string]string, len(metadata))
	for name, value := range metadata {
		if !httpguts.ValidHeaderFieldName(name) {
			return nil, &providers.Error{Op: op, Key: key, Kind: fs.ErrInvalid, Advice: "a metadata name may hold letters, digits and -_. only"}
		}
		if !plainHeader(value) {
			value = "=?utf-8?b?" + base64.StdEncoding.EncodeToString([]byte(value)) + "?="
		}
		out[strings.ToLower(name)] = value
	}
	return out, nil
}

// plainHeader reports whether a value goes through a header, and its
// signature, unchanged.
func plainHeader(s string) bool {
	if strings.Contains(s, "=?") || strings.Contains(s, "  ") || s != strings.TrimSpace(s) {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func decodeMetadata(metadata map[string]string) map[string]string {
	out := make(map[string]string, len(metadata))
	words := new(mime.WordDecoder)
	for name, value := range metadata {
		if text, err := words.DecodeHeader(value); err == nil {
			value = text
		}
		out[strings.ToLower(name)] = value
	}
	return out
}
