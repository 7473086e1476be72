package config

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// FuzzParse: no text may panic the decoder, findings have a place inside the
// file, and a secret in the file is not in them.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.bad.toml")
	if err != nil {
		f.Fatal(err)
	}
	// Longer than any name that a finding repeats.
	const secret = canary + "-" + canary
	for _, file := range append(files, exampleFile) {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(strings.ReplaceAll(string(data), "CANARY", secret))
	}
	f.Add(`remotes.a={url="s3://b",sse="--sse-c --sse-c-key ` + secret + `",secret_access_key='` + secret + `'}`)
	f.Add("[remotes.a]\nsecret_access_key = \"\"\"\n" + secret + "\"\"\"\nurl = \"s3://b\"\n[users.\"\"]\n[remotes.\"\"]\n")
	// The names of files are repeated, so a secret in one is no finding.
	inPath := regexp.MustCompile(`(/|file)[^\n]*` + secret)
	f.Fuzz(func(t *testing.T, text string) {
		c, warnings, err := parse("f", []byte(text), 0o644, envOf(map[string]string{"SET": secret}))
		findings, _ := errors.AsType[Findings](err)
		if (c == nil) != (len(findings) > 0) {
			t.Fatalf("config %v with error %v", c != nil, err)
		}
		lines := 1 + strings.Count(text, "\n")
		for _, finding := range append(findings, warnings...) {
			if finding.Line > lines || finding.Line > 0 && finding.Col < 1 || strings.TrimSpace(finding.Message) == "" {
				t.Errorf("%d lines, finding %+v", lines, finding)
			}
			if strings.Contains(finding.String(), secret) && !inPath.MatchString(text) {
				t.Errorf("a finding repeats a secret: %s", finding)
			}
		}
	})
}
