package davfs

import (
	"slices"
	"sync"
	"time"
)

// transferID is what a client that tries again asks for again.
type transferID struct {
	src      *tree
	from, to string
}

// unfinished remembers transfers that failed half way, so that the same
// request does not undo its first half: to the second try the members that the
// first has moved are no leftovers of an older folder, and what it has put
// beside what it replaces is not older either. It is kept in memory; a server
// that is started anew must be told by a person which half is which.
//
// The keys are kept for an hour, and while they are not too many. After that it
// is only remembered that there was a first half, and the same request deletes
// no leftovers at all.
type unfinished struct {
	mu    sync.Mutex
	rests []rest      // the oldest first
	timer *time.Timer // set while there are keys
}

const (
	// maxUnfinished bounds the transfers remembered for a remote.
	maxUnfinished = 16
	// maxUnfinishedBytes bounds their keys, all together; those of the last
	// are kept however many they are.
	maxUnfinishedBytes = 8 << 20
	// keysKept is for how long a client is waited for that tries again.
	keysKept = time.Hour
)

// rest is what a transfer left when it failed.
type rest struct {
	id        transferID
	moved     *keyList // relative keys that may be gone from the source
	lost      bool     // there were such keys, and they are forgotten
	file, dir bool     // what was at the destination before
	since     time.Time
}

// forget drops the keys.
func (r *rest) forget() {
	r.lost = r.lost || r.moved.bytes() > 0
	r.moved = nil
}

// add remembers a transfer.
func (u *unfinished) add(id transferID, r rest) {
	u.mu.Lock()
	defer u.mu.Unlock()
	r.id, r.since = id, time.Now()
	u.rests = append(u.rests, r)
	if len(u.rests) > maxUnfinished {
		u.rests = slices.Delete(u.rests, 0, 1)
	}
	bytes := 0
	for i := range slices.Backward(u.rests) {
		if bytes += u.rests[i].moved.bytes(); bytes > maxUnfinishedBytes && i < len(u.rests)-1 {
			u.rests[i].forget()
		}
	}
	if u.timer == nil && bytes > 0 {
		u.timer = time.AfterFunc(keysKept, u.expire)
	}
}

// expire drops the keys that nobody has asked for.
func (u *unfinished) expire() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.timer = nil
	for i := range u.rests {
		r := &u.rests[i]
		age := time.Since(r.since)
		if age >= keysKept {
			r.forget()
		} else if r.moved != nil && u.timer == nil {
			u.timer = time.AfterFunc(keysKept-age, u.expire)
		}
	}
}

// take finds a transfer and forgets it; nil if there was none.
func (u *unfinished) take(id transferID) *rest {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := slices.IndexFunc(u.rests, func(r rest) bool { return r.id == id })
	if i < 0 {
		return nil
	}
	r := u.rests[i]
	u.rests = slices.Delete(u.rests, i, i+1)
	return &r
}

// rest is what there is to remember of a transfer that failed.
func (m *mover) rest() rest {
	r := rest{lost: m.lost, file: m.at.file != nil, dir: m.at.dir != nil}
	if m.moved != nil {
		r.moved = new(*m.moved) // which may be a part of something larger
	}
	return r
}

// resume goes on from a transfer that failed.
func (m *mover) resume(r *rest) {
	if r == nil {
		return
	}
	m.moved, m.lost = r.moved, r.lost
	if m.at.file != nil && m.at.dir != nil {
		if !r.file {
			m.at.file = nil
		}
		if !r.dir {
			m.at.dir = nil
		}
	}
}
