package providers

import (
	"fmt"
	"time"
)

const (
	// paceTime and paceBytes are the slowest a body may arrive while it holds
	// a buffer of Buffers that others wait for: 64 KiB a minute, about the
	// twentieth part of the slowest line anybody mounts a drive over.
	paceTime  = time.Minute
	paceBytes = 64 << 10
)

// Pace watches how fast a body arrives that holds a buffer. A few bodies that
// arrive a byte at a time would otherwise hold all of them, and no upload go
// on. It looks after each read: a body that does not return from one is ended
// by who gives it, as package davfs ends a silent client.
//
// The zero Pace is for a body that holds no buffer, and lets it be.
type Pace struct {
	since time.Time
	bytes int
}

// Start begins the watch, with the borrowing of a buffer.
func (p *Pace) Start() { *p = Pace{since: time.Now()} }

// Stop ends it.
func (p *Pace) Stop() { *p = Pace{} }

// Read notes that n bytes have come. Its error says that it was too slow.
func (p *Pace) Read(n int) error {
	if p.bytes += n; p.since.IsZero() || time.Since(p.since) < paceTime {
		return nil
	}
	if p.bytes < paceBytes {
		return fmt.Errorf("the body came too slowly: %d bytes within %v", p.bytes, time.Since(p.since).Round(time.Second))
	}
	p.Start()
	return nil
}
