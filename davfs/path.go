package davfs

import (
	"io/fs"
	"strings"
	"unicode/utf8"

	"sealdav/providers"
)

// A name is what a client calls a resource: a percent-decoded URL path after
// the prefix, "/remote/a/b" or "/remote/a/b/". A path is what a tree calls it:
// "a/b". A key is what the bucket calls it: "a/b" for the object, "a/b/" for
// the folder's marker and the prefix of everything in it.

// cleanPrefix writes Options.Prefix as "" or "/dav", without a slash at its end.
func cleanPrefix(prefix string) string {
	prefix = strings.Trim(prefix, "/")
	if prefix == "" {
		return ""
	}
	return "/" + prefix
}

// splitPrefix takes prefix from the front of a URL path. It matches whole
// segments only: "/dav" is not in front of "/davother".
func splitPrefix(prefix, urlPath string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(urlPath, prefix)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	if rest == "" {
		rest = "/"
	}
	return rest, true
}

// parseName takes a name apart. remote is "" for the root of all remotes.
// asDir reports a slash at the end. Slashes in a row count as one. A name with
// a "." or ".." segment, a NUL or bytes that are not UTF-8 is fs.ErrInvalid:
// clients resolve dots themselves, so what is left of them is an attempt to
// climb, and a file of such a name could not be asked for again.
func parseName(name string) (remote, path string, asDir bool, err error) {
	if !utf8.ValidString(name) || strings.IndexByte(name, 0) >= 0 {
		return "", "", false, fs.ErrInvalid
	}
	segments := strings.Split(name, "/")
	kept := segments[:0]
	for _, s := range segments {
		switch s {
		case "":
		case ".", "..":
			return "", "", false, fs.ErrInvalid
		default:
			kept = append(kept, s)
		}
	}
	if len(kept) == 0 {
		return "", "", true, nil
	}
	asDir = strings.HasSuffix(name, "/") || len(kept) == 1
	return kept[0], strings.Join(kept[1:], "/"), asDir, nil
}

// speakable reports whether a path can say key, given without the slash of a
// marker: no empty, "." or ".." segment, UTF-8 and no NUL.
func speakable(key string) bool {
	if !utf8.ValidString(key) || strings.IndexByte(key, 0) >= 0 {
		return false
	}
	for s := range strings.SplitSeq(key, "/") {
		if s == "" || s == "." || s == ".." {
			return false
		}
	}
	return true
}

// reserved reports whether path lies in the part of a remote that is
// sealdav's own.
func reserved(path string) bool {
	return strings.HasPrefix(path+"/", providers.ReservedPrefix)
}

// dirKey is the marker's key of the folder at path, and the prefix of what
// lies in it: "" for the root.
func dirKey(path string) string {
	if path == "" {
		return ""
	}
	return path + "/"
}

// splitPath parts a path into its folder and its last segment.
func splitPath(path string) (parent, name string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}

// inside reports whether path lies below the folder dir, itself left out.
func inside(path, dir string) bool {
	return path != dir && (dir == "" || strings.HasPrefix(path, dir+"/"))
}

const upperHex = "0123456789ABCDEF"

// appendEscaped writes s as it stands in the URL paths of XML and of Location:
// every byte but letters, digits, "-._~" and the slashes between segments is
// percent-encoded, because clients disagree about all the others.
func appendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == '/':
			b = append(b, c)
		default:
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return b
}
