package providers

import (
	"context"
	"runtime/debug"
	"sync"
	"time"
)

// DefaultPartSize is the size of a part of a multipart upload, and the
// largest body that is put in one request: 16 MiB.
const DefaultPartSize = 16 << 20

// DefaultTransferMemory is the default bound of the buffers of all uploads of
// the process together (max_transfer_memory): 256 MiB.
const DefaultTransferMemory = 256 << 20

// idleTime is how long the buffers are kept once none is lent: the next upload
// of a burst is to find them, an idle process is to be small.
const idleTime = 30 * time.Second

// Buffers lends buffers of one part each, under one bound for the whole
// process. When all are lent, Get waits: many uploads slow each other down
// instead of failing or growing the process.
//
// A borrower must not wait for a second buffer while it holds one that is
// full and not yet on its way: it would wait for itself.
type Buffers struct {
	size  int
	slots chan struct{}

	mu   sync.Mutex
	free []*[]byte
	lent int
	idle *time.Timer // runs while none is lent
}

// NewBuffers returns Buffers of partSize bytes each and at most maxBytes
// together (at least one buffer).
func NewBuffers(partSize int, maxBytes int64) *Buffers {
	n := max(1, int(maxBytes/int64(partSize)))
	return &Buffers{size: partSize, slots: make(chan struct{}, n)}
}

// Size is the length of each buffer in bytes.
func (b *Buffers) Size() int { return b.size }

// Get lends a buffer of Size bytes, waiting for one until ctx ends.
func (b *Buffers) Get(ctx context.Context) (*[]byte, error) {
	select {
	case b.slots <- struct{}{}:
		return b.take(), nil
	default:
	}
	select {
	case b.slots <- struct{}{}:
		return b.take(), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (b *Buffers) take() *[]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lent++
	if b.idle != nil {
		b.idle.Stop()
	}
	if n := len(b.free); n > 0 {
		p := b.free[n-1]
		b.free[n-1] = nil
		b.free = b.free[:n-1]
		return p
	}
	return new(make([]byte, b.size))
}

// Put takes a buffer back.
func (b *Buffers) Put(p *[]byte) {
	b.mu.Lock()
	b.free = append(b.free, p)
	if b.lent--; b.lent == 0 {
		b.idle = time.AfterFunc(idleTime, b.drop)
	}
	b.mu.Unlock()
	<-b.slots
}

// drop gives the memory back to the system. Without FreeOSMemory the process
// would keep it for minutes.
func (b *Buffers) drop() {
	b.mu.Lock()
	idle := b.lent == 0
	if idle {
		b.free = nil
	}
	b.mu.Unlock()
	if idle {
		debug.FreeOSMemory()
	}
}
