package providers

import (
	"bytes"
	"io"
)

// SameContent reports whether two bodies hold the same bytes. It is an error if
// one of them cannot be read to the end of what they have in common.
func SameContent(a, b io.Reader) (bool, error) {
	var bufs [2][32 << 10]byte
	for {
		n, err := fill(a, bufs[0][:])
		if err != nil {
			return false, err
		}
		m, err := fill(b, bufs[1][:])
		switch {
		case err != nil:
			return false, err
		case !bytes.Equal(bufs[0][:n], bufs[1][:m]):
			return false, nil
		case n < len(bufs[0]):
			return true, nil
		}
	}
}

// fill reads until buf is full or r has ended. io.ReadFull is no use here: it
// says io.ErrUnexpectedEOF both of a body that ended and of one that was cut.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) {
		m, err := r.Read(buf[n:])
		n += m
		if err == io.EOF {
			break
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
