package davfs

import (
	"slices"
	"sync"
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
type unfinished struct {
	mu    sync.Mutex
	rests []rest // the oldest first
}

// maxUnfinished bounds the transfers remembered for a remote.
const maxUnfinished = 16

// rest is what a transfer left when it failed.
type rest struct {
	id        transferID
	moved     *keyList // relative keys that may be gone from the source
	file, dir bool     // what was at the destination before
}

// add remembers a transfer.
func (u *unfinished) add(id transferID, r rest) {
	u.mu.Lock()
	defer u.mu.Unlock()
	r.id = id
	u.rests = append(u.rests, r)
	if len(u.rests) > maxUnfinished {
		u.rests = slices.Delete(u.rests, 0, 1)
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
	return rest{moved: m.moved, file: m.at.file != nil, dir: m.at.dir != nil}
}

// resume goes on from a transfer that failed.
func (m *mover) resume(r *rest) {
	if r == nil {
		return
	}
	m.moved = r.moved
	if m.at.file != nil && m.at.dir != nil {
		if !r.file {
			m.at.file = nil
		}
		if !r.dir {
			m.at.dir = nil
		}
	}
}
