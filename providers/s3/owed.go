package s3

import (
	"context"
	"sync"
	"time"
)

// An upload that could not be aborted keeps its parts in the store, which
// charges for them. It is owed an abort for as long as this process lives; the
// journal hands on what is left to the next.

const (
	// owedAtMost is how many aborts are owed at once. A store that fails so
	// often has a lifecycle rule to do it, or an administrator.
	owedAtMost = 1000
	// abortTries is how often one is tried: for about a day.
	abortTries = 150
	// abortPauseMax is the longest pause between two tries; they double.
	abortPauseMax = 10 * time.Minute
)

// owed are the aborts that are still to be made.
type owed struct {
	mu      sync.Mutex
	list    []owedAbort
	running bool
	closed  bool
}

type owedAbort struct {
	entry *journalEntry
	key   string // in the bucket
	id    string
	tries int
}

// oweAbort notes an upload that could not be aborted.
func (b *Bucket) oweAbort(a owedAbort) {
	o := &b.owed
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || len(o.list) >= owedAtMost {
		a.entry.release()
		return
	}
	o.list = append(o.list, a)
	if !o.running {
		o.running = true
		b.work.Go(b.abortOwed)
	}
}

// abortOwed tries what is owed, with growing pauses, until nothing is or the
// bucket is closed.
func (b *Bucket) abortOwed() {
	pause := b.limits.abortPause
	for {
		select {
		case <-b.background.Done():
			b.owed.release()
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, abortPauseMax)
		for {
			a, ok := b.owed.next()
			if !ok {
				return
			}
			ctx, cancel := context.WithTimeout(b.background, cleanupTime)
			err := b.abortUpload(ctx, a.key, &a.id)
			cancel()
			if err == nil {
				b.log.Info("multipart upload aborted after all")
				a.entry.done()
				continue
			}
			if a.tries++; a.tries < abortTries {
				b.owed.putBack(a)
			} else {
				b.log.Warn("multipart upload not aborted; given up until the next start", "err", err)
				a.entry.release()
			}
			break // a store that is away need not hear of the others
		}
	}
}

// next takes the first; if there is none the work has ended.
func (o *owed) next() (owedAbort, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.list) == 0 {
		o.running = false
		return owedAbort{}, false
	}
	a := o.list[0]
	o.list = o.list[1:]
	return a, true
}

func (o *owed) putBack(a owedAbort) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = append(o.list, a)
}

// close takes no more.
func (o *owed) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
}

// release leaves what is owed to the journal.
func (o *owed) release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, a := range o.list {
		a.entry.release()
	}
	o.list = nil
}
