package tests

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

// TestDemo is `make demo` with curl and cadaver: what they write is not on the
// disk in the clear.
func TestDemo(t *testing.T) {
	curl, cadaver := program(t, "curl"), program(t, "cadaver")
	s := harness.Serve(t, nil, "--demo")
	dir := regexp.MustCompile(`(?m)^The sealed bytes lie in (\S+)$`)
	harness.Eventually(t, func() string {
		if !dir.MatchString(s.Output()) {
			return "the demo does not say where its bytes lie:\n" + s.Output()
		}
		return ""
	})
	where := dir.FindStringSubmatch(s.Output())[1]
	drive := s.URL + "/" + filepath.Base(where) + "/"
	if !strings.Contains(s.Output(), drive) {
		t.Errorf("the demo does not print %s:\n%s", drive, s.Output())
	}

	text := "this sentence must not lie on the disk as it is\n"
	local := filepath.Join(t.TempDir(), "letter.txt")
	if err := os.WriteFile(local, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), curl, "-sSf", "-T", local, drive).CombinedOutput()
	if err != nil {
		t.Fatalf("curl -T: %v\n%s", err, out)
	}
	out, err = exec.CommandContext(t.Context(), curl, "-sSf", drive+"letter.txt").Output()
	if err != nil || string(out) != text {
		t.Errorf("curl reads %q, %v", out, err)
	}
	cmd := exec.CommandContext(t.Context(), cadaver, drive)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "HOME="+cmd.Dir)
	cmd.Stdin = strings.NewReader("get letter.txt got\nput got copy.txt\nls\nquit\n")
	if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("failed")) {
		t.Errorf("cadaver: %v\n%s", err, out)
	}
	if got, err := os.ReadFile(filepath.Join(cmd.Dir, "got")); err != nil || string(got) != text {
		t.Errorf("cadaver reads %q, %v", got, err)
	}

	files := 0
	err = filepath.WalkDir(where, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(text[:20])) || bytes.Contains(content, []byte("lies sealed on the disk")) {
			t.Errorf("%s holds plain text", path)
		}
		return err
	})
	if err != nil || files < 3 {
		t.Errorf("%d files in %s, %v", files, where, err)
	}
	s.Stop(t)
	if _, err := os.Stat(where); err == nil {
		t.Errorf("%s is still there after the demo", where)
	}
}

// TestCheck probes a store that seals, and ones that do not, are away, or hold
// no such bucket.
func TestCheck(t *testing.T) {
	key := harness.NewKey(t)
	minio, versity := testserver.SharedMinIO(t), testserver.SharedVersityGW(t)
	good, ignores := newBucket(t, minio), newBucket(t, versity)
	dir, _ := harness.LocalRemote(t, "dir", key.Write())
	away := *minio
	away.Endpoint = "https://127.0.0.1:1"
	for _, c := range []struct {
		name   string
		remote harness.Remote
		code   int
		want   string
	}{
		{"sealing store", good.remote("good", key.Write()), 0, "good"},
		{"KMS", good.remote("kms", "--sse aws:kms --sse-kms-key-id "+minio.KMSKey), 0, "kms"},
		{"local", dir, 0, "dir"},
		{"store that ignores keys", ignores.remote("ignores", key.Write()), 1, "encrypt"},
		{"no bucket", bucket{minio, "no-such-bucket"}.remote("none", key.Write()), 1, "no-such-bucket"},
		{"store away", bucket{&away, "bucket"}.remote("away", key.Write()), 1, "away"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file, env := harness.Config(t, "", c.remote)
			r := harness.Run(t, env, "check", "--config", file)
			if r.Code != c.code || !strings.Contains(r.Stdout+r.Stderr, c.want) {
				t.Errorf("exit status %d, want %d and %q in:\n%s%s", r.Code, c.code, c.want, r.Stdout, r.Stderr)
			}
		})
	}
	good.wantKeys(t) // no probe is left
	ignores.wantKeys(t)
}

// TestKeygen writes a key that a remote takes as it is.
func TestKeygen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "drive.key")
	if r := harness.Run(t, nil, "keygen", file); r.Code != 0 {
		t.Fatalf("exit status %d: %s", r.Code, r.Stderr)
	}
	info, err := os.Stat(file)
	if err != nil || info.Size() != 32 || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v, want 32 bytes for the owner only", info, err)
	}
	if r := harness.Run(t, nil, "keygen", file); r.Code != 1 {
		t.Errorf("overwriting a key: exit status %d, want 1", r.Code)
	}
	remote, _ := harness.LocalRemote(t, "drive", "--sse-write-c AES256 --sse-write-c-key fileb://"+file)
	s := harness.ServeConfig(t, "", remote)
	s.Put(t, "/drive/f", []byte("x"))
	same(t, "GET", s.Get(t, "/drive/f"), []byte("x"))
}
