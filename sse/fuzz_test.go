package sse_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"sealdav/sse"
)

// The fuzz targets work on texts with the names of keys in braces, as the
// cases in testdata do: however the texts change, a key stays a key.

func FuzzParse(f *testing.F) {
	for _, c := range readCorpus(f) {
		for _, in := range c.inputs {
			text := in[2]
			if in[0] == ">q" {
				text, _ = strconv.Unquote(text)
			}
			if in[0] != ">t" {
				f.Add(int(stores[in[1]]), text)
			}
		}
	}
	fix := newFixture(f)
	f.Fuzz(func(t *testing.T, store int, text string) {
		st := storeOf(store)
		s, warnings, err := sse.Parse(st, fix.fill(text, plain), fix.env)
		checkResult(t, st, s, warnings, err)
	})
}

func FuzzParseTable(f *testing.F) {
	for _, c := range readCorpus(f) {
		for _, in := range c.inputs {
			if in[0] == ">t" {
				f.Add(int(stores[in[1]]), in[2])
			}
		}
	}
	f.Add(0, `{"sse-read-c-key": ["{K1}", {"{K2}": ["{K3}"]}, null, 1e9, "env:{K4}", "fileb://{DIR}/{K1}"], "{K2}": "{K1}"}`)
	fix := newFixture(f)
	f.Fuzz(func(t *testing.T, store int, text string) {
		var table map[string]any
		if json.Unmarshal([]byte(fix.fill(text, inJSON)), &table) != nil {
			return
		}
		st := storeOf(store)
		s, warnings, err := sse.ParseTable(st, table, fix.env)
		checkResult(t, st, s, warnings, err)
	})
}

// FuzzKeySource takes one text through every place that a key can come from.
func FuzzKeySource(f *testing.F) {
	for _, c := range readCorpus(f) {
		for _, in := range c.inputs {
			for _, prefix := range []string{"{", "raw:", "base64:", "hex:", "env:", "file:", "fileb:"} {
				if _, value, ok := strings.Cut(in[2], "-key "+prefix); ok {
					f.Add(prefix + value)
				}
			}
		}
	}
	f.Add("{BINARY}")
	f.Add("{K1}\r\n")
	f.Add("base64:{K1.base64}\n\n")
	fix := newFixture(f)
	path := filepath.Join(fix.dir, "fuzzed")
	f.Fuzz(func(t *testing.T, text string) {
		text = fix.fill(text, plain)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		env := func(name string) (string, bool) {
			if name == "FUZZED" {
				return text, true
			}
			return fix.env(name)
		}
		for _, value := range []string{text, "raw:" + text, "base64:" + text, "hex:" + text, "env:FUZZED", "env:" + text,
			"file://" + path, "fileb://" + path, "file://" + text, "fileb:///" + text} {
			s, warnings, err := sse.ParseTable(sse.GCS, map[string]any{"sse-write-c-key": value}, env)
			checkResult(t, sse.GCS, s, warnings, err)
			// Files of the fixture and of the system are other texts.
			if err == nil && !strings.Contains(value, "/") && !strings.HasPrefix(value, "env:") {
				checkKey(t, s.WriteKey, text)
			}
			if value == "fileb://"+path && (err == nil) != (len(text) == sse.KeySize) {
				t.Errorf("a file of %d bytes: %v", len(text), err)
			}
		}
	})
}

// checkKey fails unless the key is one of the things a text can mean.
func checkKey(t *testing.T, k sse.Key, text string) {
	t.Helper()
	got := k.Bytes()
	line := strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	for _, s := range []string{text, line} {
		for _, prefix := range []string{"", "raw:", "base64:", "hex:"} {
			rest := strings.TrimPrefix(s, prefix)
			fromHex, _ := hex.DecodeString(rest)
			from64, _ := base64.RawStdEncoding.DecodeString(strings.TrimRight(rest, "="))
			for _, b := range [][]byte{[]byte(rest), fromHex, from64} {
				if bytes.Equal(b, got[:]) {
					return
				}
			}
		}
	}
	t.Errorf("a key that is nothing of the text %q", text)
}

func storeOf(n int) sse.Store {
	return [...]sse.Store{sse.S3, sse.GCS, sse.Azure, sse.Local}[uint(n)%4]
}

// checkResult holds what is true of every result of the parsers.
func checkResult(t *testing.T, store sse.Store, s sse.Settings, warnings []string, err error) {
	t.Helper()
	for _, w := range warnings {
		checkText(t, w)
	}
	if err != nil {
		all, ok := errors.AsType[sse.Errors](err)
		if !ok || len(all) == 0 {
			t.Fatalf("not a list of findings: %T %v", err, err)
		}
		for _, e := range all {
			checkText(t, e.Error())
		}
		if s.Sealed() || s.HasCustomerKeys() {
			t.Error("settings beside an error")
		}
		return
	}
	if len(leaks(s.KMSKeyID+s.Scope)) == 0 { // an id that holds a key is not known from others
		checkText(t, "sse: "+s.Describe(store))
	}
	checkSettings(t, store, s)
	checkAgain(t, store, s)
}

// checkText fails unless a message is one printable line without a key.
func checkText(t *testing.T, text string) {
	t.Helper()
	noKeys(t, text)
	if !strings.HasPrefix(text, "sse: ") || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("not a message: %q", text)
	}
}

// checkSettings holds what a store can be asked for.
func checkSettings(t *testing.T, store sse.Store, s sse.Settings) {
	t.Helper()
	ways := 0
	for _, set := range []bool{!s.WriteKey.IsZero(), s.Algorithm != "" || s.KMSKeyID != "", s.Scope != ""} {
		if set {
			ways++
		}
	}
	if ways > 1 {
		t.Errorf("more than one way to write: %s", summary(s))
	}
	for _, k := range s.ReadKeys {
		if k.IsZero() {
			t.Error("a read key that is none")
		}
	}
	kms := s.Algorithm == sse.KMS || s.Algorithm == sse.KMSDSSE
	switch {
	case s.Algorithm != "" && s.Algorithm != sse.AES256 && !kms,
		s.Algorithm != "" && store != sse.S3,
		s.KMSKeyID != "" && store == sse.S3 && !kms,
		s.KMSKeyID != "" && store != sse.S3 && store != sse.GCS,
		s.Scope != "" && store != sse.Azure:
		t.Errorf("%v cannot do this: %s", store, summary(s))
	}
}

// checkAgain writes the settings down in both forms and reads them back.
func checkAgain(t *testing.T, store sse.Store, s sse.Settings) {
	t.Helper()
	var words []string
	table := make(map[string]any)
	set := func(name, value string) {
		if value != "" {
			words = append(words, "--"+name+"="+value)
			table[name] = value
		}
	}
	set("sse", s.Algorithm)
	set("sse-kms-key-id", s.KMSKeyID)
	set("sse-scope", s.Scope)
	if !s.WriteKey.IsZero() {
		set("sse-write-c", sse.AES256)
		set("sse-write-c-key", "base64:"+s.WriteKey.Base64())
	}
	var list []any
	for _, k := range s.ReadKeys {
		words = append(words, "--sse-read-c-key", "'base64:"+k.Base64()+"'")
		list = append(list, "base64:"+k.Base64())
	}
	if list != nil {
		set("sse-read-c", sse.AES256)
		table["sse-read-c-key"] = list
	}
	text := strings.Join(words, "\n")
	fromText, _, err := sse.Parse(store, text, nil)
	if err != nil || !equal(s, fromText) {
		t.Errorf("%s becomes %s as a string: %v", summary(s), summary(fromText), err)
	}
	fromTable, _, err := sse.ParseTable(store, table, nil)
	if err != nil || !equal(s, fromTable) {
		t.Errorf("%s becomes %s as a table: %v", summary(s), summary(fromTable), err)
	}
}

func equal(a, b sse.Settings) bool {
	if len(a.ReadKeys) != len(b.ReadKeys) {
		return false
	}
	for i, k := range a.ReadKeys {
		if !k.Equal(b.ReadKeys[i]) {
			return false
		}
	}
	return a.WriteKey.Equal(b.WriteKey) && a.Algorithm == b.Algorithm && a.KMSKeyID == b.KMSKeyID && a.Scope == b.Scope
}
