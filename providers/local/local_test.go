package local

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealdav/providers"
	"sealdav/providers/providertest"
	"sealdav/sse"
)

// modes are the encryption modes of the provider.
var modes = map[string]sse.Settings{
	"plain":         {},
	"sealed":        {WriteKey: providertest.NewKey('1')},
	"sealed-2-keys": {WriteKey: providertest.NewKey('1'), ReadKeys: []sse.Key{providertest.NewKey('0')}},
}

func config(mode string) providertest.Config {
	c := providertest.Config{
		Open: func(t testing.TB) providertest.Opener {
			dir := t.TempDir()
			return func(v providertest.View) providers.Bucket {
				return openDir(t, Config{Dir: dir, Settings: v.Settings(modes[mode])})
			}
		},
		CustomerKeys: mode != "plain",
		MinimalData:  mode == "sealed-2-keys", // "sealed" has the same code paths
		Mode:         providers.ModeNone,
		Leftovers:    leftovers,
		Deviations: map[string]string{
			"list/file-beside-folder": "a directory cannot hold a file and a folder of one name",
		},
	}
	if c.CustomerKeys {
		c.Mode = providers.ModeCustomer
	}
	return c
}

func TestConformance(t *testing.T) {
	for mode := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel() // the suite waits for the disk most of the time
			providertest.Run(t, config(mode))
		})
	}
}

func Benchmark(b *testing.B) {
	for _, mode := range []string{"plain", "sealed"} {
		b.Run(mode, func(b *testing.B) { providertest.Bench(b, config(mode)) })
	}
}

// openDir opens a bucket or fails the test. The caller closes it.
func openDir(t testing.TB, c Config) *Bucket {
	t.Helper()
	b, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// leftovers are temporary files, and folders that nothing is in.
func leftovers(t testing.TB, b providers.Bucket) []string {
	t.Helper()
	var left []string
	root := b.(*Bucket).root.FS()
	err := fs.WalkDir(root, ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == filepath.ToSlash(lockDir):
			return fs.SkipDir
		case e.IsDir() && name != "." && name != reservedDir && name != filepath.ToSlash(tempDir):
			if in, err := fs.ReadDir(root, name); err != nil || len(in) == 0 {
				left = append(left, name+"/")
			}
		case filepath.Dir(name) == tempDir:
			left = append(left, name)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return left
}

// readAll opens key and reads it whole.
func readAll(t testing.TB, b providers.Bucket, key string, r providers.Range) (string, error) {
	t.Helper()
	body, _, err := b.Open(t.Context(), key, providers.OpenOptions{Range: r})
	if err != nil {
		return "", err
	}
	defer body.Close() //nolint:errcheck // was only read
	data, err := io.ReadAll(body)
	return string(data), err
}

// writeFile writes a file behind the bucket's back.
func writeFile(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// ls gives the names in a directory but sealdav's own.
func ls(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != reservedDir {
			names = append(names, e.Name())
		}
	}
	return strings.Join(names, " ")
}
