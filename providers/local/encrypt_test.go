package local

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealdav/providers"
	"sealdav/providers/providertest"
	"sealdav/sse"
)

// sealedFile puts content into a fresh sealed bucket and returns the bucket,
// the path of its file, and what is in it.
func sealedFile(t *testing.T, content string) (b *Bucket, name string, raw []byte) {
	t.Helper()
	dir := t.TempDir()
	b = openDir(t, Config{Dir: dir, Settings: modes["sealed"]})
	t.Cleanup(func() { _ = b.Close() })
	_, err := b.Put(t.Context(), "k", strings.NewReader(content), providers.PutOptions{Size: int64(len(content)), ContentType: "text/plain"})
	if err != nil {
		t.Fatal(err)
	}
	name = filepath.Join(dir, "k")
	if raw, err = os.ReadFile(name); err != nil {
		t.Fatal(err)
	}
	return b, name, raw
}

func TestNoPlaintextOnDisk(t *testing.T) {
	word := "a word of the plaintext"
	for _, n := range []int{1, 10_000} {
		_, _, raw := sealedFile(t, strings.Repeat(word, n))
		for i := range len(word) - 5 {
			if bytes.Contains(raw, []byte(word[i:i+6])) {
				t.Errorf("the file holds %q", word[i:i+6])
			}
		}
	}
	_, _, a := sealedFile(t, word)
	_, _, b := sealedFile(t, word)
	if bytes.Equal(a[headerSize:], b[headerSize:]) {
		t.Error("the same content is sealed to the same bytes")
	}
}

// wantDamaged fails the test unless reading any part of k fails as damage (or,
// where asked for, as a wrong key) and gives no byte that was not written.
func wantDamaged(t *testing.T, b *Bucket, what, content string, kinds ...error) {
	t.Helper()
	got, err := readAll(t, b, "k", providers.Range{})
	ok := false
	for _, kind := range kinds {
		ok = ok || errors.Is(err, kind)
	}
	if !ok {
		t.Errorf("%s: reading gives %d bytes and the error %v, want one of %v", what, len(got), err, kinds)
	}
	if !strings.HasPrefix(content, got) {
		t.Errorf("%s: bytes came that were never written", what)
	}
	if e, ok := errors.AsType[*providers.Error](err); !ok || e.Advice == "" {
		t.Errorf("%s: error %v is no *providers.Error with advice", what, err)
	}
}

// TestTampering changes each byte of a small file, and one of each region of a
// larger one.
func TestTampering(t *testing.T) {
	for _, content := range []string{"", "content", strings.Repeat("0123456789abcdef", packageSize/16*2+1)} {
		b, name, raw := sealedFile(t, content)
		step := 1
		if len(raw) > packageSize {
			step = 2801 // no divisor of anything here
		}
		for i := 0; i < len(raw); i++ {
			if i > headerSize {
				i = min(i+step-1, len(raw)-1)
			}
			spoilt := bytes.Clone(raw)
			spoilt[i] ^= 0x10
			if err := os.WriteFile(name, spoilt, 0o600); err != nil {
				t.Fatal(err)
			}
			wantDamaged(t, b, fmt.Sprintf("%d bytes, byte %d changed", len(content), i), content, ErrDamaged)
		}
	}
}

func TestTruncation(t *testing.T) {
	content := strings.Repeat("0123456789abcdef", packageSize/16*2)
	b, name, raw := sealedFile(t, content)
	lengths := []int{0, 1, 15, 16, 17, headerSize - 1, headerSize, headerSize + 1, headerSize + packageOnDisk - 1,
		headerSize + packageOnDisk, headerSize + packageOnDisk + 1, len(raw) - 1}
	for _, n := range lengths {
		if err := os.WriteFile(name, raw[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		what := fmt.Sprintf("cut off to %d bytes", n)
		wantDamaged(t, b, what, content, ErrDamaged)
		if _, err := b.Stat(t.Context(), "k"); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: Stat gives %v, want %v", what, err, ErrDamaged)
		}
	}
	if err := os.WriteFile(name, append(bytes.Clone(raw), raw[headerSize:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	wantDamaged(t, b, "made longer", content, ErrDamaged)
	entries := 0
	for e, err := range b.List(t.Context(), "", providers.ListOptions{}) {
		if err != nil || e.Key != "k" {
			t.Errorf("List gives %q, %v", e.Key, err)
		}
		entries++
	}
	if entries != 1 {
		t.Error("a damaged object cannot be seen, so that it cannot be deleted")
	}
}

// TestMovedPackage puts a package into the place of another and bends the
// nonce that is stored with it, so that it authenticates there.
func TestMovedPackage(t *testing.T) {
	content := strings.Repeat("A", packageSize) + strings.Repeat("B", packageSize) + strings.Repeat("C", packageSize)
	b, name, raw := sealedFile(t, content)
	at := func(i int) []byte { return raw[headerSize+i*packageOnDisk:][:packageOnDisk] }
	copy(at(1), at(0))
	at(1)[12] ^= 1 // the number of the package is mixed into the last 4 bytes of the nonce
	if err := os.WriteFile(name, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := readAll(t, b, "k", providers.Range{Offset: packageSize, Length: 10})
	if !errors.Is(err, ErrDamaged) || got != "" {
		t.Errorf("a moved package reads %q, %v; want %v", got, err, ErrDamaged)
	}
}

// TestSealedHeaderSwapped takes the content of one object under the header of
// another of the same size.
func TestSealedHeaderSwapped(t *testing.T) {
	b, name, raw := sealedFile(t, "one")
	_, _, other := sealedFile(t, "two")
	if err := os.WriteFile(name, append(bytes.Clone(raw[:headerSize]), other[headerSize:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	wantDamaged(t, b, "content of another object", "one", ErrDamaged)
}

// TestRangeReadsOnlyItsPackages spoils what a range does not touch.
func TestRangeReadsOnlyItsPackages(t *testing.T) {
	content := strings.Repeat("A", packageSize) + strings.Repeat("B", packageSize) + strings.Repeat("C", packageSize)
	b, name, raw := sealedFile(t, content)
	raw[headerSize+100] ^= 1
	raw[len(raw)-1] ^= 1
	if err := os.WriteFile(name, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := readAll(t, b, "k", providers.Range{Offset: packageSize, Length: packageSize})
	if err != nil || got != content[packageSize:2*packageSize] {
		t.Errorf("the middle package reads %d bytes, %v", len(got), err)
	}
}

// TestWrongKeyIsNotDamage and the other way round.
func TestWrongKeyIsNotDamage(t *testing.T) {
	b, name, raw := sealedFile(t, "content")
	other := openDir(t, Config{Dir: filepath.Dir(name), Settings: sse.Settings{WriteKey: providertest.NewKey('9')}})
	defer other.Close()
	_, err := readAll(t, other, "k", providers.Range{})
	if !errors.Is(err, providers.ErrKey) || errors.Is(err, ErrDamaged) {
		t.Errorf("another key: %v, want %v", err, providers.ErrKey)
	}
	raw[70] ^= 1 // the key check
	if err := os.WriteFile(name, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = readAll(t, b, "k", providers.Range{})
	if !errors.Is(err, ErrDamaged) || errors.Is(err, providers.ErrKey) {
		t.Errorf("damage of the key check: %v, want %v", err, ErrDamaged)
	}
}

// TestPlainPutOfSealedContent: stored plain it would be taken for sealed.
func TestPlainPutOfSealedContent(t *testing.T) {
	sealedBucket, name, raw := sealedFile(t, "content")
	plain := openDir(t, Config{Dir: filepath.Dir(name)})
	defer plain.Close()
	noMagic := append([]byte("something else.."), raw[16:]...)
	for what, body := range map[string][]byte{
		"sealed file": raw, "cut off": raw[:20], "with a spoilt magic": noMagic, "longer": append(bytes.Clone(raw), 'x'),
	} {
		_, err := plain.Put(t.Context(), "new", bytes.NewReader(body), providers.PutOptions{Size: int64(len(body))})
		if !errors.Is(err, fs.ErrPermission) || providers.Advice(err) == "" {
			t.Errorf("%s: Put gives %v, want %v with advice", what, err, fs.ErrPermission)
		}
	}
	if got := ls(t, filepath.Dir(name)); got != "k" {
		t.Errorf("the directory has %q, want k", got)
	}
	// Sealed once more it is content like any other.
	if _, err := sealedBucket.Put(t.Context(), "twice", bytes.NewReader(raw), providers.PutOptions{Size: int64(len(raw))}); err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(t, sealedBucket, "twice", providers.Range{}); got != string(raw) || err != nil {
		t.Errorf("sealed twice reads %d bytes, %v", len(got), err)
	}
}

func TestRequireEncrypted(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "plain", "content")
	b := openDir(t, Config{Dir: dir, Settings: modes["sealed"], RequireEncrypted: true})
	defer b.Close()
	_, err := readAll(t, b, "plain", providers.Range{})
	if !errors.Is(err, providers.ErrPlain) || providers.Advice(err) == "" {
		t.Errorf("Open of a plain object gives %v, want %v with advice", err, providers.ErrPlain)
	}
	src, err := b.Stat(t.Context(), "plain")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Copy(t.Context(), "plain", src, providers.CopyOptions{}); err != nil {
		t.Fatalf("sealing it: %v", err)
	}
	if got, err := readAll(t, b, "plain", providers.Range{}); got != "content" || err != nil {
		t.Errorf("sealed it reads %q, %v", got, err)
	}
}

func TestKeysDoNotShow(t *testing.T) {
	b, _, _ := sealedFile(t, "content")
	key := providertest.NewKey('1').Bytes()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d"} {
		got := fmt.Sprintf(verb, b) + fmt.Sprintf(verb, b.keys) + fmt.Sprintf(verb, Config{Settings: modes["sealed"]})
		for _, secret := range []string{string(key[:]), fmt.Sprintf("%x", key), fmt.Sprintf("%X", key), fmt.Sprint(key)} {
			if strings.Contains(got, secret) {
				t.Errorf("%s shows a key", verb)
			}
		}
	}
}

// FuzzParseHeader: whatever is in a file, looking at it does not panic, and
// what passes for sealed has a size that fits the file.
func FuzzParseHeader(f *testing.F) {
	h := make(header, headerSize)
	copy(h, magic)
	h[16] = headerVersion
	copy(h[112:], h.checksum())
	f.Add([]byte(h), int64(headerSize))
	f.Add([]byte(magic), int64(16))
	f.Add([]byte{}, int64(0))
	f.Fuzz(func(t *testing.T, first []byte, size int64) {
		h, err := parseHeader(first, size)
		if err != nil || h == nil {
			return
		}
		if want, err := sealedSize(h.size()); err != nil || want != size {
			t.Errorf("a file of %d bytes passes for %d of content", size, h.size())
		}
	})
}
