package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sealdav/providers"
	"sealdav/sse"
)

// Config describes a bucket in a directory.
type Config struct {
	// Dir is the directory. It must exist: a disk that is not mounted must not
	// be taken for an empty bucket.
	Dir string
	// Settings are the keys; the other kinds of encryption are a cloud's.
	Settings sse.Settings
	// RequireEncrypted makes reading an object that is not sealed fail with
	// providers.ErrPlain.
	RequireEncrypted bool
	// Logger takes what no caller is told; nil is none.
	Logger *slog.Logger
}

// Bucket is a directory as a providers.Bucket and providers.Renamer.
type Bucket struct {
	root             *os.Root
	location         string
	keys             keyring
	requireEncrypted bool
	log              *slog.Logger

	clock   atomic.Int64 // nanoseconds; the ModTime given last
	commits [commitLocks]sync.Mutex
}

var _ interface {
	providers.Bucket
	providers.Renamer
} = (*Bucket)(nil)

// Open opens the directory and removes the temporary files that interrupted
// writes of earlier processes have left there.
func Open(ctx context.Context, c Config) (*Bucket, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s := c.Settings; s.Algorithm != "" || s.KMSKeyID != "" || s.Scope != "" {
		return nil, errors.New("a local directory has no key service: use --sse-write-c-key and --sse-read-c-key")
	}
	if c.RequireEncrypted && c.Settings.WriteKey.IsZero() {
		return nil, errors.New("require_encrypted needs a write key (--sse-write-c-key)")
	}
	root, err := os.OpenRoot(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the directory of a local remote (it must exist): %w", err)
	}
	location, err := locate(c.Dir)
	if err != nil {
		root.Close()
		return nil, err
	}
	b := &Bucket{root: root, location: location, keys: newKeyring(c.Settings), requireEncrypted: c.RequireEncrypted, log: c.Logger}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	b.removeOrphans()
	return b, nil
}

// locate is the URL of a directory by its real name.
func locate(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	return "file://" + strings.TrimSuffix(filepath.ToSlash(dir), "/") + "/", err
}

// Location implements providers.Located.
func (b *Bucket) Location() string { return b.location }

// Close implements providers.Bucket.
func (b *Bucket) Close() error { return b.root.Close() }

// reservedDir is the directory of providers.ReservedPrefix.
var reservedDir = strings.TrimSuffix(providers.ReservedPrefix, "/")

// path returns the file or directory of a key, relative to the root.
func path(key string) (string, error) {
	if err := providers.CheckKey("", key); err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(key, "/")
	if strings.EqualFold(first, reservedDir) { // some file systems fold case
		return "", &providers.Error{Kind: fs.ErrInvalid,
			Advice: "The name " + reservedDir + " is kept for temporary files; choose another."}
	}
	name, err := filepath.Localize(strings.TrimSuffix(key, "/"))
	if err != nil || name == "." {
		return "", &providers.Error{Kind: fs.ErrInvalid,
			Advice: `A folder or file in a directory cannot be named "", "." or "..", nor hold a NUL; rename it.`}
	}
	return name, nil
}

// isMarker reports whether a key stands for a directory.
func isMarker(key string) bool { return strings.HasSuffix(key, "/") }

// now returns the time, a little later on each call, so that no two versions
// of an object have the same ModTime.
func (b *Bucket) now() time.Time {
	for {
		last := b.clock.Load()
		next := max(time.Now().UnixNano(), last+1)
		if b.clock.CompareAndSwap(last, next) {
			return time.Unix(0, next)
		}
	}
}

// entityTag makes a strong tag of what changes whenever a file is replaced (a
// write makes a new file, with a time of its own) or edited in place, and is
// known without reading it.
func entityTag(info fs.FileInfo) string {
	if info.IsDir() { // a marker is always the same, whatever comes and goes in it
		return fmt.Sprintf(`"dir-%x"`, inode(info))
	}
	return fmt.Sprintf(`"%x-%x-%x"`, inode(info), info.ModTime().UnixNano(), info.Size())
}
