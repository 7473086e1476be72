package providertest_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sealdav/providers"
	"sealdav/providers/local"
	"sealdav/providers/providertest"
)

func open(t testing.TB) *local.Bucket {
	t.Helper()
	b, err := local.Open(t.Context(), local.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func put(t *testing.T, b providers.Bucket, key, content string) providers.Object {
	t.Helper()
	obj, err := b.Put(t.Context(), key, strings.NewReader(content), providers.PutOptions{Size: int64(len(content))})
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

// careless breaks the contract in ways that are easy to miss: it takes a body
// that broke off for a whole one, and ignores conditions and attributes.
type careless struct{ providers.Bucket }

func (c careless) Put(ctx context.Context, key string, body io.Reader, opts providers.PutOptions) (providers.Object, error) {
	data, _ := io.ReadAll(body) // that is the mistake
	return c.Bucket.Put(ctx, key, strings.NewReader(string(data)), providers.PutOptions{Size: providers.SizeUnknown})
}

// Rename moves though the source has changed.
func (c careless) Rename(ctx context.Context, dst string, src providers.Object, _ providers.CopyOptions) (providers.Object, error) {
	now, err := c.Stat(ctx, src.Key)
	if err != nil {
		return now, err
	}
	return c.Bucket.(providers.Renamer).Rename(ctx, dst, now, providers.CopyOptions{})
}

// DeleteIf deletes whatever is there.
func (c careless) DeleteIf(ctx context.Context, key string, _ providers.DeleteOptions) error {
	return c.Bucket.Delete(ctx, key)
}

// TestDeviationsMustFail also shows that the suite sees these mistakes.
func TestDeviationsMustFail(t *testing.T) {
	deviations := map[string]string{"list/file-beside-folder": "a directory"}
	for _, name := range []string{
		"basic/content-type", "basic/metadata", "basic/metadata-utf8", "put/body-fails", "put/body-fails-after-a-part",
		"put/body-too-short", "put/body-too-long", "put/replaces-attributes", "condition/if-absent", "condition/if-absent-large",
		"condition/if-absent-race", "condition/if-match", "condition/if-match-race",
		"copy/keeps-attributes", "copy/over-another", "copy/onto-itself", "copy/large", "copy/from-listing",
		"rename/moves", "rename/conditions", "rename/absent-or-changed-source",
		"delete/if-match", "delete/if-match-seen",
	} {
		deviations[name] = "careless"
	}
	providertest.Run(t, providertest.Config{
		Open: func(t testing.TB) providertest.Opener {
			dir := t.TempDir()
			return func(providertest.View) providers.Bucket {
				b, err := local.Open(t.Context(), local.Config{Dir: dir})
				if err != nil {
					t.Fatal(err)
				}
				return careless{b}
			}
		},
		MinimalData: true,
		Deviations:  deviations,
	})
}

var errFault = errors.New("fault")

func TestFaults(t *testing.T) {
	var fail providertest.Op // the moment that fails
	f := &providertest.Faults{Bucket: open(t), Hook: func(op providertest.Op) error {
		if op.Name == fail.Name && op.Key == fail.Key && op.When == fail.When && op.N >= fail.N {
			return errFault
		}
		return nil
	}}
	obj := put(t, f, "old", "old content")
	ctx := t.Context()
	for _, tc := range []struct {
		op      providertest.Op
		do      func() error
		content map[string]string // afterwards; "" is absent
	}{
		{providertest.Op{Name: "stat", Key: "old"}, func() error { _, err := f.Stat(ctx, "old"); return err }, nil},
		{providertest.Op{Name: "stat", Key: "old", When: providertest.After}, func() error { _, err := f.Stat(ctx, "old"); return err }, nil},
		{providertest.Op{Name: "list"}, func() error { return lastError(ctx, f) }, nil},
		{providertest.Op{Name: "list", When: providertest.During}, func() error { return lastError(ctx, f) }, nil},
		{providertest.Op{Name: "list", When: providertest.After}, func() error { return lastError(ctx, f) }, nil},
		{providertest.Op{Name: "open", Key: "old"}, func() error { return readAll(ctx, f, "old") }, nil},
		{providertest.Op{Name: "open", Key: "old", When: providertest.During, N: 1}, func() error { return readAll(ctx, f, "old") }, nil},
		{providertest.Op{Name: "put", Key: "new"}, func() error { return putErr(ctx, f) }, map[string]string{"new": ""}},
		{providertest.Op{Name: "put", Key: "new", When: providertest.During, N: 4}, func() error { return putErr(ctx, f) }, map[string]string{"new": ""}},
		{providertest.Op{Name: "put", Key: "new", When: providertest.After}, func() error { return putErr(ctx, f) }, map[string]string{"new": "new content"}},
		{providertest.Op{Name: "copy", Key: "copy"}, func() error { _, err := f.Copy(ctx, "copy", obj, providers.CopyOptions{}); return err }, map[string]string{"copy": ""}},
		{providertest.Op{Name: "rename", Key: "moved"}, func() error {
			_, err := providers.Rename(ctx, f, "moved", obj, providers.CopyOptions{})
			return err
		}, map[string]string{"moved": "", "old": "old content"}},
		{providertest.Op{Name: "delete", Key: "old"}, func() error { return f.Delete(ctx, "new", "old") }, map[string]string{"new": "", "old": "old content"}},
		{providertest.Op{Name: "delete", Key: "old"}, func() error {
			return f.DeleteIf(ctx, "old", providers.DeleteOptions{IfMatch: obj.ETag})
		}, map[string]string{"old": "old content"}},
		{providertest.Op{Name: "delete", Key: "old", When: providertest.After}, func() error {
			return f.DeleteIf(ctx, "old", providers.DeleteOptions{IfMatch: obj.ETag})
		}, map[string]string{"old": ""}},
	} {
		fail = tc.op
		err := tc.do()
		if _, ok := errors.AsType[*providers.Error](err); !ok || !errors.Is(err, errFault) {
			t.Errorf("%+v: error %v, want %v in a *providers.Error", tc.op, err, errFault)
		}
		fail = providertest.Op{}
		for key, want := range tc.content {
			got, err := content(ctx, f, key)
			if got != want || (want == "") != errors.Is(err, fs.ErrNotExist) {
				t.Errorf("after %+v %q holds %q, %v; want %q", tc.op, key, got, err, want)
			}
		}
	}
}

func lastError(ctx context.Context, b providers.Bucket) (last error) {
	for _, err := range b.List(ctx, "", providers.ListOptions{}) {
		last = err
	}
	return last
}

func putErr(ctx context.Context, b providers.Bucket) error {
	_, err := b.Put(ctx, "new", io.MultiReader(strings.NewReader("new "), strings.NewReader("content")), providers.PutOptions{Size: 11})
	return err
}

func readAll(ctx context.Context, b providers.Bucket, key string) error {
	_, err := content(ctx, b, key)
	return err
}

func content(ctx context.Context, b providers.Bucket, key string) (string, error) {
	body, _, err := b.Open(ctx, key, providers.OpenOptions{})
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(body)
	return string(data), errors.Join(err, body.Close())
}

func TestCounter(t *testing.T) {
	c := &providertest.Counter{Bucket: open(t)}
	obj := put(t, c, "a", "12345")
	put(t, c, "b", "123")
	if got, err := content(t.Context(), c, "a"); got != "12345" || err != nil {
		t.Fatal(got, err)
	}
	if err := lastError(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := providers.Rename(t.Context(), c, "c", obj, providers.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), "b", "c"); err != nil {
		t.Fatal(err)
	}
	got := c.Counts()
	want := providertest.Counts{
		Calls: map[string]int{"put": 2, "open": 1, "list": 1, "rename": 1, "delete": 1},
		Keys:  2, Entries: 2, BytesRead: 5, BytesWritten: 8,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Counts (-want +got):\n%s", diff)
	}
	if got, want := got.String(), "1 delete, 1 list, 1 open, 2 put, 1 rename"; got != want {
		t.Errorf("String = %q, want %q", got, want)
	}
	calls := []string{"put a", "put b", "open a", "list ", "rename c", "delete b c"}
	if diff := cmp.Diff(calls, c.Calls()); diff != "" {
		t.Errorf("Calls (-want +got):\n%s", diff)
	}
	c.Reset()
	if got := c.Counts().String(); got != "" || len(c.Calls()) != 0 {
		t.Errorf("after Reset: %q", got)
	}
}

// plainBucket has no Rename, and hides that of the bucket it wraps.
type plainBucket struct{ providers.Bucket }

// TestRenameFallsBack: the wrappers have Rename whether or not the store can,
// and must then give way to copying.
func TestRenameFallsBack(t *testing.T) {
	c := &providertest.Counter{Bucket: plainBucket{open(t)}}
	f := &providertest.Faults{Bucket: c}
	obj := put(t, f, "a", "content")
	if _, err := providers.Rename(t.Context(), f, "b", obj, providers.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, want := c.Counts().String(), "1 copy, 1 delete, 1 put"; got != want {
		t.Errorf("a rename was %q, want %q", got, want)
	}
}

// TestRenameSparesNewer: what is written to the source after it was copied is
// not deleted with it.
func TestRenameSparesNewer(t *testing.T) {
	f := &providertest.Faults{Bucket: plainBucket{open(t)}}
	obj := put(t, f, "a", "content")
	f.Hook = func(op providertest.Op) error {
		if op.Name == "copy" && op.When == providertest.After {
			put(t, f, "a", "newer")
		}
		return nil
	}
	_, err := providers.Rename(t.Context(), f, "b", obj, providers.CopyOptions{})
	if !errors.Is(err, providers.ErrPrecondition) {
		t.Errorf("Rename: %v, want %v", err, providers.ErrPrecondition)
	}
	for key, want := range map[string]string{"a": "newer", "b": "content"} {
		if got, err := content(t.Context(), f, key); got != want {
			t.Errorf("%q holds %q, %v; want %q", key, got, err, want)
		}
	}
}
