package gcs

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"sealdav/providers"
	"sealdav/sse"
)

// encryption puts keys and encryption settings into requests. Nothing else in
// this package touches a key: every request passes apply, which knows each
// operation and refuses any other before it is sent.
type encryption struct {
	settings sse.Settings
	// redact takes the keys, in every form, out of a text that a server
	// wrote. It is a closure, as sse.Key is one: nothing of a key is in a
	// field that could be printed.
	redact func(text string) string
}

func newEncryption(s sse.Settings) encryption {
	var pairs []string
	for _, c := range s.Candidates() {
		if c.Key.IsZero() {
			continue
		}
		raw := c.Key.Bytes()
		for _, form := range []string{string(raw[:]), c.Key.Base64(), c.Key.SHA256(), fmt.Sprintf("%x", raw[:]), fmt.Sprintf("%X", raw[:])} {
			pairs = append(pairs, form, "[key]")
		}
	}
	replacer := strings.NewReplacer(pairs...)
	return encryption{settings: s, redact: func(text string) string { return replacer.Replace(text) }}
}

// fingerprint names the customer key of an encryption, "" for any other.
func (e encryption) fingerprint(of providers.Encryption) string {
	if of.Mode != providers.ModeCustomer {
		return ""
	}
	for _, c := range e.settings.Candidates() {
		if c.Place == of.Key {
			return c.Key.Fingerprint()
		}
	}
	return ""
}

// The prefixes of the headers that carry a key.
const (
	ofObject = "X-Goog-Encryption-"
	ofSource = "X-Goog-Copy-Source-Encryption-"
)

// apply adds the encryption an operation needs to its headers and its query.
func (e encryption) apply(header http.Header, query url.Values, c *call) error {
	switch c.op {
	case opRead, opReadUnless:
		customer(header, ofObject, c.source.Key)
	case opInsert, opStartUpload:
		customer(header, ofObject, e.settings.WriteKey)
		e.cloudKMS(query, "kmsKeyName")
	case opUpload: // a Cloud KMS key was settled when the session began
		customer(header, ofObject, e.settings.WriteKey)
	case opRewrite:
		customer(header, ofSource, c.source.Key)
		customer(header, ofObject, e.settings.WriteKey)
		e.cloudKMS(query, "destinationKmsKeyName")
	// These name objects and move no content. A key would be refused where
	// the object has none.
	case opList, opDescribe, opCancel, opDelete, opDeleteMany:
	default:
		return fmt.Errorf("operation %q is not reviewed for encryption and not sent", c.op)
	}
	return nil
}

// customer adds a key in the three headers of CSEK; the zero Key adds nothing.
func customer(header http.Header, prefix string, k sse.Key) {
	if k.IsZero() {
		return
	}
	header.Set(prefix+"Algorithm", sse.AES256)
	header.Set(prefix+"Key", k.Base64())
	header.Set(prefix+"Key-Sha256", k.SHA256())
}

func (e encryption) cloudKMS(query url.Values, parameter string) {
	if e.settings.KMSKeyID != "" {
		query.Set(parameter, e.settings.KMSKeyID)
	}
}
