package harness

import (
	"bytes"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"sealdav/internal/testserver"
)

// Key is a customer key of a test. It is printable, so that it can be given
// raw, and everything that sealdav prints from then on is searched for it.
type Key struct{ raw string }

// NewKey makes a key.
func NewKey(t testing.TB) Key {
	t.Helper()
	raw := rand.Text() + rand.Text() // 52 characters of base 32
	return keyOf(raw[:32])
}

func keyOf(raw string) Key {
	Canary("a customer key", []byte(raw))
	return Key{raw}
}

// Raw is the key as an option takes it.
func (k Key) Raw() string { return k.raw }

// Base64 is the key as a header takes it, as the SDK's inputs want it.
func (k Key) Base64() *string { return aws.String(base64.StdEncoding.EncodeToString([]byte(k.raw))) }

// MD5 is the base64 of the key's MD5, as the SDK's inputs want it.
func (k Key) MD5() *string {
	sum := md5.Sum([]byte(k.raw))
	return aws.String(base64.StdEncoding.EncodeToString(sum[:]))
}

// SHA256 is the base64 of the key's SHA-256, by which Azure and Cloud Storage
// name it.
func (k Key) SHA256() string {
	sum := sha256.Sum256([]byte(k.raw))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// File writes the key to a file only its owner may read.
func (k Key) File(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "test.key")
	if err := os.WriteFile(name, []byte(k.raw), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Write is the options that write under the key.
func (k Key) Write() string { return "--sse-write-c AES256 --sse-write-c-key " + k.raw }

// Read is the options that read under the key.
func (k Key) Read() string { return "--sse-read-c AES256 --sse-read-c-key " + k.raw }

// StoreSecret has the secret of a store's account searched for as well.
func StoreSecret(s *testserver.S3) string {
	Canary("the secret access key", []byte(s.SecretKey))
	return s.SecretKey
}

// canaries are the secrets so far: each form of each with its description.
var canaries struct {
	mu    sync.Mutex
	forms map[string]string
}

// Canary has everything that sealdav prints searched for a secret, raw and in
// each form in which programs print bytes.
func Canary(what string, secret []byte) {
	sum5, sum256 := md5.Sum(secret), sha256.Sum256(secret)
	forms := map[string]string{
		"raw":                       string(secret),
		"quoted":                    strings.Trim(strconv.Quote(string(secret)), `"`),
		"in URL form":               url.QueryEscape(string(secret)),
		"as bytes of %v":            strings.Trim(fmt.Sprint(secret), "[]"),
		"as base64":                 base64.RawStdEncoding.EncodeToString(secret),
		"as base64 for URLs":        base64.RawURLEncoding.EncodeToString(secret),
		"as hex":                    hex.EncodeToString(secret),
		"as upper-case hex":         strings.ToUpper(hex.EncodeToString(secret)),
		"as the base64 of its MD5":  base64.StdEncoding.EncodeToString(sum5[:]),
		"as the hex of its MD5":     hex.EncodeToString(sum5[:]),
		"as the base64 of its SHA":  base64.StdEncoding.EncodeToString(sum256[:]),
		"as the hex of its SHA-256": hex.EncodeToString(sum256[:]),
	}
	canaries.mu.Lock()
	defer canaries.mu.Unlock()
	if canaries.forms == nil {
		canaries.forms = map[string]string{}
	}
	for form, text := range forms {
		canaries.forms[text] = what + " " + form
	}
}

// CheckClean fails the test if output holds a secret.
func CheckClean(t testing.TB, where string, output []byte) {
	t.Helper()
	for _, found := range Leaks(output) {
		t.Errorf("%s holds %s", where, found)
	}
}

// Leaks lists the secrets that output holds, by their description.
func Leaks(output []byte) []string {
	canaries.mu.Lock()
	defer canaries.mu.Unlock()
	var found []string
	for text, what := range canaries.forms {
		if bytes.Contains(output, []byte(text)) {
			found = append(found, what)
		}
	}
	return found
}
