package sse_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealdav/sse"
)

// testKeys are the keys of the tests, by the name they have in testdata. Each
// is awkward in its own way.
var testKeys = map[string]string{
	"K1":       "first-key/0123456789+ABCDEFGHIJ!",
	"K2":       "-sse-key-that-begins-with-hyphen",
	"K3":       `third=key'with"quotes\and#hash=1`,
	"K4":       "Forth key 'with spaces' in it !!",
	"PATHLIKE": "fileb:///etc/webdav/keys/s3.key1",
	"HEXLIKE":  "0123456789abcdef0123456789abcdef",
	"BINARY":   "\x00\xff\x80\n" + strings.Repeat("\xfe\x00", 13) + "\r\n",
}

// fixture is a folder of key files and the variables that the cases use.
type fixture struct {
	dir  string
	vars map[string]string
}

func newFixture(tb testing.TB) *fixture {
	tb.Helper()
	for name, k := range testKeys {
		if len(k) != sse.KeySize {
			tb.Fatalf("test key %s is %d bytes", name, len(k))
		}
	}
	k1 := testKeys["K1"]
	b64, hx := encode("base64", k1), encode("hex", k1)
	f := &fixture{dir: tb.TempDir(), vars: map[string]string{
		"EMPTY":          "",
		"K1":             k1,
		"K1_LINE":        k1 + "\n",
		"K1_RAW":         "raw:" + k1,
		"K1_BASE64":      "base64:" + b64,
		"K1_HEX":         "hex:" + hx,
		"K1_PLAIN64":     b64,
		"NESTED":         "fileb:///etc/sealdav/photos.key",
		"OPTIONS":        "--sse-write-c AES256 --sse-write-c-key " + k1 + " --sse-read-c --sse-read-c-key='" + testKeys["K2"] + "'",
		"OPTIONS_NESTED": " env:OPTIONS",
		"OPTIONS_BAD":    "--foo " + k1 + " -sse-write-c-key " + k1,
	}}
	for _, file := range []struct {
		name, text string
		mode       os.FileMode
	}{
		{"k1.bin", k1, 0o600},
		{"with space", k1, 0o400},
		{"k1.txt", k1 + "\n", 0o600},
		{"k1.crlf", k1 + "\r\n", 0o600},
		{"k1.2lines", k1 + "\n\n", 0o600},
		{"k1.bom", "\ufeff" + k1, 0o600},
		{"k1.raw", "raw:" + k1 + "\n", 0o600},
		{"k1.base64", "base64:" + b64 + "\n", 0o600},
		{"k1.hex", "hex:" + hx, 0o600},
		{"k1.plain64", b64 + "\n", 0o600},
		{"binary", testKeys["BINARY"], 0o600},
		{"nested", "env:K1\n", 0o600},
		{"empty", "", 0o600},
		{"huge", strings.Repeat(k1, 1000), 0o600},
		{"open", k1, 0o644},
		{"group-reads", k1, 0o640},
		{"group-writes", k1, 0o660},
		{"others-write", k1, 0o602},
	} {
		path := filepath.Join(f.dir, file.name)
		if err := os.WriteFile(path, []byte(file.text), 0o600); err != nil {
			tb.Fatal(err)
		}
		if err := os.Chmod(path, file.mode); err != nil { // whatever the umask is
			tb.Fatal(err)
		}
	}
	if err := os.Symlink("k1.bin", filepath.Join(f.dir, "link")); err != nil {
		tb.Fatal(err)
	}
	return f
}

func (f *fixture) env(name string) (string, bool) {
	v, set := f.vars[name]
	return v, set
}

// fill puts keys and the folder in the place of their names in braces.
func (f *fixture) fill(text string, escape func(string) string) string {
	pairs := []string{"{DIR}", f.dir}
	for name, k := range testKeys {
		pairs = append(pairs, "{"+name+"}", escape(k))
		for _, form := range []string{"base64", "unpadded", "hex", "HEX"} {
			pairs = append(pairs, "{"+name+"."+form+"}", encode(form, k))
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

func plain(s string) string { return s }

// inJSON escapes a string for the inside of a JSON string.
func inJSON(s string) string {
	b, _ := json.Marshal(s)
	return string(b[1 : len(b)-1])
}

func encode(form, key string) string {
	switch form {
	case "base64":
		return base64.StdEncoding.EncodeToString([]byte(key))
	case "unpadded":
		return base64.RawStdEncoding.EncodeToString([]byte(key))
	case "hex":
		return hex.EncodeToString([]byte(key))
	case "HEX":
		return strings.ToUpper(hex.EncodeToString([]byte(key)))
	}
	panic("no such form: " + form)
}

// name is the name of a key in testKeys, "" for no key.
func name(k sse.Key) string {
	if k.IsZero() {
		return ""
	}
	b := k.Bytes()
	for name, text := range testKeys {
		if string(b[:]) == text {
			return name
		}
	}
	return "unknown"
}

// summary writes Settings as the cases do.
func summary(s sse.Settings) string {
	var read []string
	for _, k := range s.ReadKeys {
		read = append(read, name(k))
	}
	var parts []string
	for _, p := range [][2]string{
		{"write", name(s.WriteKey)},
		{"sse", s.Algorithm},
		{"kms", s.KMSKeyID},
		{"scope", s.Scope},
		{"read", strings.Join(read, ",")},
	} {
		if p[1] != "" {
			parts = append(parts, p[0]+"="+p[1])
		}
	}
	if parts == nil {
		return "plain"
	}
	return strings.Join(parts, " ")
}

func mustKey(tb testing.TB, text string) sse.Key {
	tb.Helper()
	k, err := sse.NewKey([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// hexOf turns base64 into hex.
func hexOf(b64 string) string {
	b, err := base64.StdEncoding.DecodeString(b64)
	if err != nil {
		panic(err)
	}
	return hex.EncodeToString(b)
}
