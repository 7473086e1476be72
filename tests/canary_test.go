package tests

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

// TestCanaryFinds shows that the search for secrets, which the harness makes in
// everything that every test of this package has sealdav print, would find one.
func TestCanaryFinds(t *testing.T) {
	key := harness.NewKey(t)
	raw := []byte(key.Raw())
	sum := md5.Sum(raw)
	for _, printed := range []string{
		key.Raw(),
		*key.Base64(),
		base64.URLEncoding.EncodeToString(raw),
		hex.EncodeToString(raw),
		strings.ToUpper(hex.EncodeToString(raw)),
		fmt.Sprint(raw),
		fmt.Sprintf("%q", raw),
		base64.StdEncoding.EncodeToString(sum[:]),
		hex.EncodeToString(sum[:]),
	} {
		line := []byte("level=DEBUG msg=\"put\" key=" + printed + " status=200\n")
		if leaks := harness.Leaks(line); len(leaks) == 0 {
			t.Errorf("not found in %q", line)
		}
	}
	if leaks := harness.Leaks([]byte("level=DEBUG msg=put key=**redacted**")); len(leaks) != 0 {
		t.Errorf("found %q where nothing is", leaks)
	}
}

// TestCanaryInErrors has sealdav complain about every place a secret can be
// in; the harness searches the complaints.
func TestCanaryInErrors(t *testing.T) {
	store := testserver.SharedMinIO(t)
	harness.StoreSecret(store)
	key := harness.NewKey(t)
	dir := t.TempDir()
	for name, toml := range map[string]string{
		"key as unknown key":       "[remotes.a]\nurl = \"file://" + dir + "\"\n" + key.Raw() + " = true\n",
		"key as value of no type":  "[remotes.a]\nurl = \"file://" + dir + "\"\nsse = [\"" + key.Raw() + "\"]\n",
		"key in a broken option":   "[remotes.a]\nurl = \"s3://b\"\nsse = \"--sse-write-c " + key.Raw() + "\"\n",
		"key without its option":   "[remotes.a]\nurl = \"s3://b\"\nsse = \"" + key.Raw() + "\"\n",
		"key as unknown option":    "[remotes.a]\nurl = \"s3://b\"\nsse = \"--" + key.Raw() + "\"\n",
		"key given twice":          "[remotes.a]\nurl = \"s3://b\"\nsse = \"" + key.Write() + " " + key.Write() + "\"\n",
		"key in an open quote":     "[remotes.a]\nurl = \"s3://b\"\nsse = \"--sse-write-c AES256 --sse-write-c-key '" + key.Raw() + "\"\n",
		"short key":                "[remotes.a]\nurl = \"s3://b\"\nsse = \"--sse-write-c AES256 --sse-write-c-key base64:" + *key.Base64() + "AAAA\"\n",
		"key in a table":           "[remotes.a]\nurl = \"s3://b\"\n[remotes.a.sse]\nsse-write-c-key = [\"" + key.Raw() + "\"]\n",
		"key as an algorithm":      "[remotes.a]\nurl = \"s3://b\"\n[remotes.a.sse]\nsse = \"" + key.Raw() + "\"\n",
		"key as a file":            "[remotes.a]\nurl = \"s3://b\"\nsse = \"--sse-write-c AES256 --sse-write-c-key file://" + key.File(t) + "x\"\n",
		"key in broken TOML":       "[remotes.a]\nurl = \"s3://b\"\nsse = \"--sse-write-c-key " + key.Raw() + "\n",
		"secret access key, typo":  "[remotes.a]\nurl = \"s3://b\"\nsecret_acess_key = \"" + store.SecretKey + "\"\n",
		"secret access key, array": "[remotes.a]\nurl = \"s3://b\"\nsecret_access_key = [\"" + store.SecretKey + "\"]\n",
		"secret in a URL":          "[remotes.a]\nurl = \"s3://id:" + store.SecretKey + "@b\"\n",
		"secret in an endpoint":    "[remotes.a]\nurl = \"s3://b\"\nendpoint = \"https://id:" + store.SecretKey + "@example.org\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "sealdav.toml")
			if err := os.WriteFile(file, []byte(toml), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, command := range [][]string{{"check"}, {"serve", "--listen", "127.0.0.1:0"}} {
				r := harness.Run(t, nil, append(command, "--config", file)...)
				if r.Code != 2 {
					t.Errorf("%s: exit status %d, want 2:\n%s%s", command[0], r.Code, r.Stdout, r.Stderr)
				}
			}
		})
	}
	t.Run("arguments", func(t *testing.T) {
		for _, args := range [][]string{
			{"serve", "--sse-write-c-key", key.Raw()},
			{"serve", "s3://" + key.Raw() + ":x@b"},
		} {
			if r := harness.Run(t, []string{"AWS_S3OPTIONS=" + key.Write()}, args...); r.Code != 2 {
				t.Errorf("%q: exit status %d, want 2:\n%s", args[0], r.Code, r.Stderr)
			}
		}
	})
}

// TestCanaryInState looks for keys in what a server leaves on its own disk.
func TestCanaryInState(t *testing.T) {
	store, state := testserver.SharedMinIO(t), t.TempDir()
	b := newBucket(t, store)
	s := harness.ServeConfig(t, state, b.remote("drive", harness.NewKey(t).Write()))
	s.Want(t, []int{200, 201}, "LOCK", "/drive/f", []byte(`<?xml version="1.0"?><lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`))
	u := s.StartPut(t, "/drive/large", 64<<20)
	_ = u.Send(randomBytes(40 << 20))
	harness.Eventually(t, func() string {
		if len(b.Uploads(t, b.name, "large")) == 0 {
			return "the upload does not reach the store"
		}
		return ""
	})
	s.Kill(t)
	err := filepath.WalkDir(state, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		harness.CheckClean(t, path, content)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
