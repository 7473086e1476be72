package azure

import (
	"encoding/base64"
	"fmt"
	"mime"
	"regexp"
	"strconv"
	"strings"
)

// folderMetadata marks a blob that stands for a folder, as Hadoop, the
// hierarchical namespace and rclone write it. It is not shown.
const folderMetadata = "hdi_isfolder"

// encodeMetadata makes user metadata fit for Azure, whose names are C#
// identifiers of which the case does not count: every byte of a name that is
// not a lower-case letter, a digit after the first place or "_" becomes _xHH_.
// Values that are not plain ASCII are wrapped as RFC 2047 has it.
func encodeMetadata(key string, metadata map[string]string) map[string]*string {
	out := make(map[string]*string, len(metadata)+1)
	for name, value := range metadata {
		if !plainHeader(value) {
			value = "=?utf-8?b?" + base64.StdEncoding.EncodeToString([]byte(value)) + "?="
		}
		out[encodeName(strings.ToLower(name))] = &value
	}
	if strings.HasSuffix(key, "/") {
		out[folderMetadata] = new("true")
	}
	return out
}

func encodeName(name string) string {
	var e strings.Builder
	for i := range len(name) {
		c := name[i]
		switch {
		case c == '_' && escaped.MatchString(name[i:]), // it would read as an escape
			!('a' <= c && c <= 'z' || c == '_' || '0' <= c && c <= '9' && i > 0):
			fmt.Fprintf(&e, "_x%02x_", c)
		default:
			e.WriteByte(c)
		}
	}
	return e.String()
}

var (
	escaped  = regexp.MustCompile(`^_x[0-9a-f]{2}_`)
	anywhere = regexp.MustCompile(`_x[0-9a-f]{2}_`)
)

// plainHeader reports whether a value goes through a header, and its
// signature, unchanged.
func plainHeader(s string) bool {
	if s == "" || strings.Contains(s, "=?") || strings.Contains(s, "  ") || s != strings.TrimSpace(s) {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// decodeMetadata is the metadata as it was put; folder says that it marks a
// folder.
func decodeMetadata(stored map[string]*string) (metadata map[string]string, folder bool) {
	metadata = make(map[string]string, len(stored))
	words := new(mime.WordDecoder)
	for name, v := range stored {
		name, text := strings.ToLower(name), value(v)
		if name == folderMetadata {
			folder = strings.EqualFold(text, "true")
			continue
		}
		if decoded, err := words.DecodeHeader(text); err == nil {
			text = decoded
		}
		metadata[decodeName(name)] = text
	}
	return metadata, folder
}

func decodeName(name string) string {
	return anywhere.ReplaceAllStringFunc(name, func(e string) string {
		c, err := strconv.ParseUint(e[2:4], 16, 8)
		if err != nil {
			return e
		}
		return string([]byte{byte(c)})
	})
}
