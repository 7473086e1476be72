package locks_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sealdav/davfs/locks"
)

func list(tag string, cs ...locks.Condition) locks.List {
	return locks.List{Tag: tag, Conditions: cs}
}

func token(s string) locks.Condition { return locks.Condition{Token: s} }
func etag(s string) locks.Condition  { return locks.Condition{ETag: s} }

func not(c locks.Condition) locks.Condition {
	c.Not = true
	return c
}

func TestParseIf(t *testing.T) {
	tests := []struct {
		header string
		want   []locks.List
	}{
		{"(<urn:x>)", []locks.List{list("", token("urn:x"))}},
		{`(["e"])`, []locks.List{list("", etag(`"e"`))}},
		{`([W/"e"])`, []locks.List{list("", etag(`W/"e"`))}},
		{`([""])`, []locks.List{list("", etag(`""`))}},
		{`(["a b](<c>)"])`, []locks.List{list("", etag(`"a b](<c>)"`))}},
		{"(Not <urn:x>)", []locks.List{list("", not(token("urn:x")))}},
		{`(nOt["e"]NOT<urn:x><urn:y>)`, []locks.List{list("", not(etag(`"e"`)), not(token("urn:x")), token("urn:y"))}},
		{" \t( <urn:x>\t[\"e\"] )\t(<urn:y>) ", []locks.List{list("", token("urn:x"), etag(`"e"`)), list("", token("urn:y"))}},
		{"<http://h/a%20b> (<urn:x>)", []locks.List{list("http://h/a%20b", token("urn:x"))}},
		{"</a>(<urn:x>)(<urn:y>)<http://h/b>(<urn:z>)", []locks.List{list("/a", token("urn:x")), list("/a", token("urn:y")), list("http://h/b", token("urn:z"))}},
		{"</a?q>(<urn:x>)", []locks.List{list("/a?q", token("urn:x"))}},
		{"</ü>(<urn:x>)", []locks.List{list("/ü", token("urn:x"))}},
		// The examples of RFC 4918 sections 10.4.6 to 10.4.9.
		{`(<urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2> ["I am an ETag"]) (["I am another ETag"])`, []locks.List{
			list("", token("urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2"), etag(`"I am an ETag"`)), list("", etag(`"I am another ETag"`))}},
		{`(Not <urn:uuid:181d4fae> <urn:uuid:58f202ac>)`, []locks.List{list("", not(token("urn:uuid:181d4fae")), token("urn:uuid:58f202ac"))}},
		{`(<urn:uuid:181d4fae>) (Not <DAV:no-lock>)`, []locks.List{list("", token("urn:uuid:181d4fae")), list("", not(token("DAV:no-lock")))}},
		{`</resource1> (<urn:uuid:181d4fae> [W/"A weak ETag"]) (["strong ETag"])`, []locks.List{
			list("/resource1", token("urn:uuid:181d4fae"), etag(`W/"A weak ETag"`)), list("/resource1", etag(`"strong ETag"`))}},
	}
	for _, tt := range tests {
		got, err := locks.ParseIf(tt.header)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("ParseIf(%q): error %v (-want +got):\n%s", tt.header, err, diff)
		}
	}
}

func TestParseIfErrors(t *testing.T) {
	tests := []struct{ header, want string }{
		{"", "want a list at byte 0"},
		{" ", "want a list at byte 1"},
		{"urn:x", "want a list at byte 0"},
		{"()", "want a state token or an entity tag at byte 1"},
		{"(", "want a state token or an entity tag at byte 1"},
		{"(<urn:x>", "want a state token or an entity tag at byte 8"},
		{"(<urn:x>) garbage", "want a list at byte 10"},
		{"(<urn:x>), (<urn:y>)", "want a list at byte 9"},
		{"(<urn:x)", `want a URI that ends in ">" at byte 1`},
		{"(<>)", "want a URI at byte 1"},
		{"(< urn:x>)", "want a URI at byte 1"},
		{"(<urn:x<urn:y>)", "want a URI at byte 1"},
		{"(<urn:\nx>)", "want a URI at byte 1"},
		{"(Not)", "want a state token or an entity tag at byte 4"},
		{"(Not Not <urn:x>)", "want a state token or an entity tag at byte 5"},
		{"(No <urn:x>)", "want a state token or an entity tag at byte 1"},
		{"((<urn:x>))", "want a state token or an entity tag at byte 1"},
		{"([e])", "want an entity tag in quotes at byte 1"},
		{"([])", "want an entity tag in quotes at byte 1"},
		{`([ "e"])`, "want an entity tag in quotes at byte 1"},
		{`([w/"e"])`, "want an entity tag in quotes at byte 1"},
		{`(["e" ])`, `want an entity tag that ends in "] at byte 1`},
		{`(["e)`, `want an entity tag that ends in "] at byte 1`},
		{`(["e"`, `want an entity tag that ends in "] at byte 1`},
		{"([\"\x01\"])", "want an entity tag without control characters at byte 1"},
		{"</a>", "want a list at byte 4"},
		{"</a></b>(<urn:x>)", "want a list at byte 4"},
		{"</a>(<urn:x>)</b>", "want a list at byte 17"},
		{"(<urn:x>)</a>(<urn:y>)", "a list for a tagged resource follows one without a tag"},
		{strings.Repeat(" ", 10_001), "10001 bytes, more than 10000"},
		{"(" + strings.Repeat("<a>", 1001) + ")", "more than 1000 conditions"},
		{strings.Repeat("(<a>)", 1001), "more than 1000 conditions"},
	}
	for _, tt := range tests {
		got, err := locks.ParseIf(tt.header)
		if !errors.Is(err, locks.ErrBadHeader) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("ParseIf(%.40q): got %v, error %v; want %q", tt.header, got, err, tt.want)
		}
	}
	if _, err := locks.ParseIf(strings.Repeat("(<a>)", 1000)); err != nil {
		t.Errorf("1000 conditions: %v", err)
	}
}

func TestTokens(t *testing.T) {
	lists, err := locks.ParseIf(`(<urn:a> ["e"]) (Not <urn:b>) (<urn:a> <urn:c>)`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"urn:a", "urn:b", "urn:c"}, locks.Tokens(lists)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := locks.Tokens(nil); got != nil {
		t.Errorf("got %q from no lists", got)
	}
}

// format writes lists as an If header.
func format(lists []locks.List) string {
	var b strings.Builder
	tag := ""
	for _, l := range lists {
		if l.Tag != tag {
			tag = l.Tag
			b.WriteString("<" + tag + ">")
		}
		b.WriteString("(")
		for _, c := range l.Conditions {
			if c.Not {
				b.WriteString("Not ")
			}
			if c.ETag != "" {
				b.WriteString("[" + c.ETag + "]")
			} else {
				b.WriteString("<" + c.Token + ">")
			}
		}
		b.WriteString(")")
	}
	return b.String()
}

func FuzzParseIf(f *testing.F) {
	for _, s := range []string{
		`(<urn:x> ["e"]) (Not <DAV:no-lock> [W/"f"])`, `</a>(<urn:x>)(<urn:y>)<http://h/b>(Not["z"])`,
		"(<urn:x>)</a>(<urn:y>)", "(", "(Not", "</a>", `(["`, "(nOt\t<a>)", "([\"\xff\"]<\xfe>)",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		lists, err := locks.ParseIf(header)
		if err != nil {
			if !errors.Is(err, locks.ErrBadHeader) || lists != nil {
				t.Fatalf("got %v, error %v", lists, err)
			}
			return
		}
		again, err := locks.ParseIf(format(lists))
		if diff := cmp.Diff(lists, again); err != nil || diff != "" {
			t.Fatalf("%q is not the same as %q: error %v\n%s", format(lists), header, err, diff)
		}
		positive := func(c locks.Condition) bool { return !c.Not }
		for _, l := range lists {
			if len(l.Conditions) == 0 {
				t.Fatalf("empty list in %+v", lists)
			}
		}
		// Nothing matches on a server that has nothing.
		by, ok, err := locks.Evaluate(lists, "/", locks.State{
			Resolve: func(string) (string, bool) { return "", false },
			Tokens:  func(string) ([]string, error) { return nil, nil },
			ETag:    func(string) (string, error) { return "", nil },
		})
		want := slices.ContainsFunc(lists, func(l locks.List) bool { return !slices.ContainsFunc(l.Conditions, positive) })
		if err != nil || ok != want {
			t.Fatalf("Evaluate(%+v): got %v, error %v; want %v", lists, ok, err, want)
		}
		if ok && slices.ContainsFunc(by.Conditions, positive) {
			t.Fatalf("Evaluate(%+v) holds by %+v", lists, by)
		}
	})
}
