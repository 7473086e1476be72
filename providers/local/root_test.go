package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sealdav/providers"
	"sealdav/providers/providertest"
	"sealdav/sse"
)

func putString(t *testing.T, b *Bucket, key, content string) (providers.Object, error) {
	t.Helper()
	return b.Put(t.Context(), key, strings.NewReader(content), providers.PutOptions{Size: int64(len(content))})
}

func keysOf(t *testing.T, b *Bucket, prefix string, opts providers.ListOptions) []string {
	t.Helper()
	var keys []string
	for e, err := range b.List(t.Context(), prefix, opts) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, e.Key)
	}
	return keys
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "file", "")
	for name, c := range map[string]Config{
		"absent directory":        {Dir: filepath.Join(dir, "absent")},
		"file":                    {Dir: filepath.Join(dir, "file")},
		"algorithm":               {Dir: dir, Settings: sse.Settings{Algorithm: sse.AES256}},
		"KMS":                     {Dir: dir, Settings: sse.Settings{KMSKeyID: "key"}},
		"scope":                   {Dir: dir, Settings: sse.Settings{Scope: "scope"}},
		"require without any key": {Dir: dir, RequireEncrypted: true},
	} {
		if b, err := Open(t.Context(), c); err == nil {
			t.Errorf("%s: Open succeeds", name)
			_ = b.Close()
		}
	}
}

func TestKeysThatAreNoPath(t *testing.T) {
	dir := t.TempDir()
	b := openDir(t, Config{Dir: dir})
	defer b.Close()
	obj, err := putString(t, b, "k", "content")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"/", "//", "/abs", "../x", "..", ".", "./x", "a/../x", "a/./x", "a//x", "a/..", "a/../", "x\x00y",
		".sealdav", ".sealdav/", ".sealdav/tmp/x", ".SealDAV/x", strings.Repeat("n", 256),
	} {
		_, put := putString(t, b, key, "x")
		_, stat := b.Stat(t.Context(), key)
		_, open := readAll(t, b, key, providers.Range{})
		_, cp := b.Copy(t.Context(), key, obj, providers.CopyOptions{})
		_, rename := b.Rename(t.Context(), key, obj, providers.CopyOptions{})
		for op, err := range map[string]error{"put": put, "stat": stat, "open": open, "copy": cp, "rename": rename, "delete": b.Delete(t.Context(), key)} {
			if !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%s %q: error %v, want %v", op, key, err, fs.ErrInvalid)
			}
		}
		if len(key) < 255 {
			for range b.List(t.Context(), key+"/", providers.ListOptions{Recursive: true}) {
				t.Errorf("List(%q) yields something", key+"/")
			}
		}
	}
	if got := ls(t, dir); got != "k" {
		t.Errorf("the directory has %q, want k", got)
	}
}

// TestSymlinks: what leads out of the root is not there for anyone, and a
// write replaces a link and not what it leads to.
func TestSymlinks(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	writeFile(t, outside, "secret", "secret")
	writeFile(t, dir, "inside", "inside")
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{
		"out": filepath.Join(outside, "secret"), "out-dir": outside, "up": "../..", "loop": "loop", "dangling": "nothing",
		"folder/in": "../inside", "folder/back": "..",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	b := openDir(t, Config{Dir: dir})
	defer b.Close()
	want := []string{"folder/", "folder/in", "inside"}
	if diff := cmp.Diff(want, keysOf(t, b, "", providers.ListOptions{Recursive: true})); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	for _, key := range []string{"out", "out-dir/secret", "up/x", "loop"} {
		if got, err := readAll(t, b, key, providers.Range{}); !errors.Is(err, fs.ErrPermission) || got != "" {
			t.Errorf("Open(%q) reads %q, %v; want %v", key, got, err, fs.ErrPermission)
		}
	}
	if _, err := putString(t, b, "out-dir/new", "x"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Put through a link: %v, want %v", err, fs.ErrPermission)
	}
	if got, err := readAll(t, b, "folder/in", providers.Range{}); got != "inside" || err != nil {
		t.Errorf("Open of a link inside reads %q, %v", got, err)
	}
	if err := b.Delete(t.Context(), "out-dir/secret", "out"); err == nil {
		t.Error("Delete through a link succeeds")
	}
	src, err := b.Stat(t.Context(), "folder/in")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := providertest.Rename(t.Context(), b, "moved", src, providers.CopyOptions{}); err != nil {
		t.Errorf("Rename of a link: %v", err)
	}
	if got, err := readAll(t, b, "moved", providers.Range{}); got != "inside" || err != nil {
		t.Errorf("a moved link reads %q, %v", got, err)
	}
	if err := os.Symlink("inside", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := putString(t, b, "link", "other"); err != nil {
		t.Errorf("Put over a link: %v", err)
	}
	if got, err := readAll(t, b, "inside", providers.Range{}); got != "inside" || err != nil {
		t.Errorf("what the link led to reads %q, %v", got, err)
	}
	if got := ls(t, outside); got != "secret" {
		t.Errorf("outside there is %q, want secret", got)
	}
}

func TestPipesAreNotThere(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := openDir(t, Config{Dir: dir})
	defer b.Close()
	if _, err := b.Stat(t.Context(), "pipe"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat of a pipe: %v, want %v", err, fs.ErrNotExist)
	}
	if got := keysOf(t, b, "", providers.ListOptions{}); len(got) != 0 {
		t.Errorf("List gives %q, want nothing", got)
	}
}

// TestClash: a file and a folder of one name.
func TestClash(t *testing.T) {
	b := openDir(t, Config{Dir: t.TempDir()})
	defer b.Close()
	obj, err := putString(t, b, "file", "content")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := putString(t, b, "folder/k", "content"); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ key, content string }{{"folder", "x"}, {"file/", ""}, {"file/k", "x"}, {"file/sub/", ""}} {
		for _, c := range []providers.Condition{{}, {IfAbsent: true}} {
			_, put := b.Put(t.Context(), tc.key, strings.NewReader(tc.content), providers.PutOptions{Condition: c, Size: providers.SizeUnknown})
			_, rename := providertest.Rename(t.Context(), b, tc.key, obj, providers.CopyOptions{Condition: c})
			for op, err := range map[string]error{"Put": put, "Rename": rename} {
				if tc.content == "" && op == "Rename" {
					continue // a file moved to a marker
				}
				if !errors.Is(err, fs.ErrExist) || providers.Advice(err) == "" {
					t.Errorf("%s(%q) under %+v: %v, want %v with advice", op, tc.key, c, err, fs.ErrExist)
				}
			}
		}
	}
	for _, key := range []string{"file/k", "file/", "file/sub/k", "file/sub/"} { // nothing is below a file
		_, stat := b.Stat(t.Context(), key)
		_, _, open := b.Open(t.Context(), key, providers.OpenOptions{})
		_, copied := b.Copy(t.Context(), "copy", providers.Object{Key: key}, providers.CopyOptions{})
		for op, err := range map[string]error{"Stat": stat, "Open": open, "Copy": copied} {
			if e, ok := errors.AsType[*providers.Error](err); !ok || e.Kind != fs.ErrNotExist {
				t.Errorf("%s(%q): %v, want %v", op, key, err, fs.ErrNotExist)
			}
		}
		for _, recursive := range []bool{true, false} {
			if got := keysOf(t, b, key, providers.ListOptions{Recursive: recursive}); len(got) != 0 {
				t.Errorf("List(%q): %q", key, got)
			}
		}
	}
	if _, err := putString(t, b, "new/", "content"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a marker with content: %v, want %v", err, fs.ErrInvalid)
	}
	if err := b.Delete(t.Context(), "folder/", "file/", "folder"); err != nil {
		t.Errorf("Delete: %v", err)
	}
	want := []string{"file", "folder/", "folder/k"}
	if diff := cmp.Diff(want, keysOf(t, b, "", providers.ListOptions{Recursive: true})); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
}

// TestEditedBehindTheBack: a directory is not sealdav's alone.
func TestEditedBehindTheBack(t *testing.T) {
	dir := t.TempDir()
	b := openDir(t, Config{Dir: dir})
	defer b.Close()
	old, err := putString(t, b, "k", "content")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, "k", "CONTENT")
	got, err := b.Stat(t.Context(), "k")
	if err != nil || got.ETag == old.ETag {
		t.Errorf("after an edit in place: ETag %s, %v; was %s", got.ETag, err, old.ETag)
	}
	_, err = b.Put(t.Context(), "k", strings.NewReader("x"), providers.PutOptions{Condition: providers.Condition{IfMatch: old.ETag}, Size: 1})
	if !errors.Is(err, providers.ErrPrecondition) {
		t.Errorf("Put if-match: %v, want %v", err, providers.ErrPrecondition)
	}
	body, _, err := b.Open(t.Context(), "k", providers.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if err := os.Truncate(filepath.Join(dir, "k"), 2); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 10)
	n, err := body.Read(buf)
	for err == nil {
		_, err = body.Read(buf)
	}
	if n > 2 || err.Error() != "unexpected EOF" {
		t.Errorf("a file cut off while it is read gives %d bytes, %v; want unexpected EOF", n, err)
	}
}

func TestRenameDoesNotCopy(t *testing.T) {
	dir := t.TempDir()
	b := openDir(t, Config{Dir: dir, Settings: modes["sealed"]})
	defer b.Close()
	src, err := putString(t, b, "a", "content")
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := providertest.Rename(t.Context(), b, "folder/b", src, providers.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(filepath.Join(dir, "folder/b"))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("the file is another one (%v)", err)
	}
	// Under other write settings it must be written anew.
	plain := openDir(t, Config{Dir: dir, Settings: sse.Settings{ReadKeys: []sse.Key{modes["sealed"].WriteKey}}})
	defer plain.Close()
	obj, err := plain.Stat(t.Context(), "folder/b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Rename(t.Context(), "c", obj, providers.CopyOptions{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Rename of a sealed file in a plain bucket: %v, want %v", err, errors.ErrUnsupported)
	}
}

func TestMetadataTooLarge(t *testing.T) {
	dir := t.TempDir()
	b := openDir(t, Config{Dir: dir})
	defer b.Close()
	_, err := b.Put(t.Context(), "k", strings.NewReader("x"), providers.PutOptions{
		Size: 1, Metadata: map[string]string{"large": strings.Repeat("m", 100_000)}})
	if !errors.Is(err, providers.ErrTooLarge) || providers.Advice(err) == "" {
		t.Errorf("Put: %v, want %v with advice", err, providers.ErrTooLarge)
	}
	if _, err := b.Put(t.Context(), "k", strings.NewReader("x"), providers.PutOptions{
		Size: 1, ContentType: strings.Repeat("m", 100_000)}); err != nil {
		t.Errorf("a content type that is too large must be done without: %v", err)
	}
}

func TestFail(t *testing.T) {
	for _, tc := range []struct {
		errno syscall.Errno
		kind  error
	}{
		{syscall.ENOENT, fs.ErrNotExist}, {syscall.ENOTDIR, fs.ErrExist}, {syscall.EISDIR, fs.ErrExist}, {syscall.EEXIST, fs.ErrExist},
		{syscall.ENOSPC, providers.ErrQuota}, {syscall.EDQUOT, providers.ErrQuota}, {syscall.EFBIG, providers.ErrTooLarge},
		{syscall.ENAMETOOLONG, fs.ErrInvalid}, {syscall.EINVAL, fs.ErrInvalid}, {syscall.EACCES, fs.ErrPermission},
		{syscall.EPERM, fs.ErrPermission}, {syscall.EROFS, fs.ErrPermission}, {syscall.ELOOP, fs.ErrPermission},
		{syscall.EIO, providers.ErrUnavailable}, {syscall.EMFILE, providers.ErrUnavailable},
	} {
		err := fail("put", "k", fmt.Errorf("wrapped: %w", &fs.PathError{Op: "open", Path: "k", Err: tc.errno}))
		e, ok := err.(*providers.Error) //nolint:errorlint // it must be one itself
		if !ok || e.Kind != tc.kind || e.Op != "put" || e.Key != "k" {
			t.Errorf("%v becomes %#v, want the kind %v", tc.errno, err, tc.kind)
		}
	}
	if fail("put", "k", nil) != nil {
		t.Error("no error becomes one")
	}
}
