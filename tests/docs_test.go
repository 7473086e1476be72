package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestClientDocs keeps the pages about clients true where a test can: each test
// they name is there, and so is each file they link to.
func TestClientDocs(t *testing.T) {
	dir := filepath.Join("..", "docs", "clients")
	pages, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil || len(pages) < 8 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	sources, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, name := range sources {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(b)
	}
	link, test := regexp.MustCompile(`\]\(([^)#:]+)\)`), regexp.MustCompile("`(Test[A-Za-z0-9]+)`")
	named := 0
	for _, page := range pages {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(b), -1) {
			if _, err := os.Stat(filepath.Join(dir, m[1])); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			}
		}
		for _, m := range test.FindAllStringSubmatch(string(b), -1) {
			named++
			if !strings.Contains(code.String(), "func "+m[1]+"(t *testing.T)") {
				t.Errorf("%s names %s, which is no test", page, m[1])
			}
		}
	}
	if named < 10 {
		t.Errorf("the pages name %d tests", named)
	}
}
