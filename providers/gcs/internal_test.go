package gcs

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sealdav/sse"
)

func newKey(t testing.TB, b byte) sse.Key {
	t.Helper()
	k, err := sse.NewKey([]byte(strings.Repeat(string(rune(b)), sse.KeySize)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestApply lists, for every operation, which keys go with it.
func TestApply(t *testing.T) {
	write, read := newKey(t, 'w'), newKey(t, 'r')
	const kms = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
	for _, tc := range []struct {
		op             operation
		object, source sse.Key
		kms            string // the query's parameter
	}{
		{opList, sse.Key{}, sse.Key{}, ""},
		{opDescribe, sse.Key{}, sse.Key{}, ""},
		{opRead, read, sse.Key{}, ""},
		{opReadUnless, read, sse.Key{}, ""},
		{opInsert, write, sse.Key{}, "kmsKeyName"},
		{opStartUpload, write, sse.Key{}, "kmsKeyName"},
		{opUpload, write, sse.Key{}, ""},
		{opCancel, sse.Key{}, sse.Key{}, ""},
		{opRewrite, write, read, "destinationKmsKeyName"},
		{opDelete, sse.Key{}, sse.Key{}, ""},
		{opDeleteMany, sse.Key{}, sse.Key{}, ""},
	} {
		// Both at once, which the settings do not allow, shows both at once.
		e := newEncryption(sse.Settings{WriteKey: write, KMSKeyID: kms})
		header, query := http.Header{}, url.Values{}
		if err := e.apply(header, query, &call{op: tc.op, source: sse.Candidate{Key: read}}); err != nil {
			t.Errorf("%s: %v", tc.op, err)
			continue
		}
		for prefix, want := range map[string]sse.Key{ofObject: tc.object, ofSource: tc.source} {
			got := [3]string{header.Get(prefix + "Algorithm"), header.Get(prefix + "Key"), header.Get(prefix + "Key-Sha256")}
			if want.IsZero() && got != [3]string{} || !want.IsZero() && got != [3]string{"AES256", want.Base64(), want.SHA256()} {
				t.Errorf("%s: wrong key in %s", tc.op, prefix)
			}
		}
		if (len(query) > 0) != (tc.kms != "") || tc.kms != "" && query.Get(tc.kms) != kms {
			t.Errorf("%s: query %v", tc.op, query)
		}
	}
	if err := newEncryption(sse.Settings{}).apply(http.Header{}, url.Values{}, &call{op: "compose"}); err == nil {
		t.Error("an operation nobody reviewed would be sent")
	}
}

func TestReadFailure(t *testing.T) {
	for _, tc := range []struct{ name, body, reason, message string }{
		{"JSON", `{"error":{"code":400,"message":"The provided encryption key is incorrect.","errors":[{"message":"m","domain":"global","reason":"customerEncryptionKeyIsIncorrect"}]}}`,
			"customerEncryptionKeyIsIncorrect", "The provided encryption key is incorrect."},
		{"JSON without a message", `{"error":{"errors":[{"message":"m","reason":"notFound"}]}}`, "notFound", "m"},
		{"XML", `<?xml version='1.0' encoding='UTF-8'?><Error><Code>ResourceIsEncryptedWithCustomerEncryptionKey</Code><Message>no</Message><Details>d</Details></Error>`,
			"resourceIsEncryptedWithCustomerEncryptionKey", "no d"},
		{"text", "No such object: b/o", "", "No such object: b/o"},
		{"bytes", "\xff\xfe", "", ""},
		{"nothing", "", "", ""},
	} {
		f := readFailure(&http.Response{StatusCode: 400, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(tc.body))})
		if f.reason != tc.reason || f.message != tc.message {
			t.Errorf("%s: %q, %q; want %q, %q", tc.name, f.reason, f.message, tc.reason, tc.message)
		}
	}
}

// TestReadPacked: a read asks for gzip, and so may get an error in it.
func TestReadPacked(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := io.WriteString(w, "<Error><Code>NoSuchKey</Code></Error>"); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	f := readFailure(&http.Response{StatusCode: 404, Header: http.Header{"Content-Encoding": {"gzip"}}, Body: io.NopCloser(&packed)})
	if f.reason != "noSuchKey" {
		t.Errorf("reason %q", f.reason)
	}
}

// TestErrorsShown: what a server wrote is repeated without keys, and briefly,
// wherever it wrote it.
func TestErrorsShown(t *testing.T) {
	write, read := newKey(t, 'w'), newKey(t, 'r')
	b := &Bucket{crypt: newEncryption(sse.Settings{WriteKey: write, ReadKeys: []sse.Key{read}})}
	for _, k := range []sse.Key{write, read} {
		raw := k.Bytes()
		for _, form := range []string{string(raw[:]), k.Base64(), k.SHA256(), hex.EncodeToString(raw[:])} {
			// The cut is not to leave a part of a key.
			evil := strings.Repeat("é", maxMessage/2-5) + form + strings.Repeat("long", 1000)
			for where, f := range map[string]*failure{
				"reason": {status: 400, reason: evil}, "message": {status: 400, message: evil},
				"no answer": {err: errors.New("malformed HTTP response " + evil)},
			} {
				text := b.fail(t.Context(), "open", "k", f).Error()
				if strings.Contains(text, form[:5]) || len(text) > 1000 {
					t.Errorf("%s: an error holds a key, or %d bytes", where, len(text))
				}
			}
		}
	}
}

func TestGeneration(t *testing.T) {
	for tag, want := range map[string]int64{
		`"1"`: 1, `"1700000000000000"`: 1700000000000000,
		``: 0, `1`: 0, `"0"`: 0, `"-1"`: 0, `"01"`: 0, `"+1"`: 0, `W/"1"`: 0, `"a"`: 0, `*`: 0, `"99999999999999999999"`: 0, "`1`": 0,
	} {
		got, ok := generation(tag)
		if !ok {
			got = 0
		}
		if got != want {
			t.Errorf("generation(%s) = %d, want %d", tag, got, want)
		}
	}
}

func TestReceived(t *testing.T) {
	for header, want := range map[string]int64{"": 0, "bytes=0-0": 1, "bytes=0-262143": 262144, "bytes=": -1, "x": -1, "bytes=0-x": -1} {
		got, err := received(header)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("received(%q) = %d, want %d", header, got, want)
		}
	}
}
