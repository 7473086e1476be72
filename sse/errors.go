package sse

import (
	"fmt"
	"strings"
)

// Error is one finding about a setting. Its text never holds a value that may
// be a key.
type Error struct {
	Word     int    // the word of the string form it is about, from 1; 0: none, or a table
	Option   string // the option it is about, with its dashes, or as a table has it if it is unknown; "" if none, or none to show
	Variable string // the environment variable the options came from; "" if none
	Msg      string // what is wrong and what to do, after "sse: "
}

func (e *Error) Error() string { return labelled(e.Msg, e.Variable) }

// Errors are all the findings about one setting, in reading order. It is what
// Parse, ParseTable and FromEnvironment return.
type Errors []*Error

// Error is one finding a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, finding := range e {
		lines[i] = finding.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives errors.Is and errors.As each finding.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, finding := range e {
		errs[i] = finding
	}
	return errs
}

// labelled is the text of a finding or a warning.
func labelled(msg, variable string) string {
	if variable == "" {
		return "sse: " + msg
	}
	return fmt.Sprintf("sse: %s (in %s)", msg, variable)
}
