package local

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/minio/sio"

	"sealdav/providers"
	"sealdav/sse"
)

// A sealed file is a header of headerSize bytes and the content in DARE 2.0
// (github.com/minio/sio): packages of 64 KiB, each under AES-256-GCM, the last
// one marked, none for an empty object. All keys of a file come out of one HKDF
// of the customer key and the file's salt.
//
//	offset  bytes
//	     0     16  magic
//	    16      1  version, 1
//	    17      7  zero
//	    24      8  size of the content, big endian
//	    32     32  salt, random
//	    64     16  key check: derived, tells which key fits
//	    80     32  HMAC-SHA256 of bytes 0 to 79 under a derived key
//	   112     16  SHA-256 of bytes 16 to 111, cut: tells damage from a wrong
//	               key, and a file with a spoilt magic from a plain one
//
// The nonce of the packages is derived too and compared on reading: DARE takes
// the one in a stream's first package on trust, which in the middle of a file
// would let packages change places unseen.
const (
	headerSize    = 128
	headerVersion = 1
	magic         = "\x89sealdav\r\n\x1afile\n" // 16 bytes

	packageSize    = 64 << 10 // of content
	packageOnDisk  = packageSize + 32
	packageNonceAt = 4 // in a package's header; 12 bytes
)

// ErrDamaged is the cause of a providers.ErrUnavailable: a sealed file is not
// what was written.
var ErrDamaged = errors.New("sealed file is damaged")

// keyring is the only holder of keys.
type keyring struct {
	candidates []sse.Candidate
	write      sse.Key
	writePlace string
}

func newKeyring(s sse.Settings) keyring {
	k := keyring{write: s.WriteKey}
	for _, c := range s.Candidates() {
		if c.Key.IsZero() {
			continue
		}
		k.candidates = append(k.candidates, c)
		if c.Key.Equal(s.WriteKey) {
			k.writePlace = c.Place
		}
	}
	return k
}

// seals reports whether new objects are sealed.
func (k keyring) seals() bool { return !k.write.IsZero() }

// writeEncryption is how a new object lies in the store.
func (k keyring) writeEncryption() providers.Encryption {
	if !k.seals() {
		return providers.Encryption{Mode: providers.ModeNone}
	}
	return providers.Encryption{Mode: providers.ModeCustomer, Key: k.writePlace}
}

// fingerprint names the key of an encryption, "" for none of ours.
func (k keyring) fingerprint(e providers.Encryption) string {
	if e.Mode != providers.ModeCustomer {
		return ""
	}
	for _, c := range k.candidates {
		if c.Place == e.Key {
			return c.Key.Fingerprint()
		}
	}
	return ""
}

// fileKeys are the secrets of one file.
type fileKeys struct {
	check   []byte
	mac     []byte
	content []byte
	nonce   [12]byte
}

func deriveKeys(key sse.Key, salt []byte) (fileKeys, error) {
	secret := key.Bytes()
	b, err := hkdf.Key(sha256.New, secret[:], salt, "sealdav local file v1", 16+32+32+12)
	if err != nil {
		return fileKeys{}, fmt.Errorf("derive file keys: %w", err)
	}
	f := fileKeys{check: b[:16], mac: b[16:48], content: b[48:80], nonce: [12]byte(b[80:])}
	f.nonce[0] &= 0x7f // DARE's mark of the last package
	return f, nil
}

func (f fileKeys) config(sequence uint32) sio.Config {
	return sio.Config{
		MinVersion: sio.Version20, MaxVersion: sio.Version20, CipherSuites: []byte{sio.AES_256_GCM},
		Key: f.content, Nonce: &f.nonce, SequenceNumber: sequence,
	}
}

// header is the header of a sealed file; nil is that of a plain one.
type header []byte

// parseHeader looks at the first bytes of a file of the given size: whether
// it is sealed, and whether its header fits together. It needs no key.
func parseHeader(first []byte, fileSize int64) (header, error) {
	hasMagic := bytes.HasPrefix(first, []byte(magic))
	if len(first) < headerSize {
		if hasMagic {
			return nil, fmt.Errorf("%w: the file is cut off within its header", ErrDamaged)
		}
		return nil, nil
	}
	h := header(first[:headerSize])
	intact := subtle.ConstantTimeCompare(h[112:], h.checksum()) == 1
	switch {
	case !hasMagic && !intact:
		return nil, nil
	case !hasMagic || !intact:
		return nil, fmt.Errorf("%w: its header was changed", ErrDamaged)
	case h[16] != headerVersion:
		return nil, fmt.Errorf("%w: format %d is not known to this version of sealdav", ErrDamaged, h[16])
	}
	want, err := sealedSize(h.size())
	if err != nil || want != fileSize {
		return nil, fmt.Errorf("%w: the file has %d bytes, its header speaks of %d", ErrDamaged, fileSize, want)
	}
	return h, nil
}

func (h header) size() int64 { return int64(binary.BigEndian.Uint64(h[24:32])) }

func (h header) salt() []byte { return h[32:64] }

func (h header) checksum() []byte {
	sum := sha256.Sum256(h[16:112])
	return sum[:16]
}

func (h header) mac(f fileKeys) []byte {
	m := hmac.New(sha256.New, f.mac)
	m.Write(h[:80])
	return m.Sum(nil)
}

// sealedSize is the size of the file for a content of the given size.
func sealedSize(size int64) (int64, error) {
	if size < 0 {
		return 0, errors.New("negative size")
	}
	n, err := sio.EncryptedSize(uint64(size))
	return headerSize + int64(n), err
}

// unlock finds the key of a sealed file: providers.ErrKey if none fits.
func (k keyring) unlock(h header) (fileKeys, providers.Encryption, error) {
	for _, c := range k.candidates {
		f, err := deriveKeys(c.Key, h.salt())
		if err != nil {
			return fileKeys{}, providers.Encryption{}, err
		}
		if subtle.ConstantTimeCompare(f.check, h[64:80]) != 1 {
			continue
		}
		if !hmac.Equal(h.mac(f), h[80:112]) {
			return fileKeys{}, providers.Encryption{}, fmt.Errorf("%w: its header was changed", ErrDamaged)
		}
		return f, providers.Encryption{Mode: providers.ModeCustomer, Key: c.Place}, nil
	}
	return fileKeys{}, providers.Encryption{Mode: providers.ModeCustomer}, &providers.Error{Kind: providers.ErrKey, Advice: k.advice()}
}

// underWriteSettings reports whether a file lies as a new one would.
func (k keyring) underWriteSettings(h header) bool {
	if h == nil || !k.seals() {
		return h == nil && !k.seals()
	}
	f, err := deriveKeys(k.write, h.salt())
	return err == nil && subtle.ConstantTimeCompare(f.check, h[64:80]) == 1 && hmac.Equal(h.mac(f), h[80:112])
}

// advice says what to do about an object that no key fits.
func (k keyring) advice() string {
	const cure = "Add the key it was written with to the remote's settings as --sse-read-c-key."
	if len(k.candidates) == 0 {
		return "The file is sealed with a customer key and this remote has none. " + cure
	}
	return "The file is sealed with a customer key that this remote does not have. " + cure
}

// file is what sealing needs of an *os.File.
type file interface {
	io.Writer
	io.WriterAt
}

// sealer writes a sealed file.
type sealer struct {
	io.WriteCloser // encrypts
	f              file
	keys           fileKeys
	salt           []byte
}

// seal begins a sealed file under the write key.
func (k keyring) seal(f file) (*sealer, error) {
	s := &sealer{f: f, salt: make([]byte, 32)}
	_, _ = rand.Read(s.salt) // never fails
	var err error
	if s.keys, err = deriveKeys(k.write, s.salt); err != nil {
		return nil, err
	}
	// The header's place; it is filled in by finish, when the size is known.
	if _, err = f.Write(make([]byte, headerSize)); err != nil {
		return nil, err
	}
	s.WriteCloser, err = sio.EncryptWriter(struct{ io.Writer }{f}, s.keys.config(0))
	return s, err
}

// finish writes what is still held back, and the header.
func (s *sealer) finish(size int64) error {
	if err := s.Close(); err != nil {
		return err
	}
	h := make(header, headerSize)
	copy(h, magic)
	h[16] = headerVersion
	binary.BigEndian.PutUint64(h[24:], uint64(size))
	copy(h[32:], s.salt)
	copy(h[64:], s.keys.check)
	copy(h[80:], h.mac(s.keys))
	copy(h[112:], h.checksum())
	_, err := s.f.WriteAt(h, 0)
	return err
}

// unseal reads length bytes of the content from offset, touching only the
// packages they are in.
func unseal(r io.ReaderAt, h header, f fileKeys, offset, length int64) (io.Reader, error) {
	if length == 0 {
		return bytes.NewReader(nil), nil
	}
	first, last := offset/packageSize, (h.size()-1)/packageSize
	end, err := sealedSize(h.size())
	if err != nil {
		return nil, err
	}
	src := io.NewSectionReader(r, headerSize+first*packageOnDisk, end-headerSize-first*packageOnDisk)
	var nonce [12]byte
	if _, err := src.ReadAt(nonce[:], packageNonceAt); err != nil {
		return nil, err
	}
	want := f.nonce
	if first == last {
		want[0] |= 0x80
	}
	if nonce != want {
		return nil, fmt.Errorf("%w: a package is not in its place", ErrDamaged)
	}
	plain, err := sio.DecryptReader(src, f.config(uint32(first)))
	if err != nil {
		return nil, err
	}
	sticky := &stickyReader{r: plain}
	if _, err := io.CopyN(io.Discard, sticky, offset%packageSize); err != nil {
		return nil, err
	}
	return io.LimitReader(sticky, length), nil
}

// stickyReader repeats its first error, for a decrypting reader goes on after
// a package that does not authenticate, and names damage for what it is.
type stickyReader struct {
	r   io.Reader
	err error
}

func (s *stickyReader) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if e, ok := errors.AsType[sio.Error](err); ok {
		err = fmt.Errorf("%w: %w", ErrDamaged, e)
	}
	s.err = err
	return n, err
}
