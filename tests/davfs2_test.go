package tests

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"sealdav/tests/harness"
)

// bigFile is how large a large file is; SEALDAV_TEST_BIG_FILE,
// in MiB, makes it smaller for a quick look.
const bigFile = 1 << 30

// davfsConfig is what a mount needs beside the defaults. New kernels want a
// buffer of 36 KiB at least; the rest has the client ask at once instead of
// answering from memory.
const davfsConfig = `use_locks 1
ask_auth 0
delay_upload 0
gui_optimize 0
dir_refresh 1
file_refresh 1
buf_size 256
n_cookies 0
secrets %[1]s/secrets
cache_dir %[1]s/cache
cache_size 4096
`

// mountDavfs mounts a folder of the server and returns where. unmount waits
// until everything is uploaded; the end of the test unmounts by itself.
func mountDavfs(t *testing.T, url string) (mnt string, unmount func()) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("mounting needs root: run make test as root")
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Fatalf("mounting needs FUSE: %v", err)
	}
	mount := program(t, "mount.davfs")
	dir, err := os.MkdirTemp("", "sealdav-mount-") // not t.TempDir: it stays if it cannot be unmounted
	if err != nil {
		t.Fatal(err)
	}
	mnt, cache := filepath.Join(dir, "mnt"), filepath.Join(dir, "cache")
	for _, d := range []string{mnt, cache} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{dir, cache} { // the mount runs as a user of its own
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"conf": fmt.Sprintf(davfsConfig, dir), "secrets": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(mount, "-o", "conf="+filepath.Join(dir, "conf")+",uid=0,gid=0", url, mnt)
	if out, err := cmd.CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		t.Fatalf("mount.davfs: %v\n%s", err, out)
	}
	var once sync.Once
	unmount = func() {
		once.Do(func() {
			if out, err := exec.Command("umount", mnt).CombinedOutput(); err != nil {
				t.Errorf("umount: %v\n%s", err, out)
				if out, err := exec.Command("umount", "-l", mnt).CombinedOutput(); err != nil {
					t.Errorf("umount -l: %v\n%s", err, out)
					return
				}
			}
			os.RemoveAll(dir)
		})
	}
	t.Cleanup(unmount)
	return mnt, unmount
}

// eventually is for the client's own habit of uploading after close, and of
// showing a size of 0 until it is done.
const eventually = `eventually() { for _ in $(seq 100); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; "$@"; }
`

// sh runs a shell script in the mount.
func sh(t *testing.T, dir, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", eventually+script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(),
		"HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.org", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.org")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s\n%v\n%s", script, err, out)
	}
	return string(out)
}

// TestDavfs2 mounts a sealed remote and works in it as people do.
func TestDavfs2(t *testing.T) {
	for _, remote := range sealedRemotes {
		t.Run(remote.name, func(t *testing.T) {
			s := harness.ServeConfig(t, t.TempDir(), remote.make(t))
			mnt, unmount := mountDavfs(t, s.URL+"/drive/")
			for _, step := range []struct{ name, script string }{
				{"cp", `head -c 3000000 /dev/urandom >"$SCRATCH/a"; cp "$SCRATCH/a" a; eventually cmp a "$SCRATCH/a"`},
				{"append", `echo more >>a; echo more >>"$SCRATCH/a"; eventually cmp a "$SCRATCH/a"`},
				{"save by rename", `echo new >.a.tmp; mv .a.tmp a; test "$(cat a)" = new; test ! -e .a.tmp`},
				{"mkdir", `mkdir -p d/e/f; echo x >d/e/f/x; test "$(cat d/e/f/x)" = x; test "$(ls d/e)" = f`},
				{"move a folder", `mv d/e d/g; test "$(cat d/g/f/x)" = x; test ! -e d/e`},
				{"odd names", `echo 1 >'a b%20+#ü~.txt'; mv 'a b%20+#ü~.txt' 'é &?;.txt'; test "$(cat 'é &?;.txt')" = 1`},
				{"rm -r", `rm -r d; test ! -e d; mkdir d; rmdir d`},
				{"tar", `mkdir "$SCRATCH/t"; for i in $(seq 20); do head -c $((i*1000)) /dev/urandom >"$SCRATCH/t/$i"; done
					tar cf - -C "$SCRATCH" t | tar xf - --no-same-owner; eventually diff -r t "$SCRATCH/t"; tar cf t.tar t; tar tf t.tar`},
				{"git", `mkdir repo; cd repo; git init -q; for i in $(seq 10); do echo $i >$i; done; git add .; git commit -qm one
					echo 2 >>1; git add .; git commit -qm two; git fsck --strict; test "$(git rev-list --count HEAD)" = 2; test -z "$(git status --porcelain)"`},
			} {
				t.Run(step.name, func(t *testing.T) { sh(t, mnt, "SCRATCH="+scratch(t, mnt)+"\n"+step.script) })
			}
			large := largeSize()
			if remote.cloud {
				large = min(large, 64<<20) // TestLargeFile goes on from there
			}
			sum := writeLarge(t, mnt, large)
			unmount() // waits for the uploads
			again, _ := mountDavfs(t, s.URL+"/drive/")
			for _, step := range []struct{ name, script string }{
				{"saved file", `test "$(cat a)" = new; test "$(cat 'é &?;.txt')" = 1`},
				{"tar", `x=$(mktemp -d); trap 'rm -r "$x"' EXIT; tar xf t.tar -C "$x"; diff -r t "$x/t"; test "$(ls t | wc -l)" = 20`},
				{"git", `cd repo; git fsck --strict; test "$(git show HEAD:1)" = "1
2"; test -z "$(git status --porcelain)"`},
				{"large file", `test "$(stat -c %s large)" = ` + strconv.FormatInt(large, 10) + `; echo "` + sum + `  large" | sha256sum -c`},
			} {
				t.Run("mounted again/"+step.name, func(t *testing.T) { sh(t, again, step.script) })
			}
			t.Run("large file by GET", func(t *testing.T) { getLarge(t, s, large, sum) })
		})
	}
}

// scratch is a folder beside the mount, the same for all steps.
func scratch(t *testing.T, mnt string) string {
	t.Helper()
	dir := filepath.Join(filepath.Dir(mnt), "scratch")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// largeSize is the size of a large file, in bytes.
func largeSize() int64 {
	if mib, err := strconv.ParseInt(os.Getenv("SEALDAV_TEST_BIG_FILE"), 10, 64); err == nil {
		return mib << 20
	}
	return bigFile
}

// writeLarge writes a large file into the mount and returns its SHA-256.
func writeLarge(t *testing.T, mnt string, size int64) (sum string) {
	t.Helper()
	f, err := os.Create(filepath.Join(mnt, "large"))
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.New()
	block := randomBytes(1 << 20)
	for i := range size / int64(len(block)) {
		block[i%int64(len(block))]++ // no two blocks are alike
		_, _ = hash.Write(block)     // never fails
		if _, err := f.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// getLarge compares what the server has, without the client in between.
func getLarge(t *testing.T, s *harness.Server, size int64, sum string) {
	resp, err := s.Stream(t, "/drive/large")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	hash := sha256.New()
	n, err := io.Copy(hash, resp.Body)
	if got := hex.EncodeToString(hash.Sum(nil)); err != nil || n != size || got != sum {
		t.Errorf("GET: %d bytes, %v; SHA-256 %s, want %s", n, err, got, sum)
	}
}
