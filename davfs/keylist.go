package davfs

import (
	"encoding/binary"
	"iter"
)

// keyList is a long list of keys in order, each kept as what differs from the
// one before: a few bytes each, so that a million of them fit in memory.
type keyList struct {
	buf  []byte
	n    int
	last string
}

// add appends a key, which comes after all others, and returns its index.
func (l *keyList) add(key string) int {
	same := 0
	for same < len(key) && same < len(l.last) && key[same] == l.last[same] {
		same++
	}
	l.buf = binary.AppendUvarint(l.buf, uint64(same))
	l.buf = binary.AppendUvarint(l.buf, uint64(len(key)-same))
	l.buf = append(l.buf, key[same:]...)
	l.last = key
	l.n++
	return l.n - 1
}

// bytes is how much memory the list takes; it may be nil.
func (l *keyList) bytes() int {
	if l == nil {
		return 0
	}
	return cap(l.buf) + len(l.last)
}

// all yields the keys and their indexes.
func (l *keyList) all() iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		var key []byte
		rest := l.buf
		for i := range l.n {
			same, n := binary.Uvarint(rest)
			rest = rest[n:]
			more, n := binary.Uvarint(rest)
			rest = rest[n:]
			key = append(key[:same], rest[:more]...)
			rest = rest[more:]
			if !yield(i, string(key)) {
				return
			}
		}
	}
}

// merge returns the keys of both lists. Either may be nil.
func (l *keyList) merge(other *keyList) *keyList {
	if other == nil || other.n == 0 {
		return l
	}
	if l == nil || l.n == 0 {
		return other
	}
	both := new(keyList)
	next, stop := iter.Pull2(other.all())
	defer stop()
	_, theirs, more := next()
	for _, ours := range l.all() {
		for ; more && theirs <= ours; _, theirs, more = next() {
			if theirs < ours {
				both.add(theirs)
			}
		}
		both.add(ours)
	}
	for ; more; _, theirs, more = next() {
		both.add(theirs)
	}
	return both
}

// bitset is a set of indexes.
type bitset []uint64

func (b *bitset) set(i int) {
	for len(*b) <= i/64 {
		*b = append(*b, 0)
	}
	(*b)[i/64] |= 1 << (i % 64)
}

func (b bitset) has(i int) bool {
	return i/64 < len(b) && b[i/64]&(1<<(i%64)) != 0
}
