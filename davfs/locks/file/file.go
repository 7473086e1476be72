// Package file keeps WebDAV locks in a file, from which they come back after a
// restart, be it after a crash.
package file

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"sealdav/davfs/locks"
)

// openTimeout is how long Open waits for another process to let go of the file,
// as one that is being replaced by this one does.
const openTimeout = time.Second

var bucket = []byte("locks")

// Open returns a System with the locks in the file at path, which is created,
// with mode 0600, where there is none. Its folder must exist. Locks that have
// expired meanwhile are dropped.
//
// Every change is on the disk when the call that made it returns, except for
// the end of an expired lock, which needs no proof. One process at a time can
// have the file open; another's Open fails after a second.
func Open(path string, opts ...locks.Option) (locks.System, error) {
	var db *bolt.DB
	err := guarded(func() (err error) {
		db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: openTimeout})
		return err
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("lock file %s: another process has it open; end that one, or give each server a state folder of its own: %w", path, err)
	case err != nil:
		return nil, unreadable(path, err)
	}
	s := &store{path: path, db: db, next: new(batch)}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return nil, errors.Join(fmt.Errorf("lock file %s: %w", path, err), db.Close())
	}
	return locks.Load(s, opts...)
}

var errDamaged = errors.New("the file is damaged")

// guarded runs fn, which works on the database. A file that was cut short or
// written over makes bolt panic or touch memory that is not there; that is to
// be an error, which can say what to do. Locks that bolt took are then never
// given back, so the database must not be used again, nor closed; the process
// is not expected to go on for long.
func guarded(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errDamaged, r)
		}
	}()
	return fn()
}

func unreadable(path string, err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("lock file: %w", pe)
	}
	return fmt.Errorf("lock file %s cannot be read; move it away to start without locks: %w", path, err)
}

// syncFolder makes the file's name as durable as its content.
func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// record is a lock in the file, as JSON under its token. What came from a
// client is bytes, since it need not be UTF-8.
type record struct {
	Root     []byte        `json:"root"`
	Infinite bool          `json:"infinite,omitempty"`
	Shared   bool          `json:"shared,omitempty"`
	OwnerXML []byte        `json:"owner,omitempty"`
	User     []byte        `json:"user,omitempty"`
	Timeout  time.Duration `json:"timeout"` // nanoseconds
	Expires  time.Time     `json:"expires"`
}

func encode(l locks.Lock) ([]byte, error) {
	return json.Marshal(record{
		Root: []byte(l.Root), Infinite: l.Infinite, Shared: l.Shared,
		OwnerXML: []byte(l.OwnerXML), User: []byte(l.User),
		Timeout: l.Timeout, Expires: l.Expires,
	})
}

func decode(token, value []byte) (locks.Lock, error) {
	var r record
	if err := json.Unmarshal(value, &r); err != nil {
		return locks.Lock{}, fmt.Errorf("lock %s: %w", token, err)
	}
	return locks.Lock{
		Token: string(token), Root: string(r.Root), Infinite: r.Infinite, Shared: r.Shared,
		OwnerXML: string(r.OwnerXML), User: string(r.User),
		Timeout: r.Timeout, Expires: r.Expires,
	}, nil
}

// store writes what accumulates while a transaction is being synced in one next
// transaction, so that many clients wait for the disk together and not in turn.
type store struct {
	path string
	db   *bolt.DB

	commit sync.Mutex // held while a batch is written
	broken error      // guarded by commit: errDamaged, once it occurred

	mu   sync.Mutex
	next *batch // what Write adds to
}

// batch is a transaction to be.
type batch struct {
	put  map[string]locks.Lock
	del  map[string]bool
	done bool // guarded by store.commit, as is err
	err  error
}

// Load implements locks.Store.
func (s *store) Load() (found []locks.Lock, err error) {
	err = s.update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucket)
		if err != nil {
			return err
		}
		return b.ForEach(func(token, value []byte) error {
			l, err := decode(token, value)
			found = append(found, l)
			return err
		})
	})
	if err != nil {
		return nil, unreadable(s.path, err)
	}
	return found, nil
}

// Write implements locks.Store.
func (s *store) Write(put []locks.Lock, del []string) (wait func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.next
	if b.put == nil {
		b.put, b.del = make(map[string]locks.Lock), make(map[string]bool)
	}
	for _, l := range put {
		b.put[l.Token] = l // after a deletion, as write does it
	}
	for _, token := range del {
		delete(b.put, token)
		b.del[token] = true
	}
	return func() error { return s.flush(b) }
}

// flush makes b durable, if nobody else has done it while we waited.
func (s *store) flush(b *batch) error {
	s.commit.Lock()
	defer s.commit.Unlock()
	if b.done {
		return b.err
	}
	// A batch that is not done is still the next one: only we take it away.
	s.mu.Lock()
	s.next = new(batch)
	s.mu.Unlock()
	b.done, b.err = true, s.write(b)
	return b.err
}

func (s *store) write(b *batch) error {
	if len(b.put)+len(b.del) == 0 {
		return nil
	}
	err := s.update(func(tx *bolt.Tx) error {
		all := tx.Bucket(bucket)
		for token := range b.del {
			if err := all.Delete([]byte(token)); err != nil {
				return err
			}
		}
		for token, l := range b.put {
			value, err := encode(l)
			if err != nil {
				return err
			}
			if err := all.Put([]byte(token), value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("lock file %s cannot be written: %w", s.path, err)
	}
	return nil
}

// update is called by Load and with commit held.
func (s *store) update(fn func(tx *bolt.Tx) error) error {
	if s.broken != nil {
		return s.broken
	}
	err := guarded(func() error { return s.db.Update(fn) })
	if errors.Is(err, errDamaged) {
		s.broken = err
	}
	return err
}

// Close implements locks.Store.
func (s *store) Close() error {
	s.mu.Lock()
	b := s.next
	s.mu.Unlock()
	err := s.flush(b)
	s.commit.Lock()
	defer s.commit.Unlock()
	if s.broken != nil {
		return err
	}
	return errors.Join(err, s.db.Close())
}
