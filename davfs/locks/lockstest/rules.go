package lockstest

import (
	"errors"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sealdav/davfs/locks"
)

func testCompatibility(t *testing.T, c Config) {
	tests := []struct {
		name         string
		stands, asks locks.Lock
		conflict     bool
	}{
		{"exclusive, exclusive", on("/a"), on("/a"), true},
		{"exclusive, shared", on("/a"), on("/a", "shared"), true},
		{"shared, exclusive", on("/a", "shared"), on("/a"), true},
		{"shared, shared", on("/a", "shared"), on("/a", "shared"), false},
		{"depth 0 above", on("/a"), on("/a/b"), false},
		{"infinite above", on("/a", "infinite"), on("/a/b"), true},
		{"infinite far above", on("/", "infinite"), on("/a/b/c/d"), true},
		{"infinite above, both shared", on("/a", "infinite", "shared"), on("/a/b", "shared"), false},
		{"infinite shared above, exclusive", on("/a", "infinite", "shared"), on("/a/b"), true},
		{"infinite above, shared", on("/a", "infinite"), on("/a/b", "shared"), true},
		{"depth 0 over one inside", on("/a/b"), on("/a"), false},
		{"infinite over one inside", on("/a/b"), on("/a", "infinite"), true},
		{"infinite over one far inside", on("/a/b/c/d"), on("/", "infinite"), true},
		{"infinite over one inside, both shared", on("/a/b", "shared"), on("/a", "infinite", "shared"), false},
		{"infinite over a shared one inside", on("/a/b", "shared"), on("/a", "infinite"), true},
		{"shared infinite over one inside", on("/a/b"), on("/a", "infinite", "shared"), true},
		{"siblings", on("/a/b", "infinite"), on("/a/c", "infinite"), false},
		{"a name that begins alike", on("/a", "infinite"), on("/ab"), false},
		{"a name that begins alike, infinite", on("/ab"), on("/a", "infinite"), false},
		{"a name that differs in case", on("/a", "infinite"), on("/A"), false},
		{"bytes that are not UTF-8", on("/a\xff", "infinite"), on("/a\xff/b"), true},
		{"other bytes that are not UTF-8", on("/a\xff"), on("/a\xfe"), false},
		{"the root, depth 0", on("/"), on("/"), true},
		{"the root, infinite", on("/", "infinite"), on("/", "infinite"), true},
		{"depth 0 at the root", on("/"), on("/a"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := c.open(t)
			first := s.create(tt.stands)
			second, err := s.Create(t.Context(), tt.asks)
			if got := err != nil; got != tt.conflict {
				t.Fatalf("got %+v, error %v; want a conflict: %v", second, err, tt.conflict)
			}
			if !tt.conflict {
				return
			}
			if got := conflictRoot(t, err); got != tt.stands.Root {
				t.Errorf("conflict with %q, want %q", got, tt.stands.Root)
			}
			s.remove(first)
			s.create(tt.asks) // nothing is left of the first, or of the attempt
		})
	}
}

func testScope(t *testing.T, c Config) {
	s := c.open(t)
	for _, l := range []locks.Lock{
		on("/", "shared"),
		on("/a", "infinite", "shared"),
		on("/a", "shared"),
		on("/a/b", "infinite", "shared"),
		on("/a/b/c", "shared"),
		on("/ab", "shared"),
		on("/a\x00"),
		on("/d/e/f"),
	} {
		s.create(l)
	}
	tests := []struct {
		path             string
		covering, inside []string // roots
	}{
		{"/", []string{"/"}, []string{"/a", "/a", "/a\x00", "/a/b", "/a/b/c", "/ab", "/d/e/f"}},
		{"/a", []string{"/a", "/a"}, []string{"/a/b", "/a/b/c"}},
		{"/a/b", []string{"/a", "/a/b"}, []string{"/a/b/c"}},
		{"/a/b/c", []string{"/a", "/a/b", "/a/b/c"}, nil},
		{"/a/b/c/d/e", []string{"/a", "/a/b"}, nil},
		{"/a/x", []string{"/a"}, nil},
		{"/ab", []string{"/ab"}, nil},
		{"/ab/c", nil, nil},
		{"/abc", nil, nil},
		{"/d", nil, []string{"/d/e/f"}},
		{"/d/e", nil, []string{"/d/e/f"}},
		{"/d/e/f", []string{"/d/e/f"}, nil},
		{"/A", nil, nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.covering, roots(s.covering(tt.path))); diff != "" {
			t.Errorf("Covering(%q) (-want +got):\n%s", tt.path, diff)
		}
		if diff := cmp.Diff(tt.inside, roots(s.inside(tt.path))); diff != "" {
			t.Errorf("Inside(%q) (-want +got):\n%s", tt.path, diff)
		}
	}
}

// roots returns the roots of ls, sorted.
func roots(ls []locks.Lock) (paths []string) {
	for _, l := range ls {
		paths = append(paths, l.Root)
	}
	slices.Sort(paths)
	return paths
}

var tokenForm = regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func testCreate(t *testing.T, c Config) {
	s := c.open(t)
	ask := locks.Lock{
		Token: "urn:uuid:chosen-by-the-caller", Root: "/a/b", Infinite: true, Shared: true,
		OwnerXML: `<D:href xmlns:D="DAV:">me &amp; you</D:href>`, User: "alice\xff",
		Timeout: 90 * time.Second, Expires: time.Unix(0, 0),
	}
	l := s.create(ask)
	if !tokenForm.MatchString(l.Token) {
		t.Errorf("token %q is not a random UUID's URN", l.Token)
	}
	want := ask
	want.Token, want.Expires = l.Token, s.clock.Now().Add(ask.Timeout)
	if diff := cmp.Diff(want, l); diff != "" {
		t.Errorf("granted (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]locks.Lock{want}, s.covering("/a/b/c")); diff != "" {
		t.Errorf("covering (-want +got):\n%s", diff)
	}
	if other := s.create(ask); other.Token == l.Token {
		t.Errorf("token %q was given out twice", l.Token)
	}
}

func testRefresh(t *testing.T, c Config) {
	s := c.open(t)
	l := s.create(on("/a", "infinite"))
	flat := s.create(on("/f"))
	s.clock.Advance(50 * time.Second)
	tests := []struct {
		name, path, token string
		want              error
	}{
		{"root", "/a", l.Token, nil},
		{"member", "/a/b/c", l.Token, nil},
		{"flat root", "/f", flat.Token, nil},
		{"above", "/", l.Token, locks.ErrNoSuchLock},
		{"beside", "/ab", l.Token, locks.ErrNoSuchLock},
		{"below a lock of depth 0", "/f/x", flat.Token, locks.ErrNoSuchLock},
		{"unknown token", "/a", "urn:uuid:00000000-0000-4000-8000-000000000000", locks.ErrNoSuchLock},
		{"no token", "/a", "", locks.ErrNoSuchLock},
		{"DAV:no-lock", "/a", "DAV:no-lock", locks.ErrNoSuchLock},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := s.Refresh(t.Context(), tt.path, tt.token, 2*time.Minute)
			wantErr(t, "Refresh", err, tt.want)
			if err == nil && (got.Timeout != 2*time.Minute || !got.Expires.Equal(s.clock.Now().Add(2*time.Minute))) {
				t.Errorf("got %+v, want two minutes from now", got)
			}
		})
	}
	s.clock.Advance(119 * time.Second)
	s.stands(l, true)
	s.clock.Advance(time.Second)
	s.stands(l, false)
	_, err := s.Refresh(t.Context(), "/a", l.Token, time.Minute)
	wantErr(t, "Refresh of an expired lock", err, locks.ErrNoSuchLock)
}

func testRemove(t *testing.T, c Config) {
	s := c.open(t)
	l := s.create(on("/a", "infinite"))
	other := s.create(on("/b"))
	for path, token := range map[string]string{"/": l.Token, "/ab": l.Token, "/a": other.Token, "/b/c": other.Token, "/a/b": ""} {
		wantErr(t, "Remove "+path, s.Remove(t.Context(), path, token), locks.ErrNoSuchLock)
	}
	if err := s.Remove(t.Context(), "/a/member", l.Token); err != nil {
		t.Fatal(err)
	}
	wantErr(t, "Remove again", s.Remove(t.Context(), "/a", l.Token), locks.ErrNoSuchLock)
	s.stands(l, false)
	s.stands(other, true)
	_, err := s.Hold(t.Context(), l.Token)
	wantErr(t, "Hold of a removed lock", err, locks.ErrNoSuchLock)
}

func testRemoveTree(t *testing.T, c Config) {
	s := c.open(t)
	for _, l := range []locks.Lock{on("/", "shared"), on("/a", "shared"), on("/a/b"), on("/a/b/c"), on("/ab"), on("/c")} {
		s.create(l)
	}
	held := s.create(on("/a", "shared"))
	release := s.hold(held)
	for _, tt := range []struct {
		path string
		left []string
	}{
		{"/x", []string{"/a", "/a", "/a/b", "/a/b/c", "/ab", "/c"}},
		{"/a/b", []string{"/a", "/a", "/ab", "/c"}},
		{"/a", []string{"/ab", "/c"}},
		{"/", nil},
	} {
		if err := s.RemoveTree(t.Context(), tt.path); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.left, roots(s.inside("/"))); diff != "" {
			t.Errorf("after RemoveTree(%q) (-want +got):\n%s", tt.path, diff)
		}
	}
	if got := s.covering("/"); len(got) > 0 {
		t.Errorf("left at the root: %+v", got)
	}
	release()
	s.create(on("/", "infinite"))
}

func testBadArguments(t *testing.T, c Config) {
	s := c.open(t)
	l := s.create(on("/a"))
	for _, path := range []string{"", "a", "/a/", "//", "//a", "/a//b", "/.", "/a/..", "/a/./b", "/../a"} {
		bad := l
		bad.Root = path
		_, err := s.Create(t.Context(), bad)
		_, err2 := s.Refresh(t.Context(), path, l.Token, time.Minute)
		_, err3 := s.Covering(t.Context(), path)
		_, err4 := s.Inside(t.Context(), path)
		for i, err := range []error{err, err2, err3, err4, s.Remove(t.Context(), path, l.Token), s.RemoveTree(t.Context(), path)} {
			if err == nil || errors.Is(err, locks.ErrLocked) || errors.Is(err, locks.ErrNoSuchLock) {
				t.Errorf("path %q, call %d: got error %v, want one about the path", path, i, err)
			}
		}
	}
	for _, timeout := range []time.Duration{0, -1} {
		bad := on("/b")
		bad.Timeout = timeout
		if _, err := s.Create(t.Context(), bad); err == nil {
			t.Errorf("Create with timeout %v succeeded", timeout)
		}
		if _, err := s.Refresh(t.Context(), "/a", l.Token, timeout); err == nil {
			t.Errorf("Refresh with timeout %v succeeded", timeout)
		}
	}
	s.stands(l, true)
}
