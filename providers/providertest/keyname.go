package providertest

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"sealdav/providers"
)

// keyNames are names that some layer on the way to a store is known to spoil,
// each a case of its own ("key/NAME"), so that a store can deviate in one.
var keyNames = []struct{ name, key string }{
	{"spaces", " a  b /  c "},
	{"plus", "a+b/c+"},
	{"percent", "100%/%41/%2F%zz"},
	{"hash-question", "a#b?c&d=e;f"},
	{"quotes", `it's "quoted" <b>&amp;`},
	{"backslash", `a\b\`},
	{"brackets", "[a]{b}(c)^$|*~`"},
	{"leading-dot", ".hidden/.dot"},
	{"dots", "a../..b/...c"},
	{"colon-at", "c:d/@e,f!"},
	{"emoji", "🧀/👩‍👩‍👧"},
	{"umlauts", "Über/ÄÖÜß"},
	{"right-to-left", "שלום/مرحبا"},
	{"astral", "\U0001F600\U00010000"},
	{"bidi-and-joiners", "a\u200db\u202ec\ufeffd"},
	{"newline", "a\nb\r\nc"},
	{"control", "a\x01b\x1fc\x7f"},
	{"tab", "a\tb"},
	{"non-characters", "a\ufffeb\uffffc"},
	{"reserved-words", "CON/nul.txt/aux"},
	{"trailing-dot", "a./b. "},
	{"xml", "<Key>]]></Key>&#10;"},
}

func keyNameCases(c Config) []testCase {
	longest := c.MaxKey
	if longest == 0 {
		longest = 1024
	}
	long := strings.Repeat(strings.Repeat("k", 199)+"/", 6)[:longest-1] + "z"
	cases := []testCase{
		{"key/nfc-and-nfd", testNormalForms},
		{"key/case", testCaseSensitive},
		{"key/invalid", testInvalidKeys},
		{"key/longest", func(t testing.TB, e *env) { wantKeyWorks(t, e, long) }},
	}
	for _, k := range keyNames {
		cases = append(cases, testCase{"key/" + k.name, func(t testing.TB, e *env) { wantKeyWorks(t, e, k.key) }})
	}
	return cases
}

// wantKeyWorks takes a key through every method, alone and below a folder.
func wantKeyWorks(t testing.TB, e *env, key string) {
	t.Helper()
	obj := mustPut(t, e.b, key, "weird")
	wantContent(t, e.b, key, "weird")
	if obj.Key != key || mustStat(t, e.b, key).Key != key {
		t.Errorf("the key %q came back as %q", key, obj.Key)
	}
	wantKeys(t, e.b, "", recursive, key)
	wantKeys(t, e.b, key, recursive, key)
	dir, name := key[:strings.LastIndex(key, "/")+1], key[strings.LastIndex(key, "/")+1:]
	if dir != "" {
		wantKeys(t, e.b, dir, providers.ListOptions{}, key)
		top, _, _ := strings.Cut(key, "/")
		wantKeys(t, e.b, "", providers.ListOptions{}, top+"/*")
	}
	dst := "copy"
	if _, err := e.b.Copy(t.Context(), dst, obj, providers.CopyOptions{}); err != nil {
		t.Fatalf("Copy from %q: %v", key, err)
	}
	if err := e.b.Delete(t.Context(), key); err != nil {
		t.Fatalf("Delete(%q): %v", key, err)
	}
	wantAbsent(t, e.b, key)
	if _, err := e.b.Copy(t.Context(), dir+name, mustStat(t, e.b, dst), providers.CopyOptions{}); err != nil {
		t.Fatalf("Copy to %q: %v", key, err)
	}
	wantContent(t, e.b, key, "weird")
}

func testNormalForms(t testing.TB, e *env) {
	nfc, nfd := "caf\u00e9", "cafe\u0301"
	mustPut(t, e.b, nfc, "composed")
	wantAbsent(t, e.b, nfd)
	mustPut(t, e.b, nfd, "decomposed")
	wantContent(t, e.b, nfc, "composed")
	wantContent(t, e.b, nfd, "decomposed")
	wantKeys(t, e.b, "", recursive, nfd, nfc)
}

func testCaseSensitive(t testing.TB, e *env) {
	mustPut(t, e.b, "Name", "upper")
	wantAbsent(t, e.b, "name")
	mustPut(t, e.b, "name", "lower")
	wantContent(t, e.b, "Name", "upper")
	wantContent(t, e.b, "name", "lower")
}

func testInvalidKeys(t testing.TB, e *env) {
	obj := mustPut(t, e.b, "k", "x")
	for _, key := range []string{"", "bad\xffutf8", strings.Repeat("k/", 513)} {
		what := func(m string) string { return fmt.Sprintf("%s(%s)", m, abbreviate(key)) }
		_, err := e.b.Put(t.Context(), key, reader("x"), providers.PutOptions{Size: 1})
		wantKind(t, what("Put"), err, fs.ErrInvalid)
		_, err = e.b.Stat(t.Context(), key)
		wantKind(t, what("Stat"), err, fs.ErrInvalid)
		_, _, err = e.b.Open(t.Context(), key, providers.OpenOptions{})
		wantKind(t, what("Open"), err, fs.ErrInvalid)
		_, err = e.b.Copy(t.Context(), key, obj, providers.CopyOptions{})
		wantKind(t, what("Copy"), err, fs.ErrInvalid)
	}
	wantKeys(t, e.b, "", recursive, "k")
}
