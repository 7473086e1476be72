package sse

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// What was typed is shown again only where it helps and cannot be a key: a
// misplaced key must not end in a log because it was misplaced. Nothing of
// KeySize bytes or more is ever shown, except the part of a path that exists and
// the ids of KMS keys.

// shortEnough is the length, in bytes, up to which any plain word is shown.
const shortEnough = 16

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"
)

func notShown(s string) string { return fmt.Sprintf("<%d bytes, not shown>", len(s)) }

// madeOf reports whether every byte of s is in alphabet.
func madeOf(s, alphabet string) bool { return strings.Trim(s, alphabet) == "" }

// shownOption is an unknown option's name.
func shownOption(name string) string {
	short := len(name) <= shortEnough && madeOf(name, lower+upper+digits+"-_")
	if short || len(name) < KeySize && madeOf(name, lower+"-") {
		return name
	}
	return notShown(name)
}

// shownValue is a value that none of an option's choices fits.
func shownValue(v string) string {
	if len(v) <= shortEnough && madeOf(v, lower+upper+digits+":-_.") {
		return `"` + v + `"`
	}
	return notShown(v)
}

// shownID is the id of a KMS key or a scope, which are no secrets, unless it has
// the form of a key that was put in the wrong place.
func shownID(id string) string {
	if len(id) == KeySize || textForm(id) != "" {
		return notShown(id)
	}
	return id
}

// shownVariable is the name of an environment variable; a long one is shown
// only if it is written as variables are, and keys are not.
func shownVariable(name string) string {
	short := len(name) <= shortEnough && madeOf(name, lower+upper+digits+"_")
	usual := len(name) < KeySize && madeOf(name, upper+digits+"_") && strings.Contains(name, "_")
	if short || usual {
		return name
	}
	return notShown(name)
}

// shownPath is a path as far as it exists, and the rest if that is short: what
// exists is not a key that was taken for a path.
func shownPath(path string) string {
	path = filepath.Clean(path)
	known := path
	for {
		if _, err := os.Lstat(known); err == nil {
			break
		}
		parent := filepath.Dir(known)
		if parent == known {
			break
		}
		known = parent
	}
	rest := strings.TrimLeft(path[len(known):], `/\`)
	if len(rest) > shortEnough || !madeOf(rest, lower+upper+digits+"/._-") {
		rest = notShown(rest)
	}
	return fmt.Sprintf("%q", filepath.Join(known, rest))
}
