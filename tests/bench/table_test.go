package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sealdav/internal/testserver"
)

// sample is one measurement.
type sample struct {
	value    float64 // in the row's unit
	requests float64 // to the store, per operation
	bytes    float64 // of objects between the store and the server, per operation
	cpu      float64 // seconds of the server
}

// result is a row of the table: the samples of each contender.
type result struct {
	row     *row
	name    string // with the latency
	samples map[string][]sample
}

// contenders are the columns, in order.
var contenders = []string{"sealdav", "rclone", "pass-through", "SDK"}

// median is the sample with the median value.
func median(s []sample) sample {
	s = slices.Clone(s)
	slices.SortFunc(s, func(a, b sample) int {
		switch {
		case a.value < b.value:
			return -1
		case a.value > b.value:
			return 1
		}
		return 0
	})
	return s[len(s)/2]
}

// ratio is how much better a is than b: 2 is twice as fast, or half as much.
func (r *row) ratio(a, b float64) float64 {
	if r.more {
		return a / b
	}
	return b / a
}

// line is the result as a line of the table.
func (r *result) line() string {
	cells := []string{r.name}
	for _, c := range contenders {
		if len(r.samples[c]) == 0 {
			cells = append(cells, "")
			continue
		}
		m := median(r.samples[c])
		text := number(m.value) + " " + r.row.unit
		if m.requests > 0 {
			text += fmt.Sprintf(", %s req", number(m.requests))
		}
		if m.bytes > 0 {
			text += fmt.Sprintf(", %s KiB", number(m.bytes/1024))
		}
		if m.cpu > 0 {
			text += fmt.Sprintf(", %s CPU s", number(m.cpu))
		}
		cells = append(cells, text)
	}
	own := median(r.samples["sealdav"]).value
	for _, c := range contenders[1:] {
		if len(r.samples[c]) == 0 {
			cells = append(cells, "")
			continue
		}
		cells = append(cells, fmt.Sprintf("%.2f", r.row.ratio(own, median(r.samples[c]).value)))
	}
	return "| " + strings.Join(cells, " | ") + " |"
}

// number has three digits of note.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
	}
	return strings.TrimSuffix(fmt.Sprintf("%.2f", v), ".00")
}

var head = "| | " + strings.Join(contenders, " | ") + " | : rclone | : pass-through | : SDK |\n|" + strings.Repeat("---|", 2*len(contenders))

// docVar names the variable that has the table in docs/performance.md renewed:
// the lines of the rows that were run, the others stay.
const docVar = "SEALDAV_BENCH_DOC"

const (
	beginMark = "<!-- table: make bench -->"
	endMark   = "<!-- end of table -->"
)

// report prints the table, and writes it where it is asked to.
func report(b *testing.B, results []*result) {
	b.Helper()
	lines := make([]string, len(results))
	for i, r := range results {
		lines[i] = r.line()
	}
	fmt.Printf("%s\n%s\n", head, strings.Join(lines, "\n"))
	doc := os.Getenv(docVar)
	if doc == "" {
		return
	}
	root, err := testserver.ModuleRoot()
	if err != nil {
		b.Fatal(err)
	}
	doc = filepath.Join(root, doc)
	text, err := os.ReadFile(doc)
	if err != nil {
		b.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), beginMark)
	old, after, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok2 {
		b.Fatalf("%s has not both of %s and %s", doc, beginMark, endMark)
	}
	table := merge(strings.Split(strings.TrimSpace(old), "\n"), lines)
	out := before + beginMark + "\n" + head + "\n" + strings.Join(table, "\n") + "\n" + endMark + after
	if err := os.WriteFile(doc, []byte(out), 0o644); err != nil {
		b.Fatal(err)
	}
}

// merge puts fresh lines in the place of the old ones of the same row.
func merge(old, fresh []string) []string {
	name := func(line string) string {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		return name
	}
	var table []string
	for _, line := range old[min(2, len(old)):] { // after the head
		if !slices.ContainsFunc(fresh, func(f string) bool { return name(f) == name(line) }) {
			table = append(table, line)
		}
	}
	table = append(table, fresh...)
	order := func(line string) int { return slices.Index(names(), name(line)) }
	slices.SortStableFunc(table, func(a, b string) int { return order(a) - order(b) })
	return table
}
