package davfs

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"sealdav/providers"
)

// usage is how much room there is in a remote, in bytes.
type usage struct {
	available, used           int64
	availableKnown, usedKnown bool
}

// meter knows how much a remote holds: what the last measurement has found,
// and what was written through this server since.
type meter struct {
	mu       sync.Mutex
	measured bool
	used     int64
	// running: a measurement is under way; since is what was written
	// meanwhile, which it may or may not have seen.
	running bool
	since   int64
}

// add notes that the remote has grown by n bytes, or shrunk.
func (m *meter) add(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used += n
	if m.running {
		m.since += n
	}
}

// get is what is known of the bytes in use.
func (m *meter) get() (used int64, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return max(0, m.used), m.measured
}

// measure lists everything in the remote: a request for each thousand objects.
func (t *tree) measure(ctx context.Context) error {
	t.meter.mu.Lock()
	t.meter.running, t.meter.since = true, 0
	t.meter.mu.Unlock()
	var used int64
	var failed error
	for e, err := range t.list(ctx, "", providers.ListOptions{Recursive: true}) {
		if failed = err; err != nil {
			break
		}
		used += e.Size
	}
	t.meter.mu.Lock()
	defer t.meter.mu.Unlock()
	t.meter.running = false
	if failed != nil {
		return failed
	}
	// Better too much than too little.
	t.meter.used, t.meter.measured = used+max(0, t.meter.since), true
	return nil
}

// Measure keeps the usage of those remotes up to date that have MeasureUsage
// set, until ctx ends.
func (h *Handler) Measure(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, t := range h.forest.trees {
		if t.remote.MeasureUsage > 0 {
			wg.Go(func() { t.measureEvery(ctx, t.remote.MeasureUsage) })
		}
	}
}

func (t *tree) measureEvery(ctx context.Context, interval time.Duration) {
	next := time.NewTicker(interval)
	defer next.Stop()
	for {
		if err := t.measure(ctx); err != nil && ctx.Err() == nil {
			t.log.Warn("the remote's usage could not be measured", "err", err)
		}
		select {
		case <-next.C:
		case <-ctx.Done():
			return
		}
	}
}

// room is how much room there is in the remote. What is not known is left out:
// clients take 0 for a disk that is full.
func (t *tree) room(ctx context.Context) usage {
	var u usage
	u.used, u.usedKnown = t.meter.get()
	if t.remote.Quota > 0 && u.usedKnown {
		u.available, u.availableKnown = max(0, t.remote.Quota-u.used), true
	}
	s, ok := t.remote.Bucket.(providers.Spacer)
	if !ok {
		return u
	}
	available, used, err := s.Space(ctx)
	if err != nil {
		t.log.Debug("the store does not tell its room", "err", err)
		return u
	}
	switch {
	case u.availableKnown:
		u.available = min(u.available, available)
	case t.remote.Quota == 0:
		u.available, u.availableKnown = available, true
	}
	if !u.usedKnown && t.remote.Quota == 0 {
		u.used, u.usedKnown = used, true
	}
	return u
}

// usage is the room of the remote that a folder lies in.
func (q *request) usage(r *resource) usage {
	if !r.dir || r.tree == nil {
		return usage{}
	}
	if q.rooms == nil {
		q.rooms = make(map[*tree]usage)
	}
	u, ok := q.rooms[r.tree]
	if !ok {
		u = r.tree.room(q.r.Context())
		q.rooms[r.tree] = u
	}
	return u
}

// admit refuses to store size more bytes, -1 if that is not known, in place of
// old, where that would exceed the quota.
func (t *tree) admit(size, old int64) error {
	used, known := t.meter.get()
	if t.remote.Quota == 0 || !known {
		return nil
	}
	if grows := max(size, 0) - old; size >= 0 && (grows <= 0 || used+grows <= t.remote.Quota) || size < 0 && used < t.remote.Quota {
		return nil
	}
	return &statusError{
		code: http.StatusInsufficientStorage, condition: "<D:quota-not-exceeded/>",
		why: fmt.Sprintf("the remote holds %d bytes of the %d it may; delete something first", used, t.remote.Quota),
	}
}
