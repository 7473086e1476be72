package sse_test

import (
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"sealdav/sse"
)

// The forms of the setting in a config file, decoded as the config decodes them.
func TestTOML(t *testing.T) {
	f := newFixture(t)
	const text = `
string = "--sse-write-c AES256 --sse-write-c-key fileb://{DIR}/k1.bin --sse-read-c --sse-read-c-key env:K1"
literal = '--sse-c --sse-write-c-key "{K1}" --sse-read-c-key=file://{DIR}/k1.txt'
variable = "env:OPTIONS_TOML"
[table]
sse-write-c     = "AES256"
sse-write-c-key = "fileb://{DIR}/k1.bin"
sse-read-c      = true
sse-read-c-key  = ["env:K1"]
`
	f.vars["OPTIONS_TOML"] = f.fill("--sse-c --sse-c-key base64:{K1.base64}", plain)
	var settings map[string]any
	if _, err := toml.Decode(f.fill(text, plain), &settings); err != nil {
		t.Fatal(err)
	}
	for name, value := range settings {
		var s sse.Settings
		var err error
		switch value := value.(type) {
		case string:
			s, _, err = sse.Parse(sse.S3, value, f.env)
		case map[string]any:
			s, _, err = sse.ParseTable(sse.S3, value, f.env)
		}
		if diff := cmp.Diff("= write=K1 read=K1", report(t, s, nil, err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A value of a wrong type is named by its type, whatever decoder it is from.
func TestTableTypes(t *testing.T) {
	type custom struct{ Key string }
	k := testKeys["K1"]
	for _, c := range []struct {
		value any
		want  string
	}{
		{nil, "nothing"},
		{true, "true"},
		{7, "an integer"},
		{int64(7), "an integer"},
		{7.5, "a number"},
		{time.Time{}, "a date"},
		{[]any{k}, "a list"},
		{[]string{k}, "a list"},
		{map[string]any{k: k}, "a table"},
		{custom{k}, "a sse_test.custom"},
	} {
		_, _, err := sse.ParseTable(sse.GCS, map[string]any{"sse-write-c-key": c.value}, nil)
		if want := "sse: --sse-write-c-key: want a string, not " + c.want; err == nil || err.Error() != want {
			t.Errorf("%T: %v, want %s", c.value, err, want)
		}
	}
	s, _, err := sse.ParseTable(sse.GCS, map[string]any{"sse-read-c-key": []string{k, k}}, nil)
	if got := report(t, s, nil, err); got != "= read=K1,K1" {
		t.Errorf("a list of strings: %s", got)
	}
	_, _, err = sse.ParseTable(sse.GCS, map[string]any{"sse-read-c-key": []any{"", 1, "raw:"}}, nil)
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("three wrong items: %v", err)
	}
}

// The findings of a table come in the same order every time.
func TestTableOrder(t *testing.T) {
	table := map[string]any{"z": 1, "y": 1, "x": 1, "sse-write-c": "x", "sse-read-c": "x", "sse-c": "x", "sse": "x"}
	_, _, first := sse.ParseTable(sse.S3, table, nil)
	for range 50 {
		if _, _, err := sse.ParseTable(sse.S3, table, nil); err.Error() != first.Error() {
			t.Fatalf("once\n%v\nand once\n%v", first, err)
		}
	}
}
