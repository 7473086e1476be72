package sse_test

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sealdav/sse"
)

// noKeys fails if a text holds a test key in any form.
func noKeys(tb testing.TB, text string) {
	tb.Helper()
	for _, form := range leaks(text) {
		tb.Errorf("%s is in %q", form, text)
	}
}

// leaks are the forms in which a text holds a test key.
func leaks(text string) []string {
	var found []string
	for form, secret := range secrets() {
		if strings.Contains(text, secret) {
			found = append(found, form)
		}
	}
	return found
}

// What the tests look for is what fmt would print of a key that is not redacted.
func TestLeaksAreFound(t *testing.T) {
	type plain struct{ key [sse.KeySize]byte }
	for _, text := range testKeys {
		k := [sse.KeySize]byte([]byte(text))
		for _, format := range []string{"%v", "%+v", "%#v", "%d", "%x", "%X", "% x", "%# x", "%s", "%q", "%o", "%b", "%c", "%U"} {
			for _, v := range []any{k, k[:], plain{k}, &plain{k}, []plain{{k}}} {
				if got := fmt.Sprintf(format, v); len(leaks(got)) == 0 {
					t.Errorf("%T with %s is not found: %s", v, format, got)
				}
			}
		}
	}
}

// secrets are all the forms of all the test keys.
var secrets = sync.OnceValue(func() map[string]string {
	all := make(map[string]string)
	for name, k := range testKeys {
		for form, secret := range forms(k) {
			all[name+" as "+form] = secret
		}
	}
	return all
})

// forms are the texts that give a key away. Of the lists a beginning does.
func forms(text string) map[string]string {
	k, err := sse.NewKey([]byte(text))
	if err != nil {
		panic(err)
	}
	begin := []byte(text)[:6]
	list := func(format, sep string) string {
		var parts []string
		for _, b := range begin {
			parts = append(parts, fmt.Sprintf(format, b))
		}
		return strings.Join(parts, sep)
	}
	all := map[string]string{
		"itself":               text,
		"quoted":               strings.Trim(strconv.Quote(text), `"`),
		"base64":               encode("unpadded", text),
		"hex":                  encode("hex", text),
		"upper-case hex":       encode("HEX", text),
		"hex with spaces":      fmt.Sprintf("% x", begin),
		"HEX with spaces":      fmt.Sprintf("% X", begin),
		"hex with 0x":          fmt.Sprintf("%# x", begin),
		"its MD5":              k.MD5(),
		"its MD5 in hex":       hexOf(k.MD5()),
		"its SHA-256":          k.SHA256(),
		"its SHA-256 in hex":   hexOf(k.SHA256()),
		"a little-endian word": fmt.Sprintf("%#x", littleEndian(text)),
	}
	for _, verb := range []string{"%d", "%x", "0x%x", "0x%02x", "%o", "%b", "%c", "%q", "%U"} {
		for _, sep := range []string{" ", ",", ", "} {
			all[fmt.Sprintf("a list of %s with %q", verb, sep)] = list(verb, sep)
		}
	}
	maps.DeleteFunc(all, func(_, secret string) bool { return len(secret) < 8 })
	return all
}

// littleEndian is the key's beginning as a stack trace would print a word.
func littleEndian(text string) (word uint64) {
	for i := range 8 {
		word |= uint64(text[i]) << (8 * i)
	}
	return word
}
