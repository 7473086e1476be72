package main

import (
	"flag"
	"slices"
	"strings"
	"testing"
)

func TestParseFlags(t *testing.T) {
	for line, want := range map[string][]string{
		"":                   nil,
		"a b":                {"a", "b"},
		"--json a":           {"a"},
		"a --json":           {"a"},
		"a --config f b":     {"a", "b"},
		"a --config=f -json": {"a"},
		"a -- --json b":      {"a", "--json", "b"},
		"-- a -- b":          {"a", "--", "b"},
	} {
		t.Run(line, func(t *testing.T) {
			flags := newFlags("test")
			json := flags.Bool("json", false, "")
			flags.String("config", "", "")
			got, err := parseFlags(flags, strings.Fields(line))
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("arguments %q, %v, want %q", got, err, want)
			}
			before, _, _ := strings.Cut(line, "-- ")
			if *json != strings.Contains(before, "-json") {
				t.Errorf("--json is %v", *json)
			}
		})
	}
	if _, err := parseFlags(newFlags("test"), []string{"a", "--nothing"}); err == nil {
		t.Error("an unknown flag after an argument was taken")
	}
}

// TestCommandsAreWhole: help shows every command, and each explains itself.
func TestCommandsAreWhole(t *testing.T) {
	for _, cmd := range commands() {
		if cmd.name == "" || cmd.short == "" || cmd.long == "" {
			t.Errorf("command %q does not explain itself", cmd.name)
		}
		flags := newFlags(cmd.name)
		cmd.setup(flags)
		flags.VisitAll(func(f *flag.Flag) {
			if !strings.Contains(cmd.args, "--"+f.Name) {
				t.Errorf("%s %s does not show --%s", cmd.name, cmd.args, f.Name)
			}
		})
	}
}
