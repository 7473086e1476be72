package providers

import (
	"context"
	"sync"
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
	free  sync.Pool
}

// NewBuffers returns Buffers of partSize bytes each and at most maxBytes
// together (at least one buffer).
func NewBuffers(partSize int, maxBytes int64) *Buffers {
	n := max(1, int(maxBytes/int64(partSize)))
	b := &Buffers{size: partSize, slots: make(chan struct{}, n)}
	b.free.New = func() any { return new(make([]byte, partSize)) }
	return b
}

// Size is the length of each buffer in bytes.
func (b *Buffers) Size() int { return b.size }

// Get lends a buffer of Size bytes, waiting for one until ctx ends.
func (b *Buffers) Get(ctx context.Context) (*[]byte, error) {
	select {
	case b.slots <- struct{}{}:
		return b.free.Get().(*[]byte), nil
	default:
	}
	select {
	case b.slots <- struct{}{}:
		return b.free.Get().(*[]byte), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Put takes a buffer back.
func (b *Buffers) Put(p *[]byte) {
	b.free.Put(p)
	<-b.slots
}
