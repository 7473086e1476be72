package sse

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The prefixes that say where a key comes from or how it is written. A value
// that begins with one is never the key itself.
const (
	prefixRaw    = "raw:"
	prefixBase64 = "base64:"
	prefixHex    = "hex:"
	prefixFileB  = "fileb://"
	prefixFile   = "file://"
	prefixEnv    = "env:"
)

var prefixes = []string{prefixRaw, prefixBase64, prefixHex, prefixFileB, prefixFile, prefixEnv}

// cutSource splits a value into its prefix, "" if it has none, and the rest.
func cutSource(value string) (prefix, rest string) {
	i := slices.IndexFunc(prefixes, func(p string) bool { return strings.HasPrefix(value, p) })
	if i < 0 {
		return "", value
	}
	return prefixes[i], value[len(prefixes[i]):]
}

// readKey makes a key of an option's value, reading the file or the variable
// it names. The texts of warning and error hold nothing of the key.
func readKey(value string, env Env) (k Key, warning string, err error) {
	prefix, rest := cutSource(value)
	switch prefix {
	case prefixFileB:
		var b []byte
		if b, warning, err = readKeyFile(rest); err == nil {
			k, err = fileKey(b)
		}
	case prefixFile:
		var b []byte
		if b, warning, err = readKeyFile(rest); err == nil {
			k, err = textKey(withoutNewline(string(b)), "the file")
		}
	case prefixEnv:
		k, err = variableKey(rest, env)
	default:
		return textOnly(value)
	}
	if err != nil && len(value) == KeySize {
		err = fmt.Errorf("%w (if this is the key itself, write raw:<value>)", err)
	}
	return k, warning, err
}

func textOnly(value string) (Key, string, error) {
	k, err := textKey(value, "")
	return k, "", err
}

func variableKey(name string, env Env) (Key, error) {
	if name == "" {
		return Key{}, errors.New("env: needs the name of an environment variable")
	}
	text, set := env.lookup(name)
	if !set {
		return Key{}, fmt.Errorf("environment variable %s is not set", shownVariable(name))
	}
	return textKey(withoutNewline(text), "the variable")
}

// fileKey is the key in a file of exact bytes.
func fileKey(b []byte) (Key, error) {
	if len(b) == KeySize {
		return NewKey(b)
	}
	text := strings.TrimRight(string(b), space)
	hint := ""
	switch form := textForm(text); {
	case form != "":
		hint = fmt.Sprintf("; it looks like %s: put %s: before it and read the file with file://", form, form)
	case len(text) == KeySize:
		hint = "; it ends in a newline, which file:// takes off"
	}
	return Key{}, fmt.Errorf("the file is %d bytes, want exactly %d raw bytes%s", len(b), KeySize, hint)
}

// textKey is the key that a text writes out. holder is what holds the text,
// "" if it stands in the options.
func textKey(text, holder string) (Key, error) {
	prefix, rest := cutSource(text)
	switch prefix {
	case "":
		return rawKey(text, holder)
	case prefixRaw:
		return NewKey([]byte(rest))
	case prefixBase64:
		b, err := decodeBase64(rest)
		if err != nil {
			return Key{}, errors.New("base64: is followed by something else than standard base64")
		}
		return decodedKey(b, prefix)
	case prefixHex:
		b, err := hex.DecodeString(rest)
		if err != nil {
			return Key{}, errors.New("hex: is followed by something else than pairs of hex digits")
		}
		return decodedKey(b, prefix)
	}
	return Key{}, fmt.Errorf("%s holds %s, which leads no further; put the key itself there (a raw key that begins so is written raw:<value>)", holder, prefix)
}

func decodedKey(b []byte, prefix string) (Key, error) {
	if len(b) != KeySize {
		return Key{}, fmt.Errorf("%s gives a key of %d bytes, want exactly %d", prefix, len(b), KeySize)
	}
	return NewKey(b)
}

// decodeBase64 reads the standard alphabet, with or without padding.
func decodeBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("line end in base64") // the decoder would skip it
	}
	encoding := base64.StdEncoding
	if !strings.HasSuffix(text, "=") {
		encoding = base64.RawStdEncoding
	}
	return encoding.Strict().DecodeString(text)
}

// rawKey takes the text's own bytes. What looks like another writing of a key
// is refused, not guessed at: the wrong guess would write objects nobody reads.
func rawKey(text, holder string) (Key, error) {
	k, err := NewKey([]byte(text))
	if err == nil {
		return k, nil
	}
	if holder != "" {
		err = fmt.Errorf("%s: %w", holder, err)
	}
	if hint := rawHint(text); hint != "" {
		err = fmt.Errorf("%w; %s", err, hint)
	}
	return Key{}, err
}

func rawHint(text string) string {
	if form := textForm(text); form != "" {
		return fmt.Sprintf("it looks like %s: write %s:<value>", form, form)
	}
	switch {
	case strings.HasPrefix(text, "/"), strings.HasPrefix(text, "~/"), strings.HasPrefix(text, "file:"):
		return "it looks like a path: write fileb://<absolute path>"
	case strings.HasPrefix(text, "$"):
		return "it looks like a variable: write env:<name>"
	case strings.ContainsAny(text, "\u2018\u2019\u201c\u201d"):
		return "it holds typographic quotes: write ' or \""
	case strings.HasPrefix(text, "\ufeff"):
		return "it begins with a byte order mark: save the file without one"
	}
	return ""
}

// textForm names the writing of a 32-byte key that the text has the form of.
func textForm(text string) string {
	if b, err := hex.DecodeString(text); err == nil && len(b) == KeySize {
		return "hex"
	}
	if b, err := decodeBase64(text); err == nil && len(b) == KeySize {
		return "base64"
	}
	return ""
}

// withoutNewline takes off the one newline an editor ends a file with.
func withoutNewline(text string) string {
	text, cut := strings.CutSuffix(text, "\n")
	if cut {
		text = strings.TrimSuffix(text, "\r")
	}
	return text
}
