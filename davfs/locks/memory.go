package locks

import (
	"cmp"
	"container/heap"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"
)

// What a Memory holds at most; WithLimit changes the first. The bytes are those
// that clients choose: an owner element may be as large as a request's body,
// and a hundred thousand of them would be more than a server has.
const (
	defaultMaxLocks = 100_000
	defaultMaxBytes = 128 << 20
	// maxShared is how many locks a resource may be under at the root of a new
	// one: every listing tells all of them for each resource they cover.
	maxShared = 64
)

// Store keeps the locks of a Memory beyond the life of the process.
type Store interface {
	// Load returns all locks, expired ones too.
	Load() ([]Lock, error)
	// Write takes note of locks to put, new or changed, and of tokens to
	// delete, without waiting for the disk; the tokens of one call differ.
	// Calls take effect in their order. wait returns once the call's changes,
	// and all before them, are durable, or why they are not.
	Write(put []Lock, del []string) (wait func() error)
	// Close makes the rest durable.
	Close() error
}

// Memory is a System for one server. What it holds is gone with the process,
// unless Load gave it a Store.
type Memory struct {
	now      func() time.Time
	maxLocks int
	maxBytes int
	store    Store // nil: none

	mu      sync.RWMutex
	closed  bool
	tree    node
	byToken map[string]*entry
	queue   queue
	bytes   int // sum of entry.size
}

var _ System = (*Memory)(nil)

// Option changes how a Memory works.
type Option func(*Memory)

// WithClock takes the time from now instead of time.Now.
func WithClock(now func() time.Time) Option {
	return func(m *Memory) { m.now = now }
}

// WithLimit sets how many locks may stand at once; the default is 100,000.
func WithLimit(n int) Option {
	return func(m *Memory) { m.maxLocks = n }
}

// NewMemory returns a Memory without locks.
func NewMemory(opts ...Option) *Memory {
	m := &Memory{
		now:      time.Now,
		maxLocks: defaultMaxLocks,
		maxBytes: defaultMaxBytes,
		byToken:  make(map[string]*entry),
	}
	for _, opt := range opts {
		opt(m)
	}
	return m
}

// Load returns a Memory with the locks in store that have not expired, and
// keeps what becomes of them there. A change is durable when the call that made
// it returns. Should the store fail, a lock is not granted; one that was
// refreshed or removed is so until a restart, and the caller has the error.
//
// The Memory closes the store, also when Load fails.
func Load(store Store, opts ...Option) (*Memory, error) {
	m := NewMemory(opts...)
	stored, err := store.Load()
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	now := m.now()
	var expired []string
	for _, l := range stored {
		if l.Expires.After(now) && clean(l.Root) {
			m.add(&entry{lock: l})
		} else {
			expired = append(expired, l.Token)
		}
	}
	m.store = store
	if len(expired) > 0 {
		store.Write(nil, expired) // goes along with the next change
	}
	return m, nil
}

// Create implements System.
func (m *Memory) Create(ctx context.Context, l Lock) (Lock, error) {
	if l.Timeout <= 0 {
		return Lock{}, fmt.Errorf("lock on %q: timeout %v is not positive", l.Root, l.Timeout)
	}
	l.Token = newToken()
	granted := false
	err := m.change(ctx, l.Root, func(now time.Time) (put []Lock, del []string, err error) {
		if e := m.tree.conflict(l); e != nil {
			return nil, nil, &ConflictError{Root: e.lock.Root}
		}
		l.Expires = now.Add(l.Timeout)
		e := &entry{lock: l}
		if len(m.byToken) >= m.maxLocks || m.bytes+e.size() > m.maxBytes || m.tree.countCovering(l.Root) >= maxShared {
			return nil, nil, ErrTooMany
		}
		m.add(e)
		granted = true
		return []Lock{l}, nil, nil
	})
	if err != nil {
		if granted {
			// Nobody knows its token, so nobody else can end it.
			_ = m.Remove(context.WithoutCancel(ctx), l.Root, l.Token)
		}
		return Lock{}, err
	}
	return l, nil
}

// Refresh implements System. A lock that is held can be refreshed as well.
func (m *Memory) Refresh(ctx context.Context, path, token string, timeout time.Duration) (Lock, error) {
	if timeout <= 0 {
		return Lock{}, fmt.Errorf("lock on %q: timeout %v is not positive", path, timeout)
	}
	var l Lock
	err := m.change(ctx, path, func(now time.Time) (put []Lock, del []string, err error) {
		e := m.byToken[token]
		if e == nil || !e.lock.covers(path) {
			return nil, nil, ErrNoSuchLock
		}
		e.lock.Timeout, e.lock.Expires = timeout, now.Add(timeout)
		if e.holds == 0 {
			heap.Fix(&m.queue, e.index)
		}
		l = e.lock
		return []Lock{l}, nil, nil
	})
	if err != nil {
		return Lock{}, err
	}
	return l, nil
}

// Remove implements System. A lock that is held ends all the same: a client may
// UNLOCK while its own upload runs, which goes on without it.
func (m *Memory) Remove(ctx context.Context, path, token string) error {
	return m.change(ctx, path, func(time.Time) (put []Lock, del []string, err error) {
		e := m.byToken[token]
		if e == nil || !e.lock.covers(path) {
			return nil, nil, ErrNoSuchLock
		}
		m.drop(e)
		return nil, []string{token}, nil
	})
}

// Covering implements System. The locks come from the top down, those of one
// root in the order they were granted.
func (m *Memory) Covering(ctx context.Context, path string) ([]Lock, error) {
	var found []Lock
	err := m.view(ctx, path, func(now time.Time) {
		for e := range m.tree.covering(path) {
			if e.alive(now) {
				found = append(found, e.view(now))
			}
		}
	})
	return found, err
}

// Inside implements System. The locks are sorted by root.
func (m *Memory) Inside(ctx context.Context, path string) ([]Lock, error) {
	var found []Lock
	err := m.view(ctx, path, func(now time.Time) {
		n := m.tree.find(path)
		if n == nil {
			return
		}
		for _, e := range n.inside(make([]*entry, 0, n.below)) {
			if e.alive(now) {
				found = append(found, e.view(now))
			}
		}
	})
	slices.SortStableFunc(found, func(a, b Lock) int { return cmp.Compare(a.Root, b.Root) })
	return found, err
}

// RemoveTree implements System.
func (m *Memory) RemoveTree(ctx context.Context, path string) error {
	return m.change(ctx, path, func(time.Time) (put []Lock, del []string, err error) {
		n := m.tree.find(path)
		if n == nil {
			return nil, nil, nil
		}
		for _, e := range n.inside(slices.Clone(n.entries)) {
			del = append(del, e.lock.Token)
			m.drop(e)
		}
		return nil, del, nil
	})
}

// Hold implements System. Holds add up: the lock stands until the last of them
// is released. If its time ran out meanwhile it starts over then, so that a
// client whose upload took longer than its lock still has it for what follows.
// (RFC 4918 section 6.6 would rather see only a refresh restart the time.)
// Calling release twice is harmless.
func (m *Memory) Hold(ctx context.Context, token string) (release func(), err error) {
	var e *entry
	err = m.change(ctx, "/", func(time.Time) (put []Lock, del []string, err error) {
		if e = m.byToken[token]; e == nil {
			return nil, nil, ErrNoSuchLock
		}
		if e.holds++; e.holds == 1 {
			heap.Remove(&m.queue, e.index)
		}
		return nil, nil, nil
	})
	if err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() { m.release(e) }), nil
}

func (m *Memory) release(e *entry) {
	// An error means that the system is closed, or that the store still has the
	// old time: after a restart the lock would be gone, as without the hold.
	_ = m.change(context.Background(), "/", func(now time.Time) (put []Lock, del []string, err error) {
		e.holds--
		if e.holds > 0 || m.byToken[e.lock.Token] != e {
			return nil, nil, nil
		}
		if !e.lock.Expires.After(now) {
			e.lock.Expires = now.Add(e.lock.Timeout)
			put = []Lock{e.lock}
		}
		heap.Push(&m.queue, e)
		return put, nil, nil
	})
}

// Close implements System. Later calls fail with fs.ErrClosed.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	if m.store == nil {
		return nil
	}
	return m.store.Close()
}

// view runs fn, which only reads.
func (m *Memory) view(ctx context.Context, path string, fn func(now time.Time)) error {
	if err := check(ctx, path); err != nil {
		return err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return fs.ErrClosed
	}
	fn(m.now())
	return nil
}

// change runs fn when no expired lock is left, and makes durable what it
// returns. Others see the change at once, and do not wait for the disk.
func (m *Memory) change(ctx context.Context, path string, fn func(now time.Time) (put []Lock, del []string, err error)) error {
	if err := check(ctx, path); err != nil {
		return err
	}
	wait, err := m.apply(fn)
	if err != nil {
		return err
	}
	return wait()
}

func (m *Memory) apply(fn func(now time.Time) (put []Lock, del []string, err error)) (wait func() error, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, fs.ErrClosed
	}
	now := m.now()
	expired := m.expire(now)
	put, del, err := fn(now)
	done := func() error { return nil }
	if m.store == nil || len(put)+len(del)+len(expired) == 0 {
		return done, err
	}
	wait = m.store.Write(put, append(del, expired...))
	if len(put)+len(del) == 0 {
		// Expired locks need not be deleted at once: Load drops them too.
		wait = done
	}
	return wait, err
}

func check(ctx context.Context, path string) error {
	if !clean(path) {
		return fmt.Errorf("lock path %q is not absolute and clean", path)
	}
	return ctx.Err()
}

// expire drops the locks whose time is over and returns their tokens.
func (m *Memory) expire(now time.Time) (tokens []string) {
	for len(m.queue) > 0 && !m.queue[0].alive(now) {
		tokens = append(tokens, m.queue[0].lock.Token)
		m.drop(m.queue[0])
	}
	return tokens
}

func (m *Memory) add(e *entry) {
	m.tree.attach(e)
	m.byToken[e.lock.Token] = e
	m.bytes += e.size()
	heap.Push(&m.queue, e)
}

func (m *Memory) drop(e *entry) {
	e.detach()
	delete(m.byToken, e.lock.Token)
	m.bytes -= e.size()
	if e.holds == 0 {
		heap.Remove(&m.queue, e.index)
	}
}

// size is about what a client made the server keep with this lock, in bytes.
// Each segment of the path may cost a node.
func (e *entry) size() int {
	const nodeSize = 128
	return nodeSize*strings.Count(e.lock.Root, "/") + len(e.lock.Root) + len(e.lock.OwnerXML) + len(e.lock.User)
}

// queue is a heap of the entries that are not held, the next to expire first.
type queue []*entry

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].lock.Expires.Before(q[j].lock.Expires) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *queue) Push(x any) {
	e := x.(*entry)
	e.index = len(*q)
	*q = append(*q, e)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	e.index = -1
	return e
}

// newToken returns a random (version 4) UUID as a URN, RFC 9562: a token must
// be unique for all resources for all time, and nobody must guess it.
func newToken() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
