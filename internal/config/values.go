package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"

	"sealdav/sse"
)

// Size is a number of bytes, written "256MiB".
type Size int64

var sizeUnits = map[string]float64{
	"": 1, "b": 1,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
	"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(text []byte) error {
	digits := strings.TrimRight(strings.ToLower(string(text)), "abcdefghijklmnopqrstuvwxyz ")
	unit, ok := sizeUnits[strings.TrimSpace(strings.ToLower(string(text))[len(digits):])]
	n, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || !(n >= 0) || n*unit > math.MaxInt64/2 {
		return errors.New(`is not a size; write it like "256MiB"`)
	}
	*s = Size(n * unit)
	return nil
}

// Level is a log level: debug, info, warn or error.
type Level slog.Level

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Level) UnmarshalText(text []byte) error {
	switch string(text) {
	case "debug":
		*l = Level(slog.LevelDebug)
	case "info":
		*l = Level(slog.LevelInfo)
	case "warn":
		*l = Level(slog.LevelWarn)
	case "error":
		*l = Level(slog.LevelError)
	default:
		return errors.New("is not a level; use debug, info, warn or error")
	}
	return nil
}

// HTTPURL is an http or https URL without user, query or fragment; "" is none.
type HTTPURL string

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *HTTPURL) UnmarshalText(text []byte) error {
	*h = ""
	if len(text) == 0 {
		return nil
	}
	u, err := url.Parse(string(text))
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("is not an http:// or https:// URL")
	case u.User != nil:
		return errors.New("must not hold a user or password")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("must not have a query or a fragment")
	}
	*h = HTTPURL(u.String())
	return nil
}

// Scheme is "http", "https" or "".
func (h HTTPURL) Scheme() string {
	scheme, _, _ := strings.Cut(string(h), "://")
	return scheme
}

// Path is the path of the URL without a slash at its end: "" or "/dav".
func (h HTTPURL) Path() string {
	u, err := url.Parse(string(h))
	if err != nil {
		return ""
	}
	return strings.TrimRight(path.Clean("/"+u.Path), "/")
}

// Host is the host of the URL without its port, "" for none.
func (h HTTPURL) Host() string {
	u, err := url.Parse(string(h))
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// URL names a bucket and the prefix in it, or a directory.
type URL struct {
	Scheme string // as written: s3, alts3, gs, altgs, az or file
	Store  sse.Store
	Bucket string // "" for file
	Path   string // the prefix without slashes at its ends; for file the absolute directory
}

var schemes = map[string]sse.Store{
	"s3": sse.S3, "alts3": sse.S3,
	"gs": sse.GCS, "altgs": sse.GCS,
	"az":   sse.Azure,
	"file": sse.Local,
}

var bucketName = regexp.MustCompile(`^[A-Za-z0-9$][A-Za-z0-9._-]{0,254}$`)

// The names of containers and buckets as Azure and Google have them, but for
// the shortest length, which says little. What a server that speaks S3 takes,
// and Amazon once took, is more than Amazon's rules: that is left to the server.
var (
	containerName = regexp.MustCompile(`^(\$(root|web|logs)|[a-z0-9](-?[a-z0-9])*)$`)
	googleName    = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$`)
)

// checkBucket says why a store cannot have a bucket of a name.
func checkBucket(store sse.Store, name string) error {
	switch {
	case store == sse.Azure && (!containerName.MatchString(name) || len(name) > 63):
		return errors.New("names a container that Azure cannot have: it is of at most 63 lower-case letters, digits and single hyphens between them")
	case store == sse.GCS && (!googleName.MatchString(name) || len(name) > 222):
		return errors.New("names a bucket that Google cannot have: it is of lower-case letters, digits and -_. between them")
	}
	return nil
}

// ParseURL reads s3://bucket/prefix, gs://, az://, alts3://, altgs:// or
// file:///dir. What follows the bucket is taken as it stands: it is not
// percent-decoded, because keys are not percent-encoded.
func ParseURL(text string) (URL, error) {
	scheme, rest, found := strings.Cut(text, "://")
	store, known := schemes[scheme]
	if !found || !known {
		return URL{}, errors.New("is not s3://, gs://, az://, file:///, alts3:// or altgs://")
	}
	if strings.ContainsFunc(rest, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return URL{}, errors.New("holds a control character")
	}
	if store == sse.Local {
		if !strings.HasPrefix(rest, "/") {
			return URL{}, errors.New("needs an absolute path: file:///dir")
		}
		return URL{Scheme: scheme, Store: store, Path: path.Clean(rest)}, nil
	}
	bucket, prefix, _ := strings.Cut(rest, "/")
	if !bucketName.MatchString(bucket) {
		return URL{}, fmt.Errorf("needs a bucket: %s://bucket/prefix (credentials, ports and queries are no part of it)", scheme)
	}
	if err := checkBucket(store, bucket); err != nil {
		return URL{}, err
	}
	for segment := range strings.SplitSeq(prefix, "/") {
		if segment == "." || segment == ".." {
			return URL{}, errors.New("has a folder . or .., which no path leads to")
		}
	}
	return URL{Scheme: scheme, Store: store, Bucket: bucket, Path: strings.Trim(prefix, "/")}, nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *URL) UnmarshalText(text []byte) (err error) {
	*u, err = ParseURL(string(text))
	return err
}

// Kind is the scheme without alt: s3, gs, az or file.
func (u URL) Kind() string { return strings.TrimPrefix(u.Scheme, "alt") }

// Name is what a remote is called that has no other name: its bucket, or the
// last folder of its directory.
func (u URL) Name() string {
	if u.Store == sse.Local {
		return path.Base(u.Path)
	}
	return u.Bucket
}

func (u URL) String() string {
	if u.Store == sse.Local {
		return u.Scheme + "://" + u.Path
	}
	return strings.TrimSuffix(u.Scheme+"://"+u.Bucket+"/"+u.Path, "/")
}
