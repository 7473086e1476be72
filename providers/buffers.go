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

// Buffers lends buffers of one part each, under one bound for the whole
// process. When all are lent, Get waits: many uploads slow each other down
// instead of failing or growing the process.
//
// A borrower must not wait for a second buffer while it holds one that is
// full and not yet on its way: it would wait for itself.
type Buffers struct {
	size  int
	slots chan struct{}

	mu sync.Mutex
	// free are those not lent. A sync.Pool would drop them at a collection and
	// make new ones beside the garbage, above the bound.
	free []*[]byte
	idle *time.Timer // drops free once nothing was lent for a while
}

// keepFree is how long buffers are kept after the last was given back.
const keepFree = 10 * time.Second

// NewBuffers returns Buffers of partSize bytes each and at most maxBytes
// together (at least one buffer).
func NewBuffers(partSize int, maxBytes int64) *Buffers {
	n := max(1, int(maxBytes/int64(partSize)))
	b := &Buffers{size: partSize, slots: make(chan struct{}, n)}
	b.idle = time.AfterFunc(keepFree, b.release)
	return b
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

// Spare lends a buffer if less than half of them are lent, and does not wait:
// for what can do without one, and may keep it for as long as a slow reader
// takes.
func (b *Buffers) Spare() (*[]byte, bool) {
	if len(b.slots) >= cap(b.slots)/2 {
		return nil, false
	}
	select {
	case b.slots <- struct{}{}:
		return b.take(), true
	default:
		return nil, false
	}
}

// Put takes a buffer back.
func (b *Buffers) Put(p *[]byte) {
	b.mu.Lock()
	b.free = append(b.free, p)
	b.mu.Unlock()
	<-b.slots
	if len(b.slots) == 0 {
		b.idle.Reset(keepFree)
	}
}

func (b *Buffers) take() *[]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.free); n > 0 {
		p := b.free[n-1]
		b.free[n-1] = nil
		b.free = b.free[:n-1]
		return p
	}
	return new(make([]byte, b.size))
}

// release frees the buffers, so that an idle server is a small one. Without
// FreeOSMemory the process would keep the memory for minutes.
func (b *Buffers) release() {
	b.mu.Lock()
	idle := len(b.slots) == 0 && len(b.free) > 0
	if idle {
		b.free = nil
	}
	b.mu.Unlock()
	if idle {
		debug.FreeOSMemory()
	}
}
