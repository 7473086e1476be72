package davfs

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// progressEvery is how often the log tells how far an operation on a folder has
// come.
const progressEvery = 10 * time.Second

// progress tells the log how far an operation on a folder has come: one on a
// million objects takes minutes, and the client says nothing of it.
type progress struct {
	log   *slog.Logger
	attrs []any

	mu    sync.Mutex
	begun time.Time
	next  time.Time
	done  int
}

// progress begins to count what becomes of the members of the folder at path.
func (t *tree) progress(op, path string) *progress {
	attrs := []any{"op", op}
	if t.log.Enabled(context.Background(), slog.LevelDebug) { // as in request.attrs
		attrs = append(attrs, "path", path)
	}
	now := time.Now()
	return &progress{log: t.log, attrs: attrs, begun: now, next: now.Add(progressEvery)}
}

// add counts n members more.
func (p *progress) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	now := time.Now()
	if now.Before(p.next) {
		return
	}
	p.next = now.Add(progressEvery)
	p.log.Info("an operation on a folder goes on",
		append(p.attrs[:len(p.attrs):len(p.attrs)], "members", p.done, "dur", now.Sub(p.begun).Round(time.Second))...)
}
