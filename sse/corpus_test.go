package sse_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sealdav/sse"
)

// A case in testdata/*.txt is a title and the inputs that all have the result
// below them:
//
//	## title
//	> STORE options in the string form
//	>q STORE "the same, quoted as in Go"
//	>t STORE {"the table form": "as JSON"}
//	? a warning
//	! a finding
//	= the Settings, as summary writes them
//
// {K1}, {K1.base64}, {DIR} and their like are filled in from the fixture.
type corpusCase struct {
	file, title string
	line        int
	inputs      [][3]string // mark, store, text
	want        []string    // the lines ?, ! and =
}

func readCorpus(tb testing.TB) []corpusCase {
	tb.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no cases in testdata: %v", err)
	}
	var cases []corpusCase
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			tb.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		scan := bufio.NewScanner(f)
		for line := 1; scan.Scan(); line++ {
			mark, rest, _ := strings.Cut(scan.Text(), " ")
			if mark == "##" {
				cases = append(cases, corpusCase{file: filepath.Base(path), title: rest, line: line})
				continue
			}
			if mark == "" || mark == "#" {
				continue
			}
			c := &cases[len(cases)-1]
			switch mark {
			case ">", ">q", ">t":
				store, text, _ := strings.Cut(rest, " ")
				c.inputs = append(c.inputs, [3]string{mark, store, text})
			case "?", "!", "=":
				c.want = append(c.want, scan.Text())
			default:
				tb.Fatalf("%s:%d: no such mark: %s", path, line, mark)
			}
		}
		if err := scan.Err(); err != nil {
			tb.Fatal(err)
		}
	}
	return cases
}

var stores = map[string]sse.Store{"s3": sse.S3, "gs": sse.GCS, "az": sse.Azure, "local": sse.Local}

// parse reads one input of a case.
func (f *fixture) parse(tb testing.TB, mark, store, text string) (sse.Settings, []string, error) {
	tb.Helper()
	st, ok := stores[store]
	if !ok {
		tb.Fatalf("no such store: %q", store)
	}
	switch mark {
	case ">t":
		var table map[string]any
		if err := json.Unmarshal([]byte(f.fill(text, inJSON)), &table); err != nil {
			tb.Fatal(err)
		}
		return sse.ParseTable(st, table, f.env)
	case ">q":
		var err error
		if text, err = strconv.Unquote(text); err != nil {
			tb.Fatal(err)
		}
	}
	return sse.Parse(st, f.fill(text, plain), f.env)
}

func TestCorpus(t *testing.T) {
	f := newFixture(t)
	titles := make(map[string]bool)
	for _, c := range readCorpus(t) {
		if titles[c.title] {
			t.Errorf("%s:%d: two cases are called %q", c.file, c.line, c.title)
		}
		titles[c.title] = true
		t.Run(c.title, func(t *testing.T) {
			if len(c.inputs) == 0 || len(c.want) == 0 {
				t.Fatalf("%s:%d: not a whole case", c.file, c.line)
			}
			for _, in := range c.inputs {
				s, warnings, err := f.parse(t, in[0], in[1], in[2])
				got := report(t, s, warnings, err)
				want := f.fill(strings.Join(c.want, "\n"), plain)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s:%d: %s %s %s (-want +got):\n%s", c.file, c.line, in[0], in[1], in[2], diff)
				}
				noKeys(t, got)
			}
		})
	}
}

// report writes a result as the cases do.
func report(tb testing.TB, s sse.Settings, warnings []string, err error) string {
	tb.Helper()
	var lines []string
	for _, w := range warnings {
		lines = append(lines, "? "+w)
	}
	if err == nil {
		return strings.Join(append(lines, "= "+summary(s)), "\n")
	}
	if got := summary(s); got != "plain" {
		tb.Errorf("settings beside an error: %s", got)
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		lines = append(lines, "! "+line)
	}
	return strings.Join(lines, "\n")
}
