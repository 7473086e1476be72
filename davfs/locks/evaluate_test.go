package locks_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sealdav/davfs/locks"
)

// site is a server with two files, of which it notes what it is asked.
type site struct {
	asked []string
	err   error // of Tokens and ETag
}

func (s *site) state() locks.State {
	tokens := map[string][]string{"/a": {"urn:1", "urn:2"}, "/b": {"urn:3"}}
	etags := map[string]string{"/a": `"A"`, "/b": `W/"B"`}
	return locks.State{
		Resolve: func(tag string) (string, bool) {
			s.asked = append(s.asked, "resolve "+tag)
			u, err := url.Parse(tag)
			return u.Path, err == nil && (u.Host == "" || u.Host == "here")
		},
		Tokens: func(path string) ([]string, error) {
			s.asked = append(s.asked, "tokens "+path)
			return tokens[path], s.err
		},
		ETag: func(path string) (string, error) {
			s.asked = append(s.asked, "etag "+path)
			return etags[path], s.err
		},
	}
}

// TestEvaluate sends requests on /a.
func TestEvaluate(t *testing.T) {
	tests := []struct {
		header string
		want   bool
		asked  []string
	}{
		{`(<urn:1>)`, true, []string{"tokens /a"}},
		{`(<urn:2>)`, true, []string{"tokens /a"}},
		{`(<urn:3>)`, false, []string{"tokens /a"}},
		{`(<URN:1>)`, false, []string{"tokens /a"}},
		{`(Not <urn:1>)`, false, []string{"tokens /a"}},
		{`(Not <urn:3>)`, true, []string{"tokens /a"}},
		{`(<DAV:no-lock>)`, false, []string{"tokens /a"}},
		{`(Not <DAV:no-lock>)`, true, []string{"tokens /a"}},
		{`(<urn:1> <urn:2>)`, true, []string{"tokens /a"}},
		{`(<urn:1> <urn:3>)`, false, []string{"tokens /a"}},
		{`(<urn:3>) (<urn:1>)`, true, []string{"tokens /a"}},
		{`(<urn:3>) (<urn:4>)`, false, []string{"tokens /a"}},
		{`(["A"])`, true, []string{"etag /a"}},
		{`([W/"A"])`, true, []string{"etag /a"}},
		{`(["B"])`, false, []string{"etag /a"}},
		{`(["a"])`, false, []string{"etag /a"}},
		{`(Not ["A"])`, false, []string{"etag /a"}},
		{`(Not ["B"])`, true, []string{"etag /a"}},
		{`(["B"] ["A"]) (["B"])`, false, []string{"etag /a"}},
		// The store is asked only when tokens leave it open.
		{`(["A"] <urn:1>)`, true, []string{"tokens /a", "etag /a"}},
		{`(["A"] <urn:3>)`, false, []string{"tokens /a"}},
		{`(["A"] <urn:1>) (<urn:1>)`, true, []string{"tokens /a"}},
		{`(["B"] <urn:1>) (<urn:3>)`, false, []string{"tokens /a", "etag /a"}},
		{`(<urn:1> ["B"]) (Not <DAV:no-lock> ["A"])`, true, []string{"tokens /a", "etag /a"}},
		{`(<urn:1> ["B"]) (Not <DAV:no-lock> ["C"])`, false, []string{"tokens /a", "etag /a"}},
		// Tagged lists speak of their resource, whatever the request's.
		{`</b> (<urn:3>)`, true, []string{"resolve /b", "tokens /b"}},
		{`</b> (<urn:1>)`, false, []string{"resolve /b", "tokens /b"}},
		{`</b> (["B"])`, true, []string{"resolve /b", "etag /b"}},
		{`<http://here/a> (<urn:1>)`, true, []string{"resolve http://here/a", "tokens /a"}},
		{`</b> (<urn:1>) <http://here/b> (<urn:2>) </b> (<urn:4>)`, false, []string{"resolve /b", "tokens /b", "resolve http://here/b"}},
		{`</a> (<urn:3>) </b> (<urn:3>)`, true, []string{"resolve /a", "tokens /a", "resolve /b", "tokens /b"}},
		// Where nothing lies, nothing matches.
		{`</c> (<urn:1>)`, false, []string{"resolve /c", "tokens /c"}},
		{`</c> ([""])`, false, []string{"resolve /c", "etag /c"}},
		{`</c> (Not ["A"])`, true, []string{"resolve /c", "etag /c"}},
		{`<http://there/a> (<urn:1>)`, false, []string{"resolve http://there/a"}},
		{`<http://there/a> (["A"])`, false, []string{"resolve http://there/a"}},
		{`<http://there/a> (Not <urn:1> Not ["A"])`, true, []string{"resolve http://there/a"}},
	}
	for _, tt := range tests {
		t.Run(tt.header, func(t *testing.T) {
			lists, err := locks.ParseIf(tt.header)
			if err != nil {
				t.Fatal(err)
			}
			var s site
			_, got, err := locks.Evaluate(lists, "/a", s.state())
			if err != nil || got != tt.want {
				t.Errorf("got %v, error %v; want %v", got, err, tt.want)
			}
			if diff := cmp.Diff(tt.asked, s.asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEvaluateErrors(t *testing.T) {
	down := errors.New("the store is down")
	for _, header := range []string{`(<urn:1>)`, `(["A"])`, `(Not <urn:1>)`, `(Not ["A"])`, `(Not ["A"]) (Not ["B"])`} {
		lists, err := locks.ParseIf(header)
		if err != nil {
			t.Fatal(err)
		}
		s := site{err: down}
		_, ok, err := locks.Evaluate(lists, "/a", s.state())
		if ok || !errors.Is(err, down) || len(s.asked) != 1 {
			t.Errorf("%s: got %v, error %v, after %q", header, ok, err, s.asked)
		}
	}
}

// TestEvaluateBounds: a header cannot cost the store a request per condition.
func TestEvaluateBounds(t *testing.T) {
	var header strings.Builder
	for i := range 500 {
		fmt.Fprintf(&header, `</%d>(["x"])`, i)
	}
	lists, err := locks.ParseIf(header.String())
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	s := new(site).state()
	s.ETag = func(string) (string, error) { asked++; return "", nil }
	_, ok, err := locks.Evaluate(lists, "/a", s)
	if ok || !errors.Is(err, locks.ErrBadHeader) || asked != 32 {
		t.Errorf("got %v, error %v, after %d requests", ok, err, asked)
	}
}
