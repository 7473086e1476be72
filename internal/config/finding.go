package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Finding is one thing that is wrong, or doubtful, with a configuration.
type Finding struct {
	File    string `json:"file,omitempty"` // "" where the configuration came from the command line
	Line    int    `json:"line,omitempty"` // from 1; 0 where not known
	Col     int    `json:"col,omitempty"`
	Key     string `json:"key,omitempty"` // "remotes.photos.sse"; "" for the whole
	Message string `json:"message"`
}

func (f Finding) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File + ":")
		if f.Line > 0 {
			fmt.Fprintf(&b, "%d:%d:", f.Line, f.Col)
		}
		b.WriteString(" ")
	}
	if f.Key != "" {
		b.WriteString(f.Key + ": ")
	}
	b.WriteString(f.Message)
	return b.String()
}

// Findings are the findings of one configuration in the order of the file. As
// an error they are what keeps it from being used.
type Findings []Finding

// Error has one finding on each line.
func (fs Findings) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// sorted orders findings by their place, and drops what is said twice.
func (fs Findings) sorted() Findings {
	slices.SortStableFunc(fs, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col), cmp.Compare(a.Key, b.Key))
	})
	return slices.Compact(fs)
}

// didYouMean returns a hint at the known word nearest to word, or "".
func didYouMean(word string, known []string) string {
	best, at := "", max(2, len(word)/3)+1
	for _, k := range known {
		if strings.EqualFold(k, word) {
			return fmt.Sprintf("; keys are lower case: write %s", k)
		}
		if d := distance(word, k); d < at {
			best, at = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substituted := diagonal
			if a[i] != b[j] {
				substituted++
			}
			diagonal = row[j+1]
			row[j+1] = min(substituted, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
