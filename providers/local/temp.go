package local

import (
	"crypto/rand"
	"errors"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// commitLocks is how many locks all keys share.
const commitLocks = 16

var (
	tempDir = filepath.Join(reservedDir, "tmp")
	lockDir = filepath.Join(reservedDir, "locks")
)

// temp is a temporary file, locked as long as it is open.
type temp struct {
	*os.File
	b    *Bucket
	name string // relative to the root
}

// newTemp makes a temporary file. A process that starts meanwhile may take it
// for an orphan between its making and its locking; then another is made.
func (b *Bucket) newTemp() (*temp, error) {
	for {
		name := filepath.Join(tempDir, rand.Text())
		f, err := b.create(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			return nil, err
		}
		t := &temp{File: f, b: b, name: name}
		if err := lockFile(f); err != nil {
			t.discard()
			return nil, err
		}
		info, err := f.Stat()
		if err == nil && hasName(info) {
			return t, nil
		}
		t.discard()
		if err != nil {
			return nil, err
		}
	}
}

// create opens a file of sealdav's own, making its directory where needed.
func (b *Bucket) create(name string, flag int, perm fs.FileMode) (*os.File, error) {
	f, err := b.root.OpenFile(name, flag, perm)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if err := b.root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, err
	}
	return b.root.OpenFile(name, flag, perm)
}

// discard removes the file, unless it has got another name.
func (t *temp) discard() {
	if err := t.b.root.Remove(t.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.b.log.Warn("temporary file not removed; the next start tries again", "file", t.name, "err", err)
	}
	_ = t.Close() // nothing in it is wanted
}

// removeOrphans removes the temporary files that no process has locked.
func (b *Bucket) removeOrphans() {
	dir, err := b.root.Open(tempDir)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var names []string
	if err == nil {
		names, err = dir.Readdirnames(-1)
		err = errors.Join(err, dir.Close())
	}
	if err != nil {
		b.log.Warn("temporary files of interrupted uploads not looked for", "dir", tempDir, "err", err)
		return
	}
	removed := 0
	for _, name := range names {
		if ok, err := b.removeOrphan(filepath.Join(tempDir, name)); err != nil {
			b.log.Warn("temporary file not removed", "file", name, "err", err)
		} else if ok {
			removed++
		}
	}
	if removed > 0 {
		b.log.Info("removed temporary files of interrupted uploads", "files", removed)
	}
}

func (b *Bucket) removeOrphan(name string) (bool, error) {
	f, err := b.root.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	if !tryLockFile(f) {
		return false, nil
	}
	// It may have got its real name and lost its lock by now; then the name
	// here is gone.
	if err := b.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, nil
}

// lock keeps every other commit away from the keys, in this process and in
// others, so that a condition that was looked at still holds at the rename.
func (b *Bucket) lock(keys ...string) (unlock func(), err error) {
	var slots []int
	for _, key := range keys {
		h := fnv.New32a()
		_, _ = h.Write([]byte(key)) // never fails
		slots = append(slots, int(h.Sum32()%commitLocks))
	}
	slices.Sort(slots) // always in the same order: no deadlock
	slots = slices.Compact(slots)

	var undo []func()
	unlock = func() {
		for _, f := range slices.Backward(undo) {
			f()
		}
	}
	for _, slot := range slots {
		b.commits[slot].Lock()
		undo = append(undo, b.commits[slot].Unlock)
		f, err := b.create(filepath.Join(lockDir, strconv.Itoa(slot)), os.O_RDWR|os.O_CREATE, 0o600)
		if err == nil {
			undo = append(undo, func() { _ = f.Close() }) // which unlocks it
			err = lockFile(f)
		}
		if err != nil {
			unlock()
			return nil, err
		}
	}
	return unlock, nil
}
