package azure

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"sealdav/sse"
)

// encryption makes the options that carry keys and scopes. Nothing else in
// this package touches a key, and guard looks at every request once more.
type encryption struct {
	settings sse.Settings
	// redact takes the keys, in every form they could have, out of a text that
	// a server wrote. It is a closure for the reason that sse.Key is one: fmt
	// prints every field of what it is handed.
	redact func(text string) string
}

func newEncryption(s sse.Settings) encryption {
	return encryption{settings: s, redact: func(text string) string {
		for _, c := range s.Candidates() {
			if c.Key.IsZero() {
				continue
			}
			raw := c.Key.Bytes()
			for _, form := range []string{string(raw[:]), c.Key.Base64(), c.Key.SHA256(), fmt.Sprintf("%x", raw[:]), fmt.Sprintf("%X", raw[:])} {
				text = strings.ReplaceAll(text, form, "[key]")
			}
		}
		return text
	}}
}

// write is the encryption of everything that is written: a customer key, a
// scope, or neither.
func (e encryption) write() (*blob.CPKInfo, *blob.CPKScopeInfo) {
	if scope := e.settings.Scope; scope != "" {
		return nil, &blob.CPKScopeInfo{EncryptionScope: &scope}
	}
	return e.read(e.settings.WriteKey), nil
}

// read is the key that opens a blob; a blob under a scope needs none.
func (e encryption) read(k sse.Key) *blob.CPKInfo {
	if k.IsZero() {
		return nil
	}
	return &blob.CPKInfo{
		EncryptionAlgorithm: new(blob.EncryptionAlgorithmTypeAES256),
		EncryptionKey:       new(k.Base64()), EncryptionKeySHA256: new(k.SHA256()),
	}
}

// source is the key that opens the source of a copy.
func (e encryption) source(k sse.Key) *blob.SourceCPKInfo {
	if k.IsZero() {
		return nil
	}
	return &blob.SourceCPKInfo{
		SourceEncryptionAlgorithm: new(blob.EncryptionAlgorithmTypeAES256),
		SourceEncryptionKey:       new(k.Base64()), SourceEncryptionKeySHA256: new(k.SHA256()),
	}
}

// place names the key with a hash, as the settings have it; ok is false for a
// key that is not configured.
func (e encryption) place(sha256 string) (c sse.Candidate, ok bool) {
	for _, c := range e.settings.Candidates() {
		if !c.Key.IsZero() && c.Key.SHA256() == sha256 {
			return c, true
		}
	}
	return sse.Candidate{}, false
}

// guard refuses, before anything is sent, a write without the write settings,
// a key in a request that needs none, and requests that were not reviewed: an
// option forgotten in a call is then an error, not a file in the clear.
type guard struct{ crypt encryption }

// Do implements policy.Policy.
func (g guard) Do(req *policy.Request) (*http.Response, error) {
	r := req.Raw()
	if err := g.check(r.Method, r.URL.Query().Get("comp"), r.Header); err != nil {
		return nil, err
	}
	return req.Next()
}

func (g guard) check(method, comp string, h http.Header) error {
	sum, scope := headerOf(h, "x-ms-encryption-key-sha256"), headerOf(h, "x-ms-encryption-scope")
	switch {
	case method == http.MethodPut && (comp == "" || comp == "block" || comp == "blocklist"):
		want := ""
		if !g.crypt.settings.WriteKey.IsZero() {
			want = g.crypt.settings.WriteKey.SHA256()
		}
		if sum != want || scope != g.crypt.settings.Scope {
			return errGuard{"a write without the remote's encryption"}
		}
		return nil
	case (method == http.MethodGet || method == http.MethodHead) && comp == "":
		return nil
	case method == http.MethodGet && comp == "list", method == http.MethodPost && comp == "batch", method == http.MethodDelete:
		if sum != "" || scope != "" {
			return errGuard{"a key in a request that needs none"}
		}
		return nil
	}
	return errGuard{"a request that is not reviewed for encryption: " + method + " " + comp}
}

// errGuard is a mistake of this package; the SDK is not to try again.
type errGuard struct{ what string }

func (e errGuard) Error() string { return e.what + "; not sent" }

// NonRetriable tells the SDK so.
func (errGuard) NonRetriable() {}

// headerOf reads a header that the SDK has set in lower case.
func headerOf(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return h.Get(name)
}
