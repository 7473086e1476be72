package davfs

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"sealdav/davfs/locks"
	"sealdav/providers"
)

// Remote is one bucket, served as the folder /Name/.
type Remote struct {
	Name     string
	Bucket   providers.Bucket
	ReadOnly bool
	// ReadAhead reads large files in several ranges at a time; nil: in one
	// stream.
	ReadAhead *providers.ReadAhead
	// Litter is what becomes of the files that desktops make for themselves.
	Litter Litter
	// Quota is how many bytes the remote may hold, as far as clients are told
	// and their uploads are refused; 0: no bound. What it holds is counted by
	// Handler.Measure.
	Quota int64
	// MeasureUsage is how often Handler.Measure lists the whole remote to count
	// its bytes; 0: never.
	MeasureUsage time.Duration
}

// Options say how remotes are served. The zero Options are usable.
type Options struct {
	// Prefix is the path under which everything lies, "" or "/dav".
	Prefix string
	// BaseURL is how clients reach the host behind a reverse proxy
	// ("https://dav.example.org"), so that a Destination header with that host
	// is known for our own. The hosts of the request itself always are.
	BaseURL string
	// Locks holds the WebDAV locks; nil: in memory.
	Locks locks.System
	// ListCache is how long a folder's listing may answer for the store;
	// 0: not at all. Writes through this server show at once either way.
	ListCache time.Duration
	// PropfindInfinity answers PROPFIND of depth infinity, which lists all
	// that lies below a folder, instead of refusing it.
	PropfindInfinity bool
	// Logger takes what the handler has to say; nil: nothing is logged.
	Logger *slog.Logger
}

// Access is what one user may do. The zero Access may do everything.
type Access struct {
	User     string
	Remotes  []string // nil: all
	ReadOnly bool
}

// May reports whether the remote called name is visible.
func (a Access) May(name string) bool {
	return a.Remotes == nil || slices.Contains(a.Remotes, name)
}

type accessKey struct{}

// WithAccess returns a context whose requests are bounded by a. A server puts
// it there once it knows the user.
func WithAccess(ctx context.Context, a Access) context.Context {
	return context.WithValue(ctx, accessKey{}, a)
}

// AccessOf returns what WithAccess put into ctx, or the zero Access.
func AccessOf(ctx context.Context) Access {
	a, _ := ctx.Value(accessKey{}).(Access)
	return a
}
