package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
)

const redacted = "**redacted**"

// The sizes of the largest files that are read, in bytes, so that a path to
// something else is noticed.
const (
	maxFile       = 16 << 20 // a configuration, or certificates
	maxSecretFile = 64 << 10
)

// Secret is a credential. The zero Secret is none. Its text lies in a closure,
// where fmt cannot reach it however the Secret is printed.
type Secret struct{ reveal func() string }

// NewSecret returns a Secret that reveals text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{func() string { return text }}
}

// IsZero reports whether there is none.
func (s Secret) IsZero() bool { return s.reveal == nil }

// Reveal returns the text.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// Format implements fmt.Formatter for every verb.
func (s Secret) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, redacted) }

// String implements fmt.Stringer.
func (s Secret) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return redacted }

// MarshalText implements encoding.TextMarshaler (JSON, TOML, XML).
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// variableName keeps what is no name from being repeated: it may be a secret.
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// resolveSecret reads what a configured secret refers to: env:NAME, the file
// of file:///path without the newline at its end, or the text itself, which
// is what literal reports.
func resolveSecret(text string, env Env) (s Secret, literal bool, err error) {
	if name, ok := strings.CutPrefix(text, "env:"); ok {
		v, set := env(name)
		switch {
		case !variableName.MatchString(name):
			return Secret{}, false, errors.New("what follows env: is not the name of a variable")
		case !set:
			return Secret{}, false, fmt.Errorf("environment variable %s is not set", name)
		case v == "":
			return Secret{}, false, fmt.Errorf("environment variable %s is empty", name)
		}
		return NewSecret(v), false, nil
	}
	if path, ok := strings.CutPrefix(text, "file://"); ok {
		v, err := readSecretFile(path)
		return NewSecret(v), false, err
	}
	return NewSecret(text), text != "", nil
}

func readSecretFile(path string) (string, error) {
	if !strings.HasPrefix(path, "/") {
		return "", errors.New("a file is written file:///absolute/path")
	}
	b, err := readFile(path, maxSecretFile)
	if err != nil {
		return "", err
	}
	v := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if v == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return v, nil
}

// readFile reads a file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes; is it the right file?", path, limit)
	}
	return b, err
}
